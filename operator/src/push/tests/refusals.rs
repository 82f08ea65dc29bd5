//! Who is not let in, and what they and the operator learn of it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use k8s_openapi::api::authentication::v1::TokenReviewStatus;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tonic::Code;

use super::api::{bound_to, pod};
use super::world::{SOON, World, dial};
use crate::push::auth::{Gate, KnownPods};
use crate::push::authority::{Authority, AuthorityArgs};
use crate::push::{Event, Lead, Limits, RefusedWhy, TlsFailure};

const ACCOUNT: &str = "system:serviceaccount:mining:farm";

/// Dials with `token`, and expects it refused in this way.
async fn refused(world: &mut World, token: Option<&str>, code: Code, expected: RefusedWhy) {
    let status = world.dial(token).await.err().unwrap_or_else(|| panic!("{token:?} is accepted"));
    assert_eq!(status.code(), code, "{token:?}: {status}");
    let event = world.event().await;
    let Event::Refused { peer, why, detail } = event else { panic!("{event:?}") };
    assert_eq!(why, expected, "{token:?}: {detail}");
    assert!(peer.is_some());
    let secret = token.unwrap_or("no token");
    assert!(!detail.contains(secret) && !status.message().contains(secret), "{detail}");
    assert!(world.links().is_empty());
}

#[tokio::test]
async fn tokens_that_prove_nothing_are_refused() {
    let mut world = World::new().await;
    let no = |change: fn(&mut TokenReviewStatus)| {
        let mut status = bound_to(ACCOUNT, "farm-0", "uid-farm-0");
        change(&mut status);
        status
    };
    let reviews = [
        ("not-authenticated", no(|status| status.authenticated = Some(false))),
        ("authenticated-unsaid", no(|status| status.authenticated = None)),
        ("other-audience", no(|status| status.audiences = Some(vec!["vault".to_owned()]))),
        ("no-audience", no(|status| status.audiences = None)),
        ("no-user", no(|status| status.user = None)),
        ("no-extra", no(|status| status.user.as_mut().unwrap().extra = None)),
        ("a-human", bound_to("kubernetes-admin", "farm-0", "uid-farm-0")),
        ("a-node", bound_to("system:node:farm", "farm-0", "uid-farm-0")),
        ("no-name", bound_to("system:serviceaccount:mining:", "farm-0", "uid-farm-0")),
        ("no-pod", bound_to(ACCOUNT, "", "")),
        (
            "two-pods",
            no(|status| {
                let extra = status.user.as_mut().unwrap().extra.as_mut().unwrap();
                extra.values_mut().for_each(|values| values.push("another".to_owned()));
            }),
        ),
    ];
    refused(&mut world, None, Code::Unauthenticated, RefusedWhy::Unauthenticated).await;
    refused(&mut world, Some("token-expired"), Code::Unauthenticated, RefusedWhy::Unauthenticated)
        .await;
    for (token, review) in reviews {
        world.api.state().tokens.insert(token.to_owned(), review);
        refused(&mut world, Some(token), Code::Unauthenticated, RefusedWhy::Unauthenticated).await;
    }
    let long = "x".repeat(9 * 1024);
    refused(&mut world, Some(&long), Code::Unauthenticated, RefusedWhy::Unauthenticated).await;
    world.greet("token-0").await;
}

