//! What a pool's task measures of its pool, published for its route to judge by: jobs, blocks, the time of verdicts, what
//! is outstanding, acceptance.
//!
//! Every value has a fixed size, whatever a pool sends, and every time is an argument. The measures outlive a connection:
//! they are about the pool. Nothing here decides anything, and nobody is woken by it: a route reads it on its own timer.

use std::time::{Duration, Instant};

use loka_stratum::types::PrevHash;
use tokio::sync::watch;

mod latency;

pub(crate) use self::latency::Latency;
use self::latency::LatencyEstimate;

/// Blocks that are remembered of one pool, the latest first: enough to see that another pool is some blocks behind.
pub(crate) const BLOCKS_MAX: usize = 4;

/// What is known of one pool. `Default`: nothing yet.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Facts {
    /// When the latest job came.
    pub(crate) last_job: Option<Instant>,
    /// The blocks that its jobs built on, the latest first. All that is remembered is told, so that "it has another block
    /// than I" can be told from "it is behind".
    pub(crate) blocks: [Option<Block>; BLOCKS_MAX],
    /// From a submit to its verdict.
    pub(crate) latency: Latency,
    /// When the oldest submit without a verdict was written; absent without a connection, or with none outstanding.
    pub(crate) oldest_outstanding: Option<Instant>,
    /// Submits without a verdict.
    pub(crate) outstanding: usize,
    /// Verdicts since the task began that credited the share, for a difference over any time.
    pub(crate) accepted: u64,
    /// Verdicts since the task began that refused it.
    pub(crate) rejected: u64,
    /// The work behind the shares since the task began.
    pub(crate) work: Work,
}

/// Sums of the pool's difficulty, over shares that were written to it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Work {
    /// All of them.
    pub(crate) written: f64,
    /// Those that it refused.
    pub(crate) rejected: f64,
    /// Those that it will not answer any more.
    pub(crate) unanswered: f64,
}

/// A block that a pool's jobs built on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) prev_hash: PrevHash,
    /// When this pool's first job on it came. The first block after a start may be older than that.
    pub(crate) first_seen: Instant,
}

/// The measuring side, owned by a pool's task.
#[derive(Debug)]
pub(super) struct Measures {
    facts: Facts,
    latency: LatencyEstimate,
    out: watch::Sender<Facts>,
}

// === impl Facts ===

impl Facts {
    /// The block that its latest job builds on.
    pub(crate) fn block(&self) -> Option<Block> {
        self.blocks.first().copied().flatten()
    }

    /// When this pool first sent a job on `prev_hash`, if that is remembered.
    pub(crate) fn first_seen(&self, prev_hash: &PrevHash) -> Option<Instant> {
        let known = self.blocks.iter().flatten().find(|block| block.prev_hash == *prev_hash);
        known.map(|block| block.first_seen)
    }

    /// How long the oldest submit has waited for its verdict.
    pub(crate) fn stalled_for(&self, now: Instant) -> Duration {
        self.oldest_outstanding.map_or(Duration::ZERO, |sent| now.saturating_duration_since(sent))
    }
}

// === impl Measures ===

impl Measures {
    pub(super) fn new(out: watch::Sender<Facts>) -> Self {
        Self { facts: Facts::default(), latency: LatencyEstimate::default(), out }
    }

    pub(super) fn job(&mut self, now: Instant, prev_hash: PrevHash) {
        self.facts.last_job = Some(now);
        if self.facts.block().is_some_and(|block| block.prev_hash == prev_hash) {
            return;
        }
        // A block that comes back, after a reorganisation or between two nodes of a pool, was first seen when it was.
        let first_seen = self.facts.first_seen(&prev_hash).unwrap_or(now);
        let mut others =
            self.facts.blocks.into_iter().flatten().filter(|block| block.prev_hash != prev_hash);
        let mut newest = Some(Block { prev_hash, first_seen });
        self.facts.blocks = std::array::from_fn(|_| newest.take().or_else(|| others.next()));
    }

    /// A share of this difficulty was written.
    pub(super) fn written(&mut self, difficulty: f64) {
        self.facts.work.written += difficulty;
    }

