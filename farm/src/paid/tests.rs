//! Machines against practice pools without a proxy, and the books between them.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::book::{AtPool, Book, Fate, Record};
use super::budget::Budgets;
use super::judgement::Cause;
use super::machine::{Farm, Machine, Server};
use super::plan::{Phase, PoolId};
use super::tickets::MachineId;
use crate::judge::Difficulty;
use crate::miner::dial::NetDial;
use crate::network::{Conditions, Net};
use crate::pool::{DifficultyPolicy, PoolSettings, PracticePool};

const ADDRESSES: [&str; 2] = ["a:1", "b:1"];
const ACCOUNTS: [&str; 2] = ["acct-a", "acct-b"];
const MACHINES: usize = 20;

/// A farm on direct connections, in paused time.
struct Direct {
    net: Net,
    pools: [PracticePool; 2],
    book: Arc<Book>,
    start: Instant,
    preferred: watch::Sender<PoolId>,
    machines: JoinSet<()>,
}

impl Direct {
    /// Machines that log in under `accounts`.
    async fn start(accounts: [&str; 2]) -> Self {
        let net = Net::new(3, Conditions::PERFECT);
        let pools = [4, 5].map(|seed| {
            let difficulty = DifficultyPolicy::Fixed(difficulty());
            let block_interval = Duration::from_secs(1 << 20);
            let clean_jobs_percent = 0;
            let settings = PoolSettings {
                difficulty,
                block_interval,
                clean_jobs_percent,
                ..PoolSettings::new("p", seed)
            };
            let pool = PracticePool::start(settings).unwrap();
            pool.control().keep_judged();
            pool
        });
        for (pool, address) in pools.iter().zip(ADDRESSES) {
            pool.listen_in(&net, address).await.unwrap();
        }
        let (book, start) = (Arc::new(Book::new(ACCOUNTS)), Instant::now());
        let (preferred, wanted) = watch::channel(PoolId::First);
        let farm = Farm {
            seed: 6,
            pause: Duration::from_secs(10),
            difficulty: difficulty(),
            start,
            book: Arc::clone(&book),
            refusals: mpsc::channel(16).0,
            preferred: wanted,
            stop: CancellationToken::new(),
        };
        let mut machines = JoinSet::new();
        for id in (0..MACHINES).map(MachineId) {
            let server = |(address, account): (&str, &str)| Server {
                dial: NetDial { net: net.clone(), from: String::new(), to: address.to_owned() },
                user: format!("{account}.rig"),
            };
            let servers = ADDRESSES.into_iter().zip(accounts).map(server).collect();
            machines.spawn(Machine::new(id, farm.clone(), servers).run());
        }
        Self { net, pools, book, start, preferred, machines }
    }

    async fn until(&self, seconds: u64) {
        sleep_until(self.start + Duration::from_secs(seconds)).await;
    }

    /// Ends it; the tickets that were due from `from` on.
    async fn end(mut self, from: u64) -> Vec<Record> {
        self.machines.shutdown().await;
        for (id, pool) in PoolId::ALL.into_iter().zip(&self.pools) {
            let judged = pool.control().take_judged();
            judged.iter().for_each(|judged| self.book.judged(id, judged));
        }
        assert_eq!(self.book.strays(), (0, 0));
        let from = Duration::from_secs(from);
        self.book.records().into_iter().filter(|record| record.at >= from).collect()
    }
}

fn difficulty() -> Difficulty {
    Difficulty::rounded(2e-8).unwrap()
}

fn lost(records: &[Record]) -> Vec<Cause> {
    records.iter().filter_map(Cause::of).collect()
}

#[tokio::test(start_paused = true)]
async fn in_calm_every_ticket_of_every_machine_is_credited() {
    let farm = Direct::start(ACCOUNTS).await;
    farm.until(1_800).await;
    let records = farm.end(5).await;
    assert!(records.len() > 3_000, "{}", records.len());
    assert_eq!(lost(&records), []);
}

#[tokio::test(start_paused = true)]
async fn another_account_is_a_wrong_one() {
    let farm = Direct::start(["acct-b", "acct-b"]).await;
    farm.until(300).await;
    let records = farm.end(5).await;
    assert!(!records.is_empty());
    assert!(lost(&records).iter().all(|cause| *cause == Cause::WrongAccount));
    assert_eq!(lost(&records).len(), records.len());
}

