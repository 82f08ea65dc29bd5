//! Whether the demo went well: counts in, verdict out. It owns the limits and knows no socket.

use serde::Serialize;

/// Of the shares that meet their pool's target, so many must be credited.
const CREDITED_MIN: f64 = 0.98;

/// How the demo ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Verdict {
    Failed,
    Passed,
}

/// What is judged.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Facts {
    /// Where ledger, pools and miners do not agree.
    pub(super) disagreements: Vec<String>,
    /// Shares found that meet their pool's target.
    pub(super) worth: u64,
    /// Shares that the pools credited, by their own books.
    pub(super) credited: u64,
    /// Connections that simulated miners lost.
    pub(super) reconnects: u64,
    /// Exit code of the proxy.
    pub(super) proxy_exit: Option<i32>,
    /// Whether the farm was seen at another pool after the first died; absent if none died.
    pub(super) moved: Option<Moved>,
}

/// Whether a farm whose pool died went on elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Moved {
    No,
    Yes,
}

/// One gate, and what it found.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Gate {
    pub(super) name: &'static str,
    pub(super) verdict: Verdict,
    pub(super) found: String,
}

// === impl Facts ===

impl Facts {
    /// Every gate, passed or not.
    pub(super) fn gates(&self) -> Vec<Gate> {
        let gate = |name, holds: bool, found| {
            let verdict = if holds { Verdict::Passed } else { Verdict::Failed };
            Gate { name, verdict, found }
        };
        let credited = self.credited_part();
        let books = match self.disagreements.as_slice() {
            [] => "ledger = pools = miners".to_owned(),
            some => some.join("; "),
        };
        let mut gates = vec![
            gate("the books agree", self.disagreements.is_empty(), books),
            gate(
                "98 % credited",
                credited >= CREDITED_MIN,
                format!("{} of {} shares ({:.1} %)", self.credited, self.worth, credited * 100.0),
            ),
            gate(
                "nobody was disconnected",
                self.reconnects == 0,
                format!("{} reconnects", self.reconnects),
            ),
            gate(
                "the proxy ended well",
                self.proxy_exit == Some(0),
                self.proxy_exit
                    .map_or_else(|| "no exit code".to_owned(), |code| format!("exit code {code}")),
            ),
        ];
        if let Some(moved) = self.moved {
            let found = if moved == Moved::Yes { "it did" } else { "it did not" };
            gates.push(gate("the farm moved", moved == Moved::Yes, found.to_owned()));
        }
        gates
    }

    /// Passed if every gate is.
    pub(super) fn verdict(&self) -> Verdict {
        match self.gates().iter().all(|gate| gate.verdict == Verdict::Passed) {
            true => Verdict::Passed,
            false => Verdict::Failed,
        }
    }

    /// Nothing found is nothing credited: a farm that does not mine does not pass.
    #[expect(clippy::cast_precision_loss, reason = "far fewer shares than 2^53")]
    fn credited_part(&self) -> f64 {
        if self.worth == 0 { 0.0 } else { self.credited as f64 / self.worth as f64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Facts {
        Facts {
            worth: 100,
            credited: 98,
            proxy_exit: Some(0),
            moved: Some(Moved::Yes),
            ..Facts::default()
        }
    }

    #[test]
    fn a_good_run_passes() {
        assert_eq!(good().verdict(), Verdict::Passed);
        assert_eq!(Facts { moved: None, ..good() }.verdict(), Verdict::Passed);
    }

    #[test]
    fn each_gate_fails_by_itself() {
        let broken = [
            ("the books agree", Facts { disagreements: vec!["x".to_owned()], ..good() }),
            ("98 % credited", Facts { credited: 97, ..good() }),
            ("98 % credited", Facts { credited: 0, worth: 0, ..good() }),
            ("nobody was disconnected", Facts { reconnects: 1, ..good() }),
            ("the proxy ended well", Facts { proxy_exit: None, ..good() }),
            ("the proxy ended well", Facts { proxy_exit: Some(3), ..good() }),
            ("the farm moved", Facts { moved: Some(Moved::No), ..good() }),
        ];
        for (name, facts) in broken {
            let failed: Vec<_> = facts
                .gates()
                .into_iter()
                .filter(|gate| gate.verdict == Verdict::Failed)
                .map(|gate| gate.name)
                .collect();
            assert_eq!(failed, [name]);
            assert_eq!(facts.verdict(), Verdict::Failed);
        }
    }
}