    /// A share that was written will have no verdict.
    pub(super) fn unanswered(&mut self, difficulty: f64) {
        self.facts.work.unanswered += difficulty;
    }

    pub(super) fn verdict(&mut self, verdict: Result<(), f64>, after: Duration) {
        self.latency.add(after);
        match verdict {
            Ok(()) => self.facts.accepted += 1,
            Err(difficulty) => {
                self.facts.rejected += 1;
                self.facts.work.rejected += difficulty;
            }
        }
    }

    /// Tells the route what is known now; what is outstanding is the connection's to say.
    pub(super) fn publish(&mut self, outstanding: usize, oldest: Option<Instant>) {
        self.facts.outstanding = outstanding;
        self.facts.oldest_outstanding = oldest;
        self.facts.latency = self.latency.latency();
        let facts = self.facts;
        self.out.send_if_modified(|published| std::mem::replace(published, facts) != facts);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(digit: &str) -> PrevHash {
        PrevHash::from_notify_hex(&digit.repeat(64)).expect("64 digits")
    }

    fn measures() -> (Measures, watch::Receiver<Facts>) {
        let (out, facts) = watch::channel(Facts::default());
        (Measures::new(out), facts)
    }

    #[test]
    fn a_block_is_dated_by_the_first_job_on_it() {
        let (mut measures, facts) = measures();
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        measures.job(at(0), block("a"));
        measures.job(at(30), block("a"));
        measures.job(at(60), block("b"));
        measures.publish(0, None);
        let facts = *facts.borrow();
        assert_eq!(facts.last_job, Some(at(60)));
        assert_eq!(facts.block(), Some(Block { prev_hash: block("b"), first_seen: at(60) }));
        assert_eq!(facts.first_seen(&block("a")), Some(at(0)));
        assert_eq!(facts.first_seen(&block("c")), None);
    }

    #[test]
    fn a_block_that_comes_back_keeps_its_date() {
        let (mut measures, facts) = measures();
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        for (second, digit) in [(0, "a"), (1, "b"), (2, "a"), (3, "b"), (4, "a")] {
            measures.job(at(second), block(digit));
        }
        measures.publish(0, None);
        let facts = *facts.borrow();
        assert_eq!(facts.block(), Some(Block { prev_hash: block("a"), first_seen: at(0) }));
        assert_eq!(facts.first_seen(&block("b")), Some(at(1)));
        assert_eq!(facts.blocks.iter().flatten().count(), 2, "each once");
    }

    #[test]
    fn blocks_are_bounded_and_the_oldest_goes_first() {
        let (mut measures, facts) = measures();
        let start = Instant::now();
        for digit in ["1", "2", "3", "4", "5", "6"] {
            measures.job(start, block(digit));
        }
        measures.publish(0, None);
        let kept: Vec<PrevHash> =
            facts.borrow().blocks.iter().flatten().map(|block| block.prev_hash).collect();
        assert_eq!(kept, ["6", "5", "4", "3"].map(block));
    }

    #[test]
    fn verdicts_are_counted_and_timed() {
        let (mut measures, facts) = measures();
        for _ in 0..9 {
            measures.verdict(Ok(()), Duration::from_millis(40));
        }
        measures.verdict(Err(2.0), Duration::from_millis(40));
        measures.publish(3, None);
        let facts = *facts.borrow();
        assert_eq!((facts.accepted, facts.rejected, facts.outstanding), (9, 1, 3));
        assert_eq!(facts.work, Work { written: 0.0, rejected: 2.0, unanswered: 0.0 });
        let p50 = facts.latency.p50.expect("ten verdicts");
        assert!((40..=45).contains(&p50.as_millis()), "{p50:?}");
    }

    #[test]
    fn the_oldest_submit_tells_for_how_long_a_pool_is_stalled() {
        let (mut measures, facts) = measures();
        let start = Instant::now();
        measures.publish(2, Some(start));
        let later = start + Duration::from_millis(700);
        assert_eq!(facts.borrow().stalled_for(later), Duration::from_millis(700));
        measures.publish(0, None);
        assert_eq!(facts.borrow().stalled_for(later), Duration::ZERO);
    }
}
