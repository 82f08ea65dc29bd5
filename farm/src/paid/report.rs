//! What the experiment says: a table for people, a document for machines, and the goals missed.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;

use super::budget::Budget;
use super::judgement::{Cause, Judgement, Tally};
use super::plan::{Phase, Plan};
use super::tickets::MachineId;

/// The result of one experiment.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    pub shape: String,
    pub seed: u64,
    pub machines: usize,
    pub virtual_seconds: f64,
    pub real_seconds: f64,
    pub phases: Vec<PhaseReport>,
    pub proxy: FarmReport,
    pub direct: FarmReport,
    /// Of all tickets, what the oracle does not get either.
    pub oracle_lost_bp: f64,
    pub calm_excess_bp: f64,
    pub calm_excess_direct_bp: f64,
    /// Of the direct connections' excess.
    pub excess_of_direct: f64,
    /// Goals and budgets that were missed, in words.
    pub missed: Vec<String>,
}

/// One phase.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PhaseReport {
    pub phase: &'static str,
    pub events: usize,
    pub seconds: f64,
    pub tickets: u64,
    /// In seconds of the whole farm's work, for each event.
    pub lost: PerEvent,
    pub excess: PerEvent,
    pub budget: Option<f64>,
    /// Of the proxy's losses, in tickets.
    pub causes: BTreeMap<&'static str, u64>,
    pub direct_causes: BTreeMap<&'static str, u64>,
}

/// Seconds for each event.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct PerEvent {
    pub proxy: f64,
    pub direct: f64,
    pub oracle: f64,
}

/// One farm over the whole time.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FarmReport {
    pub tickets: u64,
    pub credited: u64,
    pub lost_bp: f64,
    pub excess_bp: f64,
    pub worst_machine: Worst,
    pub worst_listener: Worst,
    pub forbidden: BTreeMap<&'static str, u64>,
}

/// Who lost most of its tickets beyond the oracle.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Worst {
    pub name: String,
    pub excess_bp: f64,
}

/// What a report is made of.
#[derive(Clone, Copy, Debug)]
pub struct Results<'a> {
    pub plan: &'a Plan,
    pub proxy: &'a Judgement,
    pub direct: &'a Judgement,
    pub budget: &'a Budget,
}

/// Two listeners share the farm.
pub const LISTENERS: [&str; 2] = ["hall-a", "hall-b"];

// === impl Report ===

impl Report {
    /// `shape`, `seed`, `machines` and the time taken are for the reader.
    #[must_use]
    pub fn new(shape: &str, seed: u64, machines: usize, results: Results<'_>) -> Self {
        let Results { plan, proxy, direct, budget: _ } = results;
        let phases: Vec<_> =
            Phase::ALL.into_iter().filter_map(|phase| PhaseReport::new(phase, results)).collect();
        let (proxy_total, direct_total) = (proxy.total(), direct.total());
        let oracle_lost: u64 = proxy.oracle_lost.values().sum();
        let calm = |judgement: &Judgement| {
            judgement.phases.get(&Phase::Calm).map_or(0.0, |calm| bp(calm.excess, calm.tickets))
        };
        let mut report = Self {
            shape: shape.to_owned(),
            seed,
            machines,
            virtual_seconds: plan.shape.length.as_secs_f64(),
            real_seconds: 0.0,
            phases,
            oracle_lost_bp: bp(oracle_lost, proxy_total.tickets),
            calm_excess_bp: calm(proxy),
            calm_excess_direct_bp: calm(direct),
            excess_of_direct: proxy_total.excess as f64 / (direct_total.excess as f64).max(1.0),
            proxy: FarmReport::new(&proxy_total, proxy),
            direct: FarmReport::new(&direct_total, direct),
            missed: Vec::new(),
        };
        report.missed = report.find_missed(results);
        report
    }

    fn find_missed(&self, results: Results<'_>) -> Vec<String> {
        let Results { plan: _, proxy, direct, budget } = results;
        let mut missed = Vec::new();
        if self.calm_excess_bp > budget.calm_excess_bp_max {
            missed.push(format!(
                "calm excess is {:.3} bp; the goal is {} bp",
                self.calm_excess_bp, budget.calm_excess_bp_max
            ));
        }
        if self.excess_of_direct > budget.of_direct_excess_max {
            missed.push(format!(
                "total excess is {:.3} of the direct connections'; the goal is {}",
                self.excess_of_direct, budget.of_direct_excess_max
            ));
        }
        for phase in &self.phases {
            if let Some(most) = phase.budget.filter(|most| phase.excess.proxy > *most) {
                missed.push(format!(
                    "{}: {:.3} s of excess per event; the budget is {most} s",
                    phase.phase, phase.excess.proxy
                ));
            }
        }
        for (cause, count) in proxy.forbidden() {
            missed.push(format!("{count} tickets lost as {}, which must be 0", cause.label()));
        }
        if proxy.total().tickets != direct.total().tickets {
            missed.push("the two farms did not have the same tickets".to_owned());
        }
        missed
    }

