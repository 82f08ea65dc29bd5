//! Pods that compete, write while they may, and can be paused as by SIGSTOP; and an auditor that
//! looks at all of them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use super::memory::Client;
use super::*;

/// How often a pod writes while it leads.
const EVERY: Duration = Duration::from_millis(100);

/// The pods, their Lease, and what they did.
pub(super) struct World {
    pub(super) memory: Memory,
    pods: Arc<Mutex<Vec<Leadership>>>,
    /// Who wrote, in the order of the writes.
    writes: Arc<Mutex<Vec<u64>>>,
    /// How many led at once when that was more than one.
    too_many: Arc<AtomicUsize>,
    tasks: TaskTracker,
    births: Mutex<u64>,
}

/// One process.
pub(super) struct Pod {
    id: u64,
    leadership: Leadership,
    client: Client,
    control: SocketAddr,
    run: watch::Sender<Run>,
    stop: CancellationToken,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Run {
    On,
    Paused,
    Killed,
}

// === impl World ===

impl World {
    pub(super) fn new(seed: u64) -> Self {
        // The candidates' own chance is drawn from this thread's.
        fastrand::seed(seed);
        Self {
            memory: Memory::new(seed),
            pods: Arc::default(),
            writes: Arc::default(),
            too_many: Arc::default(),
            tasks: TaskTracker::new(),
            births: Mutex::new(0),
        }
    }

    pub(super) fn pod(&self, number: u8) -> Pod {
        let id = {
            let mut births = self.births.lock().unwrap();
            *births += 1;
            *births
        };
        let control = SocketAddr::from(([10, 0, 0, number], 8443));
        let client = self.memory.client();
        let candidate = Candidate::new(&format!("op-{number}"), control, LEASE);
        let timing = Timing::new(LEASE);
        let (driver, leadership) =
            Driver::new(client.clone(), candidate, timing, Telemetry::silent());
        self.pods.lock().unwrap().push(leadership.clone());
        let (pods, too_many) = (Arc::clone(&self.pods), Arc::clone(&self.too_many));
        self.tasks.spawn(audit(leadership.clone(), pods, too_many));
        let stop = CancellationToken::new();
        let (run, ran) = watch::channel(Run::On);
        let writes = write_while_leading(id, leadership.clone(), Arc::clone(&self.writes));
        let process = {
            let stop = stop.clone();
            async move {
                tokio::select! {
                    biased;
                    () = writes => {}
                    () = driver.run(stop) => {}
                }
            }
        };
        self.tasks.spawn(pausable(process, ran));
        Pod { id, leadership, client, control, run, stop }
    }

    pub(super) fn writes_of(&self, pod: &Pod) -> usize {
        self.writes.lock().unwrap().iter().filter(|id| **id == pod.id).count()
    }

    /// That never two led, and whoever was followed by another did not write after it.
    pub(super) fn check(&self) {
        assert_eq!(self.too_many.load(Ordering::Relaxed), 0, "so many led at one instant");
        let mut terms = self.writes.lock().unwrap().clone();
        terms.dedup();
        let count = terms.len();
        assert!(count > 0, "nobody ever wrote");
        terms.sort_unstable();
        terms.dedup();
        assert_eq!(terms.len(), count, "one wrote again after another had begun");
    }
}

// === impl Pod ===

impl Pod {
    pub(super) fn leadership(&self) -> &Leadership {
        &self.leadership
    }

    pub(super) fn control(&self) -> SocketAddr {
        self.control
    }

    pub(super) fn set_link(&self, link: Link) {
        self.client.set_link(link);
    }

    pub(super) fn pause(&self) {
        self.run.send_replace(Run::Paused);
    }

    pub(super) fn resume(&self) {
        self.run.send_replace(Run::On);
    }

    pub(super) fn kill(&self) {
        self.run.send_replace(Run::Killed);
    }

    /// Stops it as asked, and waits for its end.
    pub(super) async fn stop(&self) {
        self.stop.cancel();
        self.run.closed().await;
    }
}

/// Runs `process` except while it is paused: then nothing of it is polled, whatever it waits for.
async fn pausable(process: impl Future<Output = ()>, mut run: watch::Receiver<Run>) {
    tokio::pin!(process);
    loop {
        tokio::select! {
            biased;
            changed = run.wait_for(|run| *run != Run::On) => {
                let Ok(run) = changed else { return };
                if *run == Run::Killed {
                    return;
                }
            }
            () = &mut process => return,
        }
        let Ok(_on) = run.wait_for(|run| *run != Run::Paused).await else { return };
    }
}

async fn write_while_leading(id: u64, leadership: Leadership, writes: Arc<Mutex<Vec<u64>>>) {
    let mut tick = interval(EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
    loop {
        tick.tick().await;
        if leadership.is_leader() {
            writes.lock().unwrap().push(id);
        }
    }
}

/// Counts who leads whenever `pod` begins to, or goes on: that is when there can be one too many.
async fn audit(pod: Leadership, pods: Arc<Mutex<Vec<Leadership>>>, too_many: Arc<AtomicUsize>) {
    let mut states = pod.states();
    while states.changed().await.is_ok() {
        let leaders = pods.lock().unwrap().iter().filter(|pod| pod.is_leader()).count();
        if leaders > 1 {
            // A panic in a task would be swallowed here.
            too_many.fetch_max(leaders, Ordering::Relaxed);
        }
    }
}

/// Five minutes of everything: pauses, cuts, answers that are lost, kills. Whoever has lost is
/// started again, as Kubernetes would. Then calm, after which one must lead.
async fn weather(seed: u64) {
    let mut chance = fastrand::Rng::with_seed(seed);
    let world = World::new(seed);
    let mut pods: Vec<_> = (1..=3).map(|number| (number, world.pod(number))).collect();
    let end = Instant::now() + seconds(300);
    while Instant::now() < end {
        sleep(Duration::from_millis(chance.u64(10..5_000))).await;
        let at = chance.usize(0..pods.len());
        let (number, pod) = &mut pods[at];
        match chance.u8(0..8) {
            0 | 1 => pod.pause(),
            2 => pod.set_link(Link::Cut),
            3 => pod.set_link(Link::Deaf),
            4 => {
                pod.kill();
                *pod = world.pod(*number);
            }
            _ => {
                pod.resume();
                pod.set_link(Link::Good);
            }
        }
        restart_the_lost(&world, &mut pods);
    }
    for (_, pod) in &pods {
        pod.resume();
        pod.set_link(Link::Good);
    }
    for _ in 0..60 {
        sleep(seconds(1)).await;
        restart_the_lost(&world, &mut pods);
    }
    let leaders = pods.iter().filter(|(_, pod)| pod.leadership().is_leader()).count();
    assert_eq!(leaders, 1, "seed {seed}: after a calm minute");
    world.check();
}

fn restart_the_lost(world: &World, pods: &mut [(u8, Pod)]) {
    for (number, pod) in pods {
        if pod.run.is_closed() {
            *pod = world.pod(*number);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn never_two_lead_whatever_happens_to_three() {
    for seed in 0..16 {
        weather(seed).await;
    }
}