#[tokio::test]
async fn pods_that_are_not_the_stratum_proxys_are_refused() {
    let mut world = World::new().await;
    {
        let mut state = world.api.state();
        let mut token = |token: &str, pod: &str, uid: &str| {
            state.tokens.insert(token.to_owned(), bound_to(ACCOUNT, pod, uid));
        };
        token("token-namesake", "farm-0", "uid-of-the-one-before");
        token("token-gone", "farm-gone", "uid-farm-gone");
        token("token-ended", "farm-ended", "uid-farm-ended");
        token("token-others", "barn-0", "uid-barn-0");
        token("token-unlabelled", "shell", "uid-shell");
        token("token-mislabelled", "debug", "uid-debug");
        // The pod of another StratumProxy, which has got hold of this one's ServiceAccount.
        let others = pod("barn", "barn-0", "uid-barn-0");
        state.pods.insert("mining/barn-0".to_owned(), others);
        let mut ended = pod("farm", "farm-ended", "uid-farm-ended");
        ended.status.as_mut().unwrap().phase = Some("Failed".to_owned());
        state.pods.insert("mining/farm-ended".to_owned(), ended);
        let mut shell = pod("farm", "shell", "uid-shell");
        shell.metadata.labels = None;
        state.pods.insert("mining/shell".to_owned(), shell);
        let mut debug = pod("barn", "debug", "uid-debug");
        debug.spec.as_mut().unwrap().service_account_name = Some("farm".to_owned());
        state.pods.insert("mining/debug".to_owned(), debug);
    }
    for kind in ["namesake", "gone", "ended", "others", "unlabelled", "mislabelled"] {
        let token = &format!("token-{kind}");
        refused(&mut world, Some(token), Code::PermissionDenied, RefusedWhy::Denied).await;
    }
    world.greet("token-0").await;
}

#[tokio::test]
async fn the_token_of_a_deleted_pod_is_refused_though_it_was_reviewed_a_moment_ago() {
    let mut world = World::new().await;
    drop(world.greet("token-0").await);
    world.closed(crate::push::Closed::Peer).await;
    world.api.state().pods.clear();
    refused(&mut world, Some("token-0"), Code::PermissionDenied, RefusedWhy::Denied).await;
    assert_eq!(world.api.state().reviews, 1);
}

#[tokio::test]
async fn nobody_is_let_in_while_the_api_server_is_away() {
    let mut world = World::new().await;
    world.api.state().is_down = true;
    refused(&mut world, Some("token-0"), Code::Unavailable, RefusedWhy::Unavailable).await;
    world.api.state().is_down = false;
    world.greet("token-0").await;
}

#[tokio::test]
async fn a_replica_that_does_not_lead_names_the_leader_and_asks_nobody() {
    let mut world = World::new().await;
    let leader = "10.1.2.3:8443".parse().unwrap();
    for (lead, expected) in [(Some(leader), Some("10.1.2.3:8443")), (None, None)] {
        world.lead.send_replace(Lead::Following(lead));
        let status = world.dial(Some("token-0")).await.err().expect("it is refused");
        assert_eq!(status.code(), Code::FailedPrecondition);
        let named = status.metadata().get("stratum-leader").map(|value| value.to_str().unwrap());
        assert_eq!(named, expected);
        let event = world.event().await;
        assert!(matches!(event, Event::Refused { why: RefusedWhy::NotLeading, .. }), "{event:?}");
    }
    assert_eq!(world.api.state().reviews, 0);
    world.lead.send_replace(Lead::Leading);
    world.greet("token-0").await;
}

#[tokio::test]
async fn streams_are_bounded_in_number_and_in_how_fast_they_begin() {
    let mut world = World::with(Limits { streams: 1, ..Limits::default() }).await;
    let _held = world.dial(Some("token-0")).await.unwrap();
    refused(&mut world, Some("token-0"), Code::ResourceExhausted, RefusedWhy::Full).await;
    let mut world = World::with(Limits { new_streams_burst: 0, ..Limits::default() }).await;
    refused(&mut world, Some("token-0"), Code::ResourceExhausted, RefusedWhy::Rate).await;
    assert_eq!(world.api.state().reviews, 0);
}

async fn tls_failed(world: &mut World, expected: TlsFailure) {
    let event = world.event().await;
    assert!(matches!(event, Event::TlsFailed { why, .. } if why == expected), "{event:?}");
}

