//! The addresses behind a pool's name: tried one after the other, and watched while one of them is connected to.
//!
//! A pool that moves says so in the domain name system alone. Its old address often works on for a while, and then fails at
//! a moment of its own choosing; whoever looks can go before.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use loka_api::runtime_config::Endpoint;
use tokio::time::{Instant, sleep_until, timeout};

use crate::transport::{Dial, Transport};

/// How often a name is looked up while it is connected to; most pools' records live for a minute or more.
const RESOLVE_EVERY: Duration = Duration::from_secs(60);

/// Answers in a row without the address that is connected to before the pool is taken to have moved. Some name servers
/// give a part of many addresses each time.
const ABSENT_MIN: u32 = 3;

/// Addresses of one name that are looked at.
const ADDRESSES_MAX: usize = 16;

/// An address is given this long at least, however many there are.
const EACH_MIN: Duration = Duration::from_secs(1);

/// A connection, and to which address; unknown where names are all there is.
pub(super) struct Reached {
    pub(super) stream: Box<dyn Transport>,
    pub(super) address: Option<SocketAddr>,
}

/// Connects to `endpoint`, by the first of its addresses that answers, beginning with the `start`-th.
pub(super) async fn reach(
    dial: Arc<dyn Dial>,
    endpoint: Endpoint,
    start: usize,
    limit: Duration,
) -> io::Result<Reached> {
    let Endpoint { host, port } = &endpoint;
    let mut addresses = dial.resolve(host, *port).await?;
    addresses.truncate(ADDRESSES_MAX);
    let Some(count) = u32::try_from(addresses.len()).ok().filter(|count| *count > 0) else {
        let stream = dial.dial(host, *port).await?;
        return Ok(Reached { stream, address: None });
    };
    let first = start % addresses.len();
    addresses.rotate_left(first);
    let each = (limit / count).max(EACH_MIN);
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in addresses {
        let failed = |why: &dyn std::fmt::Display| io::Error::other(format!("{address}: {why}"));
        last = match timeout(each, dial.dial_at(host, address)).await {
            Ok(Ok(stream)) => return Ok(Reached { stream, address: Some(address) }),
            Ok(Err(error)) => failed(&error),
            Err(_) => failed(&format_args!("no connection within {each:?}")),
        };
    }
    Err(last)
}

/// Watches the name of a connection.
pub(super) struct Follow {
    dial: Arc<dyn Dial>,
    endpoint: Endpoint,
    connected: SocketAddr,
    absent: u32,
    step: Step,
}

type Pending<T> = Pin<Box<dyn Future<Output = T> + Send>>;

enum Step {
    Waiting(Instant),
    Resolving(Pending<io::Result<Vec<SocketAddr>>>),
    /// Whether somebody answers where the pool is said to be.
    Trying(SocketAddr, Pending<bool>),
}

// === impl Follow ===

impl Follow {
    pub(super) fn new(dial: Arc<dyn Dial>, endpoint: Endpoint, connected: SocketAddr) -> Self {
        let step = Step::Waiting(Instant::now() + RESOLVE_EVERY);
        Self { dial, endpoint, connected, absent: 0, step }
    }

    /// The address that is connected to.
    pub(super) fn connected(&self) -> SocketAddr {
        self.connected
    }

    /// Where the pool has moved to, once it has and answers there. Cancel-safe: what is under way is kept.
    pub(super) async fn moved(&mut self) -> SocketAddr {
        loop {
            match &mut self.step {
                Step::Waiting(until) => {
                    sleep_until(*until).await;
                    let (dial, endpoint) = (Arc::clone(&self.dial), self.endpoint.clone());
                    self.step = Step::Resolving(Box::pin(async move {
                        dial.resolve(&endpoint.host, endpoint.port).await
                    }));
                }
                Step::Resolving(answer) => {
                    let answer = answer.await;
                    self.step = self.heard(answer);
                }
                Step::Trying(address, answers) => {
                    let (address, answers) = (*address, answers.await);
                    self.step = Self::wait();
                    if answers {
                        return address;
                    }
                }
            }
        }
    }

    /// Names that cannot be looked up say nothing.
    fn heard(&mut self, answer: io::Result<Vec<SocketAddr>>) -> Step {
        let Some(first) = answer.iter().flatten().next().copied() else { return Self::wait() };
        let is_there = answer.iter().flatten().any(|address| *address == self.connected);
        self.absent = if is_there { 0 } else { self.absent + 1 };
        if self.absent < ABSENT_MIN {
            return Self::wait();
        }
        let (dial, host) = (Arc::clone(&self.dial), self.endpoint.host.clone());
        Step::Trying(
            first,
            Box::pin(async move {
                let connected = timeout(RESOLVE_EVERY, dial.dial_at(&host, first)).await;
                matches!(connected, Ok(Ok(_)))
            }),
        )
    }

    fn wait() -> Step {
        Step::Waiting(Instant::now() + RESOLVE_EVERY)
    }
}
