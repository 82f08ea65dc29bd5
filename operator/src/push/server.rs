//! The server that proxies dial: its address, its bounds, and the calls that it takes.
//!
//! The order in which a stream is refused is from cheap to dear: an end, another leader, no token,
//! too many at once; only then is the API server asked.

mod accept;
mod connection;

use std::fmt;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use loka_api::control::FromProxy;
use loka_api::control::control_server::{Control, ControlServer};
use loka_api::names;
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::metadata::MetadataValue;
use tonic::transport::Server;
use tonic::{Request, Response, Status, Streaming};

use self::accept::Door;
use self::connection::{Held, Peer};
use super::auth::{Gate, Proven, Refused};
use super::authority::Certificate;
use super::bucket::{Bucket, Rate};
use super::event::{Event, Events, RefusedWhy, clean};
use super::session::{Outgoing, Session, Told, outgoing};
use crate::fleet::Fleet;

/// Messages of a pod are a few kilobytes at most.
const MESSAGE_BYTES_MAX: usize = 1024 * 1024;
/// A token fits into half of it.
const HEADER_BYTES_MAX: u32 = 16 * 1024;
/// What a connection may have under way towards us, and a stream of it.
const WINDOW_BYTES: u32 = 64 * 1024;
/// A pod needs one.
const STREAMS_PER_CONNECTION_MAX: u32 = 4;
/// Connections that are through the handshake and wait for a task: they are taken at once.
const HANDED_OVER_MAX: usize = 16;
const KEEPALIVE_EVERY: Duration = Duration::from_secs(15);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);
/// Of a refusal in the log.
const DETAIL_CHARS_MAX: usize = 512;

/// Who leads, as this replica knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lead {
    /// This replica.
    Leading,
    /// Another, whose control stream is there; none while nobody is known to lead.
    Following(Option<SocketAddr>),
}

/// Asks who leads, and tells when this replica no longer does.
#[derive(Clone)]
pub struct Leader {
    now: Arc<dyn Fn() -> Lead + Send + Sync>,
    lost: Arc<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>,
}

/// What the server is bounded by. The default is for production.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Connections, whether anything is said on them or not.
    pub connections: usize,
    /// Streams of pods that have proven themselves.
    pub streams: usize,
    /// Streams that may begin at once.
    pub new_streams_burst: u32,
    /// Streams that may begin in a second: 5000 pods are back after 25 s.
    pub new_streams_per_second: u32,
    /// TLS handshakes under way.
    pub handshakes: usize,
    /// For a TLS handshake.
    pub handshake: Duration,
    /// A connection without a stream is closed after once to twice this.
    pub idle: Duration,
    /// For the greeting.
    pub hello: Duration,
    /// For the answer to a snapshot, before a newer one is sent regardless.
    pub answer: Duration,
    /// A stream ends at a random age in here, so that its pod proves itself anew and the pods do not
    /// come all at once.
    pub age: Range<Duration>,
    /// For a peer to take the news that its stream ends, and for all of them at the end.
    pub end: Duration,
}

/// What the server serves.
#[derive(Clone)]
pub struct Push {
    /// Whom pods are entered with.
    pub fleet: Arc<Fleet>,
    /// Who leads.
    pub leader: Leader,
    /// Who may connect.
    pub gate: Arc<Gate>,
    /// What to serve with.
    pub certificate: Certificate,
    /// Who is told.
    pub events: Events,
    /// Its bounds.
    pub limits: Limits,
}

