//! What the drawn documents mean: for each miner and moment, which pools its work may go to, and under which logins.
//!
//! A second reading of the documents, which shares no code with the proxy's. Around a change what was meant before it may
//! still happen for a while; how long is said here, and nowhere else.

use std::time::Duration;

use super::drawn::{Drawn, DrawnPool, DrawnRoute, DrawnRule, listener};
use super::farm::{OTHER_PORT, Rig, UNIX_START, payee, seconds};
use super::faults::Fault;

/// Miners that change routes are answered for their old jobs for 30 s, and a pool's old login goes on for as long when the new
/// one does not work; the rest is the way to the pool.
const CHANGE: Duration = seconds(35);

/// A login is put into a share when it is written, which is after it was found.
const WAY: Duration = seconds(3);

/// On its way to a miner a job is overtaken by a change.
const ON_THE_WAY: Duration = seconds(2);

/// Miners have a job of what the documents say now; until its pool is logged in to, or has been tried, they go on.
const LOGIN: Duration = seconds(6);

/// A clock that jumps is noticed when somebody looks at it.
const LOOK: Duration = seconds(14);

/// A better pool is gone to after 20 s of health, and a minute after the last that was better.
const BETTER: Duration = seconds(85);

/// A pool whose job does not pay whom it must, as the documents have it by now, is left at once.
const VERIFYING: Duration = seconds(5);

/// Whether anything but the documents decides which pool is mined on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Troubles {
    /// All is well, so that the best pool has the work.
    None,
    Some,
}

/// Everything that the farm was told to do, and when.
#[derive(Debug)]
pub(crate) struct Intent {
    troubles: Troubles,
    /// Each from its moment on.
    eras: Vec<(Duration, Drawn)>,
    /// Of the proxy's wall clock, likewise.
    skews: Vec<(Duration, i64)>,
    /// What else was done to it, for who reads of a failure.
    faults: Vec<(Duration, Fault)>,
}

/// A share that a pool has credited.
#[derive(Debug)]
pub(crate) struct Paid<'a> {
    pub(crate) rig: &'a Rig,
    /// When it was found.
    pub(crate) at: Duration,
    /// When its miner was given the job.
    pub(crate) job_came: Duration,
    /// When the pool had it.
    pub(crate) judged_at: Duration,
    /// The second half of its coinbase.
    pub(crate) coinb2: &'a [u8],
    pub(crate) pool: usize,
    pub(crate) user: &'a str,
}

// === impl Intent ===

impl Intent {
    pub(crate) fn new(troubles: Troubles, drawn: Drawn) -> Self {
        Self {
            troubles,
            eras: vec![(Duration::ZERO, drawn)],
            skews: vec![(Duration::ZERO, 0)],
            faults: Vec::new(),
        }
    }

    pub(crate) fn troubles(&self) -> Troubles {
        self.troubles
    }

    pub(crate) fn changed(&mut self, at: Duration, drawn: Drawn) {
        self.eras.push((at, drawn));
    }

    pub(crate) fn suffered(&mut self, at: Duration, fault: &Fault) {
        if let Fault::ClockJump(skew) = fault {
            self.skews.push((at, *skew));
        }
        self.faults.push((at, fault.clone()));
    }

