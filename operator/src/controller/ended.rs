//! How a reconcile ended, in the terms in which it is counted and logged.

use std::time::Instant;

use kube::runtime::controller::Action;

use super::Error;
use super::apply::Refused;
use crate::fleet::ProxyKey;
use crate::telemetry::reasons::{ReconcileResult, Reconciled};
use crate::telemetry::{Event, Telemetry};

/// A reconcile that came to its end.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) action: Action,
    hindered: Option<(ReconcileResult, String)>,
}

// === impl Ended ===

impl Ended {
    /// All is as it should be, or on its way.
    pub(super) fn well(action: Action) -> Self {
        Self { action, hindered: None }
    }

    /// The documents cannot be had as they are, which their status says as well.
    pub(super) fn invalid(action: Action, why: String) -> Self {
        Self { action, hindered: Some((ReconcileResult::Invalid, why)) }
    }

    /// The cluster does not take a child.
    pub(super) fn refused(action: Action, refused: &Refused) -> Self {
        let Refused { reason, message } = refused;
        let result = match *reason {
            "Forbidden" => ReconcileResult::Forbidden,
            _ => ReconcileResult::Invalid,
        };
        Self { action, hindered: Some((result, format!("{reason}: {message}"))) }
    }
}

/// Tells how it ended. One that another replica cut short, by beginning to lead, is none of ours.
pub(super) fn tell(
    telemetry: &Telemetry,
    (kind, object): (Reconciled, &ProxyKey),
    began: Instant,
    ended: &Result<Ended, Error>,
) {
    let after = began.elapsed();
    let emit = |result, error| {
        telemetry.emit(&Event::Reconciled { kind, object, result, after, error });
    };
    match ended {
        Ok(Ended { action: _, hindered: None }) => emit(ReconcileResult::Ok, None),
        Ok(Ended { action: _, hindered: Some((result, why)) }) => emit(*result, Some(why)),
        Err(Error::NotLeading) => {}
        Err(error) => emit(result_of(error), Some(error)),
    }
}

fn result_of(error: &Error) -> ReconcileResult {
    match error {
        Error::Api(error) => match error.as_ref() {
            kube::Error::Api(status) if status.is_forbidden() => ReconcileResult::Forbidden,
            kube::Error::Api(status) if status.is_conflict() => ReconcileResult::Conflict,
            _ => ReconcileResult::Failed,
        },
        Error::Refused(refused) if refused.reason == "Forbidden" => ReconcileResult::Forbidden,
        Error::Refused(_) => ReconcileResult::Invalid,
        Error::Replaced | Error::Contended => ReconcileResult::Conflict,
        Error::TimedOut => ReconcileResult::TimedOut,
        Error::Leftover { .. }
        | Error::NotLeading
        | Error::NeverSettles
        | Error::Unwatched
        | Error::NoCertificates
        | Error::Json(_) => ReconcileResult::Failed,
    }
}
