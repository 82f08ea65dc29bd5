//! A port that miners connect to, with the difficulty and the limits of its connections.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    rules::{
        difficulty, difficulty_order, duration, label, listener_name, object_name, only, ranges,
        reserved, rules,
    },
    values::{DurationText, QuantityText},
};

use super::{Authentication, Ban, ProxyProtocol};

/// A port that miners connect to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Listener {
    /// Name of the listener, and of the port of pods and Service: lower-case letters, digits and
    /// dashes, unique among the listeners.
    #[schemars(length(min = 1, max = 15))]
    #[schemars(extend("x-kubernetes-validations" = listener_name()))]
    pub name: String,

    /// TCP port, unique among the listeners. Ports below 1024 need rights that the proxy does not
    /// ask for.
    #[schemars(range(min = 1024, max = 65535))]
    pub port: i32,

    /// How hard the shares are that miners are asked for, in the unit of pools: 1 is 2^32 hashes on
    /// average. The pool's difficulty wins over a minimum above it.
    #[serde(default)]
    pub difficulty: Difficulty,

    /// What a connection may ask of the proxy.
    #[serde(default)]
    pub limits: Limits,

    /// The route that the work of this listener's miners takes. Absent: the first of spec.routes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route_ref: Option<RouteRef>,

    /// The protocol that miners speak here. Only StratumV1 so far. Absent: StratumV1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-validations" = only(
        "StratumV1", "miners are served in Stratum V1 only"
    )))]
    #[schemars(with = "Protocol")]
    pub protocol: Option<Protocol>,

    /// Reserved: the Service's port, where it is not the container's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    #[schemars(extend("x-kubernetes-validations" = reserved(
        "a Service's port of its own is not honoured yet"
    )))]
    pub service_port: Option<i32>,

    /// The port of every node that leads here, with service.type NodePort or LoadBalancer: 30000 to
    /// 32767. Absent: the cluster chooses one. Live.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 30000, max = 32767))]
    pub node_port: Option<i32>,

    /// TLS towards miners, on the whole port. Absent: miners speak in the clear.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<ListenerTls>,

    /// Whether a load balancer before this port says where each connection comes from, by the PROXY
    /// protocol. Absent: it must not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy_protocol: Option<ProxyProtocol>,

    /// Whom this port lets in. Absent: whoever connects may mine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authentication: Option<Authentication>,
}

/// TLS towards miners: the certificate that they are shown, and what they must speak.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ListenerTls {
    /// The Secret with the certificate and its private key.
    pub secret_ref: TlsSecretRef,

    /// The oldest version of TLS that miners may speak. Default TLS1_2.
    #[serde(default)]
    pub min_version: TlsVersion,

    /// Whether miners are asked for certificates of their own. Only None so far. Absent: None.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-validations" = only(
        "None", "miners are not asked for certificates yet"
    )))]
    #[schemars(with = "ClientAuth")]
    pub client_auth: Option<ClientAuth>,
}

/// A Secret of type kubernetes.io/tls in the namespace of the StratumProxy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TlsSecretRef {
    /// Name of the Secret, in the namespace of the StratumProxy. Its keys are tls.crt, the chain in
    /// PEM with the listener's own certificate first, and tls.key, the private key in PEM. Outside
    /// a cluster the environment variables `STRATUM_SECRET_<NAME>_TLS_CRT` and
    /// `STRATUM_SECRET_<NAME>_TLS_KEY` may stand in for it.
    #[schemars(length(min = 1, max = 253))]
    #[schemars(extend("x-kubernetes-validations" = object_name("Secret")))]
    pub name: String,
}

/// A version of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum TlsVersion {
    /// TLS 1.2.
    #[default]
    #[serde(rename = "TLS1_2")]
    Tls12,
    /// TLS 1.3.
    #[serde(rename = "TLS1_3")]
    Tls13,
}

/// Whether the other side is asked for a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ClientAuth {
    /// It is not.
    None,
    /// One that it shows is checked.
    Optional,
    /// Without a good one it is not let in.
    Required,
}

/// How hard the shares are that miners are asked for, in the unit of pools: 1 is 2^32 hashes on
/// average. The pool's difficulty wins over a minimum above it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("x-kubernetes-validations" = difficulty_order()))]
pub struct Difficulty {
    /// Where a miner begins of which nothing is known: a quantity in quotes, such as "8192" or
    /// "1M", between min and max. Default 8192.
    #[schemars(extend("x-kubernetes-validations" = difficulty()))]
    pub initial: QuantityText,

    /// The least that a miner is asked for: a quantity in quotes, such as "512" or "0.001".
    /// Default 1.
    #[schemars(extend("x-kubernetes-validations" = difficulty()))]
    pub min: QuantityText,

