//! A stand-in for the operator: real TLS, real HTTP/2, and no opinions. The test answers.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hyper::server::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use loka_api::control::control_server::{Control, ControlServer};
use loka_api::control::{FromProxy, Hello, Nack, Report, Snapshot, ToProxy, from_proxy, to_proxy};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::version::TLS13;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

/// The name in every certificate, which no resolver knows.
pub(super) const NAME: &str = "stratum-operator.test.svc";

/// Far beyond what anything takes on a busy machine.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// A CA of the operator's.
pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(super) pem: String,
}

/// An operator that listens.
pub(super) struct Operator {
    pub(super) address: SocketAddr,
    streams: mpsc::Receiver<Stream>,
    refusal: Arc<Mutex<Option<Status>>>,
    /// Ends with its connections.
    _connections: JoinSet<()>,
}

/// A stream, after its greeting.
pub(super) struct Stream {
    pub(super) authorization: String,
    pub(super) hello: Hello,
    said: Streaming<FromProxy>,
    say: mpsc::Sender<Result<ToProxy, Status>>,
}

struct Service {
    streams: mpsc::Sender<Stream>,
    refusal: Arc<Mutex<Option<Status>>>,
}

// === impl Authority ===

impl Authority {
    pub(super) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    fn acceptor(&self) -> TlsAcceptor {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![NAME.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap().der().clone();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[&TLS13])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec()];
        TlsAcceptor::from(Arc::new(config))
    }
}

// === impl Operator ===

impl Operator {
    pub(super) async fn start(authority: &Authority) -> Self {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0)), authority).await
    }

    pub(super) async fn start_at(address: SocketAddr, authority: &Authority) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (streams_in, streams) = mpsc::channel(8);
        let refusal = Arc::new(Mutex::new(None));
        let (acceptor, script) = (authority.acceptor(), Arc::clone(&refusal));
        let mut connections = JoinSet::new();
        connections.spawn(async move {
            let mut served = JoinSet::new();
            loop {
                let (tcp, _peer) = listener.accept().await.unwrap();
                let service = Service { streams: streams_in.clone(), refusal: Arc::clone(&script) };
                let service = TowerToHyperService::new(ControlServer::new(service));
                let acceptor = acceptor.clone();
                served.spawn(async move {
                    let Ok(tls) = acceptor.accept(tcp).await else { return };
                    let serving = http2::Builder::new(TokioExecutor::new());
                    drop(serving.serve_connection(TokioIo::new(tls), service).await);
                });
            }
        });
        Self { address, streams, refusal, _connections: connections }
    }

    /// What every further stream is answered with.
    pub(super) fn refuse(&self, status: Option<Status>) {
        *self.refusal.lock().unwrap() = status;
    }

    /// The next stream.
    pub(super) async fn stream(&mut self) -> Stream {
        timeout(PATIENCE, self.streams.recv()).await.expect("a greeting").unwrap()
    }
}

// === impl Stream ===

impl Stream {
    pub(super) async fn send(&self, snapshot: &Snapshot) {
        let snapshot = to_proxy::Message::Snapshot(snapshot.to_wire());
        self.say.send(Ok(ToProxy { message: Some(snapshot) })).await.unwrap();
    }

    async fn next(&mut self) -> from_proxy::Message {
        let said = timeout(PATIENCE, self.said.message()).await.expect("it says something");
        said.unwrap().expect("it is there").message.unwrap()
    }

    /// The next report.
    pub(super) async fn report(&mut self) -> Report {
        loop {
            if let from_proxy::Message::Report(report) = self.next().await {
                return report;
            }
        }
    }

    /// Sequence of the next acknowledgement.
    pub(super) async fn ack(&mut self) -> u64 {
        match self.answer().await {
            from_proxy::Message::Ack(ack) => ack.snapshot.unwrap().sequence,
            other => panic!("{other:?}"),
        }
    }

    /// The next refusal.
    pub(super) async fn nack(&mut self) -> Nack {
        match self.answer().await {
            from_proxy::Message::Nack(nack) => nack,
            other => panic!("{other:?}"),
        }
    }

    /// The next that is no report.
    async fn answer(&mut self) -> from_proxy::Message {
        loop {
            match self.next().await {
                from_proxy::Message::Report(_) => {}
                other => return other,
            }
        }
    }
}

// === impl Service ===

#[tonic::async_trait]
impl Control for Service {
    type StreamStream = ReceiverStream<Result<ToProxy, Status>>;

    async fn stream(
        &self,
        request: Request<Streaming<FromProxy>>,
    ) -> Result<Response<Self::StreamStream>, Status> {
        if let Some(status) = self.refusal.lock().unwrap().clone() {
            return Err(status);
        }
        let authorization = request.metadata().get("authorization").unwrap();
        let authorization = authorization.to_str().unwrap().to_owned();
        let mut said = request.into_inner();
        let Some(from_proxy::Message::Hello(hello)) = said.message().await?.unwrap().message else {
            return Err(Status::invalid_argument("a greeting first"));
        };
        let (say, out) = mpsc::channel(8);
        let stream = Stream { authorization, hello, said, say };
        self.streams.send(stream).await.map_err(|_| Status::unavailable("going down"))?;
        Ok(Response::new(ReceiverStream::new(out)))
    }
}
