//! What a pod says, read once into bounded and printable form. Pods are ours, but what they say ends
//! up in logs, in status and on somebody's terminal.

use loka_api::control::{
    Ack, FromProxy, Hello, Identity, Nack, PoolState, Problem, Report, from_proxy, wire,
};

use crate::push::event::clean;

/// Of a message of the pod, such as a problem's.
const TEXT_CHARS_MAX: usize = 256;
/// Of a version or a trace context.
const WORD_CHARS_MAX: usize = 64;
/// A StratumProxy may have more pools; the first of them stand for the rest.
const POOLS_MAX: usize = 64;
/// Who has more wrong than that begins with these.
const PROBLEMS_MAX: usize = 20;
/// A uid has 36 bytes, a hash 64 and a prefix.
const NAME_BYTES_MAX: usize = 128;

/// A message, checked.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Said {
    Hello(Hello),
    Ack { identity: Identity, traceparent: String },
    Nack { identity: Identity, problems: Vec<Problem> },
    Report(Report),
}

/// What a pod of ours would never say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Garbage(pub(super) &'static str);

/// Reads a message.
pub(super) fn read(FromProxy { message }: FromProxy) -> Result<Said, Garbage> {
    match message.ok_or(Garbage("a message is empty, or of a kind that is not known"))? {
        from_proxy::Message::Hello(Hello { version, schema, running }) => {
            let running = running.map(identity).transpose()?.map(wire::Identity::from);
            Ok(Said::Hello(Hello { version: clean(&version, WORD_CHARS_MAX), schema, running }))
        }
        from_proxy::Message::Ack(Ack { snapshot, traceparent }) => {
            let traceparent = clean(&traceparent, WORD_CHARS_MAX);
            Ok(Said::Ack { identity: named(snapshot)?, traceparent })
        }
        from_proxy::Message::Nack(Nack { snapshot, problems }) => {
            let problems = problems.into_iter().take(PROBLEMS_MAX).map(problem).collect();
            Ok(Said::Nack { identity: named(snapshot)?, problems })
        }
        from_proxy::Message::Report(Report { pools, miners }) => {
            let pools = pools.into_iter().take(POOLS_MAX).map(pool).collect();
            Ok(Said::Report(Report { pools, miners }))
        }
    }
}

/// The first of a pod's reasons, for a log.
pub(super) fn first_of(problems: &[Problem]) -> String {
    let first = problems.first();
    first.map_or_else(
        || "it gives no reason".to_owned(),
        |Problem { path, message, .. }| match path.as_str() {
            "" => message.clone(),
            path => format!("{path}: {message}"),
        },
    )
}

fn named(name: Option<wire::Identity>) -> Result<Identity, Garbage> {
    identity(name.ok_or(Garbage("an answer names no snapshot"))?)
}

/// Names are compared, so they are not cut but refused.
fn identity(name: wire::Identity) -> Result<Identity, Garbage> {
    let wire::Identity { epoch, sequence, hash } = name;
    let is_sound = |text: &str| {
        (1..=NAME_BYTES_MAX).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_graphic())
    };
    if !is_sound(&epoch) || !is_sound(&hash) {
        return Err(Garbage("a snapshot's name is not one that the operator gives"));
    }
    Ok(Identity { epoch, sequence, hash })
}

fn problem(Problem { path, message, remedy }: Problem) -> Problem {
    let text = |text: String| clean(&text, TEXT_CHARS_MAX);
    Problem { path: text(path), message: text(message), remedy: text(remedy) }
}

fn pool(PoolState { route, pool, up, active, last_error }: PoolState) -> PoolState {
    let text = |text: String| clean(&text, TEXT_CHARS_MAX);
    PoolState { route: text(route), pool: text(pool), up, active, last_error: text(last_error) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn say(message: from_proxy::Message) -> Result<Said, Garbage> {
        read(FromProxy { message: Some(message) })
    }

    fn name(epoch: &str, hash: &str) -> wire::Identity {
        wire::Identity { epoch: epoch.to_owned(), sequence: 7, hash: hash.to_owned() }
    }

    #[test]
    fn problems_are_bounded_cut_and_printable() {
        let long = "\u{1b}[31m".to_owned() + &"ü".repeat(1000);
        let one = Problem { path: "spec\n".to_owned(), message: long, remedy: String::new() };
        let nack = Nack { snapshot: Some(name("e", "h")), problems: vec![one; 100] };
        let Ok(Said::Nack { identity, problems }) = say(from_proxy::Message::Nack(nack)) else {
            panic!("a Nack is read as one");
        };
        assert_eq!((identity.sequence, problems.len()), (7, PROBLEMS_MAX));
        assert_eq!(problems[0].path, "spec\u{fffd}");
        assert!(problems[0].message.starts_with("\u{fffd}[31mü"));
        assert_eq!(problems[0].message.chars().count(), TEXT_CHARS_MAX);
        assert!(problems[0].message.ends_with('…'));
    }

    #[test]
    fn the_first_reason_is_told_with_its_place() {
        let problem = |path: &str, message: &str| Problem {
            path: path.into(),
            message: message.into(),
            remedy: "r".into(),
        };
        let all = [problem("spec.listeners[0].port", "is in use"), problem("x", "y")];
        assert_eq!(first_of(&all), "spec.listeners[0].port: is in use");
        assert_eq!(first_of(&[problem("", "no")]), "no");
        assert_eq!(first_of(&[]), "it gives no reason");
    }

    #[test]
    fn reports_are_bounded_and_cut() {
        let last_error = "x".repeat(10_000);
        let pool = PoolState { last_error, up: true, ..PoolState::default() };
        let report = Report { pools: vec![pool; 1000], miners: 5 };
        let Ok(Said::Report(report)) = say(from_proxy::Message::Report(report)) else {
            panic!("a Report is read as one");
        };
        assert_eq!((report.pools.len(), report.miners), (POOLS_MAX, 5));
        assert_eq!(report.pools[0].last_error.chars().count(), TEXT_CHARS_MAX);
        assert!(report.pools[0].up);
    }

    #[test]
    fn what_a_pod_of_ours_never_says_is_refused() {
        assert!(read(FromProxy { message: None }).is_err());
        let ack =
            |snapshot| say(from_proxy::Message::Ack(Ack { snapshot, traceparent: String::new() }));
        assert!(ack(Some(name("e", "h"))).is_ok());
        let long = "h".repeat(NAME_BYTES_MAX + 1);
        let bad =
            [name("", "h"), name("e", ""), name("e", &long), name("e\n", "h"), name("e", "ü")];
        for snapshot in bad {
            assert!(ack(Some(snapshot.clone())).is_err(), "{snapshot:?}");
            let hello = Hello { running: Some(snapshot), ..Hello::default() };
            assert!(say(from_proxy::Message::Hello(hello)).is_err());
        }
        assert!(ack(None).is_err());
    }
}