    /// The most that a miner is asked for: a quantity in quotes, such as "16M". Default 1T.
    #[schemars(extend("x-kubernetes-validations" = difficulty()))]
    pub max: QuantityText,

    /// The time between two shares of one miner that its difficulty is adapted to: a duration from
    /// 500ms to 10m. Default 6s.
    #[schemars(extend("x-kubernetes-validations" = duration("500ms", "10m", "6s")))]
    pub target_share_interval: DurationText,
}

impl Default for Difficulty {
    fn default() -> Self {
        Self {
            initial: "8192".into(),
            min: "1".into(),
            max: "1T".into(),
            target_share_interval: "6s".into(),
        }
    }
}

/// What a connection may ask of the proxy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("x-kubernetes-validations" = rules([(
    "self.submitBurst >= self.submitsPerSecond",
    "submitBurst is below submitsPerSecond; raise submitBurst to at least one second's submits",
)])))]
pub struct Limits {
    /// How many miners may be connected to this listener at once, at each pod. Default 5000.
    #[schemars(range(min = 1, max = 100000))]
    pub max_connections: i32,

    /// The longest line that a miner may send, in bytes. Default 16384.
    #[schemars(range(min = 1024, max = 65536))]
    pub max_line_bytes: i32,

    /// How long a new connection may take until it is authorised: a duration from 1s to 10m.
    /// Default 10s.
    #[schemars(extend("x-kubernetes-validations" = duration("1s", "10m", "10s")))]
    pub handshake_timeout: DurationText,

    /// How long a miner may be silent before it is let go: a duration from 10s to 24h. Default 10m.
    #[schemars(extend("x-kubernetes-validations" = duration("10s", "24h", "10m")))]
    pub idle_timeout: DurationText,

    /// How many submits a connection may send in a second, on average. Default 20. A share that
    /// meets the pool's difficulty is never refused by this limit.
    #[schemars(range(min = 1, max = 10000))]
    pub submits_per_second: i32,

    /// How many submits a connection may send at once, at least submitsPerSecond. Default 100.
    #[schemars(range(min = 1, max = 100000))]
    pub submit_burst: i32,

    /// How many miners of one address may be connected to this listener at once, at each pod. Of
    /// IPv6 the first 64 bits count. Absent: as many as maxConnections, since a whole farm may
    /// stand behind one address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100000))]
    pub max_connections_per_address: Option<i32>,

    /// How many connections one address may begin in a minute; as many may come at once. Absent:
    /// any number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100000))]
    pub connects_per_minute_per_address: Option<i32>,

    /// How many connections may be without a complete handshake at once, that of TLS included.
    /// Absent: as many as maxConnections.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100000))]
    pub max_handshakes: Option<i32>,

    /// The same for the connections of one address. Absent: as many as maxHandshakes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100000))]
    pub max_handshakes_per_address: Option<i32>,

    /// How many miners may be connected to this listener under one name at once, at each pod. A
    /// connection that the network has taken counts until it is noticed, so leave room for a few.
    /// Absent: as many as maxConnections.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100000))]
    pub max_connections_per_worker: Option<i32>,

    /// How many submits the miners of one name may send in a minute, over all of their connections to
    /// this listener; as many may come at once. A share that meets the pool's difficulty does not
    /// count; who is faster is read no further for a while. Absent: as many as their connections may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000000))]
    pub submits_per_minute_per_worker: Option<i32>,

    /// Refuses addresses that do what no miner does. Absent: none is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ban: Option<Ban>,

    /// Ranges of addresses, at most 16, as 10.1.0.0/16, that are never banned and to which no limit
    /// for one address applies: the farm's own, where many miners share one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[schemars(inner(length(min = 1, max = 43)))]
    #[schemars(extend("x-kubernetes-validations" = ranges("exempt")))]
    pub exempt: Vec<String>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: 5000,
            max_line_bytes: 16_384,
            handshake_timeout: "10s".into(),
            idle_timeout: "10m".into(),
            submits_per_second: 20,
            submit_burst: 100,
            max_connections_per_address: None,
            connects_per_minute_per_address: None,
            max_handshakes: None,
            max_handshakes_per_address: None,
            max_connections_per_worker: None,
            submits_per_minute_per_worker: None,
            ban: None,
            exempt: Vec::new(),
        }
    }
}

/// A route of the same document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RouteRef {
    /// Name of a route in spec.routes.
    #[schemars(length(min = 1, max = 40))]
    #[schemars(extend("x-kubernetes-validations" = label("route", "main")))]
    pub name: String,
}

/// What is spoken on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Protocol {
    /// Whatever the first bytes say.
    Auto,
    /// Stratum V1.
    StratumV1,
    /// Stratum V2.
    StratumV2,
}
