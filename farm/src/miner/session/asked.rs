//! The requests of one connection that have no reply yet, and how a reply finds its own.

use std::collections::VecDeque;
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use crate::miner::speech::Json;
use crate::profile::{Call, Matching, Method, Need};
use crate::trap::{Excerpt, Fault};
use crate::wire::Reply;

/// More shares than any server leaves unanswered; beyond it the miner stops hashing.
const ASKED_MAX: usize = 4096;

/// In the order in which they were sent.
#[derive(Debug)]
pub(super) struct Asked {
    queue: VecDeque<Entry>,
    matching: Matching,
}

/// One request.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) id: u64,
    pub(super) about: About,
}

#[derive(Debug)]
pub(super) enum About {
    Call { call: Call, need: Need, asked: Instant, within: Duration },
    Share(Share),
}

/// A share as it was sent, so that it can be sent again.
#[derive(Debug, Clone)]
pub(crate) struct Share {
    pub(crate) params: Json,
    pub(crate) found: Instant,
}

// === impl Asked ===

impl Asked {
    pub(super) fn new(matching: Matching) -> Self {
        Self { queue: VecDeque::new(), matching }
    }

    pub(super) fn push(&mut self, id: u64, about: About) {
        self.queue.push_back(Entry { id, about });
    }

    pub(super) fn is_full(&self) -> bool {
        self.queue.len() >= ASKED_MAX
    }

    /// The request that this reply answers, as the firmware sees it.
    pub(super) fn claim(&mut self, reply: &Reply, line: &str) -> Result<Entry, Fault> {
        let id = reply.id.as_u64();
        let place = match self.matching {
            Matching::ByOrder if reply.id.is_null() || !line.contains("\"result\"") => {
                return Err(Fault::ReplyIgnored { line: Excerpt::of(line) });
            }
            Matching::ByOrder => {
                self.queue.front().and_then(|entry| (Some(entry.id) == id).then_some(0))
            }
            Matching::ById => self.queue.iter().position(|entry| Some(entry.id) == id),
        };
        match place.and_then(|place| self.queue.remove(place)) {
            Some(entry) => Ok(entry),
            None => Err(self.unclaimed(&reply.id, line)),
        }
    }

    /// The call that has waited too long.
    pub(super) fn overdue(&self, now: Instant) -> Option<(Method, Duration)> {
        self.queue.iter().find_map(|entry| match &entry.about {
            About::Call { call, asked, within, .. } => {
                (now.saturating_duration_since(*asked) >= *within).then(|| (call.method(), *within))
            }
            About::Share(_) => None,
        })
    }

    /// A call that the firmware made in passing and that has no reply.
    pub(super) fn call_in_passing(&self) -> Option<Method> {
        self.queue.iter().find_map(|entry| match &entry.about {
            About::Call { call, need: Need::Answer, .. } if call.method() != Method::Configure => {
                Some(call.method())
            }
            About::Call { .. } | About::Share(_) => None,
        })
    }

    /// How many shares await their verdict.
    pub(super) fn shares(&self) -> usize {
        self.queue.iter().filter(|entry| matches!(entry.about, About::Share(_))).count()
    }

    pub(super) fn into_shares(self) -> impl Iterator<Item = Share> {
        self.queue.into_iter().filter_map(|entry| match entry.about {
            About::Share(share) => Some(share),
            About::Call { .. } => None,
        })
    }

    fn unclaimed(&self, id: &Value, line: &str) -> Fault {
        match self.queue.front() {
            None => Fault::UnaskedReply { line: Excerpt::of(line) },
            Some(entry) => Fault::ReplyId {
                expected: Excerpt::of(&entry.id.to_string()),
                got: Excerpt::of(&id.to_string()),
            },
        }
    }
}