    /// Why this share should never have been paid there.
    pub(crate) fn objection(&self, paid: &Paid<'_>) -> Option<&'static str> {
        let Paid { rig, at, job_came, judged_at, coinb2, pool, user } = *paid;
        let until = judged_at.max(at + WAY);
        let is_staged =
            self.between(at.saturating_sub(CHANGE), until).any(|drawn| drawn.route(rig).is_staged);
        // Both when it was found and when its miner was told what to work on, this pool was meant.
        let (since, told_since) = match (is_staged, self.troubles) {
            (false, Troubles::None) => (at.saturating_sub(CHANGE), job_came.saturating_sub(LOGIN)),
            (false, Troubles::Some) => (at.saturating_sub(CHANGE), job_came.saturating_sub(CHANGE)),
            // What fails at a gate, or cannot be reached, is taken back for as long as it takes; shares that a block makes stale
            // are enough.
            (true, _) => (Duration::ZERO, Duration::ZERO),
        };
        // A pool that is left in steps is one of the route's own connections, whatever the mode was when it was named.
        let is_meant = |drawn: &&Drawn| drawn.allows(rig, pool, user, is_staged);
        let mut meant = self.between(since, until).filter(is_meant).peekable();
        if meant.peek().is_none() || !self.between(told_since, until).any(|it| is_meant(&it)) {
            return Some("no document of its time allows this pool and login for its miner");
        }
        // What is found for a job that was given before is the pool's, however late it is.
        if !meant.any(|drawn| self.was_open(drawn.route(rig), pool, job_came)) {
            return Some("the hours of the pool were over");
        }
        let verified = self.between(at.saturating_sub(VERIFYING), at);
        if verified.map(|drawn| &drawn.pools[pool]).all(|pool| pool.is_verified)
            && !pays(coinb2, payee(pool))
        {
            return Some("its coinbase does not pay whom it must");
        }
        let in_steps = self.between(job_came.saturating_sub(BETTER), until);
        let is_staged = in_steps.map(|drawn| drawn.route(rig)).any(|route| route.is_staged);
        if self.troubles == Troubles::None && !is_staged && !self.was_best(rig, pool, job_came) {
            return Some("another pool of the route comes first");
        }
        None
    }

    /// The documents that were in force at some moment between these.
    fn between(&self, from: Duration, to: Duration) -> impl Iterator<Item = &Drawn> {
        let ends = self.eras.iter().skip(1).map(|(end, _)| *end).chain([Duration::MAX]);
        let eras = self.eras.iter().zip(ends);
        eras.filter(move |((start, _), end)| *start <= to && *end >= from).map(|((_, it), _)| it)
    }

    /// Unix time of the proxy.
    fn wall(&self, at: Duration) -> u64 {
        let skew = self.skews.iter().rev().find(|(from, _)| *from <= at).map_or(0, |(_, it)| *it);
        u64::from(UNIX_START).saturating_add(at.as_secs()).saturating_add_signed(skew)
    }

    fn was_open(&self, route: &DrawnRoute, pool: usize, at: Duration) -> bool {
        let jumped = self.skews.iter().skip(1).any(|(from, _)| *from <= at && *from + LOOK >= at);
        let since = at.saturating_sub(if jumped { LOOK } else { ON_THE_WAY });
        moments(since, at + ON_THE_WAY).any(|moment| route.is_open(pool, self.wall(moment)))
    }

    /// Whether it was to be mined on before all others at some moment of late.
    fn was_best(&self, rig: &Rig, pool: usize, at: Duration) -> bool {
        moments(at.saturating_sub(BETTER), at + WAY).any(|moment| {
            let unix = self.wall(moment);
            self.between(moment, moment).any(|drawn| drawn.route(rig).best(unix).contains(&pool))
        })
    }
}

fn moments(from: Duration, to: Duration) -> impl Iterator<Item = Duration> {
    (0..).map(move |second| from + seconds(second)).take_while(move |moment| *moment <= to)
}

/// Whether one of the outputs is the script of this key (P2PKH).
fn pays(coinb2: &[u8], key_hash: [u8; 20]) -> bool {
    let script = [&[0x76, 0xa9, 0x14], key_hash.as_slice(), &[0x88, 0xac]].concat();
    coinb2.windows(script.len()).any(|window| window == script)
}

// === impl Drawn ===

impl Drawn {
    /// The route of a miner.
    fn route(&self, rig: &Rig) -> &DrawnRoute {
        let listener = usize::from(rig.port == OTHER_PORT);
        let firmware = self.firmware_of(rig.profile.user_agent);
        let mut rules = self.rules.iter();
        let rule = rules.find(|rule| rule.fits(rig, listener, &firmware));
        &self.routes[rule.map_or(self.listeners[listener], |rule| rule.route)]
    }

