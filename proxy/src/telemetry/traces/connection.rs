//! The trace of a miner's connection: one span at its end, and one for the handshake as soon as
//! that is done, because the end may be weeks away.

use std::net::SocketAddr;
use std::time::Instant;

use loka_ops::said::cut;
use opentelemetry::KeyValue;
use opentelemetry::trace::SpanKind;

use super::super::reasons::CloseReason;
use super::{SpanDraft, TraceRef, Traces, Wall};

/// A finished handshake.
#[derive(Clone, Copy, Debug)]
pub struct HandshakeTrace<'a> {
    /// What [`Traces::begin`] gave at the start of the connection.
    pub connection: TraceRef,
    pub listener: &'a str,
    pub peer: SocketAddr,
    pub user_agent: &'a str,
    pub accepted: Instant,
    pub done: Instant,
}

/// A finished connection.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionTrace<'a> {
    /// What [`Traces::begin`] gave at the start of the connection.
    pub connection: TraceRef,
    pub listener: &'a str,
    pub route: &'a str,
    pub peer: SocketAddr,
    pub user_agent: &'a str,
    pub accepted: Instant,
    pub closed: Instant,
    pub reason: CloseReason,
    /// Shares that the miner was credited for.
    pub shares: u64,
}

// === impl Traces ===

impl Traces {
    /// Records the handshake of a connection that [`Traces::begin`] sampled.
    pub fn handshake(&self, trace: HandshakeTrace<'_>) {
        let Some(recorder) = self.recorder().filter(|_| !trace.connection.is_none()) else {
            return;
        };
        let wall = Wall::now();
        let (start, end) = (wall.at(trace.accepted), wall.at(trace.done));
        // The connection's own span is recorded when it ends; its id is known already.
        let connection = SpanDraft::new(trace.connection, "connection", start, end);
        let mut span = connection.child("connection.handshake", start, end);
        span.attributes = peer_attributes(trace.listener, trace.peer, trace.user_agent);
        recorder.record(span);
    }

    /// Records a connection that [`Traces::begin`] sampled.
    pub fn connection(&self, trace: ConnectionTrace<'_>) {
        let Some(recorder) = self.recorder().filter(|_| !trace.connection.is_none()) else {
            return;
        };
        let wall = Wall::now();
        let (start, end) = (wall.at(trace.accepted), wall.at(trace.closed));
        let mut span = SpanDraft::new(trace.connection, "connection", start, end);
        span.kind = SpanKind::Server;
        span.attributes = peer_attributes(trace.listener, trace.peer, trace.user_agent);
        span.attributes.extend([
            KeyValue::new("loka.route", cut(trace.route)),
            KeyValue::new("loka.close.reason", trace.reason.label()),
            KeyValue::new("loka.shares.accepted", i64::try_from(trace.shares).unwrap_or(i64::MAX)),
        ]);
        recorder.record(span);
    }
}

fn peer_attributes(listener: &str, peer: SocketAddr, user_agent: &str) -> Vec<KeyValue> {
    vec![
        KeyValue::new("loka.listener", cut(listener)),
        KeyValue::new("network.peer.address", peer.ip().to_string()),
        KeyValue::new("network.peer.port", i64::from(peer.port())),
        KeyValue::new("user_agent.original", cut(user_agent)),
    ]
}
