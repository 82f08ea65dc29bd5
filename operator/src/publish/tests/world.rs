//! The order of publishing in a small world that goes wrong at every turn: the operator dies between any two steps,
//! pods die, dial, refuse and fall silent, the config changes meanwhile, the status is lost. Seeds are printed.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

const WORLDS: u64 = 3000;
const TURNS: usize = 120;

/// Turns without faults after which all must be well.
const CALM_TURNS: usize = 60;

/// Configs that every pod refuses.
const BAD: &str = "bad";

struct World {
    random: fastrand::Rng,
    now: Instant,
    desired: String,
    persisted: Option<Identity>,
    mounted: Option<Identity>,
    pods: Vec<PodFacts>,
    /// What each pod really runs, connected or not.
    running: BTreeMap<PodId, Identity>,
    born: usize,
    edits: usize,
    /// Every identity that a pod ran.
    ran: BTreeSet<(u64, String)>,
    highest: u64,
}

impl World {
    fn new(seed: u64) -> Self {
        Self {
            random: fastrand::Rng::with_seed(seed),
            now: Instant::now(),
            desired: "c0".to_owned(),
            persisted: None,
            mounted: None,
            pods: Vec::new(),
            running: BTreeMap::new(),
            born: 0,
            edits: 0,
            ran: BTreeSet::new(),
            highest: 0,
        }
    }

    /// The operator decides and does it, or dies just before.
    fn operate(&mut self) -> Step {
        let step = decide(&Observed {
            epoch: EPOCH,
            desired_hash: &self.desired,
            persisted: self.persisted.as_ref(),
            mounted: self.mounted.as_ref(),
            pods: &self.pods,
            now: self.now,
        });
        match &step {
            Step::Persist(identity) => {
                assert!(identity.sequence > self.highest, "{identity} after {}", self.highest);
                self.highest = identity.sequence;
                self.persisted = Some(identity.clone());
            }
            Step::WriteMounted(identity) => {
                let runs = self.pods.iter().any(|pod| pod.ready || pod.link.is_some());
                let ran = self.ran.contains(&(identity.sequence, identity.hash.clone()));
                assert!(ran || !runs, "{identity} is mounted and nobody ran it");
                let before = self.mounted.as_ref().map_or(0, |mounted| mounted.sequence);
                assert!(
                    identity.sequence > before,
                    "the mount goes back from {before} to {identity}"
                );
                self.mounted = Some(identity.clone());
            }
            Step::Canary { pod, identity, .. } => {
                assert_eq!(self.persisted.as_ref(), Some(identity));
                self.send(std::slice::from_ref(pod), identity);
            }
            Step::Push { pods, identity } => {
                assert_eq!(self.mounted.as_ref(), Some(identity), "pushed before it is mounted");
                self.send(pods, identity);
            }
            Step::Rejected { .. } | Step::Wait { .. } | Step::Done(_) => {}
        }
        step
    }

    fn send(&mut self, pods: &[PodId], identity: &Identity) {
        for pod in self.pods.iter_mut().filter(|pod| pods.contains(&pod.id)) {
            let link = pod.link.as_mut().expect("only connected pods are sent to");
            (link.sent, link.sent_at, link.refused) =
                (Some(identity.clone()), Some(self.now), None);
        }
    }

    /// Pods that were sent something answer, as a proxy does.
    fn answer(&mut self) {
        let now = self.now;
        for link in self.pods.iter_mut().filter_map(|pod| pod.link.as_mut()) {
            let Some(sent) = link.sent.clone() else { continue };
            let answered = link.running.as_ref() == Some(&sent) || link.refused.is_some();
            if answered || self.random.bool() {
                continue;
            }
            let newer = link.running.as_ref().is_none_or(|running| sent.is_newer_than(running));
            if sent.hash == BAD || !newer {
                link.refused = Some(Refusal { identity: sent, problems: Vec::new(), at: now });
                continue;
            }
            self.ran.insert((sent.sequence, sent.hash.clone()));
            self.running.insert(link.pod.clone(), sent.clone());
            link.running = Some(sent);
        }
    }

    fn go_wrong(&mut self) {
        match self.random.u8(..9) {
            0 => {
                self.edits += 1;
                self.desired = format!("c{}", self.edits);
            }
            1 => self.desired = BAD.to_owned(),
            2 => self.kill_a_pod(),
            3 => self.hang_up(),
            4 => self.restart_the_operator(),
            // A backup of the resource is restored: its status is gone.
            5 if self.random.u8(..4) == 0 => self.lose_the_status(),
            6 => self.now += ANSWER_WITHIN,
            _ => {}
        }
    }

    /// A sequence that only the status bore may come again; no pod may be taken back for that, nor the mount.
    fn lose_the_status(&mut self) {
        self.persisted = None;
        self.highest = self.mounted.as_ref().map_or(0, |mounted| mounted.sequence);
    }

    fn kill_a_pod(&mut self) {
        if !self.pods.is_empty() {
            let index = self.random.usize(..self.pods.len());
            let pod = self.pods.remove(index);
            self.running.remove(&pod.id);
        }
    }

    fn hang_up(&mut self) {
        if let Some(pod) = self.pods.first_mut() {
            pod.link = None;
        }
    }

    /// What pods said and were sent is forgotten; they greet again with what they run.
    fn restart_the_operator(&mut self) {
        for pod in &mut self.pods {
            pod.link = None;
        }
    }

    /// Pods start from the mount, and dial.
    fn come_up(&mut self) {
        if self.pods.len() < 3 {
            self.born += 1;
            let pod = silent(&format!("p{}", self.born), false);
            let mounted = self.mounted.clone().filter(|mounted| mounted.hash != BAD);
            if let Some(mounted) = mounted {
                self.ran.insert((mounted.sequence, mounted.hash.clone()));
                self.running.insert(pod.id.clone(), mounted);
            }
            self.pods.push(pod);
        }
        for pod in &mut self.pods {
            let running = self.running.get(&pod.id).cloned();
            pod.ready = running.is_some();
            if pod.link.is_none() && self.random.bool() {
                pod.link = Some(link(&pod.id.name, running));
            }
        }
    }

    /// Whether all is as it should be.
    fn is_well(&self, step: &Step) -> bool {
        match step {
            Step::Done(identity) => identity.hash == self.desired,
            Step::Rejected { refusal, .. } => self.desired == BAD && refusal.identity.hash == BAD,
            // Nothing ran when it came: it is mounted, and every pod refuses it.
            Step::Wait { identity, .. } => identity.hash == BAD,
            Step::Persist(_) | Step::Canary { .. } | Step::WriteMounted(_) | Step::Push { .. } => {
                false
            }
        }
    }
}

#[test]
fn whatever_goes_wrong_the_sequence_rises_the_mount_has_run_and_all_ends_well() {
    for seed in 0..WORLDS {
        let mut world = World::new(seed);
        let told = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for _ in 0..TURNS {
                world.go_wrong();
                world.come_up();
                world.answer();
                world.operate();
            }
            let well = (0..CALM_TURNS).any(|_| {
                world.come_up();
                world.answer();
                let step = world.operate();
                world.pods.len() == 3 && world.is_well(&step)
            });
            assert!(well, "not well after {CALM_TURNS} calm turns");
        }));
        if let Err(panic) = told {
            eprintln!("seed {seed}");
            std::panic::resume_unwind(panic);
        }
    }
}
