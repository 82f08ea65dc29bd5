//! Which miners take another route than their listener's, and what the farm's own firmware can take, as tables.

use std::io::{self, Write};

use loka_api::runtime_config::{FirmwareProfile, Rule};

use crate::table::table;

pub(super) fn rules(rules: &[Rule], out: &mut dyn Write) -> io::Result<()> {
    if rules.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "\nMiners that take another route: the first of these rules that fits; if none does, their listener's"
    )?;
    let rows: Vec<_> = rules
        .iter()
        .enumerate()
        .map(|(index, rule)| {
            let Rule { name, listeners, workers, sources, firmware, route } = rule;
            let [listeners, workers, sources, firmware] =
                [listeners, workers, sources, firmware].map(|list| any_of(list));
            let index = (index + 1).to_string();
            [index, name.clone(), route.clone(), listeners, workers, sources, firmware]
        })
        .collect();
    table(["#", "RULE", "ROUTE", "LISTENER", "WORKER", "SOURCE", "FIRMWARE"], &rows, out)
}

fn any_of(list: &[String]) -> String {
    if list.is_empty() { "any".to_owned() } else { list.join(", ") }
}

pub(super) fn firmware(profiles: &[FirmwareProfile], out: &mut dyn Write) -> io::Result<()> {
    if profiles.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nFirmware that the document knows, tried before what the proxy knows")?;
    let rows: Vec<_> = profiles
        .iter()
        .map(|profile| {
            let FirmwareProfile {
                name,
                user_agents,
                extranonce2_size,
                coinbase_bytes_max,
                min_difficulty,
                initial_difficulty,
                set_extranonce,
            } = profile;
            [
                name.clone(),
                user_agents.join(", "),
                extranonce2_size.map_or_else(unsaid, |size| format!("{size} bytes")),
                coinbase_bytes_max.map_or_else(unsaid, |size| format!("{size} bytes")),
                initial_difficulty.clone().unwrap_or_else(unsaid),
                min_difficulty.clone().unwrap_or_else(unsaid),
                set_extranonce.map_or_else(unsaid, |it| format!("{it:?}").to_lowercase()),
            ]
        })
        .collect();
    let header = [
        "FIRMWARE",
        "USER AGENT",
        "EXTRANONCE2",
        "COINBASE",
        "DIFFICULTY",
        "AT LEAST",
        "SET_EXTRANONCE",
    ];
    table(header, &rows, out)
}

/// As the route and the listener have it.
fn unsaid() -> String {
    "-".to_owned()
}