#[tokio::test(start_paused = true)]
async fn machines_leave_a_dead_pool_at_once_and_come_back_when_it_was_well_for_long() {
    let farm = Direct::start(ACCOUNTS).await;
    let [first, second] = [0, 1].map(|pool: usize| farm.pools[pool].control());
    let sent = |farm: &Direct, pool: usize| farm.pools[pool].connections().len();
    farm.until(100).await;
    first.kill();
    farm.until(110).await;
    assert_eq!(sent(&farm, 1), MACHINES);
    first.revive();
    farm.until(300).await;
    assert_eq!(sent(&farm, 1), MACHINES, "a pool that has just come back is not trusted");
    farm.until(600).await;
    assert_eq!((sent(&farm, 0), sent(&farm, 1)), (MACHINES, 0));
    second.kill();
    let records = farm.end(5).await;
    assert!(lost(&records).len() < 5, "{:?}", lost(&records));
}

#[tokio::test(start_paused = true)]
async fn a_silent_pool_costs_what_the_machines_patience_costs() {
    let farm = Direct::start(ACCOUNTS).await;
    farm.until(100).await;
    farm.pools[0].control().go_silent();
    farm.until(400).await;
    let records = farm.end(100).await;
    let lost = records.iter().filter(|record| Cause::of(record) == Some(Cause::NotArrived));
    let last = lost.clone().map(|record| record.at).max().unwrap();
    // Silence begins with the last word, which came up to a minute before.
    assert!(last < Duration::from_secs(100 + 121), "{last:?}");
    assert!(last > Duration::from_secs(100 + 30), "{last:?}");
    assert!(lost.count() > 50);
}

#[tokio::test(start_paused = true)]
async fn an_order_to_change_pools_is_followed_at_once() {
    let farm = Direct::start(ACCOUNTS).await;
    farm.until(50).await;
    farm.preferred.send_replace(PoolId::Second);
    farm.until(51).await;
    assert_eq!(farm.pools[1].connections().len(), MACHINES);
    let records = farm.end(5).await;
    assert!(lost(&records).len() < 3, "{:?}", lost(&records));
}

#[tokio::test(start_paused = true)]
async fn machines_that_power_down_need_their_time_to_come_back() {
    let farm = Direct::start(ACCOUNTS).await;
    farm.until(100).await;
    for address in ADDRESSES {
        farm.net.refuse(address);
        farm.net.cut(address);
    }
    farm.until(200).await;
    ADDRESSES.iter().for_each(|address| farm.net.admit(address));
    farm.until(600).await;
    let records = farm.end(100).await;
    let ramped = records.iter().filter(|record| record.fate == Fate::Ramp);
    let machines: Vec<_> = ramped.map(|record| record.ticket.machine.0 % 10).collect();
    assert!(!machines.is_empty());
    assert!(machines.iter().all(|machine| [4, 5].contains(machine)), "{machines:?}");
}

#[tokio::test(start_paused = true)]
async fn what_a_pool_pays_twice_is_seen() {
    let farm = Direct::start(ACCOUNTS).await;
    farm.until(60).await;
    let judged = farm.pools[0].control().take_judged();
    for judged in judged.iter().chain(&judged) {
        farm.book.judged(PoolId::First, judged);
    }
    let records = farm.end(5).await;
    assert!(records.iter().any(|record| record.pool == AtPool::Credited(2)));
    assert!(lost(&records).contains(&Cause::Duplicate));
}

#[test]
fn a_budget_names_every_phase_and_no_other() {
    let text = |phases: &str| {
        format!(
            "x:\n  calmExcessBpMax: 0.1\n  ofDirectExcessMax: 0.1\n  \
             excessSecondsPerEventMax: {{ {phases} }}\n"
        )
    };
    let of = |phases: &str| {
        let budgets = Budgets::parse(&text(phases)).unwrap();
        budgets.of("x", &[Phase::Calm, Phase::Reset]).map(|_| ()).map_err(|e| e.to_string())
    };
    assert_eq!(of("calm: 1, pool_reset: 2"), Ok(()));
    assert!(of("calm: 1").is_err_and(|error| error.contains("pool_reset")));
    assert!(of("calm: 1, pool_reset: 2, calme: 3").is_err_and(|error| error.contains("calme")));
    assert!(Budgets::parse("x: {}").is_err());
}
