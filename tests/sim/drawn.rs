//! The documents of a farm, drawn from a seed: listeners, rules, firmware, routes, pools; and what may be changed in them live.
//!
//! Owns what is drawn and how it is written down. What it means is for [`super::intent`] to say.

use std::fmt::Write as _;

use loka_farm::profile::Profile;

use super::farm::{DIFFICULTY, OTHER_PORT, PORT, RATE, Rig, host, payee, source};

/// The pools' resources, in the order of their practice pools.
pub(crate) const POOLS: [&str; 3] = ["alpha", "beta", "gamma"];

/// Accounts that a document may pay.
const ACCOUNTS: [&str; 3] = ["acct", "second", "third"];

/// Names of routes; the first is the first listener's.
const ROUTES: [&str; 3] = ["main", "other", "spare"];

/// A StratumProxy and its StratumPools.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Drawn {
    /// The route of each listener.
    pub(crate) listeners: Vec<usize>,
    pub(crate) rules: Vec<DrawnRule>,
    /// Patterns of user agents: profile `own0` and so on.
    pub(crate) firmware: Vec<&'static str>,
    pub(crate) routes: Vec<DrawnRoute>,
    pub(crate) pools: Vec<DrawnPool>,
    pub(crate) difficulty: f64,
}

/// Of these conditions each one must hold that is not empty.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct DrawnRule {
    pub(crate) listeners: Vec<usize>,
    pub(crate) workers: Vec<String>,
    /// Halls: `10.HALL.0.0/16`.
    pub(crate) halls: Vec<u8>,
    pub(crate) firmware: Vec<String>,
    pub(crate) route: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DrawnRoute {
    pub(crate) is_dedicated: bool,
    pub(crate) pools: Vec<DrawnEntry>,
    pub(crate) has_weights: bool,
    pub(crate) pin: Option<usize>,
    pub(crate) is_staged: bool,
}

/// A pool of a route.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DrawnEntry {
    pub(crate) pool: usize,
    /// From one minute of the day to another.
    pub(crate) hours: Option<(u16, u16)>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DrawnPool {
    pub(crate) account: &'static str,
    /// Absent: the name of the proxy.
    pub(crate) worker_name: Option<&'static str>,
    pub(crate) logins_max: u16,
    pub(crate) is_verified: bool,
    pub(crate) suggests: bool,
}

// === impl Drawn ===

impl Drawn {
    pub(crate) fn random(random: &mut fastrand::Rng) -> Self {
        let routes = [1, 2, 2, 3][random.usize(0..4)];
        let pools = random.usize(2..=POOLS.len());
        let mut drawn = Self {
            listeners: vec![0; random.usize(1..=2)],
            rules: Vec::new(),
            firmware: FIRMWARE[..random.usize(0..=FIRMWARE.len())].to_vec(),
            routes: (0..routes).map(|_| DrawnRoute::random(random, pools)).collect(),
            pools: (0..pools).map(|_| DrawnPool::random(random)).collect(),
            difficulty: DIFFICULTY,
        };
        drawn.draw_ways(random);
        drawn
    }

    /// Which listener and which rule leads where.
    fn draw_ways(&mut self, random: &mut fastrand::Rng) {
        let routes = self.routes.len();
        self.listeners.iter_mut().for_each(|route| *route = random.usize(0..routes));
        let rules = if routes > 1 { random.usize(1..=3) } else { 0 };
        self.rules = (0..rules).map(|_| DrawnRule::random(random, self)).collect();
    }

    /// Changes one thing, as somebody would who edits it.
    pub(crate) fn edit(&mut self, random: &mut fastrand::Rng) {
        let route = random.usize(0..self.routes.len());
        let pools = self.pools.len();
        let pool = random.usize(0..pools);
        let (routes, all) = (&mut self.routes, &mut self.pools);
        match random.u8(0..13) {
            0 | 1 => self.draw_ways(random),
            2 => routes[route].is_dedicated = !routes[route].is_dedicated,
            3 => routes[route] = DrawnRoute::random(random, pools),
            4 => all[pool].account = ACCOUNTS[random.usize(0..ACCOUNTS.len())],
            5 => all[pool].draw_name(random),
            6 => all[pool].logins_max = random.u16(1..=16),
            7 => all[pool].is_verified = !all[pool].is_verified,
            8 => routes[route].draw_pin(random),
            9 => routes[route].draw_hours(random),
            10 => routes[route].pools.reverse(),
            11 => routes[route].is_staged = !routes[route].is_staged,
            _ => {
                self.difficulty *= 1.25;
                all[pool].suggests = !all[pool].suggests;
            }
        }
        // Without hours for the last resort: somewhere there is always work to go to.
        for route in &mut self.routes {
            if let Some(last) = route.pools.last_mut() {
                last.hours = None;
            }
        }
    }