/// What comes until the other side closes.
async fn rest(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> Vec<u8> {
    let mut bytes = Vec::new();
    let read = tokio::time::timeout(SOON, stream.read_to_end(&mut bytes));
    // A reset is an end like any other.
    drop(read.await.expect("it is closed"));
    bytes
}

#[tokio::test]
async fn a_plain_connection_is_closed_at_once() {
    let mut world = World::new().await;
    for plain in ["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "GET / HTTP/1.1\r\n\r\n"] {
        let mut stream = TcpStream::connect(world.address).await.unwrap();
        stream.write_all(plain.as_bytes()).await.unwrap();
        let answer = rest(&mut stream).await;
        assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
        tls_failed(&mut world, TlsFailure::Plain).await;
    }
    let stream = TcpStream::connect(world.address).await.unwrap();
    drop(stream);
    tls_failed(&mut world, TlsFailure::Lost).await;
}

#[tokio::test]
async fn whoever_trusts_another_authority_or_expects_another_name_leaves() {
    let mut world = World::new().await;
    let other = AuthorityArgs {
        namespace: "loka-system".to_owned(),
        operator: "another".to_owned(),
        service: "stratum-operator".to_owned(),
    };
    let (authority, mut bundle, _certificate) = Authority::new(world.api.client(), other);
    let tasks = tokio_util::task::TaskTracker::new();
    tasks.spawn(authority.run(world.stop.clone()));
    let others = bundle.wait_for(|bundle| !bundle.is_empty()).await.unwrap().clone();
    let name = "stratum-operator.loka-system.svc";
    assert!(dial(world.address, &others, name).await.is_err());
    tls_failed(&mut world, TlsFailure::Alert).await;
    assert!(dial(world.address, &world.roots, "api.example.org").await.is_err());
    tls_failed(&mut world, TlsFailure::Alert).await;
    for name in [name, "stratum-operator.loka-system.svc.cluster.local", "stratum-operator"] {
        assert!(dial(world.address, &world.roots, name).await.is_ok(), "{name}");
    }
}

#[tokio::test]
async fn a_handshake_that_does_not_go_on_is_given_up() {
    let handshake = Duration::from_millis(20);
    let mut world = World::with(Limits { handshake, ..Limits::default() }).await;
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    assert!(rest(&mut stream).await.is_empty());
    tls_failed(&mut world, TlsFailure::Timeout).await;
}

#[tokio::test]
async fn connections_are_bounded() {
    let mut world = World::with(Limits { connections: 1, ..Limits::default() }).await;
    let _pod = world.greet("token-0").await;
    assert!(dial(world.address, &world.roots, "stratum-operator").await.is_err());
    tls_failed(&mut world, TlsFailure::Full).await;
}

#[tokio::test]
async fn a_connection_without_a_stream_is_closed_and_one_with_a_stream_is_not() {
    // Long enough to greet in on a busy machine.
    let idle = Duration::from_secs(1);
    let mut world = World::with(Limits { idle, ..Limits::default() }).await;
    let mut pod = world.greet("token-0").await;
    let mut later = dial(world.address, &world.roots, "stratum-operator").await.unwrap();
    rest(&mut later).await;
    // It was open before, so by now it has been looked at.
    let sent = super::world::snapshot(1);
    world.send("farm-0", &sent);
    assert_eq!(pod.snapshot().await.identity, sent.identity);
}

#[tokio::test]
async fn pods_that_are_watched_anyway_are_not_asked_for() {
    let world = World::new().await;
    let watched = Arc::new(Mutex::new(world.api.state().pods.remove("mining/farm-0").unwrap()));
    let seen = Arc::clone(&watched);
    let known: KnownPods = Arc::new(move |namespace, name| {
        assert_eq!((namespace, name), ("mining", "farm-0"));
        Some(Arc::new(seen.lock().unwrap().clone()))
    });
    let gate = Gate::new(world.api.client(), Some(known));
    let proven = gate.admit("token-0").await.unwrap();
    assert_eq!((proven.proxy, proven.pod.uid.as_str()), (World::key(), "uid-farm-0"));
    // A namesake is seen still; the pod itself is known to the API server already.
    watched.lock().unwrap().metadata.uid = Some("uid-of-the-one-before".to_owned());
    gate.admit("token-0").await.unwrap_err();
    world.admit("farm-0", "token-0");
    gate.admit("token-0").await.unwrap();
    // What is seen is checked like what is asked for.
    *watched.lock().unwrap() = pod("barn", "farm-0", "uid-farm-0");
    gate.admit("token-0").await.unwrap_err();
}
