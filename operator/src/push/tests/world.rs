//! An operator's server on a port of its own, and pods that dial it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use loka_api::control::control_client::ControlClient;
use loka_api::control::{
    Ack, FromProxy, Hello, Identity, Nack, Problem, Snapshot, ToProxy, from_proxy, to_proxy,
};
use loka_api::runtime_config::{Drain, Observability, RuntimeConfig, SCHEMA};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status, Streaming};

use super::api::{FakeApi, bound_to, pod};
use crate::fleet::{Changes, Fleet, PodLink, ProxyKey};
use crate::push::auth::Gate;
use crate::push::authority::{Authority, AuthorityArgs};
use crate::push::{Closed, Event, Lead, Leader, Limits, Push, ServeError, serve};

/// For what is to happen at once.
pub(super) const SOON: Duration = Duration::from_secs(20);
const NAME: &str = "stratum-operator.loka-system.svc";

pub(super) struct World {
    pub(super) api: FakeApi,
    pub(super) fleet: Arc<Fleet>,
    pub(super) lead: watch::Sender<Lead>,
    pub(super) address: SocketAddr,
    pub(super) roots: String,
    pub(super) stop: CancellationToken,
    events: mpsc::Receiver<Event>,
    served: tokio::task::JoinHandle<Result<(), ServeError>>,
    _changes: Changes,
    _alive: TaskTrackerToken,
}

/// A pod's side of a stream.
pub(super) struct Pod {
    say: mpsc::Sender<FromProxy>,
    pub(super) hear: Streaming<ToProxy>,
}

// === impl World ===

impl World {
    pub(super) async fn new() -> Self {
        Self::with(Limits::default()).await
    }

    /// With the pod `farm-0` of the StratumProxy `farm`, and its token `token-0`.
    pub(super) async fn with(limits: Limits) -> Self {
        let api = FakeApi::default();
        let tasks = TaskTracker::new();
        let stop = CancellationToken::new();
        let args = AuthorityArgs {
            namespace: "loka-system".to_owned(),
            operator: "stratum-operator".to_owned(),
            service: "stratum-operator".to_owned(),
        };
        let (authority, mut bundle, certificate) = Authority::new(api.client(), args);
        tasks.spawn(authority.run(stop.clone()));
        let roots = bundle.wait_for(|bundle| !bundle.is_empty()).await.unwrap().clone();
        let (fleet, changes) = Fleet::new();
        let (lead, lead_seen) = watch::channel(Lead::Leading);
        let (happened, events) = mpsc::channel(1024);
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let push = Push {
            fleet: Arc::clone(&fleet),
            leader: leader(lead_seen),
            gate: Arc::new(Gate::new(api.client(), None)),
            certificate,
            events: Arc::new(move |event| happened.try_send(event).unwrap()),
            limits,
        };
        let served = tasks.spawn(serve(listener, push, stop.clone()));
        let _alive = tasks.token();
        let world = Self {
            api,
            fleet,
            lead,
            address,
            roots,
            stop,
            events,
            served,
            _changes: changes,
            _alive,
        };
        world.admit("farm-0", "token-0");
        world
    }

    /// A pod of the StratumProxy `farm` starts, with a token.
    pub(super) fn admit(&self, name: &str, token: &str) {
        let uid = format!("uid-{name}");
        let mut state = self.api.state();
        state.pods.insert(format!("mining/{name}"), pod("farm", name, &uid));
        let review = bound_to("system:serviceaccount:mining:farm", name, &uid);
        state.tokens.insert(token.to_owned(), review);
    }

    pub(super) fn key() -> ProxyKey {
        ProxyKey::new("mining", "farm")
    }

    pub(super) fn links(&self) -> Vec<PodLink> {
        self.fleet.links(&Self::key())
    }

    pub(super) fn link(&self, pod: &str) -> PodLink {
        self.links().into_iter().find(|link| link.pod.name == pod).expect("it is connected")
    }

    pub(super) fn send(&self, pod: &str, snapshot: &Arc<Snapshot>) {
        self.fleet.send(&Self::key(), &format!("uid-{pod}"), snapshot);
    }

    /// The next event.
    pub(super) async fn event(&mut self) -> Event {
        tokio::time::timeout(SOON, self.events.recv()).await.expect("an event comes").unwrap()
    }

    pub(super) async fn opened(&mut self) {
        let event = self.event().await;
        assert!(matches!(event, Event::StreamOpened { .. }), "{event:?}");
    }

    pub(super) async fn closed(&mut self, expected: Closed) {
        let event = self.event().await;
        assert!(matches!(event, Event::StreamClosed { why, .. } if why == expected), "{event:?}");
    }

