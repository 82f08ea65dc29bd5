use std::sync::Mutex;

use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SimpleSpanProcessor, SpanExporter};

use super::super::reasons::{CloseReason, ConfigSource};
use super::share::SLOW_SHARE;
use super::*;

/// Keeps what is exported.
#[derive(Clone, Debug, Default)]
struct Kept(Arc<Mutex<Vec<SpanData>>>);

impl SpanExporter for Kept {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.0.lock().unwrap().extend(batch);
        Ok(())
    }
}

impl Kept {
    fn spans(&self) -> Vec<SpanData> {
        self.0.lock().unwrap().clone()
    }

    fn named(&self, name: &str) -> SpanData {
        let spans = self.spans();
        spans.iter().find(|span| span.name == name).cloned().unwrap_or_else(|| {
            panic!(
                "no span {name} in {:?}",
                spans.iter().map(|s| s.name.clone()).collect::<Vec<_>>()
            )
        })
    }
}

fn traces(ratio: f64) -> (Traces, Kept) {
    let kept = Kept::default();
    let processor = Box::new(SimpleSpanProcessor::new(kept.clone()));
    (Traces::new(processor, Sampling::new(ratio)), kept)
}

fn peer() -> std::net::SocketAddr {
    ([10, 0, 0, 7], 40_000).into()
}

fn share(start: Instant, outcome: ShareOutcome) -> ShareTrace<'static> {
    let at = |ms| start + Duration::from_millis(ms);
    ShareTrace {
        connection: TraceRef::NONE,
        listener: "v1",
        route: "main",
        pool: "primary",
        peer: peer(),
        received: start,
        verified: at(1),
        handed: Some(at(2)),
        answered: Some(at(3)),
        verdict: Some(at(90)),
        outcome,
        difficulty: 512.0,
    }
}

fn attribute(span: &SpanData, key: &str) -> Option<String> {
    span.attributes.iter().find(|kv| kv.key.as_str() == key).map(|kv| kv.value.to_string())
}

fn start() -> Instant {
    Instant::now() - Duration::from_secs(60)
}

#[test]
fn without_an_exporter_nothing_has_an_identity() {
    let traces = Traces::default();
    assert!(!traces.enabled());
    assert!(traces.begin().is_none());
    assert!(traces.share(&share(start(), ShareOutcome::Refused("stale"))).is_none());
}

#[test]
fn a_share_is_a_tree_of_submit_verify_and_verdict() {
    let (traces, kept) = traces(1.0);
    let reference = traces.share(&share(start(), ShareOutcome::PoolAccepted));
    assert_eq!(kept.spans().len(), 3);
    let submit = kept.named("share.submit");
    assert_eq!(submit.span_context, reference.context());
    assert_eq!(submit.parent_span_id, SpanId::INVALID);
    for name in ["share.verify", "pool.verdict"] {
        let child = kept.named(name);
        assert_eq!(child.parent_span_id, reference.span_id());
        assert_eq!(child.span_context.trace_id(), reference.trace_id());
        assert_ne!(child.span_context.span_id(), reference.span_id());
    }
    let took = |name| {
        let span = kept.named(name);
        span.end_time.duration_since(span.start_time).unwrap().as_millis()
    };
    assert_eq!([took("share.submit"), took("share.verify"), took("pool.verdict")], [90, 1, 88]);
    assert_eq!(attribute(&submit, "stratum.share.outcome").as_deref(), Some("pool_accepted"));
    assert_eq!(submit.status, Status::Unset);
}

#[test]
fn a_share_links_to_the_span_of_its_connection() {
    let (traces, kept) = traces(1.0);
    let connection = traces.begin();
    traces.share(&ShareTrace { connection, ..share(start(), ShareOutcome::BelowPool) });
    let links = kept.named("share.submit").links.links;
    assert_eq!(links.len(), 1);
    assert_eq!(links[0].span_context, connection.context());
}

#[test]
fn refused_and_slow_shares_are_kept_whatever_the_ratio() {
    let (traces, kept) = traces(0.0);
    assert!(traces.share(&share(start(), ShareOutcome::PoolAccepted)).is_none());
    assert!(!traces.share(&share(start(), ShareOutcome::Refused("stale"))).is_none());
    let start = start();
    let verdict = Some(start + SLOW_SHARE + Duration::from_millis(1));
    let slow = ShareTrace { verdict, ..share(start, ShareOutcome::PoolAccepted) };
    assert!(!traces.share(&slow).is_none());
    assert_eq!(kept.spans().len(), 6);
}

