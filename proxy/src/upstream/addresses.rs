//! The way to a pool: the addresses behind its name, tried one after the other, a SOCKS server in between, TLS on top. And the
//! name, watched while one of its addresses is connected to.
//!
//! A pool that moves says so in the domain name system alone. Its old address often works on for a while, and then fails at
//! a moment of its own choosing; whoever looks can go before.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use loka_api::runtime_config::{Endpoint, Socks5};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use super::socks5::{self, SocksError};
use crate::telemetry::reasons::PoolDownReason;
use crate::tls::pool::{Failure, Fault, PoolTerms};
use crate::transport::{Boxed, Dial, Transport};

/// How often a name is looked up while it is connected to; most pools' records live for a minute or more.
const RESOLVE_EVERY: Duration = Duration::from_secs(60);

/// Answers in a row without the address that is connected to before the pool is taken to have moved. Some name servers
/// give a part of many addresses each time.
const ABSENT_MIN: u32 = 3;

/// Addresses of one name that are looked at.
const ADDRESSES_MAX: usize = 16;

/// An address is given this long at least, however many there are.
const EACH_MIN: Duration = Duration::from_secs(1);

/// A connection, and to which address; unknown where names are all there is, or where somebody else resolves them.
pub(super) struct Reached {
    pub(super) stream: Box<dyn Transport>,
    pub(super) address: Option<SocketAddr>,
}

/// Why there is none.
#[derive(Debug)]
pub(super) struct Unreached {
    pub(super) reason: PoolDownReason,
    pub(super) detail: String,
}

/// How an endpoint is reached.
#[derive(Clone)]
pub(super) struct Way {
    pub(super) dial: Arc<dyn Dial>,
    pub(super) endpoint: Endpoint,
    /// Who connects for us, if we do not ourselves.
    pub(super) socks5: Option<Socks5>,
    pub(super) tls: Option<PoolTerms>,
}

// === impl Way ===

impl Way {
    /// Connects by the first address that leads there, beginning with the `start`-th, or says within `limit` what did not.
    pub(super) async fn reach(self, start: usize, limit: Duration) -> Result<Reached, Unreached> {
        let (host, port) = self.first_hop();
        let deadline = Instant::now() + limit;
        let resolved = timeout_at(deadline, self.dial.resolve(host, port)).await;
        let resolved = resolved.unwrap_or_else(|_| Err(late("answer of a name server", limit)));
        let mut addresses = resolved.map_err(|error| self.refused(&error))?;
        addresses.truncate(ADDRESSES_MAX);
        let Some(count) = u32::try_from(addresses.len()).ok().filter(|count| *count > 0) else {
            let stream = self.timed(limit, deadline, self.dial.dial(host, port)).await?;
            return Ok(Reached { stream, address: None });
        };
        let first = start % addresses.len();
        addresses.rotate_left(first);
        let each = (limit / count).max(EACH_MIN);
        let mut last = self.refused(&io::Error::from(io::ErrorKind::AddrNotAvailable));
        for address in addresses {
            let until = deadline.min(Instant::now() + each);
            match self.timed(each.min(limit), until, self.dial.dial_at(host, address)).await {
                Ok(stream) => {
                    // Behind a SOCKS server the pool's address is not known, and not ours to follow.
                    let address = self.socks5.is_none().then_some(address);
                    return Ok(Reached { stream, address });
                }
                Err(error) => last = last.or(error.at(address)),
            }
            if Instant::now() >= deadline {
                break;
            }
        }
        Err(last)
    }

    fn first_hop(&self) -> (&str, u16) {
        match &self.socks5 {
            Some(Socks5 { host, port, login: _ }) => (host, *port),
            None => (&self.endpoint.host, self.endpoint.port),
        }
    }

    /// From a TCP connection to one that the pool can be spoken on, until the end of `limit`.
    async fn timed(
        &self,
        limit: Duration,
        until: Instant,
        tcp: Boxed<'_, io::Result<Box<dyn Transport>>>,
    ) -> Result<Box<dyn Transport>, Unreached> {
        let mut stream = match timeout_at(until, tcp).await {
            Ok(connected) => connected.map_err(|error| self.refused(&error))?,
            Err(_) => {
                return Err(self.refused(&late("connection", limit)));
            }
        };
        if let Some(Socks5 { login, .. }) = &self.socks5 {
            let asked = socks5::connect(&mut stream, login.as_ref(), &self.endpoint);
            match timeout_at(until, asked).await {
                Ok(answer) => answer?,
                Err(_) => {
                    let error = late("answer of the SOCKS5 server", limit);
                    return Err(Unreached::new(PoolDownReason::SocksFailed, error.to_string()));
                }
            }
        }
        let Some(tls) = &self.tls else { return Ok(stream) };
        match timeout_at(until, tls.connect(&self.endpoint.host, stream)).await {
            Ok(encrypted) => Ok(Box::new(encrypted?)),
            Err(_) => {
                let error = late("TLS handshake", limit);
                Err(Unreached::new(PoolDownReason::TlsClosed, error.to_string()))
            }
        }
    }