    /// As a user would write it.
    pub(crate) fn text(&self) -> String {
        let Self { listeners, rules, firmware, routes, pools, difficulty } = self;
        let mut text = String::from(
            "apiVersion: stratum.loka.dev/v1alpha1\n\
             kind: StratumProxy\n\
             metadata: { name: farm, namespace: test }\n\
             spec:\n\x20 listeners:\n",
        );
        // In thousandths: a quantity has six decimals, and practice work is lighter than that.
        let (initial, min, max) = (difficulty * 1e3, difficulty * 10.0, difficulty * 1e5);
        for ((index, route), port) in listeners.iter().enumerate().zip([PORT, OTHER_PORT]) {
            writeln!(
                text,
                "\x20   - name: {}\n\x20     port: {port}\n\x20     routeRef: {{ name: {} }}\n\
                 \x20     difficulty: {{ initial: \"{initial:.6}m\", min: \"{min:.6}m\", \
                 max: \"{max:.6}m\", targetShareInterval: 2s }}",
                listener(index),
                ROUTES[*route],
            )
            .ok();
        }
        write_list(&mut text, "rules", rules.iter().enumerate().map(|(i, it)| it.text(i)));
        let profile =
            |(index, pattern)| format!("{{ name: own{index}, userAgents: [\"{pattern}\"] }}");
        write_list(&mut text, "firmware", firmware.iter().enumerate().map(profile));
        text.push_str("\x20 routes:\n");
        for (name, route) in ROUTES.iter().zip(routes) {
            text.push_str(&route.text(name));
        }
        for (index, pool) in pools.iter().enumerate() {
            text.push_str(&pool.text(index));
        }
        text
    }
}

/// What a document may call its own firmware: patterns without case, before the profiles that the proxy has.
const FIRMWARE: [&str; 2] = ["CGMINER/*", "*antminer*"];

fn write_list(text: &mut String, field: &str, items: impl Iterator<Item = String>) {
    let items: Vec<String> = items.collect();
    if !items.is_empty() {
        writeln!(text, "\x20 {field}:").ok();
    }
    for item in items {
        writeln!(text, "\x20   - {item}").ok();
    }
}

/// The name of a listener.
pub(crate) fn listener(index: usize) -> &'static str {
    ["v1", "v2"][index]
}

// === impl DrawnRule ===

impl DrawnRule {
    fn random(random: &mut fastrand::Rng, drawn: &Drawn) -> Self {
        let mut rule = Self { route: random.usize(0..drawn.routes.len()), ..Self::default() };
        match random.u8(0..6) {
            0 | 1 => {
                let patterns = ["*rig1*", "*rig?", "*.rig2", "rig*", "*3", "*"];
                let pattern = patterns[random.usize(0..patterns.len())].to_owned();
                rule.workers = vec![pattern, "*rig5".to_owned()];
            }
            2 | 3 => rule.halls = vec![random.u8(0..2)],
            4 => rule.listeners = vec![random.usize(0..drawn.listeners.len())],
            _ => {
                let own = (0..drawn.firmware.len()).map(|index| format!("own{index}"));
                let known: Vec<String> = own.chain(["nicehash".to_owned()]).collect();
                rule.firmware = vec![known[random.usize(0..known.len())].clone()];
            }
        }
        if random.u8(0..4) == 0 {
            rule.halls = vec![random.u8(0..2)];
        }
        rule
    }

    fn text(&self, index: usize) -> String {
        let Self { listeners, workers, halls, firmware, route } = self;
        let mut text = format!("name: rule{index}");
        let mut list = |field: &str, items: Vec<String>| {
            if !items.is_empty() {
                write!(text, "\n\x20     {field}: [{}]", items.join(", ")).ok();
            }
        };
        list("listeners", listeners.iter().map(|it| listener(*it).to_owned()).collect());
        list("workers", workers.iter().map(|it| format!("\"{it}\"")).collect());
        list("sources", halls.iter().map(|it| format!("10.{it}.0.0/16")).collect());
        list("firmware", firmware.clone());
        write!(text, "\n\x20     routeRef: {{ name: {} }}", ROUTES[*route]).ok();
        text
    }
}

// === impl DrawnRoute ===

impl DrawnRoute {
    fn random(random: &mut fastrand::Rng, pools: usize) -> Self {
        let mut order: Vec<usize> = (0..pools).collect();
        random.shuffle(&mut order);
        order.truncate(random.usize(1..=pools));
        let mut route = Self {
            is_dedicated: random.u8(0..3) == 0,
            pools: order.into_iter().map(|pool| DrawnEntry { pool, hours: None }).collect(),
            has_weights: random.u8(0..4) == 0,
            pin: None,
            is_staged: random.u8(0..4) == 0,
        };
        if random.u8(0..3) == 0 {
            route.draw_hours(random);
        }
        if random.u8(0..2) == 0 {
            route.draw_pin(random);
        }
        route
    }

    fn draw_pin(&mut self, random: &mut fastrand::Rng) {
        let pin = random.bool().then(|| self.pools[random.usize(0..self.pools.len())].pool);
        self.pin = pin;
    }