/// Why the server ended before it was told to.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// It cannot speak TLS.
    #[error("TLS of the control stream: {0}")]
    Tls(#[from] tokio_rustls::rustls::Error),
    /// It cannot serve.
    #[error("the server of the control stream has failed: {0}")]
    Serve(#[from] tonic::transport::Error),
}

/// Takes the calls.
struct Calls {
    push: Push,
    stop: CancellationToken,
    /// Contended by the streams that begin; held for an addition.
    beginning: Mutex<Bucket>,
    streams: Arc<Semaphore>,
    tasks: TaskTracker,
}

/// A refusal, as the operator counts it and as the peer is told it.
struct Refusal {
    why: RefusedWhy,
    detail: String,
    status: Status,
}

/// Serves the control stream on `listener` until `stop`. Then every stream ends at once, and it
/// returns within [`Limits::end`] or a little more, whatever the peers do.
///
/// # Errors
/// [`ServeError`]; never for anything that a peer does.
pub async fn serve(
    listener: TcpListener,
    push: Push,
    stop: CancellationToken,
) -> Result<(), ServeError> {
    // Of our own: a server that fails ends its tasks, and not the operator.
    let stop = stop.child_token();
    let tasks = TaskTracker::new();
    let kill = CancellationToken::new();
    let (handed_over, connections) = mpsc::channel(HANDED_OVER_MAX);
    let door = Door::new(&push, handed_over, kill.clone(), tasks.clone())?;
    tasks.spawn(door.keep(listener, stop.clone()));
    let limits = &push.limits;
    let grace = limits.end;
    let rate = Rate { burst: limits.new_streams_burst, per_second: limits.new_streams_per_second };
    let calls = Calls {
        stop: stop.clone(),
        beginning: Mutex::new(Bucket::new(rate, Instant::now())),
        streams: Arc::new(Semaphore::new(limits.streams)),
        tasks: tasks.clone(),
        push,
    };
    let control = ControlServer::new(calls).max_decoding_message_size(MESSAGE_BYTES_MAX);
    let served = Server::builder()
        .http2_keepalive_interval(Some(KEEPALIVE_EVERY))
        .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
        .http2_max_header_list_size(HEADER_BYTES_MAX)
        .initial_connection_window_size(WINDOW_BYTES)
        .initial_stream_window_size(WINDOW_BYTES)
        .max_concurrent_streams(STREAMS_PER_CONNECTION_MAX)
        .add_service(control)
        .serve_with_incoming_shutdown(
            ReceiverStream::new(connections),
            stop.clone().cancelled_owned(),
        );
    tokio::pin!(served);
    let outcome = tokio::select! {
        // That all have left is better than that they are cut off.
        biased;
        outcome = &mut served => outcome,
        () = after(&stop, grace) => {
            kill.cancel();
            served.await
        }
    };
    // A server that failed has nobody to take what the door hands over.
    stop.cancel();
    kill.cancel();
    tasks.close();
    tasks.wait().await;
    Ok(outcome?)
}

async fn after(stop: &CancellationToken, grace: Duration) {
    stop.cancelled().await;
    tokio::time::sleep(grace).await;
}

// === impl Calls ===

#[tonic::async_trait]
impl Control for Calls {
    type StreamStream = Outgoing;

    async fn stream(
        &self,
        request: Request<Streaming<FromProxy>>,
    ) -> Result<Response<Outgoing>, Status> {
        let peer = request.extensions().get::<Peer>().cloned();
        let (proven, permit) = match self.admit(&request).await {
            Ok(admitted) => admitted,
            Err(Refusal { why, detail, status }) => {
                let peer = peer.map(|peer| peer.address());
                (self.push.events)(Event::Refused { peer, why, detail });
                return Err(status);
            }
        };
        let held = peer.map(Held::by);
        let (sender, outgoing) = outgoing();
        let Push { fleet, leader, gate: _, certificate: _, events, limits } = self.push.clone();
        let (stop, inbound) = (self.stop.clone(), request.into_inner());
        let session = Session { fleet, leader, events, limits, stop, proven, inbound };
        self.tasks.spawn(async move {
            if session.run(sender).await == Told::No
                && let Some(held) = &held
            {
                // It reads nothing, not even the end: the connection is of no use to anybody.
                held.cut();
            }
            drop((held, permit));
        });
        Ok(Response::new(outgoing))
    }
}

impl Calls {
    async fn admit(
        &self,
        request: &Request<Streaming<FromProxy>>,
    ) -> Result<(Proven, OwnedSemaphorePermit), Refusal> {
        if self.stop.is_cancelled() {
            let status = Status::unavailable("this operator ends; dial again");
            return Err(Refusal::new(RefusedWhy::Shutdown, status));
        }
        if let Lead::Following(leader) = self.push.leader.now() {
            return Err(Refusal::new(RefusedWhy::NotLeading, elsewhere(leader)));
        }
        let token = Gate::token(request.metadata())?;
        let in_time = {
            let mut beginning = self.beginning.lock().unwrap_or_else(PoisonError::into_inner);
            beginning.take(Instant::now())
        };
        if !in_time {
            let status = Status::resource_exhausted("too many streams begin; dial again later");
            return Err(Refusal::new(RefusedWhy::Rate, status));
        }
        let permit = Arc::clone(&self.streams).try_acquire_owned().map_err(|_| {
            let status = Status::resource_exhausted("too many streams are open");
            Refusal::new(RefusedWhy::Full, status)
        })?;
        Ok((self.push.gate.admit(token).await?, permit))
    }
}

fn elsewhere(leader: Option<SocketAddr>) -> Status {
    let mut status = Status::failed_precondition("this replica does not lead");
    let address = leader.and_then(|leader| MetadataValue::try_from(leader.to_string()).ok());
    if let Some(address) = address {
        status.metadata_mut().insert(names::LEADER_METADATA, address);
    }
    status
}

// === impl Leader ===

impl Leader {
    /// `now` is asked when a stream begins. What `lost` makes ends when this replica has led and no
    /// longer does; it ends the streams that have begun, and must not miss a loss that came before it
    /// was made.
    pub fn new<Lost>(
        now: impl Fn() -> Lead + Send + Sync + 'static,
        lost: impl Fn() -> Lost + Send + Sync + 'static,
    ) -> Self
    where
        Lost: Future<Output = ()> + Send + 'static,
    {
        Self { now: Arc::new(now), lost: Arc::new(move || lost().boxed()) }
    }

    fn now(&self) -> Lead {
        (self.now)()
    }

    pub(super) fn lost(&self) -> BoxFuture<'static, ()> {
        (self.lost)()
    }
}