    /// There is no TCP connection to the first hop.
    fn refused(&self, error: &io::Error) -> Unreached {
        match &self.socks5 {
            None => {
                let reason = match error.kind() {
                    io::ErrorKind::TimedOut => PoolDownReason::ConnectTimeout,
                    _ => PoolDownReason::ConnectFailed,
                };
                Unreached::new(reason, error.to_string())
            }
            Some(Socks5 { host, port, login: _ }) => {
                let detail = format!("the SOCKS5 server {host}:{port}: {error}");
                Unreached::new(PoolDownReason::SocksFailed, detail)
            }
        }
    }
}

/// What did not come in time.
fn late(what: &str, limit: Duration) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, format!("no {what} within {limit:?}"))
}

// === impl Unreached ===

impl Unreached {
    fn new(reason: PoolDownReason, detail: String) -> Self {
        Self { reason, detail }
    }

    fn at(self, address: SocketAddr) -> Self {
        Self { detail: format!("{address}: {}", self.detail), ..self }
    }

    /// Of two addresses that failed, what the one says that came further.
    fn or(self, next: Self) -> Self {
        let is_tcp = |reason| {
            matches!(reason, PoolDownReason::ConnectFailed | PoolDownReason::ConnectTimeout)
        };
        if is_tcp(next.reason) && !is_tcp(self.reason) { self } else { next }
    }
}

impl From<Failure> for Unreached {
    fn from(failure: Failure) -> Self {
        let Failure { fault, detail } = failure;
        Self::new(of_tls(fault), detail)
    }
}

impl From<SocksError> for Unreached {
    fn from(error: SocksError) -> Self {
        let reason = match error {
            SocksError::Login | SocksError::NoLogin => PoolDownReason::SocksLogin,
            SocksError::Refused(_) => PoolDownReason::SocksRefused,
            SocksError::Ended(_) | SocksError::NotSocks | SocksError::TooLong => {
                PoolDownReason::SocksFailed
            }
        };
        Self::new(reason, error.to_string())
    }
}

/// What a fault of TLS is called.
pub(super) const fn of_tls(fault: Fault) -> PoolDownReason {
    match fault {
        Fault::Authority => PoolDownReason::TlsAuthority,
        Fault::Broken => PoolDownReason::TlsBroken,
        Fault::ClientCertificate => PoolDownReason::TlsClientCertificate,
        Fault::Closed => PoolDownReason::TlsClosed,
        Fault::Dates => PoolDownReason::TlsDates,
        Fault::Incompatible => PoolDownReason::TlsIncompatible,
        Fault::Name => PoolDownReason::TlsName,
        Fault::NotTls => PoolDownReason::TlsNotSpoken,
        Fault::Pin => PoolDownReason::TlsPin,
    }
}

/// Watches the name of a connection.
pub(super) struct Follow {
    dial: Arc<dyn Dial>,
    endpoint: Endpoint,
    connected: SocketAddr,
    absent: u32,
    step: Watch,
}

type Pending<T> = Pin<Box<dyn Future<Output = T> + Send>>;

enum Watch {
    Waiting(Instant),
    Resolving(Pending<io::Result<Vec<SocketAddr>>>),
    /// Whether somebody answers where the pool is said to be.
    Trying(SocketAddr, Pending<bool>),
}

// === impl Follow ===

impl Follow {
    pub(super) fn new(dial: Arc<dyn Dial>, endpoint: Endpoint, connected: SocketAddr) -> Self {
        let step = Watch::Waiting(Instant::now() + RESOLVE_EVERY);
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
                Watch::Waiting(until) => {
                    sleep_until(*until).await;
                    let (dial, endpoint) = (Arc::clone(&self.dial), self.endpoint.clone());
                    self.step = Watch::Resolving(Box::pin(async move {
                        dial.resolve(&endpoint.host, endpoint.port).await
                    }));
                }
                Watch::Resolving(answer) => {
                    let answer = answer.await;
                    self.step = self.heard(answer);
                }
                Watch::Trying(address, answers) => {
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
    fn heard(&mut self, answer: io::Result<Vec<SocketAddr>>) -> Watch {
        let Some(first) = answer.iter().flatten().next().copied() else { return Self::wait() };
        let is_there = answer.iter().flatten().any(|address| *address == self.connected);
        self.absent = if is_there { 0 } else { self.absent + 1 };
        if self.absent < ABSENT_MIN {
            return Self::wait();
        }
        let (dial, host) = (Arc::clone(&self.dial), self.endpoint.host.clone());
        Watch::Trying(
            first,
            Box::pin(async move {
                let connected = timeout(RESOLVE_EVERY, dial.dial_at(&host, first)).await;
                matches!(connected, Ok(Ok(_)))
            }),
        )
    }

    fn wait() -> Watch {
        Watch::Waiting(Instant::now() + RESOLVE_EVERY)
    }
}
