//! One stream, from its greeting to its end.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use loka_api::control::control_client::ControlClient;
use loka_api::control::{
    Ack, FromProxy, Hello, Identity, Nack, Problem, Report, ToProxy, from_proxy, to_proxy, wire,
};
use loka_api::names::LEADER_METADATA;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request, Status, Streaming};

use super::super::Answer;
use super::super::snapshot::SNAPSHOT_BYTES_MAX;
use super::super::snapshot::{Pushed, PushedTo, Running};
use super::dial::{self, DialError, chain};
use super::{ReportSource, StreamSettings};

/// Until the operator has taken the stream: it asks the API server whose token it is.
const OPEN_TIMEOUT: Duration = Duration::from_secs(15);

/// At most one report in this time,
pub(super) const REPORT_INTERVAL: Duration = Duration::from_millis(500);

/// and at least one in this, although nothing has changed.
pub(super) const REPORT_LATEST: Duration = Duration::from_secs(10);

/// Messages that wait for the operator to read them.
const OUTGOING_MAX: usize = 16;

/// An operator that does not read for so long is left.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// A snapshot, and what stands around it in a message.
const MESSAGE_BYTES_MAX: usize = SNAPSHOT_BYTES_MAX + 4096;

/// Characters of what the operator says about its end of the stream.
const SAID_MAX: usize = 300;

/// How a stream came to its end.
pub(super) struct Ended {
    pub(super) error: String,
    /// Who leads, if that was the reason.
    pub(super) leader: Option<SocketAddr>,
    /// How long it was up; `None` if it never was.
    pub(super) up_for: Option<Duration>,
}

/// Why there is no stream, or no longer.
#[derive(Debug, thiserror::Error)]
pub(super) enum StreamError {
    #[error(transparent)]
    Dial(#[from] DialError),
    #[error("the operator did not take the stream within {OPEN_TIMEOUT:?}")]
    OpenTimeout,
    #[error("this replica of the operator takes no streams ({said}){}", to(leader.as_ref()))]
    NotLeader { leader: Option<SocketAddr>, said: String },
    #[error(
        "the operator refused the token: {0}; --control-token must be a token for the operator, of a pod that exists"
    )]
    Refused(String),
    #[error("the stream failed: {0}")]
    Failed(String),
    #[error("the operator ended the stream")]
    Closed,
    #[error("the operator does not read what it is sent")]
    Unread,
    #[error("the proxy is going down")]
    GoingDown,
}

/// A stream that is up.
pub(super) struct Session {
    incoming: Streaming<ToProxy>,
    outgoing: mpsc::Sender<FromProxy>,
    /// The snapshot that was handed in, and the answer to come.
    asked: Option<(wire::Identity, oneshot::Receiver<Answer>)>,
    /// What the operator knows to run.
    told: Running,
    reported: Option<(Report, Instant)>,
}

// === impl Session ===

impl Session {
    /// Dials and says what runs.
    pub(super) async fn open(
        settings: &StreamSettings,
        leader: Option<SocketAddr>,
        pushed_to: &PushedTo,
    ) -> Result<Self, StreamError> {
        let bearer = dial::bearer(&settings.token).await?;
        let channel = dial::connect(settings, leader).await?;
        let mut client = ControlClient::new(channel).max_decoding_message_size(MESSAGE_BYTES_MAX);
        let (outgoing, outgoing_out) = mpsc::channel(OUTGOING_MAX);
        let told = pushed_to.running.borrow().clone();
        let hello = Hello {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            schema: settings.schema,
            running: match &told {
                Running::Starting | Running::Nothing => None,
                Running::This(identity) => Some(identity.clone().into()),
            },
        };
        say(&outgoing, from_proxy::Message::Hello(hello)).await?;
        let mut request = Request::new(ReceiverStream::new(outgoing_out));
        request.metadata_mut().insert("authorization", bearer);
        let opened = timeout(OPEN_TIMEOUT, client.stream(request));
        let opened = opened.await.map_err(|_elapsed| StreamError::OpenTimeout)?;
        let incoming = opened.map_err(StreamError::from)?.into_inner();
        Ok(Self { incoming, outgoing, asked: None, told, reported: None })
    }

    /// Carries snapshots, answers and reports until it cannot.
    pub(super) async fn run(
        mut self,
        pushed_to: &PushedTo,
        report: &ReportSource,
        address: &str,
    ) -> StreamError {
        let Err(error) = self.carry(pushed_to, report, address).await;
        error
    }