impl fmt::Debug for Leader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leader").field("now", &self.now()).finish_non_exhaustive()
    }
}

// === impl Limits ===

impl Limits {
    /// A stream's.
    pub(super) fn random_age(&self) -> Duration {
        let Range { start, end } = self.age;
        start + end.saturating_sub(start).mul_f64(fastrand::f64())
    }
}

impl Default for Limits {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            connections: 6000,
            streams: 5000,
            new_streams_burst: 200,
            new_streams_per_second: 200,
            handshakes: 64,
            handshake: seconds(5),
            idle: seconds(30),
            hello: seconds(10),
            answer: seconds(10),
            age: seconds(10 * 3600)..seconds(12 * 3600),
            end: seconds(5),
        }
    }
}

// === impl Push ===

impl fmt::Debug for Push {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Push").field("limits", &self.limits).finish_non_exhaustive()
    }
}

// === impl Refusal ===

impl Refusal {
    fn new(why: RefusedWhy, status: Status) -> Self {
        Self { why, detail: status.message().to_owned(), status }
    }
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        let why = match refused {
            Refused::NoToken | Refused::Token(_) | Refused::Audience | Refused::Unbound(_) => {
                RefusedWhy::Unauthenticated
            }
            Refused::Pod(..) => RefusedWhy::Denied,
            Refused::Unreachable(_) => RefusedWhy::Unavailable,
        };
        let detail = clean(&refused.to_string(), DETAIL_CHARS_MAX);
        Self { why, detail, status: refused.status() }
    }
}
