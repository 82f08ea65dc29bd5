//! What is said on a stream that was accepted.

use std::time::Duration;

use loka_api::control::{Hello, Report, from_proxy};
use tonic::Code;

use super::world::{World, dial, large_snapshot, snapshot};
use crate::push::{Closed, Event, Lead, Limits};

#[tokio::test]
async fn a_pod_greets_takes_a_snapshot_and_reports() {
    let mut world = World::new().await;
    let mut pod = world.greet("token-0").await;
    let link = world.link("farm-0");
    assert_eq!((link.version.as_str(), link.pod.uid.as_str()), ("1.2.3", "uid-farm-0"));

    let sent = snapshot(1);
    world.send("farm-0", &sent);
    let got = pod.snapshot().await;
    assert_eq!((&got.identity, &got.config), (&sent.identity, &sent.config));
    pod.ack(&got.identity).await;
    let event = world.event().await;
    let Event::Acked { identity, traceparent, .. } = event else { panic!("{event:?}") };
    assert_eq!((identity, traceparent.as_str()), (sent.identity.clone(), "00-1-2-01"));
    assert_eq!(world.link("farm-0").running, Some(sent.identity.clone()));

    let report = Report { miners: 7, ..Report::default() };
    pod.say(from_proxy::Message::Report(report)).await;
    drop(pod);
    // In order: what was said before the end was heard.
    world.closed(Closed::Peer).await;
    assert!(world.links().is_empty());
}

#[tokio::test]
async fn a_refusal_is_kept_bounded_and_printable() {
    let mut world = World::new().await;
    let mut pod = world.greet("token-0").await;
    world.send("farm-0", &snapshot(1));
    let got = pod.snapshot().await;
    pod.nack(&got.identity, "port 3333\u{1b} is taken").await;
    let event = world.event().await;
    let Event::Nacked { problem, .. } = event else { panic!("{event:?}") };
    assert_eq!(problem, "port 3333\u{fffd} is taken");
    let refused = world.link("farm-0").refused.expect("it is refused");
    assert_eq!((refused.identity, refused.problems.len()), (got.identity, 20));
    assert_eq!(refused.problems[0].message, "port 3333\u{fffd} is taken");
    assert_eq!(world.link("farm-0").running, None);
}

#[tokio::test]
async fn one_snapshot_is_under_way_and_the_latest_follows_it() {
    let mut world = World::new().await;
    let mut pod = world.greet("token-0").await;
    world.send("farm-0", &snapshot(1));
    let first = pod.snapshot().await;
    world.send("farm-0", &snapshot(2));
    world.send("farm-0", &snapshot(3));
    // An answer to what was never sent, and then the one that is waited for.
    pod.ack(&snapshot(0).identity).await;
    assert!(matches!(world.event().await, Event::Stale { .. }));
    assert_eq!(world.link("farm-0").running, None);
    pod.ack(&first.identity).await;
    assert!(matches!(world.event().await, Event::Acked { .. }));
    let next = pod.snapshot().await;
    assert_eq!(next.identity, snapshot(3).identity);
    // The one before is answered already.
    pod.nack(&first.identity, "after all").await;
    assert!(matches!(world.event().await, Event::Stale { .. }));
    assert_eq!(world.link("farm-0").refused, None);
}

#[tokio::test]
async fn a_pod_whose_mounted_file_was_faster_says_so() {
    let mut world = World::new().await;
    let mut pod = world.greet("token-0").await;
    pod.ack(&snapshot(1).identity).await;
    assert!(matches!(world.event().await, Event::Runs { .. }));
    assert_eq!(world.link("farm-0").running, Some(snapshot(1).identity.clone()));
    world.send("farm-0", &snapshot(2));
    let sent = pod.snapshot().await;
    pod.ack(&snapshot(3).identity).await;
    assert!(matches!(world.event().await, Event::Runs { .. }));
    assert_eq!(world.link("farm-0").running, Some(snapshot(3).identity.clone()));
    // What is under way is waited for all the same.
    pod.ack(&sent.identity).await;
    assert!(matches!(world.event().await, Event::Acked { .. }));
}

#[tokio::test]
async fn a_pod_that_does_not_answer_is_sent_what_is_newer() {
    let answer = Duration::from_millis(20);
    let mut world = World::with(Limits { answer, ..Limits::default() }).await;
    let mut pod = world.greet("token-0").await;
    world.send("farm-0", &snapshot(1));
    let first = pod.snapshot().await;
    assert!(matches!(world.event().await, Event::Late { .. }));
    // Late, but to the last that was sent: it counts.
    pod.ack(&first.identity).await;
    assert!(matches!(world.event().await, Event::Acked { .. }));
    world.send("farm-0", &snapshot(2));
    pod.snapshot().await;
    assert!(matches!(world.event().await, Event::Late { .. }));
    world.send("farm-0", &snapshot(3));
    assert_eq!(pod.snapshot().await.identity.sequence, 3);
}

