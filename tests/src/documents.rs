//! The documents of a farm, as a user would write them.

use std::fmt::Write as _;

use loka_api::control::Snapshot;
use loka_api::{Layered, Resources, render};

/// A StratumProxy and the StratumPools of its one route.
#[derive(Clone, Debug)]
pub struct Documents {
    /// Port that miners connect to.
    pub port: u16,
    /// Difficulty that miners begin with; it moves between a hundredth and a hundred times of it.
    pub difficulty: f64,
    /// In the order of preference.
    pub pools: Vec<PoolDocument>,
    /// How long a better pool must have been healthy.
    pub failback: &'static str,
    /// Further lines of the listener, each with its indentation below `- name`.
    pub listener: String,
    /// Further lines of the route, likewise.
    pub route: String,
    /// Further lines of the spec.
    pub spec: String,
}

/// One StratumPool.
#[derive(Clone, Debug)]
pub struct PoolDocument {
    /// Name of the resource.
    pub name: &'static str,
    /// `host:port`.
    pub address: String,
    /// How it is spoken to: `tcp` or `ssl`.
    pub scheme: &'static str,
    /// The account that is paid.
    pub account: String,
    /// Further lines of its spec.
    pub spec: String,
    /// Further fields of its entry in the route, each after a comma.
    pub in_route: String,
}

/// The name of the StratumProxy, and of the worker that pools see.
pub const PROXY: &str = "farm";

// === impl Documents ===

impl Documents {
    /// Miners on `port`, pools in the order given.
    pub fn new(port: u16, difficulty: f64, pools: Vec<PoolDocument>) -> Self {
        let none = String::new;
        let (listener, route, spec) = (none(), none(), none());
        Self { port, difficulty, pools, failback: "20s", listener, route, spec }
    }

    /// What the operator would make of them, as its snapshot of this number.
    pub fn snapshot(&self, sequence: u64) -> Snapshot {
        let text = self.text();
        let resources = Resources::load([(PROXY, text.as_str())]).expect("good documents");
        let proxy = resources.proxy(None).expect("one proxy");
        let rendered = render(&resources, proxy, &Layered(Vec::new())).expect("good documents");
        Snapshot::new("b3b1", sequence, rendered.config)
    }

    /// All of them in one text.
    pub fn text(&self) -> String {
        let Self { port, difficulty, pools, failback, listener, route, spec } = self;
        // In thousandths: a quantity has six decimals, and practice work is lighter than that.
        let (initial, min, max) = (difficulty * 1e3, difficulty * 10.0, difficulty * 1e5);
        let mut text = format!(
            "apiVersion: stratum.loka.dev/v1alpha1\n\
             kind: StratumProxy\n\
             metadata: {{ name: {PROXY}, namespace: test }}\n\
             spec:\n{spec}\
             \x20 listeners:\n\
             \x20   - name: v1\n\
             \x20     port: {port}\n\
             \x20     difficulty: {{ initial: \"{initial:.6}m\", min: \"{min:.6}m\", \
             max: \"{max:.6}m\", targetShareInterval: 2s }}\n{listener}\
             \x20 routes:\n\
             \x20   - name: main\n\
             \x20     failback: {{ after: {failback} }}\n{route}\
             \x20     pools:\n"
        );
        for (index, pool) in pools.iter().enumerate() {
            // Writing to a String cannot fail.
            writeln!(
                text,
                "        - {{ poolRef: {{ name: {} }}, priority: {}{} }}",
                pool.name,
                index * 10,
                pool.in_route
            )
            .ok();
        }
        for pool in pools {
            text.push_str(&pool.text());
        }
        text
    }
}

// === impl PoolDocument ===

impl PoolDocument {
    /// Pool `name` at `address`, which pays `account`.
    pub fn new(name: &'static str, address: impl Into<String>, account: &str) -> Self {
        let (address, account) = (address.into(), account.to_owned());
        let (spec, in_route) = (String::new(), String::new());
        Self { name, address, scheme: "tcp", account, spec, in_route }
    }

    fn text(&self) -> String {
        let Self { name, address, scheme, account, spec, in_route: _ } = self;
        format!(
            "---\n\
             apiVersion: stratum.loka.dev/v1alpha1\n\
             kind: StratumPool\n\
             metadata: {{ name: {name}, namespace: test }}\n\
             spec:\n\
             \x20 endpoints: [{{ url: \"stratum+{scheme}://{address}\" }}]\n\
             \x20 account: {account}\n{spec}"
        )
    }
}
