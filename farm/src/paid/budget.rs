//! What a phase may cost: read from a file of the tree, so that it is written down and kept.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::plan::Phase;

/// The goals and the budgets of one shape of the experiment.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Budget {
    /// Excess in calm, in basis points of the calm's tickets.
    pub calm_excess_bp_max: f64,
    /// Excess over everything, as a part of that of the direct connections.
    pub of_direct_excess_max: f64,
    /// By the label of a phase: excess in seconds of the whole farm's work, for each event.
    pub excess_seconds_per_event_max: BTreeMap<String, f64>,
}

/// Budgets by the name of the shape.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub struct Budgets(BTreeMap<String, Budget>);

/// A file that says something else.
#[derive(Debug, thiserror::Error)]
pub enum BudgetError {
    #[error("the budget is no YAML of budgets: {0}")]
    NotRead(#[from] serde_yaml::Error),
    #[error("the budget has no entry {0:?}; write one")]
    NoShape(String),
    #[error("the budget {shape:?} says nothing of {phase:?}; write how many seconds it may cost")]
    NoPhase { shape: String, phase: &'static str },
    #[error("the budget {shape:?} names {phase:?}, which is no phase")]
    NotAPhase { shape: String, phase: String },
}

// === impl Budgets ===

impl Budgets {
    /// # Errors
    /// [`BudgetError`], with what is wrong.
    pub fn parse(text: &str) -> Result<Self, BudgetError> {
        Ok(serde_yaml::from_str(text)?)
    }

    /// The one of this shape, complete.
    ///
    /// # Errors
    /// [`BudgetError`] where a phase is missing or unknown.
    pub fn of(&self, shape: &str, phases: &[Phase]) -> Result<&Budget, BudgetError> {
        let budget = self.0.get(shape).ok_or_else(|| BudgetError::NoShape(shape.to_owned()))?;
        let listed = &budget.excess_seconds_per_event_max;
        for phase in phases.iter().map(|phase| phase.label()) {
            if !listed.contains_key(phase) {
                return Err(BudgetError::NoPhase { shape: shape.to_owned(), phase });
            }
        }
        for phase in listed.keys() {
            if !Phase::ALL.iter().any(|known| known.label() == phase) {
                let (shape, phase) = (shape.to_owned(), phase.clone());
                return Err(BudgetError::NotAPhase { shape, phase });
            }
        }
        Ok(budget)
    }
}