    pub(super) async fn channel(&self) -> Result<Channel, tonic::transport::Error> {
        let (address, roots) = (self.address, self.roots.clone());
        let connect = tower::service_fn(move |_| {
            let roots = roots.clone();
            async move { dial(address, &roots, NAME).await.map(TokioIo::new) }
        });
        Endpoint::from_static("http://operator").connect_with_connector(connect).await
    }

    /// Dials with a token, and says nothing yet.
    pub(super) async fn dial(&self, token: Option<&str>) -> Result<Pod, Status> {
        let channel = self.channel().await.expect("TLS works");
        stream(channel, token).await
    }

    /// Dials and greets.
    pub(super) async fn greet(&mut self, token: &str) -> Pod {
        let pod = self.dial(Some(token)).await.expect("it is accepted");
        let hello = Hello { version: "1.2.3".to_owned(), schema: SCHEMA, running: None };
        pod.say(from_proxy::Message::Hello(hello)).await;
        self.opened().await;
        pod
    }

    /// The server has ended.
    pub(super) async fn end(self) {
        let served = tokio::time::timeout(SOON, self.served).await.expect("it ends soon");
        served.unwrap().unwrap();
    }
}

// === impl Pod ===

impl Pod {
    pub(super) async fn say(&self, message: from_proxy::Message) {
        self.say.send(FromProxy { message: Some(message) }).await.unwrap();
    }

    pub(super) async fn ack(&self, identity: &Identity) {
        let traceparent = "00-1-2-01".to_owned();
        let ack = Ack { snapshot: Some(identity.clone().into()), traceparent };
        self.say(from_proxy::Message::Ack(ack)).await;
    }

    pub(super) async fn nack(&self, identity: &Identity, problem: &str) {
        let problem = Problem { message: problem.to_owned(), ..Problem::default() };
        let nack = Nack { snapshot: Some(identity.clone().into()), problems: vec![problem; 30] };
        self.say(from_proxy::Message::Nack(nack)).await;
    }

    /// The next snapshot.
    pub(super) async fn snapshot(&mut self) -> Snapshot {
        let message = self.heard().await.expect("a snapshot, no end").expect("a snapshot");
        let Some(to_proxy::Message::Snapshot(snapshot)) = message.message else {
            panic!("a snapshot is all that there is")
        };
        Snapshot::from_wire(snapshot, SCHEMA).unwrap()
    }

    /// How the stream ends.
    pub(super) async fn end(&mut self) -> Code {
        match self.heard().await {
            Ok(None) => Code::Ok,
            Ok(Some(_)) => panic!("a snapshot came, no end"),
            Err(status) => status.code(),
        }
    }

    async fn heard(&mut self) -> Result<Option<ToProxy>, Status> {
        tokio::time::timeout(SOON, self.hear.message()).await.expect("something comes")
    }
}

fn leader(lead: watch::Receiver<Lead>) -> Leader {
    let seen = lead.clone();
    Leader::new(
        move || *seen.borrow(),
        move || {
            let mut lead = lead.clone();
            async move { drop(lead.wait_for(|lead| *lead != Lead::Leading).await) }
        },
    )
}

pub(super) async fn stream(channel: Channel, token: Option<&str>) -> Result<Pod, Status> {
    let (say, said) = mpsc::channel(64);
    let mut request = Request::new(ReceiverStream::new(said));
    if let Some(token) = token {
        let value = format!("Bearer {token}").parse().unwrap();
        request.metadata_mut().insert("authorization", value);
    }
    let mut client = ControlClient::new(channel).max_decoding_message_size(64 << 20);
    let answer = tokio::time::timeout(SOON, client.stream(request)).await;
    let hear = answer.expect("an answer comes")?.into_inner();
    Ok(Pod { say, hear })
}

/// A connection that trusts `roots` alone.
pub(super) async fn dial(
    address: SocketAddr,
    roots: &str,
    name: &'static str,
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut store = RootCertStore::empty();
    for root in CertificateDer::pem_slice_iter(roots.as_bytes()) {
        store.add(root.unwrap()).unwrap();
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(store)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from(name).unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

pub(super) fn snapshot(sequence: u64) -> Arc<Snapshot> {
    large_snapshot(sequence, 0)
}

/// With so many bytes of config, and a few more.
pub(super) fn large_snapshot(sequence: u64, bytes: usize) -> Arc<Snapshot> {
    let config = RuntimeConfig {
        schema: SCHEMA,
        name: format!("mining/{sequence}{}", "x".repeat(bytes)),
        listeners: Vec::new(),
        routes: Vec::new(),
        rules: Vec::new(),
        firmware: Vec::new(),
        drain: Drain { timeout_ms: 0 },
        observability: Observability::default(),
    };
    Arc::new(Snapshot::new("epoch", sequence, config))
}
