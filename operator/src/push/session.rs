//! One stream of a pod that has proven itself: its greeting, then snapshots down and answers up.
//!
//! One snapshot is under way at a time, and what is sent next is the latest: nothing queues. A peer
//! that does not read holds up its own stream only, since nobody waits for it.

mod exchange;
mod speech;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use futures_util::Stream;
use loka_api::control::{FromProxy, Hello, Snapshot, ToProxy, to_proxy};
use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep_until;
use tokio_util::sync::CancellationToken;
use tonic::{Status, Streaming};

use self::exchange::Exchange;
use self::speech::{Garbage, Said};
use super::auth::Proven;
use super::bucket::{Bucket, Rate};
use super::event::{Closed, Event, Events};
use super::server::{Leader, Limits};
use crate::fleet::{Fleet, Link};

/// A pod reports every few seconds and answers once to each snapshot.
const MESSAGES: Rate = Rate { burst: 40, per_second: 10 };
/// One snapshot: the next is made when this one has been taken. HTTP/2 below holds two more for a peer
/// that does not read.
const OUTGOING_MAX: usize = 1;

/// What a session needs of the server.
pub(super) struct Session {
    pub(super) fleet: Arc<Fleet>,
    pub(super) leader: Leader,
    pub(super) events: Events,
    pub(super) limits: Limits,
    pub(super) stop: CancellationToken,
    pub(super) proven: Proven,
    pub(super) inbound: Streaming<FromProxy>,
}

/// What the pod is sent. Its end overtakes a snapshot that has not been taken.
pub(super) struct Outgoing {
    snapshots: mpsc::Receiver<ToProxy>,
    end: oneshot::Receiver<Option<Status>>,
    ended: bool,
}

/// The session's end of [`Outgoing`].
pub(super) struct Sender {
    snapshots: mpsc::Sender<ToProxy>,
    end: oneshot::Sender<Option<Status>>,
}

/// An end, and what the peer is told of it; nothing is an end without complaint.
struct End {
    why: Closed,
    status: Option<Status>,
}

/// Both ends of what a pod is sent.
pub(super) fn outgoing() -> (Sender, Outgoing) {
    let (snapshots, taken) = mpsc::channel(OUTGOING_MAX);
    let (end, ended) = oneshot::channel();
    (Sender { snapshots, end }, Outgoing { snapshots: taken, end: ended, ended: false })
}

// === impl Session ===

impl Session {
    /// Holds the stream until it ends, and ends it. Returns when the peer has been told, or has not
    /// taken the news in time.
    pub(super) async fn run(mut self, sender: Sender) -> Told {
        let Sender { snapshots, end: told } = sender;
        let End { why: _, status } = self.hold(&snapshots).await;
        // An error means that the peer's side is gone already.
        drop(told.send(status));
        match tokio::time::timeout(self.limits.end, snapshots.closed()).await {
            Ok(()) => Told::Yes,
            Err(_) => Told::No,
        }
    }

    async fn hold(&mut self, out: &mpsc::Sender<ToProxy>) -> End {
        let Proven { proxy, pod } = self.proven.clone();
        let hello = match self.greeting().await {
            Ok(hello) => hello,
            Err(end) => {
                self.tell(Event::Ungreeted { proxy, pod, why: end.why });
                return end;
            }
        };
        let link = match self.fleet.connect(proxy.clone(), pod.clone(), &hello) {
            Ok(link) => link,
            Err(full) => {
                self.tell(Event::Ungreeted { proxy, pod, why: Closed::Full });
                return End::with(Closed::Full, Status::resource_exhausted(full.to_string()));
            }
        };
        let version = hello.version;
        self.tell(Event::StreamOpened { proxy: proxy.clone(), pod: pod.clone(), version });
        let end = self.talk(&link, out).await;
        // The pod is gone before it is told of, so that what hears of it finds it gone.
        drop(link);
        self.tell(Event::StreamClosed { proxy, pod, why: end.why });
        end
    }

    /// The first message.
    async fn greeting(&mut self) -> Result<Hello, End> {
        let message = tokio::select! {
            // The ends first: what is said on a stream that ends is of no use.
            biased;
            () = self.stop.cancelled() => return Err(End::shutdown()),
            () = self.leader.lost() => return Err(End::not_leading()),
            message = self.inbound.message() => message,
            () = tokio::time::sleep(self.limits.hello) => {
                let text = "no greeting has come";
                return Err(End::with(Closed::Silent, Status::deadline_exceeded(text)));
            }
        };
        match self.heard(message)? {
            Said::Hello(hello) => Ok(hello),
            Said::Ack { .. } | Said::Nack { .. } | Said::Report(_) => {
                Err(End::garbage(Garbage("the first message must be a Hello")))
            }
        }
    }