#[test]
fn a_flood_of_refused_shares_is_kept_only_up_to_a_bound() {
    let (traces, _kept) = traces(0.0);
    let refused = share(start(), ShareOutcome::Refused("duplicate"));
    let kept = (0..1_000).filter(|_| !traces.share(&refused).is_none()).count();
    // The flood may straddle the end of a second or two on a slow machine.
    assert!((1..1_000).contains(&kept), "{kept}");
    assert!(kept.is_multiple_of(KEPT_PER_SECOND as usize), "{kept}");
}

#[test]
fn a_refusal_marks_the_spans_that_failed() {
    let (traces, kept) = traces(1.0);
    let refused = ShareTrace {
        handed: None,
        verdict: None,
        ..share(start(), ShareOutcome::Refused("low_difficulty"))
    };
    traces.share(&refused);
    let failed = Status::error("low_difficulty");
    assert_eq!(kept.named("share.submit").status, failed);
    assert_eq!(kept.named("share.verify").status, failed);
    assert_eq!(kept.spans().len(), 2, "no verdict was awaited");
}

#[test]
fn a_handshake_is_recorded_under_the_span_that_its_connection_will_have() {
    let (traces, kept) = traces(1.0);
    let connection = traces.begin();
    let (accepted, listener) = (start(), "v1");
    let done = accepted + Duration::from_millis(30);
    let user_agent = "bmminer/2.0.0";
    traces.handshake(HandshakeTrace {
        connection,
        listener,
        peer: peer(),
        user_agent,
        accepted,
        done,
    });
    assert_eq!(kept.named("connection.handshake").parent_span_id, connection.span_id());

    traces.connection(ConnectionTrace {
        connection,
        listener,
        route: "main",
        peer: peer(),
        user_agent: &"x".repeat(5_000),
        accepted,
        closed: accepted + Duration::from_secs(50),
        reason: CloseReason::Idle,
        shares: 12,
    });
    let span = kept.named("connection");
    assert_eq!(span.span_context, connection.context());
    assert_eq!(attribute(&span, "loka.close.reason").as_deref(), Some("idle"));
    assert_eq!(attribute(&span, "network.peer.port").as_deref(), Some("40000"));
    assert!(attribute(&span, "user_agent.original").unwrap().len() < 300);
}

#[test]
fn a_connection_that_is_not_sampled_leaves_nothing() {
    let (traces, kept) = traces(0.0);
    let connection = traces.begin();
    assert!(connection.is_none());
    let (listener, user_agent, accepted) = ("v1", "", start());
    let done = accepted;
    traces.handshake(HandshakeTrace {
        connection,
        listener,
        peer: peer(),
        user_agent,
        accepted,
        done,
    });
    assert!(kept.spans().is_empty());
}

#[test]
fn a_configuration_is_recorded_with_its_hash_and_outcome() {
    let (traces, kept) = traces(0.0);
    let (origin, hash, started) = ("farm.yaml", "3f2a", start());
    let outcome = ConfigOutcome::Refused { problems: 2 };
    let published = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let (source, sequence) = (ConfigSource::Stream, Some(7));
    let trace = ConfigTrace { origin, hash, source, sequence, published, started, outcome };
    let reference = traces.config_applied(trace);
    let span = kept.named("config.apply");
    assert_eq!(attribute(&span, "loka.config.hash").as_deref(), Some("3f2a"));
    assert_eq!(attribute(&span, "loka.config.problems").as_deref(), Some("2"));
    assert_eq!(attribute(&span, "loka.config.source").as_deref(), Some("stream"));
    assert_eq!(attribute(&span, "loka.config.sequence").as_deref(), Some("7"));
    assert!(matches!(span.status, Status::Error { .. }));
    let [link] = &span.links.links[..] else { panic!("{:?}", span.links) };
    assert_eq!(link.span_context.trace_id().to_string(), "0af7651916cd43dd8448eb211c80319c");
    assert_eq!(link.span_context.span_id().to_string(), "b7ad6b7169203331");
    assert!(link.span_context.is_remote() && link.span_context.is_sampled());
    // What we say of our own span can be read the same way.
    let ours = reference::remote(&reference.traceparent()).unwrap();
    assert_eq!((ours.trace_id(), ours.span_id()), (reference.trace_id(), reference.span_id()));
}

#[test]
fn what_is_no_trace_context_is_linked_to_nothing() {
    for text in [
        "",
        "00",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b71692033-01",
        "00-zaf7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    ] {
        assert!(reference::remote(text).is_none(), "{text}");
    }
    assert_eq!(TraceRef::NONE.traceparent(), "");
}

#[test]
fn a_session_keeps_no_more_than_an_identity() {
    assert_eq!(size_of::<TraceRef>(), 24);
    assert_eq!(align_of::<TraceRef>(), 1);
}