    fn firmware_of(&self, agent: &str) -> String {
        let agent = agent.to_ascii_lowercase();
        let mut own = self.firmware.iter();
        match own.position(|pattern| fits(&pattern.to_ascii_lowercase(), &agent)) {
            Some(index) => format!("own{index}"),
            None if agent.starts_with("nicehash") => "nicehash".to_owned(),
            None => String::new(),
        }
    }

    /// Whether work of this miner may be credited to this login of a pool, at the right hour.
    fn allows(&self, rig: &Rig, pool: usize, user: &str, is_staged: bool) -> bool {
        let route = self.route(rig);
        let is_of_route = route.pools.iter().any(|entry| entry.pool == pool);
        let listener = listener(usize::from(rig.port == OTHER_PORT));
        let is_dedicated = route.is_dedicated && !is_staged;
        is_of_route && self.pools[pool].logins(&rig.worker, listener, is_dedicated).contains(user)
    }
}

// === impl DrawnRule ===

impl DrawnRule {
    fn fits(&self, rig: &Rig, listener: usize, class: &String) -> bool {
        let Self { listeners, workers, halls, firmware, route: _ } = self;
        let hall = rig.source.to_string().split('.').nth(1).map(str::to_owned);
        let is_there = |it: &u8| Some(it.to_string()) == hall;
        (listeners.is_empty() || listeners.contains(&listener))
            && (workers.is_empty() || workers.iter().any(|it| fits(it, &rig.worker)))
            && (halls.is_empty() || halls.iter().any(is_there))
            && (firmware.is_empty() || firmware.contains(class))
    }
}

/// Whether a text is what a pattern says, in which `*` stands for any text and `?` for any character.
fn fits(pattern: &str, text: &str) -> bool {
    let (mut pattern, mut rest) = (pattern.chars(), text.chars());
    match pattern.next() {
        None => text.is_empty(),
        Some('*') => (0..=text.len())
            .filter_map(|cut| text.get(cut..))
            .any(|rest| fits(pattern.as_str(), rest)),
        Some(wanted) => {
            rest.next().is_some_and(|it| wanted == '?' || wanted == it)
                && fits(pattern.as_str(), rest.as_str())
        }
    }
}

// === impl DrawnRoute ===

impl DrawnRoute {
    fn is_open(&self, pool: usize, unix: u64) -> bool {
        let minute = unix / 60 % (24 * 60);
        self.pools.iter().filter(|entry| entry.pool == pool).any(|entry| {
            entry.hours.is_none_or(|(from, to)| (from.into()..to.into()).contains(&minute))
        })
    }

    /// Which pools have the work when all of them are well.
    fn best(&self, unix: u64) -> Vec<usize> {
        let open: Vec<usize> = self.pools.iter().map(|entry| entry.pool).collect();
        let open: Vec<usize> = open.into_iter().filter(|pool| self.is_open(*pool, unix)).collect();
        match self.pin.filter(|pin| open.contains(pin)) {
            Some(pin) => vec![pin],
            None if self.has_weights => open,
            None => open.into_iter().take(1).collect(),
        }
    }
}

// === impl DrawnPool ===

/// The logins that work may be submitted under.
struct Logins(Vec<String>);

impl Logins {
    fn contains(&self, user: &str) -> bool {
        self.0.iter().any(|login| login == user)
    }
}

impl DrawnPool {
    fn logins(&self, miner: &str, listener: &str, is_dedicated: bool) -> Logins {
        let account = self.account;
        // Until the pool has said yes to a name, and beyond so many of them.
        let plain = format!("{account}.farm");
        let name = match self.worker_name {
            None => return Logins(vec![plain]),
            Some("") => return Logins(vec![account.to_owned()]),
            Some(name) if !name.contains('{') => return Logins(vec![format!("{account}.{name}")]),
            Some(name) => name,
        };
        let worker = miner.split_once('.').map_or(miner, |(_, worker)| worker);
        let one_word = |text: &str| text.replace('.', "_");
        let name = name
            .replace("{worker}", &one_word(worker))
            .replace("{name}", &one_word(miner))
            .replace("{listener}", listener);
        let named = format!("{account}.{name}");
        Logins(if is_dedicated { vec![named] } else { vec![named, plain] })
    }
}
