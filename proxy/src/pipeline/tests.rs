use std::collections::BTreeSet;
use std::time::Duration;

use loka_stratum::downstream::SessionToken;
use loka_stratum::message::parse_client;
use loka_stratum::work::Now;

use super::{judge, sanitise, *};
use crate::clock::Clock;
use crate::wire::Greeting as Greets;

/// A file that nobody lists is a phase that no message goes through.
#[test]
fn each_file_of_the_pipeline_is_a_phase_of_the_list() {
    let files = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src/pipeline")).unwrap();
    let files: BTreeSet<String> = files
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .filter_map(|name| name.strip_suffix(".rs").map(str::to_owned))
        .filter(|name| name != "tests")
        .collect();
    let listed: BTreeSet<String> =
        super::Pipeline::NAMES.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(files, listed);
}

/// A phase as anybody may add one: it refuses pings, and lets each submit wait once.
mod extension {
    use std::time::Instant;

    use loka_stratum::message::ClientMessage;
    use loka_stratum::rpc::RejectCode;

    use super::super::{Conduct, Flow, Message, Phase, Refusal, Scene};

    #[derive(Debug)]
    pub(super) struct State {
        has_waited: bool,
    }

    impl Phase for State {
        fn begin(_now: Instant, _conduct: &Conduct) -> Self {
            Self { has_waited: false }
        }

        fn message(&mut self, scene: &Scene<'_>, message: &Message<'_>) -> Flow {
            match message.said.as_ref().map(|request| &request.message) {
                Ok(ClientMessage::Ping) => {
                    Flow::Refuse(Refusal::new(RejectCode::Other, "No pings here"))
                }
                Ok(ClientMessage::Submit(_)) if !std::mem::replace(&mut self.has_waited, true) => {
                    Flow::Wait(scene.now + std::time::Duration::from_secs(1))
                }
                _ => Flow::GoOn,
            }
        }
    }
}

/// Counts what comes through.
mod witness {
    use std::time::Instant;

    use super::super::{Conduct, Flow, Message, Phase, Scene};

    #[derive(Debug)]
    pub(super) struct State(pub(super) u32);

    impl Phase for State {
        fn begin(_now: Instant, _conduct: &Conduct) -> Self {
            Self(0)
        }

        fn message(&mut self, _scene: &Scene<'_>, _message: &Message<'_>) -> Flow {
            self.0 += 1;
            Flow::GoOn
        }
    }
}

phases![sanitise, extension, witness, judge];

#[test]
fn an_extension_is_a_file_and_a_name_in_the_list_and_acts_at_its_place() {
    let now: Now = Clock::System.now();
    let conduct = Conduct { pace: Pace { per_second: 1, burst: 1 }, tallies: None, gate: None };
    let machine = Downstream::new(now, Duration::ZERO, SessionToken(1));
    let telemetry = Telemetry::silent();
    let peer = SocketAddr::from(([10, 0, 0, 7], 40_000));
    let (now, listener) = (now.instant, "v1");
    let (conduct, machine, telemetry) = (&conduct, &machine, &telemetry);
    let scene = Scene { now, listener, peer, conduct, machine, telemetry, pool: None };
    let mut pipeline = Pipeline::begin(now, conduct);
    assert_eq!(Pipeline::NAMES, ["sanitise", "extension", "witness", "judge"]);
    let mut pass = |line: &str, passed: &mut Passed| {
        let said = parse_client(line.as_bytes());
        let flow =
            pipeline.message(&scene, &Message { line: line.as_bytes(), said: &said }, passed);
        (flow, pipeline.witness.0)
    };
    let ping = r#"{"id":1,"method":"mining.ping","params":[]}"#;
    let (flow, seen) = pass(ping, &mut Passed::default());
    assert!(matches!(flow, Flow::Refuse(refusal) if refusal.text == "No pings here"), "{flow:?}");
    assert_eq!(seen, 0, "it went no further");
    let share = r#"{"id":2,"method":"mining.submit","params":["a","1","00","504e86b1","0"]}"#;
    let mut passed = Passed::default();
    let (flow, seen) = pass(share, &mut passed);
    assert_eq!((flow, seen), (Flow::Wait(now + Duration::from_secs(1)), 0));
    assert_eq!(pass(share, &mut passed), (Flow::GoOn, 1), "it goes on where it waited");
    let greeted = pipeline.greeted(&scene, Greets::Http);
    assert_eq!(greeted, Judgement::Close(CloseReason::Http), "and the others are as they were");
    pipeline.absent();
    assert_eq!(pipeline.ready(&scene), Ok(()));
    assert_eq!(pipeline.outcome(&scene, Outcome::Due), Judgement::Fine);
    assert_eq!(pipeline.terms(&scene), Judgement::Fine);
    let mut cx = Context::from_waker(std::task::Waker::noop());
    assert_eq!(pipeline.poll(&mut cx), Poll::Pending);
}
