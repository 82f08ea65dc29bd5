//! The documents of the experiment's proxies: two halls, two pools, everything else by default.
//!
//! But for the listeners' `idleTimeout`: tickets are so much rarer than a real machine's shares that slow machines would be let
//! go for their silence.

use loka_api::{Layered, Resources, render};
use loka_farm::paid::plan::PoolId;
use loka_farm::paid::report::LISTENERS;
use loka_proxy::config::Applied;

/// The ports of the halls' listeners.
pub(crate) const PORTS: [u16; 2] = [3333, 3334];

/// Each pool pays an account of its own, so that a share on a wrong one is seen.
pub(crate) const ACCOUNTS: [&str; 2] = ["acct-first", "acct-second"];

const NAMES: [&str; 2] = ["first", "second"];

/// Of pools and miners: 86 hashes.
pub(crate) const DIFFICULTY: f64 = 2e-8;

/// With `preferred` before the other pool, at these addresses.
pub(crate) fn text(preferred: PoolId, addresses: &[String; 2], ports: [u16; 2]) -> String {
    // In thousandths: a quantity has six decimals.
    let milli = |factor: f64| format!("{:.6}m", DIFFICULTY * factor * 1e3);
    let mut text = "apiVersion: stratum.loka.dev/v1alpha1\n\
        kind: StratumProxy\n\
        metadata: { name: farm, namespace: paid }\n\
        spec:\n\
        \x20 listeners:\n"
        .to_owned();
    for (name, port) in LISTENERS.iter().zip(ports) {
        text += &format!(
            "    - name: {name}\n      port: {port}\n      limits: {{ idleTimeout: 24h }}\n      \
             difficulty: {{ initial: \"{}\", min: \"{}\", max: \"{}\" }}\n",
            milli(1.0),
            milli(0.1),
            milli(100.0)
        );
    }
    text += "  routes:\n    - name: main\n      pools:\n";
    for (pool, priority) in [(preferred, 0), (preferred.other(), 10)] {
        let name = of(NAMES, pool);
        text += &format!("        - {{ poolRef: {{ name: {name} }}, priority: {priority} }}\n");
    }
    for pool in PoolId::ALL {
        let address = addresses.get(pool.index()).map_or("", String::as_str);
        text += &format!(
            "---\napiVersion: stratum.loka.dev/v1alpha1\nkind: StratumPool\n\
             metadata: {{ name: {}, namespace: paid }}\nspec:\n\
             \x20 endpoints: [{{ url: \"stratum+tcp://{address}\" }}]\n  account: {}\n",
            of(NAMES, pool),
            of(ACCOUNTS, pool)
        );
    }
    text
}

/// The same, ready to be applied.
pub(crate) fn applied(preferred: PoolId, addresses: &[String; 2], ports: [u16; 2]) -> Applied {
    let text = text(preferred, addresses, ports);
    let resources = Resources::load([("paid.yaml", text.as_str())]).expect("good documents");
    let proxy = resources.proxy(None).expect("one proxy");
    let rendered = render(&resources, proxy, &Layered(Vec::new())).expect("good documents");
    Applied::of(rendered.config, "paid.yaml")
}

fn of(names: [&'static str; 2], pool: PoolId) -> &'static str {
    names.get(pool.index()).copied().unwrap_or_default()
}
