//! A pool that takes shares no faster than they come: what is bounded, and what always finds room.

use super::*;
use crate::sink::ledger::Lost;
use crate::upstream::held::HELD_MAX;

/// The target of a regression-test network: every second hash is a block.
const EASY_BLOCK: &str = "207fffff";

impl Bench {
    /// A job of which every second share is a block.
    async fn easy_block(&mut self, peer: &mut Peer) -> Arc<Job> {
        peer.log_in().await;
        peer.job_on(EASY_BLOCK, "1", &json!(true), ("00", "01")).await;
        self.offered().await
    }
}

/// Shares for `job` that are blocks, or that are none.
fn shares(job: &Arc<Job>, blocks: bool) -> impl Iterator<Item = Box<VerifiedShare>> {
    (0..).map(|nonce| share(job, nonce)).filter(move |share| share.block_candidate() == blocks)
}

#[test]
fn a_share_that_the_machine_does_not_take_is_lost_and_a_block_is_taken() {
    play(pool(&json!({})), async |mut bench| {
        let mut peer = bench.dialled().await.accept();
        let job = bench.easy_block(&mut peer).await;
        let mut written = 0;
        let mut fates = Vec::new();
        // A pool that reads and never answers.
        for share in shares(&job, false) {
            let (handoff, answer) = bench.handoff(share, "rig");
            bench.submits.send(handoff).await.expect("a task");
            match answer.await {
                Ok(HandOver::Written) => {
                    peer.submitted().await;
                    written += 1;
                }
                fate => {
                    fates.push(fate);
                    break;
                }
            }
        }
        assert_eq!(fates, [Ok(HandOver::Lost)]);
        let counts = bench.counts();
        assert_eq!((counts.outstanding, counts.lost.count(Lost::Backlog)), (written, 1));
        assert_eq!(counts.unanswered.count(Unanswered::TimedOut), 0, "it was never written");

        let block = shares(&job, true).next().expect("a block");
        let (handoff, answer) = bench.handoff(block, "rig");
        bench.submits.send(handoff).await.expect("a task");
        assert_eq!(answer.await, Ok(HandOver::Written));
        peer.submitted().await;
    });
}

#[test]
fn a_block_is_held_however_many_shares_are() {
    play(pool(&json!({})), async |mut bench| {
        let mut peer = bench.dialled().await.accept();
        let job = bench.easy_block(&mut peer).await;
        drop(peer);
        let hangs = bench.dialled().await;
        let mut answers = Vec::new();
        for share in shares(&job, false).take(HELD_MAX + 1) {
            let (handoff, answer) = bench.handoff(share, "rig");
            bench.submits.send(handoff).await.expect("a task");
            answers.push(answer);
        }
        let beyond = answers.pop().expect("one too many");
        assert_eq!(beyond.await, Ok(HandOver::Lost));
        assert_eq!(bench.counts().lost.count(Lost::Backlog), 1);
        let block = shares(&job, true).next().expect("a block");
        let (handoff, answer) = bench.handoff(block, "rig");
        bench.submits.send(handoff).await.expect("a task");

        let mut peer = hangs.accept();
        peer.log_in().await;
        assert_eq!(answer.await, Ok(HandOver::Written), "its session is back");
        assert_eq!(bench.counts().outstanding, HELD_MAX as u64 + 1);
    });
}

/// A handle whose task never comes to its queue.
fn idle() -> (PoolHandle, mpsc::Receiver<Handoff>) {
    let (submits, queue) = mpsc::channel(SUBMITS_MAX + BLOCKS_MAX);
    let handle = PoolHandle {
        id: PoolId(7),
        name: "alpha".into(),
        account: "acct".into(),
        submits,
        questions: mpsc::channel(1).0,
        wants_names: AtomicBool::new(false),
        pulse: Arc::new(Pulse::new(tokio::time::Instant::now().into_std())),
    };
    (handle, queue)
}

#[test]
fn a_queue_that_is_full_of_shares_has_room_for_a_block() {
    play(pool(&json!({})), async |mut bench| {
        let mut peer = bench.dialled().await.accept();
        let job = bench.easy_block(&mut peer).await;
        let (handle, queue) = idle();
        for share in shares(&job, false).take(SUBMITS_MAX) {
            handle.hand_over(bench.handoff(share, "rig").0).expect("room");
        }
        let hand_over = |share| handle.hand_over(bench.handoff(share, "rig").0);
        let beyond = shares(&job, false).next().expect("a share");
        let (reason, refused) = *hand_over(beyond).expect_err("a full queue");
        assert_eq!(reason, Lost::Backlog);
        drop(refused);
        let block = shares(&job, true).next().expect("a block");
        hand_over(block).expect("room for a block");
        assert_eq!(queue.len(), SUBMITS_MAX + 1);
    });
}

#[test]
fn a_share_for_a_pool_that_is_gone_is_lost_with_its_session() {
    play(pool(&json!({})), async |mut bench| {
        let mut peer = bench.dialled().await.accept();
        let job = bench.easy_block(&mut peer).await;
        let (handle, queue) = idle();
        drop(queue);
        let (reason, refused) =
            *handle.hand_over(bench.handoff(share(&job, 0), "rig").0).expect_err("no task");
        assert_eq!(reason, Lost::SessionLost);
        drop(refused);
    });
}
