//! A farm whose documents are drawn, and every step of which is checked: which miner found each share that a pool has credited,
//! and whether that pool, account and login were meant for it then.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use loka_farm::judge::{Difficulty, Verdict};
use loka_farm::miner::MinerStatus;
use loka_farm::miner::job::Job;
use loka_farm::miner::ticket::{Fate, Ticket, TicketLog, TicketSink};
use loka_farm::network::{Chunking, Conditions};
use loka_farm::pool::{DifficultyPolicy, PoolControl, PoolSettings, Suggestions};
use loka_tests::books::{Ledger, MinerLinks, total};
use loka_tests::seams::Names;
use tokio::time::Instant;

use super::drawn::{self, Drawn, POOLS};
use super::farm::{
    Change, DIFFICULTY, Farm, Outcome, Parts, Post, Rig, applied, host, payee, seconds,
};
use super::faults::{Fault, Plan};
use super::intent::{Intent, Paid, Troubles};
use super::pools::{first_pool, second_pool};

/// A step is no longer than this; without troubles it is short against the time for which a job is good.
const STEP: Duration = seconds(10);
const QUIET_STEP: Duration = Duration::from_millis(500);

/// From where it is found to its pool, after others of its miner whose verdicts are awaited first.
const ARRIVES: Duration = Duration::from_millis(1500);

/// A farm, what it is meant to do, and what was seen of it.
pub(crate) struct Whole {
    farm: Farm,
    drawn: Drawn,
    intent: Intent,
    seen: Seen,
    /// Of the changes to the documents.
    random: fastrand::Rng,
    /// When the miners' connections were last cut.
    cut_at: Duration,
}

/// What came out of the farm so far.
struct Seen {
    rigs: Vec<Rig>,
    tickets: Arc<TicketLog>,
    pools: Vec<PoolControl>,
    found: HashMap<[u8; 32], Found>,
    /// Who worked on each merkle root.
    roots: HashMap<[u8; 32], usize>,
    paid: HashSet<[u8; 32]>,
    /// What was found of late.
    young: Vec<Share>,
    start: Instant,
}

/// A share, as its pool would see it.
struct Share {
    at: Duration,
    header: [u8; 80],
    coinbase: Vec<u8>,
    hash: [u8; 32],
}

/// A share, where it was found.
struct Found {
    rig: usize,
    at: Duration,
    job_came: Duration,
    job: Arc<Job>,
}

// === impl Whole ===

impl Whole {
    pub(crate) async fn start(seed: u64, random: &mut fastrand::Rng, troubles: Troubles) -> Self {
        let drawn = Drawn::random(random);
        let rigs = drawn::rigs(random, &drawn);
        Self::of(seed, random, troubles, (drawn, rigs)).await
    }

    /// A farm by these documents, with these miners.
    pub(crate) async fn of(
        seed: u64,
        random: &mut fastrand::Rng,
        troubles: Troubles,
        (drawn, rigs): (Drawn, Vec<Rig>),
    ) -> Self {
        let conditions = Conditions {
            latency: Duration::from_millis(random.u64(0..40)),
            jitter: Duration::from_millis(random.u64(0..10)),
            chunking: Chunking::Pieces { bytes_max: random.usize(1..1500) },
        };
        let names = Names::default();
        let posts = (0..drawn.pools.len()).map(|pool| post(random, &names, pool, troubles));
        let posts = posts.collect();
        let tickets = Arc::new(TicketLog::default());
        let farm = Farm::of(Parts {
            seed,
            conditions,
            names,
            posts,
            rigs: rigs.clone(),
            config: applied(&drawn.text(), Change(|_| {})),
            sink: Arc::clone(&tickets) as Arc<dyn TicketSink>,
        })
        .await;
        let pools: Vec<PoolControl> =
            (0..drawn.pools.len()).map(|pool| farm.pool(pool).control()).collect();
        for (index, pool) in pools.iter().enumerate() {
            pool.keep_judged();
            pool.pay(payee(index));
        }
        let seen = Seen {
            rigs,
            tickets,
            pools,
            found: HashMap::new(),
            roots: HashMap::new(),
            paid: HashSet::new(),
            young: Vec::new(),
            start: Instant::now(),
        };
        let intent = Intent::new(troubles, drawn.clone());
        Self { farm, drawn, intent, seen, random: random.fork(), cut_at: Duration::ZERO }
    }

    /// Until so long after the start, in steps that are looked at.
    pub(crate) async fn mine_until(&mut self, at: Duration) {
        while self.farm.age() < at {
            let step = match self.intent.troubles() {
                Troubles::None => QUIET_STEP,
                Troubles::Some => STEP,
            };
            let step = (self.farm.age() + step).min(at);
            self.farm.mine_until(step).await;
            self.seen.look(&self.intent);
            if self.intent.troubles() == Troubles::None {
                self.seen.check_nothing_was_kept(self.cut_at, &self.intent);
            }
            assert_books_agree_so_far(&self.farm, self.intent.troubles());
        }
    }

