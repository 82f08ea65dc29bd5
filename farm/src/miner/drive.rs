//! The task of one miner: dials, reads, writes, hashes in between, and dials again.
//!
//! Owns all IO and all waiting. What the firmware makes of it is the session's.

use std::future::Future;
use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::yield_now;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::counts::Disconnect;
use super::dial::Dial;
use super::lasting::Tls;
use super::session::{Session, Stop};
use super::{Miner, MinerState, MinerStatus};
use crate::profile::Opening;
use crate::trap::Fault;
use crate::wire::LineStream;

/// TCP gives up no earlier.
const DIAL_WITHIN: Duration = Duration::from_secs(30);

/// A server that takes no bytes for so long is taken for dead.
const WRITE_WITHIN: Duration = Duration::from_secs(30);

/// How often a miner that is not connected tells so.
const PAUSE_STEP: Duration = Duration::from_secs(1);

/// A TLS 1.2 record with the start of a ClientHello: enough for a server to know.
const CLIENT_HELLO: &[u8] = &[0x16, 0x03, 0x01, 0x00, 0x05, 0x01, 0x00, 0x00, 0x01, 0x03];

/// How a connection ended, and how long to stay away.
struct End {
    cause: Disconnect,
    wait: Option<Duration>,
}

// === impl Miner ===

impl<D: Dial> Miner<D> {
    /// Mines until the power goes off; then waits a little for outstanding answers.
    pub async fn run(mut self, power_off: CancellationToken) -> MinerStatus {
        while !power_off.is_cancelled() {
            let wait = match unless(&power_off, self.connect()).await {
                None => {
                    self.lasting.settle_idle(Instant::now());
                    Duration::ZERO
                }
                Some(Ok(stream)) => self.converse(stream, &power_off).await,
                Some(Err(wait)) => wait,
            };
            self.pause(wait, &power_off).await;
        }
        self.lasting.give_up_held();
        self.publish(MinerState::Off, None);
        self.status.borrow().clone()
    }

    /// A connection in clear, or how long to stay away.
    async fn connect(&mut self) -> Result<D::Stream, Duration> {
        self.publish(MinerState::Dialing, None);
        let away = self.setup.profile.patience.reconnect_after;
        let Ok(Ok(stream)) = timeout(DIAL_WITHIN, self.dial.dial()).await else {
            self.lasting.counts.dial_failures += 1;
            return Err(away);
        };
        if let Opening::TlsFirst { patience } = self.setup.profile.opening
            && self.lasting.tls == Tls::Untried
        {
            return Err(self.try_tls(stream, patience).await);
        }
        let counts = &mut self.lasting.counts;
        counts.reconnects += u64::from(counts.connects > 0);
        counts.connects += 1;
        Ok(stream)
    }

    /// Any answer, and any close, says that this server speaks no TLS that suits.
    async fn try_tls(&mut self, mut stream: D::Stream, patience: Duration) -> Duration {
        self.lasting.counts.tls_probes += 1;
        let mut answer = [0_u8; 1];
        let asked = async {
            stream.write_all(CLIENT_HELLO).await?;
            stream.read(&mut answer).await
        };
        if timeout(patience, asked).await.is_err() {
            self.lasting.spring(Fault::TlsHang { within: patience });
            return self.setup.profile.patience.reconnect_after;
        }
        self.lasting.tls = Tls::Refused;
        Duration::ZERO
    }

