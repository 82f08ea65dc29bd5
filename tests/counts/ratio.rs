//! How much longer a share's verification takes than the compressions that it cannot avoid, by the machine's own SHA
//! instructions where it has them. A ratio of two things in one run, in turn: what else the machine does meets both.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use loka_stratum::difficulty::{Assignment, Difficulty};
use loka_stratum::extranonce::{Bank, Layout, MinerId};
use loka_stratum::job::Job;
use loka_stratum::message::{ClientMessage, ServerMessage, parse_client, parse_server};
use loka_stratum::share::{Claim, Standing, verify};
use loka_stratum::types::{JobSerial, LaneId, SourceId, VersionMask};
use sha2::block_api::compress256;

use crate::{EASIEST, Farm, HARD, job_line, submit_line};

/// Of one verification, as `budget.json` has it counted: the coinbase's last three blocks, the second round of it, three for
/// each of twelve branches, and three for the header.
const COMPRESSIONS: usize = 3 + 1 + 12 * 3 + 3;

/// Verifications of one measurement: long enough for a clock, and short enough to lie between two turns of the scheduler.
const AT_ONCE: u32 = 100;

/// The median of so many pairs.
pub(crate) fn verification(pairs: u32) -> f64 {
    let line = submit_line("1");
    let Ok(ClientMessage::Submit(submit)) = parse_client(line.as_bytes()).map(|it| it.message)
    else {
        panic!("no submit: {line}");
    };
    let Ok(ServerMessage::Notify(notify)) = parse_server(job_line().as_bytes()) else {
        panic!("no job");
    };
    let source = SourceId::new(LaneId(1), 1);
    let context = Farm::new(HARD).context;
    let job = Arc::new(Job::new(JobSerial(1), source, notify, &context, Bank(0)));
    let claim = Claim {
        submit: &submit,
        miner: MinerId::new(Layout::for_pool_size(8).expect("a layout"), 1),
        mask: VersionMask(0x1fff_e000),
        assigned: Assignment::new(Difficulty::parse(EASIEST).expect("a difficulty")),
        standing: Standing::Live,
    };
    let mut ratios: Vec<f64> = (0..pairs)
        .map(|_| {
            let ours = time(|| assert!(black_box(verify(&job, black_box(&claim))).is_ok()));
            let least = time(compressions);
            ours.as_secs_f64() / least.as_secs_f64()
        })
        .collect();
    ratios.sort_by(f64::total_cmp);
    ratios.get(ratios.len() / 2).copied().expect("a pair")
}

/// As many as a verification needs, each of which waits for the one before, as there.
fn compressions() {
    let mut state = black_box([0x6a09_e667; 8]);
    let blocks = black_box([[0x11; 64]; COMPRESSIONS]);
    for block in &blocks {
        compress256(&mut state, std::slice::from_ref(block));
    }
    black_box(state);
}

fn time(mut what: impl FnMut()) -> Duration {
    let started = Instant::now();
    (0..AT_ONCE).for_each(|_| what());
    started.elapsed()
}