    /// For the pool that comes first, but for a last resort.
    fn draw_hours(&mut self, random: &mut fastrand::Rng) {
        let from = random.u16(0..6);
        let hours = random.bool().then(|| (from, from + random.u16(1..5)));
        if let [first, _, ..] = &mut self.pools[..] {
            first.hours = hours;
        }
    }

    fn text(&self, name: &str) -> String {
        let Self { is_dedicated, pools, has_weights, pin, is_staged } = self;
        let mut text = format!("\x20   - name: {name}\n\x20     failback: {{ after: 20s }}\n");
        if *is_dedicated {
            text.push_str("\x20     mode: Dedicated\n");
        }
        if let Some(pin) = pin {
            writeln!(text, "\x20     pin: {}", POOLS[*pin]).ok();
        }
        if *is_staged {
            text.push_str(
                "\x20     rollout:\n\x20       strategy: Staged\n\x20       steps:\n\
                 \x20         - { percent: 10, for: 10s }\n\
                 \x20         - { percent: 50, for: 10s }\n\
                 \x20         - { percent: 100, for: 5s }\n",
            );
        }
        text.push_str("\x20     pools:\n");
        for (index, DrawnEntry { pool, hours }) in pools.iter().enumerate() {
            let place = match has_weights {
                true => format!("priority: 0, weight: {}", 10 + 30 * index),
                false => format!("priority: {}", 10 * index),
            };
            let hours = hours.map(|(from, to)| {
                format!(", schedule: [{{ from: \"00:{from:02}\", to: \"00:{to:02}\" }}]")
            });
            let (name, hours) = (POOLS[*pool], hours.unwrap_or_default());
            writeln!(text, "\x20       - {{ poolRef: {{ name: {name} }}, {place}{hours} }}").ok();
        }
        text
    }
}

// === impl DrawnPool ===

impl DrawnPool {
    fn random(random: &mut fastrand::Rng) -> Self {
        let mut pool = Self {
            account: ACCOUNTS[random.usize(0..ACCOUNTS.len())],
            worker_name: None,
            logins_max: random.u16(1..=16),
            is_verified: random.bool(),
            suggests: random.bool(),
        };
        if random.bool() {
            pool.draw_name(random);
        }
        pool
    }

    fn draw_name(&mut self, random: &mut fastrand::Rng) {
        let names = [
            None,
            Some(""),
            Some("east"),
            Some("{worker}"),
            Some("{name}"),
            Some("{listener}-{worker}"),
            Some("{worker}"),
        ];
        self.worker_name = names[random.usize(0..names.len())];
    }

    fn text(&self, index: usize) -> String {
        let Self { account, worker_name, logins_max, is_verified, suggests } = self;
        let name = POOLS[index];
        let mut text = format!(
            "---\n\
             apiVersion: stratum.loka.dev/v1alpha1\n\
             kind: StratumPool\n\
             metadata: {{ name: {name}, namespace: test }}\n\
             spec:\n\
             \x20 endpoints: [{{ url: \"stratum+tcp://{}:3333\" }}]\n\
             \x20 account: {account}\n\
             \x20 timeouts: {{ submit: 20s, jobSilence: 60s }}\n",
            host(name),
        );
        if let Some(worker_name) = worker_name {
            writeln!(text, "\x20 workerName: \"{worker_name}\"").ok();
        }
        if worker_name.is_some_and(|name| name.contains('{')) {
            writeln!(text, "\x20 maxLogins: {logins_max}").ok();
        }
        if *is_verified {
            let address = address_of(payee(index));
            writeln!(text, "\x20 verify: {{ payoutAddress: {address}, minPercent: 50 }}").ok();
        }
        if !suggests {
            text.push_str("\x20 suggestDifficulty: Disabled\n");
        }
        text
    }
}

/// The address of a key, by another library than the proxy's.
fn address_of(key_hash: [u8; 20]) -> String {
    use bitcoin::hashes::Hash as _;
    let key_hash = bitcoin::PubkeyHash::from_byte_array(key_hash);
    bitcoin::Address::p2pkh(key_hash, bitcoin::Network::Bitcoin).to_string()
}

/// Miners of every firmware, in two halls and on every listener, with names of one style.
pub(crate) fn rigs(random: &mut fastrand::Rng, drawn: &Drawn) -> Vec<Rig> {
    let styles: [fn(u32) -> String; 4] = [
        |number| format!("acct.rig{number}"),
        |number| format!("farm.rig{number}"),
        |number| format!("rig{number}"),
        |number| format!("a.b.rig{number}"),
    ];
    let style = styles[random.usize(0..styles.len())];
    let count = random.u32(6..=14);
    let profiles = Profile::all().iter().cycle().zip(0..count);
    let rig = |(profile, number): (&&'static Profile, u32)| Rig {
        profile,
        worker: style(number),
        source: source(random.u8(0..2), number + 1),
        port: [PORT, OTHER_PORT][random.usize(0..drawn.listeners.len())],
        rate: RATE,
    };
    profiles.map(rig).collect()
}