    /// For people.
    #[must_use]
    pub fn table(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        writeln!(
            text,
            "{:<16}{:>4} {:>9} | {:>9}{:>10}{:>9} | {:>9}{:>10}{:>9} | causes (proxy)",
            "phase", "ev", "tickets", "lost s/ev", "direct", "oracle", "excess", "direct", "budget",
        )
        .ok();
        for phase in &self.phases {
            let causes: Vec<_> =
                phase.causes.iter().map(|(cause, count)| format!("{cause} {count}")).collect();
            writeln!(
                text,
                "{:<16}{:>4} {:>9} | {:>9.3}{:>10.3}{:>9.3} | {:>9.3}{:>10.3}{:>9} | {}",
                phase.phase,
                phase.events,
                phase.tickets,
                phase.lost.proxy,
                phase.lost.direct,
                phase.lost.oracle,
                phase.excess.proxy,
                phase.excess.direct,
                phase.budget.map_or_else(String::new, |most| most.to_string()),
                causes.join(", ")
            )
            .ok();
        }
        for (name, farm) in [("proxy", &self.proxy), ("direct", &self.direct)] {
            writeln!(
                text,
                "{name:<8} lost {:>8.3} bp, excess {:>8.3} bp of {} tickets; worst machine {} {:.2} bp, \
                 worst listener {} {:.2} bp",
                farm.lost_bp,
                farm.excess_bp,
                farm.tickets,
                farm.worst_machine.name,
                farm.worst_machine.excess_bp,
                farm.worst_listener.name,
                farm.worst_listener.excess_bp
            )
            .ok();
        }
        writeln!(
            text,
            "oracle   lost {:>8.3} bp; calm excess {:.4} bp (direct {:.4} bp); total excess {:.4} of direct",
            self.oracle_lost_bp,
            self.calm_excess_bp,
            self.calm_excess_direct_bp,
            self.excess_of_direct
        )
        .ok();
        for missed in &self.missed {
            writeln!(text, "MISSED: {missed}").ok();
        }
        text
    }
}

// === impl PhaseReport ===

impl PhaseReport {
    fn new(phase: Phase, results: Results<'_>) -> Option<Self> {
        let Results { plan, proxy, direct, budget } = results;
        let (events, span) = plan.span(phase);
        let (ours, theirs) = (proxy.phases.get(&phase)?, direct.phases.get(&phase)?);
        let oracle_lost = proxy.oracle_lost.get(&phase).copied().unwrap_or(0);
        // How many seconds of the farm one ticket is, and shared among the events.
        let unit = span.as_secs_f64() / ours.tickets.max(1) as f64 / events.max(1) as f64;
        let seconds = |tickets: u64| tickets as f64 * unit;
        Some(Self {
            phase: phase.label(),
            events,
            seconds: span.as_secs_f64(),
            tickets: ours.tickets,
            lost: PerEvent {
                proxy: seconds(ours.lost()),
                direct: seconds(theirs.lost()),
                oracle: seconds(oracle_lost),
            },
            excess: PerEvent {
                proxy: seconds(ours.excess),
                direct: seconds(theirs.excess),
                oracle: 0.0,
            },
            budget: budget.excess_seconds_per_event_max.get(phase.label()).copied(),
            causes: labelled(&ours.causes),
            direct_causes: labelled(&theirs.causes),
        })
    }
}

// === impl FarmReport ===

impl FarmReport {
    fn new(total: &Tally, judgement: &Judgement) -> Self {
        let machines = total.machines.iter();
        let by_name = machines.clone().map(|(MachineId(id), counts)| (format!("rig{id}"), *counts));
        let halls = LISTENERS.iter().enumerate().map(|(hall, name)| {
            let of_hall =
                machines.clone().filter(|(MachineId(id), _)| id % LISTENERS.len() == hall);
            let counts = of_hall.fold((0, 0), |sum, (_, each)| (sum.0 + each.0, sum.1 + each.1));
            ((*name).to_owned(), counts)
        });
        Self {
            tickets: total.tickets,
            credited: total.credited,
            lost_bp: bp(total.lost(), total.tickets),
            excess_bp: bp(total.excess, total.tickets),
            worst_machine: Worst::of(by_name),
            worst_listener: Worst::of(halls),
            forbidden: labelled(&judgement.forbidden()),
        }
    }
}

// === impl Worst ===

impl Worst {
    fn of(all: impl Iterator<Item = (String, (u64, u64))>) -> Self {
        let worst = all.map(|(name, (lost, tickets))| Self { name, excess_bp: bp(lost, tickets) });
        worst.reduce(|a, b| if b.excess_bp > a.excess_bp { b } else { a }).unwrap_or_default()
    }
}

fn labelled(causes: &BTreeMap<Cause, u64>) -> BTreeMap<&'static str, u64> {
    causes.iter().map(|(cause, count)| (cause.label(), *count)).collect()
}

/// Basis points.
fn bp(part: u64, whole: u64) -> f64 {
    part as f64 / whole.max(1) as f64 * 1e4
}