    pub(crate) async fn suffer(&mut self, fault: &Fault) {
        let now = self.farm.age();
        self.intent.suffered(now, fault);
        if *fault == Fault::CutMiners {
            self.cut_at = now;
        }
        if *fault == Fault::Reconfigure {
            let mut drawn = self.drawn.clone();
            drawn.edit(&mut self.random);
            self.change(drawn).await;
        } else {
            self.farm.suffer(fault).await;
        }
    }

    /// Other documents.
    pub(crate) async fn change(&mut self, drawn: Drawn) {
        self.intent.changed(self.farm.age(), drawn.clone());
        self.farm.offer(applied(&drawn.text(), Change(|_| {}))).await;
        self.drawn = drawn;
    }

    pub(crate) fn farm(&mut self) -> &mut Farm {
        &mut self.farm
    }

    pub(crate) fn drawn(&self) -> &Drawn {
        &self.drawn
    }

    /// All books at the end, the last shares looked at as the others.
    pub(crate) async fn finish(self, links: MinerLinks) -> Outcome {
        let Self { farm, intent, mut seen, drawn: _, random: _, cut_at: _ } = self;
        let outcome = farm.finish(links).await;
        seen.look(&intent);
        outcome
    }
}

/// Pool `index`, at two addresses.
fn post(random: &mut fastrand::Rng, names: &Names, index: usize, troubles: Troubles) -> Post {
    let name = POOLS[index];
    let unlike = match index {
        0 => first_pool(random),
        _ => second_pool(random),
    };
    let settings = match troubles {
        Troubles::Some => unlike,
        // As long as a miner fits one pool it fits the others.
        Troubles::None => PoolSettings { extranonce2_bytes: 8, ..unlike },
    };
    let obeys = Suggestions::Obeyed { min: Difficulty::rounded(DIFFICULTY / 2.0).expect("one") };
    let suggestions = if random.bool() { obeys } else { Suggestions::Acknowledged };
    let difficulty = DifficultyPolicy::Fixed(Difficulty::rounded(DIFFICULTY).expect("one"));
    let seed = settings.seed ^ index as u64;
    let settings =
        PoolSettings { name: name.to_owned(), seed, suggestions, difficulty, ..settings };
    let at: Vec<String> = (1..=2).map(|last| format!("192.0.{index}.{last}:3333")).collect();
    names.set(&host(name), vec![at[0].parse().expect("an address")]);
    Post { name, at, settings }
}

// === impl Seen ===

impl Seen {
    /// Takes what was found and what was credited since the last look.
    fn look(&mut self, intent: &Intent) {
        assert_eq!(self.tickets.dropped(), 0, "looked at too seldom");
        for ticket in self.tickets.take() {
            let rig = self.rigs.iter().position(|rig| *rig.worker == *ticket.worker);
            let rig = rig.expect("a miner of the farm");
            let root = ticket.header[36..68].try_into().expect("32 bytes");
            let first = *self.roots.entry(root).or_insert(rig);
            assert_eq!(first, rig, "two miners work on the same: {:?}", ticket.worker);
            if ticket.fate == Fate::Submitted {
                let Ticket { at, job_came, job, hash, header, coinbase, .. } = ticket;
                self.found.insert(hash, Found { rig, at, job_came, job });
                self.young.push(Share { at, header, coinbase, hash });
            }
        }
        for pool in 0..self.pools.len() {
            for judged in self.pools[pool].take_judged() {
                let Verdict::Accepted(accepted) = judged.verdict else { continue };
                let hash = *accepted.hash.as_ref();
                assert!(self.paid.insert(hash), "{hash:?} was paid twice");
                let judged_at = judged.at.saturating_duration_since(self.start);
                self.check(intent, (pool, judged.user.as_str(), judged_at), hash);
            }
        }
    }

    /// Where there are no troubles, what a pool would still pay is there by now. A job that is alive was so all the time.
    fn check_nothing_was_kept(&mut self, cut_at: Duration, intent: &Intent) {
        let now = self.start.elapsed();
        let is_old = |share: &Share| share.at + ARRIVES < now;
        let (old, young) = std::mem::take(&mut self.young).into_iter().partition(is_old);
        self.young = young;
        let old: Vec<Share> = old;
        for Share { at, header, coinbase, hash } in old {
            let pays = |pool: &PoolControl| pool.would_pay(&header, &coinbase);
            let is_kept = !self.paid.contains(&hash) && self.pools.iter().any(pays);
            if is_kept && !(at..at + ARRIVES).contains(&cut_at) {
                let Found { rig, job_came, .. } = &self.found[&hash];
                let miner = &self.rigs[*rig].worker;
                let times = format!("found at {at:?}, its job came at {job_came:?}");
                panic!("a pool would pay what {miner} {times}; {intent:?}");
            }
        }
    }