    async fn carry(
        &mut self,
        pushed_to: &PushedTo,
        report: &ReportSource,
        address: &str,
    ) -> Result<Infallible, StreamError> {
        let mut running = pushed_to.running.clone();
        let mut look = interval(REPORT_INTERVAL);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let is_free = self.asked.is_none();
            // Answers first, since somebody waits for them; a report can always wait.
            tokio::select! {
                biased;
                answer = answered(&mut self.asked) => self.answer(answer?).await?,
                message = self.incoming.message(), if is_free => {
                    let message = message?.ok_or(StreamError::Closed)?;
                    self.hand_in(message, pushed_to, address).await?;
                }
                Ok(()) = running.changed(), if is_free => {
                    let now = running.borrow_and_update().clone();
                    self.tell(now).await?;
                }
                _tick = look.tick() => self.report(report()).await?,
            }
        }
    }

    async fn hand_in(
        &mut self,
        message: ToProxy,
        pushed_to: &PushedTo,
        address: &str,
    ) -> Result<(), StreamError> {
        // A message of a newer operator that is not known here says nothing that could be answered.
        let Some(to_proxy::Message::Snapshot(snapshot)) = message.message else { return Ok(()) };
        let identity = snapshot.identity.clone().unwrap_or_default();
        let (answer, answered) = oneshot::channel();
        let pushed = Pushed { snapshot, origin: format!("stream {address}"), answer };
        pushed_to.pushed.send(pushed).await.map_err(|_| StreamError::GoingDown)?;
        self.asked = Some((identity, answered));
        Ok(())
    }

    async fn answer(&mut self, answer: (wire::Identity, Answer)) -> Result<(), StreamError> {
        let (identity, answer) = answer;
        let snapshot = Some(identity.clone());
        let message = match answer {
            Ok(trace) => {
                self.told = Running::This(Identity::from(identity));
                from_proxy::Message::Ack(Ack { snapshot, traceparent: trace.traceparent() })
            }
            Err(problems) => {
                let problems = problems.into_iter().map(problem).collect();
                from_proxy::Message::Nack(Nack { snapshot, problems })
            }
        };
        say(&self.outgoing, message).await
    }

    /// Says what runs when it came another way: the mounted file was faster.
    async fn tell(&mut self, now: Running) -> Result<(), StreamError> {
        if self.told == now {
            return Ok(());
        }
        self.told = now;
        let Running::This(identity) = &self.told else { return Ok(()) };
        let snapshot = Some(identity.clone().into());
        let ack = Ack { snapshot, traceparent: String::new() };
        say(&self.outgoing, from_proxy::Message::Ack(ack)).await
    }

    async fn report(&mut self, report: Report) -> Result<(), StreamError> {
        let now = Instant::now();
        let is_due = match &self.reported {
            Some((last, at)) => *last != report || now.duration_since(*at) >= REPORT_LATEST,
            None => true,
        };
        if is_due {
            self.reported = Some((report.clone(), now));
            say(&self.outgoing, from_proxy::Message::Report(report)).await?;
        }
        Ok(())
    }
}

// === impl StreamError ===

impl StreamError {
    /// Who leads, if that is why.
    pub(super) fn leader(&self) -> Option<SocketAddr> {
        match self {
            Self::NotLeader { leader, said: _ } => *leader,
            Self::Dial(_)
            | Self::OpenTimeout
            | Self::Refused(_)
            | Self::Failed(_)
            | Self::Closed
            | Self::Unread
            | Self::GoingDown => None,
        }
    }
}

impl From<Status> for StreamError {
    fn from(status: Status) -> Self {
        let leader = status.metadata().get(LEADER_METADATA);
        let said = || said(&status);
        match status.code() {
            Code::FailedPrecondition => {
                let leader = leader.and_then(|leader| leader.to_str().ok()?.parse().ok());
                Self::NotLeader { leader, said: said() }
            }
            Code::Unauthenticated | Code::PermissionDenied => Self::Refused(said()),
            _ => Self::Failed(said()),
        }
    }
}

/// What a status says, cut, and of an error of our own side its causes.
fn said(status: &Status) -> String {
    let text = match std::error::Error::source(status) {
        Some(cause) => format!("{}: {}", status.message(), chain(cause)),
        None => format!("{}: {}", status.code(), status.message()),
    };
    text.chars().filter(|c| !c.is_control()).take(SAID_MAX).collect()
}

fn to(leader: Option<&SocketAddr>) -> String {
    leader.map_or_else(String::new, |leader| format!("; {leader} leads"))
}

/// The answer to the snapshot that was handed in, or never when there is none.
async fn answered(
    asked: &mut Option<(wire::Identity, oneshot::Receiver<Answer>)>,
) -> Result<(wire::Identity, Answer), StreamError> {
    let Some((_, answer)) = asked else { return std::future::pending().await };
    let answer = answer.await.map_err(|_| StreamError::GoingDown)?;
    let identity = asked.take().map(|(identity, _)| identity).unwrap_or_default();
    Ok((identity, answer))
}

async fn say(
    outgoing: &mpsc::Sender<FromProxy>,
    message: from_proxy::Message,
) -> Result<(), StreamError> {
    let message = FromProxy { message: Some(message) };
    match outgoing.send_timeout(message, WRITE_TIMEOUT).await {
        Ok(()) => Ok(()),
        Err(mpsc::error::SendTimeoutError::Timeout(_)) => Err(StreamError::Unread),
        Err(mpsc::error::SendTimeoutError::Closed(_)) => Err(StreamError::Closed),
    }
}

fn problem(problem: loka_api::Problem) -> Problem {
    let loka_api::Problem { document: _, path, value, message, remedy } = problem;
    let message = match value {
        Some(value) => format!("({value}) {message}"),
        None => message,
    };
    Problem { path, message, remedy }
}