    async fn converse(&mut self, stream: D::Stream, power_off: &CancellationToken) -> Duration {
        let limit = self.setup.profile.limits.line_bytes_max;
        let mut lines = LineStream::with_limit(stream, limit);
        let setup = &self.setup;
        let mut session =
            Session::open(setup, self.sink.as_ref(), &mut self.lasting, Instant::now());
        let phase = Duration::from_micros(self.dice.u64(0..=micros(setup.tick)));
        let mut ticker = interval_at(Instant::now() + phase, setup.tick);
        ticker.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let end = loop {
            if let Err(cause) = flush(&mut lines, &mut session).await {
                break End::by(cause);
            }
            if session.is_over(Instant::now()) {
                break End::by(Disconnect::PoweredOff);
            }
            let result = tokio::select! {
                biased;
                () = power_off.cancelled(), if !session.is_powered_off() => {
                    session.power_off(Instant::now());
                    Ok(())
                }
                line = lines.next_line() => read(&mut session, line, limit),
                () = yield_now(), if session.has_work() => {
                    session.slice(Instant::now());
                    Ok(())
                }
                _ = ticker.tick() => {
                    let ticked = session.tick(Instant::now());
                    publish(&self.status, &session);
                    ticked.map_err(|stop| End::of(stop, &mut session))
                }
            };
            if let Err(end) = result {
                break end;
            }
        };
        session.close(Instant::now(), end.cause);
        let away = setup.profile.patience.reconnect_after;
        end.wait.unwrap_or_else(|| away + away.mul_f64(self.dice.f64() / 4.0))
    }

    /// Stays away for a while.
    async fn pause(&mut self, wait: Duration, power_off: &CancellationToken) {
        let until = Instant::now() + wait;
        while !power_off.is_cancelled() {
            self.lasting.settle_idle(Instant::now());
            self.publish(MinerState::Dialing, None);
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            if unless(power_off, sleep(left.min(PAUSE_STEP))).await.is_none() {
                self.lasting.settle_idle(Instant::now());
            }
        }
    }

    fn publish(&self, state: MinerState, difficulty: Option<&str>) {
        self.status.send_modify(|status| status.update(state, difficulty, &self.lasting));
    }
}

/// `None` once the power is off.
async fn unless<T>(power_off: &CancellationToken, future: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        () = power_off.cancelled() => None,
        value = future => Some(value),
    }
}

fn publish(status: &tokio::sync::watch::Sender<MinerStatus>, session: &Session<'_>) {
    let state = match (session.is_mining(), session.is_ready()) {
        (true, _) => MinerState::Mining,
        (false, true) => MinerState::Waiting,
        (false, false) => MinerState::Handshake,
    };
    status.send_modify(|status| status.update(state, session.difficulty(), session.lasting()));
}

async fn flush<S>(lines: &mut LineStream<S>, session: &mut Session<'_>) -> Result<(), Disconnect>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let out = session.take_out();
    if out.is_empty() {
        return Ok(());
    }
    match timeout(WRITE_WITHIN, lines.send(out.as_bytes())).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(Disconnect::Lost),
        Err(_) => Err(Disconnect::WriteStalled),
    }
}

fn read(
    session: &mut Session<'_>,
    line: io::Result<Option<String>>,
    limit: usize,
) -> Result<(), End> {
    let heard = match line {
        Ok(Some(line)) => session.line(Instant::now(), &line),
        Ok(None) if session.is_powered_off() => return Err(End::by(Disconnect::PoweredOff)),
        Ok(None) => {
            session.closed_by_server();
            return Err(End::by(Disconnect::ServerClosed));
        }
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            Err(Fault::LineTooLong { limit }.into())
        }
        Err(_) => return Err(End::by(Disconnect::Lost)),
    };
    heard.map_err(|stop| End::of(stop, session))
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

// === impl End ===

impl End {
    fn by(cause: Disconnect) -> Self {
        Self { cause, wait: None }
    }

    fn of(stop: Stop, session: &mut Session<'_>) -> Self {
        let fault = match stop {
            Stop::Reconnect { wait } => {
                return Self { cause: Disconnect::AskedTo, wait: Some(wait) };
            }
            Stop::Sprung(fault) => fault,
        };
        let cause = match &fault {
            Fault::Silence { .. } => Disconnect::Silence,
            Fault::NoJob { .. } => Disconnect::NoJob,
            _ => Disconnect::Trapped,
        };
        session.spring(fault);
        Self::by(cause)
    }
}
