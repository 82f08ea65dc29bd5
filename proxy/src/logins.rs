//! Whom a listener lets in, by name and password: a list of hashed passwords, a web hook that is asked, or the pool. Owns what was
//! decided and for how long that holds; what becomes of a miner is decided by its session's pipeline.
//!
//! Nothing here runs on a thread of sessions for longer than a look into a table: keys are stretched on a thread of their
//! own, and the hook is asked by tasks of the control thread.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use loka_api::runtime_config::Authentication;

use crate::clock::Clock;
use crate::telemetry::Telemetry;
use crate::telemetry::reasons::LoginRefusal;
use crate::transport::Dial;
use crate::upstream::{PoolHandle, Question, Reply};
use crate::workers::{Tasks, Workers};

mod answer;
mod cache;
mod digest;
mod hook;
mod list;

pub(crate) use self::answer::Answer;
use self::digest::Key;
use self::hook::Hook;
use self::list::List;
pub(crate) use self::list::hash;

/// Who decides for a listener.
#[derive(Debug)]
pub(crate) struct Gate {
    /// Rises with each gate of the process, so that a session sees that it is another one.
    epoch: u32,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    List(List),
    Hook(Hook),
    /// The pool that the miner would mine on.
    Pool,
}

/// What a gate works with.
pub(crate) struct GateSeams<'a> {
    pub(crate) listener: &'a Arc<str>,
    pub(crate) clock: Clock,
    pub(crate) telemetry: &'a Telemetry,
    pub(crate) dial: &'a Arc<dyn Dial>,
    pub(crate) tasks: &'a Tasks,
    pub(crate) workers: &'a Workers,
    pub(crate) random: &'a mut fastrand::Rng,
}

/// Who wants to mine. Not `Debug`: it holds a password.
pub(crate) struct Login<'a> {
    pub(crate) listener: &'a str,
    pub(crate) worker: &'a str,
    pub(crate) password: &'a str,
    pub(crate) address: IpAddr,
    pub(crate) user_agent: &'a str,
}

/// What a gate says when it is asked.
pub(crate) enum Asked {
    Known(Decision),
    Later(Answer),
}

/// Whether somebody may mine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// By an entry of a list, or because the hook or the pool says so.
    In(Option<Proof>),
    Out(LoginRefusal),
}

/// The entry of a list that let somebody in, by its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Proof(u128);

// === impl Gate ===

impl Gate {
    /// What is wrong with a configuration was said when it was loaded; a gate of which something is wrong all the same lets
    /// nobody in.
    pub(crate) fn new(wanted: &Authentication, seams: GateSeams<'_>) -> Self {
        static EPOCH: AtomicU32 = AtomicU32::new(1);
        let key = Key::new(seams.random);
        let kind = match wanted {
            Authentication::List { entries } => {
                Kind::List(List::new(entries.expose(), key, seams.workers.clone()))
            }
            Authentication::Webhook(wanted) => Kind::Hook(Hook::new(wanted, key, seams)),
            Authentication::Pool => Kind::Pool,
        };
        Self { epoch: EPOCH.fetch_add(1, Ordering::Relaxed), kind }
    }

    pub(crate) const fn epoch(&self) -> u32 {
        self.epoch
    }

    /// `pool`: the one that the miner would mine on, as far as that is known.
    pub(crate) fn ask(&self, now: Instant, login: &Login<'_>, pool: Option<&PoolHandle>) -> Asked {
        match &self.kind {
            Kind::List(list) => list.ask(login),
            Kind::Hook(hook) => hook.ask(now, login),
            Kind::Pool => ask(pool, login),
        }
    }

    /// Whether whoever was let in by this may stay. A hook and pools judge newcomers only.
    pub(crate) fn still_has(&self, proof: Proof) -> bool {
        match &self.kind {
            Kind::List(list) => list.has(proof),
            Kind::Hook(_) | Kind::Pool => true,
        }
    }
}

/// Leaves it to the pool. Where there is none, there is no work either.
fn ask(pool: Option<&PoolHandle>, login: &Login<'_>) -> Asked {
    let Some(pool) = pool else { return Asked::Known(Decision::In(None)) };
    let (reply, word) = Reply::new();
    pool.ask(Question {
        name: login.worker.into(),
        listener: login.listener.into(),
        password: login.password.into(),
        reply,
    });
    Asked::Later(Answer::Pools(word))
}