    fn check(
        &self,
        intent: &Intent,
        (pool, user, judged_at): (usize, &str, Duration),
        hash: [u8; 32],
    ) {
        let found = self.found.get(&hash).expect("some miner found it");
        let Found { rig, at, job_came, job } = found;
        let rig = &self.rigs[*rig];
        let (at, job_came, coinb2) = (*at, *job_came, &*job.coinb2);
        let paid = Paid { rig, at, job_came, judged_at, coinb2, pool, user };
        if let Some(objection) = intent.objection(&paid) {
            let name = POOLS[pool];
            let Rig { profile, worker, source, port, rate: _ } = rig;
            let miner = format!("{worker} ({}) of {source} on {port}", profile.user_agent);
            let times = format!("found at {at:?}, its job came at {job_came:?}");
            panic!("{objection}: {miner}, by {name} as {user}, {times}, {judged_at:?}; {intent:?}");
        }
    }
}

/// What must hold of the books at any moment.
fn assert_books_agree_so_far(farm: &Farm, troubles: Troubles) {
    let ledger = farm.ledger();
    for (index, name) in farm.pool_names().enumerate() {
        let (ours, theirs) = (ledger.pool(name), farm.pool(index).counts());
        let doubt = ours.held + ours.outstanding + total(&ours.unanswered);
        let fits =
            ours.pool_accepted <= theirs.accepted && theirs.accepted <= ours.pool_accepted + doubt;
        assert!(fits, "{name} accepted {}, the ledger says {ours:?}", theirs.accepted);
    }
    let miners = MinerStatus::totals(&farm.rack().statuses());
    let all = &ledger.total;
    assert!(miners.accepted <= all.accepted, "{} were told yes: {all:?}", miners.accepted);
    // Who is answered by its pool waits two seconds for that, and not for a session that may come back: it is told no, and may
    // be paid after all.
    let paid_after_all = match troubles {
        Troubles::None => 0,
        Troubles::Some => all.pool_accepted,
    };
    let waiting = all.held + all.outstanding + paid_after_all;
    let refused = total(&all.rejected)
        + total(&all.lost)
        + total(&all.pool_rejected)
        + total(&all.unanswered)
        + waiting;
    assert!(miners.rejected.total() <= refused, "{:?} were told no: {all:?}", miners.rejected);
}

/// What [`Outcome::assert_books_agree`] says, where some miners were answered by their pools.
pub(crate) fn assert_books_agree(outcome: &Outcome, troubles: Troubles) {
    let ledger = &outcome.ledger;
    let found = ledger.imbalances();
    assert!(found.is_empty() && ledger.is_quiet(), "{found:?} {ledger:?}");
    for (name, pool) in outcome.names.iter().zip(&outcome.pools) {
        let found = ledger.compare_with_pool(name, pool);
        assert!(found.is_empty(), "{found:?} {:?}", ledger.pool(name));
        assert_accounts_agree(ledger, name, pool.accounts());
    }
    let (all, miners) = (&ledger.total, MinerStatus::totals(&outcome.miners));
    let links = if miners.reconnects > 0 { MinerLinks::Cut } else { outcome.links };
    let sent = miners.submitted + miners.resent;
    let of_cut = |ours: u64| if links == MinerLinks::Cut { 0 } else { ours };
    let (lost, refused) = (total(&all.lost), total(&all.rejected));
    let paid_after_all = match troubles {
        Troubles::None => 0,
        Troubles::Some => all.pool_accepted,
    };
    let theirs = total(&all.pool_rejected) + total(&all.unanswered) + paid_after_all;
    let yes = of_cut((all.accepted - lost).saturating_sub(theirs))..=all.accepted - lost;
    let no = of_cut(refused + lost)..=refused + lost + theirs;
    assert!(yes.contains(&miners.accepted), "{} not in {yes:?}: {all:?}", miners.accepted);
    let told_no = miners.rejected.total();
    assert!(no.contains(&told_no), "{told_no} not in {no:?}: {all:?}");
    assert_eq!(miners.outstanding, 0);
    assert!(all.received <= sent && of_cut(sent) <= all.received, "{sent} sent: {all:?}");
}

/// Each account of a pool was credited with what the ledger has for it.
fn assert_accounts_agree(
    ledger: &Ledger,
    pool: &str,
    accounts: impl IntoIterator<Item = (String, loka_farm::pool::UserCounts)>,
) {
    for (account, counts) in accounts {
        let rows = || {
            let rows = ledger.rows.iter();
            rows.filter(|row| row.pool == pool && row.account == account).map(|row| &row.counts)
        };
        let ours: u64 = rows().map(|counts| counts.pool_accepted).sum();
        let doubt: u64 = rows().map(|counts| total(&counts.unanswered)).sum();
        let fits = (ours..=ours + doubt).contains(&counts.accepted);
        assert!(fits, "{pool} credited {} to {account}, not {ours}", counts.accepted);
    }
}

/// The faults of a farm without troubles: changes that somebody makes, and what is no fault of anybody's.
pub(crate) fn quiet(random: &mut fastrand::Rng, length: Duration, pools: usize) -> Plan {
    Plan::of(random, length, seconds(25), |random| {
        let pool = random.usize(0..pools);
        match random.u8(0..8) {
            0 => Fault::Block(pool),
            1 => Fault::CleanJob(pool),
            2 => Fault::Move(pool),
            3 => Fault::CutMiners,
            _ => Fault::Reconfigure,
        }
    })
}
