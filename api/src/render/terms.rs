//! What a route is told beyond the order of its pools: hours, the pin, and how a change is made.

use crate::{
    runtime_config::{Rollout, RolloutStep, Window},
    stratum_proxy::{self as spec, RolloutStrategy, ScheduleWindow, StratumProxySpec},
};

use super::{
    draft::{At, Draft},
    origin::Origin,
};

/// Every day of the week: bit 0 is Monday.
const EVERY_DAY: u8 = 0b111_1111;
const MINUTES_PER_DAY: u16 = 24 * 60;

/// The steps of a roll-out, where the document does not say: percent, and how long.
const STEPS: [(u8, u64); 3] = [(1, 5 * 60_000), (10, 10 * 60_000), (100, 5 * 60_000)];

pub(super) fn schedule(
    draft: &mut Draft<'_, StratumProxySpec>,
    at: &At,
    wanted: &[ScheduleWindow],
) -> Vec<Window> {
    let windows = wanted.iter().enumerate();
    windows.map(|(index, it)| window(draft, &at.item("schedule", index), it)).collect()
}

fn window(draft: &mut Draft<'_, StratumProxySpec>, at: &At, wanted: &ScheduleWindow) -> Window {
    let ScheduleWindow { days, from, to } = wanted;
    let days = match days.iter().fold(0, |days, day| days | 1 << *day as u8) {
        0 => EVERY_DAY,
        days => days,
    };
    let from_minute = minute(draft, &at.renamed("from", "fromMinute"), from);
    let to_minute = match minute(draft, &at.renamed("to", "toMinute"), to) {
        0 => MINUTES_PER_DAY,
        minute => minute,
    };
    let window = Window { days, from_minute, to_minute };
    draft.text(&at.field("days"), &window.day_names());
    window
}

fn minute(draft: &mut Draft<'_, StratumProxySpec>, at: &At, text: &str) -> u16 {
    let minute = text.split_once(':').and_then(|(hours, minutes)| {
        Some(hours.parse::<u16>().ok()?.checked_mul(60)? + minutes.parse::<u16>().ok()?.min(59))
    });
    let Some(minute) = minute.filter(|it| *it <= MINUTES_PER_DAY) else {
        draft.refuse_value(&at.from, text, "is no time of a day", "write it like \"08:00\"");
        return 0;
    };
    draft.text(at, text);
    minute
}

pub(super) fn rollout(
    draft: &mut Draft<'_, StratumProxySpec>,
    at: &At,
    wanted: &spec::Rollout,
) -> Option<Rollout> {
    let spec::Rollout { strategy, steps, min_acceptance, max_latency, max_job_age } = wanted;
    draft.text(&at.field("strategy"), &format!("{strategy:?}"));
    match strategy {
        RolloutStrategy::Immediate => None,
        RolloutStrategy::Staged => Some(Rollout {
            steps: match steps {
                Some(steps) => steps
                    .iter()
                    .enumerate()
                    .map(|(index, it)| step(draft, &at.item("steps", index), it))
                    .collect(),
                None => default_steps(draft, at),
            },
            min_acceptance_permille: permille(
                draft,
                &at.renamed("minAcceptance", "minAcceptancePermille"),
                min_acceptance,
            ),
            max_latency_ms: draft.millis(&at.duration("maxLatency"), max_latency),
            max_job_age_ms: draft.millis(&at.duration("maxJobAge"), max_job_age),
        }),
    }
}

fn step(
    draft: &mut Draft<'_, StratumProxySpec>,
    at: &At,
    wanted: &spec::RolloutStep,
) -> RolloutStep {
    let spec::RolloutStep { percent, lasts } = wanted;
    RolloutStep {
        percent: draft.number(&at.field("percent"), *percent),
        for_ms: draft.millis(&at.duration("for"), lasts),
    }
}

fn default_steps(draft: &mut Draft<'_, StratumProxySpec>, at: &At) -> Vec<RolloutStep> {
    let steps = STEPS.into_iter().enumerate();
    let from = at.field("steps").from;
    steps
        .map(|(index, (percent, for_ms))| {
            let at = at.item("steps", index);
            let origin = || Origin::Default { path: from.clone() };
            draft.notes.explain(&at.field("percent"), &percent.to_string(), origin());
            draft.notes.explain(&at.duration("for"), &for_ms.to_string(), origin());
            RolloutStep { percent, for_ms }
        })
        .collect()
}

/// A decimal number from 0 to 1 with at most three decimals, in thousandths.
fn permille(draft: &mut Draft<'_, StratumProxySpec>, at: &At, text: &str) -> u16 {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let permille = format!("{whole}{decimals:0<3}").parse::<u16>().ok();
    let Some(permille) = permille.filter(|it| *it <= 1000 && decimals.len() <= 3) else {
        let remedy = "write a decimal number from 0 to 1, like \"0.95\"";
        draft.refuse_value(&at.from, text, "is no part", remedy);
        return 0;
    };
    draft.text(at, text);
    permille
}