#[tokio::test]
async fn a_pod_that_does_not_read_holds_up_nobody_and_ends_with_the_server() {
    let answer = Duration::from_millis(20);
    let end = Duration::from_millis(200);
    let mut world = World::with(Limits { answer, end, ..Limits::default() }).await;
    world.admit("farm-1", "token-1");
    let deaf = world.greet("token-0").await;
    // Far more than the peer lets be under way towards it.
    for sequence in 1..=3 {
        world.send("farm-0", &large_snapshot(sequence, 8 << 20));
        assert!(matches!(world.event().await, Event::Late { .. }));
    }
    // One is under way, one is next, and one waits to be taken: a fourth is not even made.
    world.send("farm-0", &large_snapshot(4, 8 << 20));
    let mut pod = world.greet("token-1").await;
    world.send("farm-1", &snapshot(9));
    let got = pod.snapshot().await;
    pod.ack(&got.identity).await;
    // On a busy machine, late even so; but nothing of the other pod.
    let event = loop {
        match world.event().await {
            Event::Late { pod, .. } if pod.name == "farm-1" => {}
            other => break other,
        }
    };
    assert!(matches!(event, Event::Acked { .. }), "{event:?}");
    world.stop.cancel();
    world.closed(Closed::Shutdown).await;
    world.closed(Closed::Shutdown).await;
    assert!(world.links().is_empty());
    world.end().await;
    drop(deaf);
}

#[tokio::test]
async fn a_pod_that_dials_again_replaces_itself() {
    let mut world = World::new().await;
    let mut first = world.greet("token-0").await;
    let mut second = world.greet("token-0").await;
    assert_eq!(first.end().await, Code::Aborted);
    world.closed(Closed::Replaced).await;
    world.send("farm-0", &snapshot(1));
    let got = second.snapshot().await;
    second.ack(&got.identity).await;
    assert!(matches!(world.event().await, Event::Acked { .. }));
    assert_eq!(world.links().len(), 1);
    assert_eq!(world.api.state().reviews, 1, "the second time, the token was known");
}

#[tokio::test]
async fn all_streams_end_with_the_operator() {
    let mut world = World::new().await;
    world.admit("farm-1", "token-1");
    let mut pods = [world.greet("token-0").await, world.greet("token-1").await];
    let mut ungreeted = world.dial(Some("token-0")).await.unwrap();
    world.stop.cancel();
    for pod in &mut pods {
        assert_eq!(pod.end().await, Code::Unavailable);
    }
    assert_eq!(ungreeted.end().await, Code::Unavailable);
    assert!(world.links().is_empty());
    world.end().await;
}

#[tokio::test]
async fn all_streams_end_with_the_leadership() {
    let mut world = World::new().await;
    let mut pod = world.greet("token-0").await;
    world.lead.send_replace(Lead::Following(None));
    assert_eq!(pod.end().await, Code::Unavailable);
    world.closed(Closed::NotLeading).await;
}

#[tokio::test]
async fn a_stream_that_has_become_old_ends_without_complaint() {
    let moment = Duration::from_millis(20);
    let mut world = World::with(Limits { age: moment..moment, ..Limits::default() }).await;
    let mut pod = world.greet("token-0").await;
    assert_eq!(pod.end().await, Code::Ok);
    world.closed(Closed::Aged).await;
}

#[tokio::test]
async fn a_pod_that_never_greets_is_let_go() {
    let hello = Duration::from_millis(20);
    let mut world = World::with(Limits { hello, ..Limits::default() }).await;
    let mut pod = world.dial(Some("token-0")).await.unwrap();
    assert_eq!(pod.end().await, Code::DeadlineExceeded);
    let event = world.event().await;
    assert!(matches!(event, Event::Ungreeted { why: Closed::Silent, .. }), "{event:?}");
}

#[tokio::test]
async fn what_cannot_be_ends_the_stream() {
    let mut world = World::new().await;
    let report = || from_proxy::Message::Report(Report::default());
    let mut pod = world.dial(Some("token-0")).await.unwrap();
    pod.say(report()).await;
    assert_eq!(pod.end().await, Code::InvalidArgument);
    let event = world.event().await;
    assert!(matches!(event, Event::Ungreeted { why: Closed::Garbage, .. }), "{event:?}");

    let mut pod = world.greet("token-0").await;
    pod.say(from_proxy::Message::Hello(Hello::default())).await;
    assert_eq!(pod.end().await, Code::InvalidArgument);
    world.closed(Closed::Garbage).await;

    let mut pod = world.greet("token-0").await;
    let version = "x".repeat(2 << 20);
    pod.say(from_proxy::Message::Hello(Hello { version, ..Hello::default() })).await;
    assert_eq!(pod.end().await, Code::InvalidArgument);
    world.closed(Closed::Garbage).await;

    let mut pod = world.greet("token-0").await;
    for _ in 0..60 {
        pod.say(report()).await;
    }
    assert_eq!(pod.end().await, Code::ResourceExhausted);
    world.closed(Closed::Flood).await;
}

#[tokio::test]
async fn streams_outlive_the_api_server_and_none_begins_without_it() {
    let mut world = World::new().await;
    let mut pod = world.greet("token-0").await;
    world.api.state().is_down = true;
    let status = world.dial(Some("token-0")).await.err().expect("it is refused");
    assert_eq!(status.code(), Code::Unavailable);
    assert!(matches!(world.event().await, Event::Refused { .. }));
    world.send("farm-0", &snapshot(1));
    let got = pod.snapshot().await;
    pod.ack(&got.identity).await;
    assert!(matches!(world.event().await, Event::Acked { .. }));
}

#[tokio::test]
async fn a_connection_on_which_nothing_is_said_does_not_hold_up_the_end() {
    let end = Duration::from_millis(200);
    let world = World::with(Limits { end, ..Limits::default() }).await;
    let name = "stratum-operator";
    let silent = dial(world.address, &world.roots, name).await.unwrap();
    world.stop.cancel();
    world.end().await;
    drop(silent);
}