    async fn talk(&mut self, link: &Link, out: &mpsc::Sender<ToProxy>) -> End {
        let mut snapshots = link.snapshots();
        let mut is_new = snapshots.borrow_and_update().is_some();
        let mut exchange = Exchange::default();
        let mut messages = Bucket::new(MESSAGES, Instant::now());
        let aged = tokio::time::sleep(self.limits.random_age());
        tokio::pin!(aged);
        let mut lost = self.leader.lost();
        loop {
            let late = exchange.late_at(self.limits.answer);
            tokio::select! {
                // The ends first. Then what the pod says, which may free the way for what is to be
                // sent; it cannot starve the rest, as too much of it is an end.
                biased;
                () = self.stop.cancelled() => return End::shutdown(),
                () = &mut lost => return End::not_leading(),
                () = &mut aged => return End { why: Closed::Aged, status: None },
                message = self.inbound.message() => {
                    let said = match self.heard(message) {
                        Ok(said) => said,
                        Err(end) => return end,
                    };
                    if !messages.take(Instant::now()) {
                        let text = "more messages than a pod may send";
                        return End::with(Closed::Flood, Status::resource_exhausted(text));
                    }
                    if let Err(garbage) = self.take(said, link, &mut exchange) {
                        return End::garbage(garbage);
                    }
                }
                changed = snapshots.changed() => {
                    if changed.is_err() {
                        let status = Status::aborted("the pod has dialled again");
                        return End::with(Closed::Replaced, status);
                    }
                    is_new = true;
                }
                () = until(late), if late.is_some() => self.missed(&mut exchange),
                permit = out.reserve(), if is_new && late.is_none() => {
                    let Ok(permit) = permit else {
                        return End { why: Closed::Lost, status: None };
                    };
                    is_new = false;
                    let latest = snapshots.borrow_and_update().clone();
                    if let Some(snapshot) = latest {
                        exchange.sent(snapshot.identity.clone(), Instant::now());
                        permit.send(message(&snapshot));
                    }
                }
            }
        }
    }

    /// What the peer said, or that it has ended.
    fn heard(&self, message: Result<Option<FromProxy>, Status>) -> Result<Said, End> {
        match message {
            Ok(Some(message)) => speech::read(message).map_err(End::garbage),
            Ok(None) => Err(End { why: Closed::Peer, status: None }),
            // What cannot be decoded is said by us, the rest by the connection.
            Err(status) if is_garbled(&status) => {
                Err(End::garbage(Garbage("a message is malformed or too large")))
            }
            Err(_) => Err(End { why: Closed::Lost, status: None }),
        }
    }

    fn take(&self, said: Said, link: &Link, exchange: &mut Exchange) -> Result<(), Garbage> {
        let Proven { proxy, pod } = self.proven.clone();
        let now = Instant::now();
        match said {
            Said::Hello(_) => return Err(Garbage("a Hello comes once")),
            Said::Report(report) => link.reported(report),
            Said::Ack { identity, traceparent } => match exchange.answered(&identity, now) {
                None if exchange.is_news(&identity) => {
                    link.acked(identity.clone());
                    self.tell(Event::Runs { proxy, pod, identity });
                }
                None => self.tell(Event::Stale { proxy, pod }),
                Some(after) => {
                    link.acked(identity.clone());
                    self.tell(Event::Acked { proxy, pod, identity, after, traceparent });
                }
            },
            Said::Nack { identity, problems } => match exchange.answered(&identity, now) {
                None => self.tell(Event::Stale { proxy, pod }),
                Some(after) => {
                    let problem = speech::first_of(&problems);
                    link.refused(identity.clone(), problems);
                    self.tell(Event::Nacked { proxy, pod, identity, after, problem });
                }
            },
        }
        Ok(())
    }

    fn missed(&self, exchange: &mut Exchange) {
        let Proven { proxy, pod } = self.proven.clone();
        if let Some(identity) = exchange.give_up() {
            self.tell(Event::Late { proxy, pod, identity });
        }
    }

    fn tell(&self, event: Event) {
        (self.events)(event);
    }
}

/// Whether the peer knows of the end of its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    Yes,
    No,
}

// === impl End ===

impl End {
    fn with(why: Closed, status: Status) -> Self {
        Self { why, status: Some(status) }
    }

    fn shutdown() -> Self {
        Self::with(Closed::Shutdown, Status::unavailable("this operator ends; dial again"))
    }

    fn not_leading() -> Self {
        Self::with(Closed::NotLeading, Status::unavailable("no longer the leader; dial again"))
    }

    fn garbage(Garbage(what): Garbage) -> Self {
        Self::with(Closed::Garbage, Status::invalid_argument(what))
    }
}

// === impl Outgoing ===

impl Stream for Outgoing {
    type Item = Result<ToProxy, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            return Poll::Ready(None);
        }
        if let Poll::Ready(end) = Pin::new(&mut self.end).poll(context) {
            self.ended = true;
            // An error is a session that was dropped: there is nothing more to say.
            return Poll::Ready(end.ok().flatten().map(Err));
        }
        self.snapshots.poll_recv(context).map(|message| message.map(Ok))
    }
}

fn message(snapshot: &Snapshot) -> ToProxy {
    ToProxy { message: Some(to_proxy::Message::Snapshot(snapshot.to_wire())) }
}

/// tonic's own verdicts on what arrived: it could not be decoded, or is larger than allowed.
fn is_garbled(status: &Status) -> bool {
    matches!(status.code(), tonic::Code::OutOfRange | tonic::Code::Internal)
}

async fn until(at: Option<Instant>) {
    if let Some(at) = at {
        sleep_until(at.into()).await;
    }
}
