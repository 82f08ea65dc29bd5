//! Which miners take another route than their listener's, and what their firmware can take.

use crate::{
    runtime_config::{FirmwareProfile, Rule},
    stratum_proxy::{self as spec, StratumProxySpec},
    values::{Cidr, QuantityText},
};

use super::draft::{At, Draft};

pub(super) fn rules(draft: &mut Draft<'_, StratumProxySpec>) -> Vec<Rule> {
    let rules = draft.document.spec.rules.iter().enumerate();
    rules.map(|(index, wanted)| rule(draft, index, wanted)).collect()
}

fn rule(draft: &mut Draft<'_, StratumProxySpec>, index: usize, wanted: &spec::Rule) -> Rule {
    let spec::Rule { name, listeners, workers, sources, firmware, route_ref } = wanted;
    let at = At::new(format!("spec.rules[{index}]"), format!("rules[{name}]"));
    for (index, source) in sources.iter().enumerate() {
        if Cidr::parse(source).is_err() {
            let from = at.item("sources", index).from;
            let remedy = "write it like 10.1.0.0/16 or 2001:db8::/32";
            draft.refuse_value(&from, source, "is no range of addresses", remedy);
        }
    }
    Rule {
        name: name.clone(),
        listeners: texts(draft, &at, "listeners", listeners),
        workers: texts(draft, &at, "workers", workers),
        sources: texts(draft, &at, "sources", sources),
        firmware: texts(draft, &at, "firmware", firmware),
        route: draft.text(&at.renamed("routeRef.name", "route"), &route_ref.name),
    }
}

pub(super) fn firmware(draft: &mut Draft<'_, StratumProxySpec>) -> Vec<FirmwareProfile> {
    let profiles = draft.document.spec.firmware.iter().enumerate();
    profiles.map(|(index, wanted)| profile(draft, index, wanted)).collect()
}

fn profile(
    draft: &mut Draft<'_, StratumProxySpec>,
    index: usize,
    wanted: &spec::FirmwareProfile,
) -> FirmwareProfile {
    let spec::FirmwareProfile {
        name,
        user_agents,
        extranonce2_size,
        coinbase_bytes_max,
        min_difficulty,
        initial_difficulty,
        set_extranonce,
    } = wanted;
    let at = At::new(format!("spec.firmware[{index}]"), format!("firmware[{name}]"));
    if let Some(set_extranonce) = set_extranonce {
        draft.text(&at.field("setExtranonce"), &format!("{set_extranonce:?}"));
    }
    let mut difficulty = |field: &str, wanted: &Option<QuantityText>| {
        wanted.as_ref().map(|it| draft.decimal(&at.field(field), it))
    };
    FirmwareProfile {
        name: name.clone(),
        min_difficulty: difficulty("minDifficulty", min_difficulty),
        initial_difficulty: difficulty("initialDifficulty", initial_difficulty),
        user_agents: texts(draft, &at, "userAgents", user_agents),
        extranonce2_size: extranonce2_size.map(|it| draft.number(&at.field("extranonce2Size"), it)),
        coinbase_bytes_max: coinbase_bytes_max
            .map(|it| draft.number(&at.field("coinbaseBytesMax"), it)),
        set_extranonce: *set_extranonce,
    }
}

fn texts(
    draft: &mut Draft<'_, StratumProxySpec>,
    at: &At,
    field: &str,
    wanted: &[String],
) -> Vec<String> {
    let texts = wanted.iter().enumerate();
    texts.map(|(index, text)| draft.text(&at.item(field, index), text)).collect()
}
