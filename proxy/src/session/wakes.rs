//! What wakes a session: the feed, the socket, the pool's word, a clock, and whoever wants it gone.
//!
//! What wakes it is registered when it has to be, and not at every wake: to register and to deregister costs more than most of
//! what a wake does ([ADR 0012](../../../docs/adr/0012-cost-of-a-share.md)).

use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use loka_stratum::downstream::{HandOver, Ticket};
use tokio::sync::watch;
use tokio::sync::watch::error::RecvError;
use tokio::time::{Sleep, sleep_until};

use super::Feed;
use super::card::Summons;
use super::driver::{Pause, Session, Verdict};
use crate::telemetry::reasons::CloseReason;
use crate::upstream::at;
use crate::wire::{Interest, Progress};

/// No connection lives as long.
const FAR: Duration = Duration::from_secs(86_400 * 365);

/// What woke a session.
pub(super) enum Wake {
    Summoned(Summons),
    Feed(Result<(), RecvError>),
    HandedOver(Ticket, HandOver),
    /// What a held message waits for is there.
    Ripe,
    Io(io::Result<Progress>),
    Timer,
}

// === impl Session ===

impl Session {
    /// Until it ends; why it does.
    pub(super) async fn serve(&mut self) -> CloseReason {
        poll_fn(|cx| {
            self.card.listens(cx.waker());
            Poll::Ready(())
        })
        .await;
        let mut alarm = pin!(sleep_until(at(self.far())));
        let mut source = self.feed.clone();
        loop {
            if let Err(reason) = self.serve_by(&mut source, alarm.as_mut()).await {
                return reason;
            }
            if std::mem::take(&mut self.is_moved) {
                source = self.feed.clone();
            }
        }
    }

    /// Until the source has said something, or the session has another.
    async fn serve_by(
        &mut self,
        source: &mut watch::Receiver<Arc<Feed>>,
        mut alarm: Pin<&mut Sleep>,
    ) -> Verdict {
        let mut changed = pin!(source.changed());
        loop {
            let wake = poll_fn(|cx| self.poll_wake(changed.as_mut(), alarm.as_mut(), cx)).await;
            let is_fed = matches!(wake, Wake::Feed(_));
            self.step(wake)?;
            if is_fed || self.is_moved {
                return Ok(());
            }
        }
    }

    /// Not async: what such a function is given is stored in every session.
    fn poll_wake(
        &mut self,
        changed: Pin<&mut impl Future<Output = Result<(), RecvError>>>,
        mut alarm: Pin<&mut Sleep>,
        cx: &mut Context<'_>,
    ) -> Poll<Wake> {
        if self.lines_pending && self.may_read() {
            // More lines than one wake handles: others first, then on.
            self.stands_back = !self.stands_back;
            if self.stands_back {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            return Poll::Ready(Wake::Timer);
        }
        self.set(alarm.as_mut());
        let interest = match self.may_read() {
            true => Interest::ReadWrite,
            false => Interest::Write,
        };
        // Whoever wants this session's place stands still; then work, then what a miner waits for.
        if let Some(summons) = self.card.summons() {
            return Poll::Ready(Wake::Summoned(summons));
        }
        if let Poll::Ready(fed) = changed.poll(cx) {
            return Poll::Ready(Wake::Feed(fed));
        }
        if let Poll::Ready((ticket, result)) = self.under_way.poll(cx) {
            return Poll::Ready(Wake::HandedOver(ticket, result));
        }
        if matches!(self.pause, Pause::Held(_)) && self.pipeline.poll(cx).is_ready() {
            return Poll::Ready(Wake::Ripe);
        }
        if let Poll::Ready(progress) = self.wire.poll(cx, interest) {
            return Poll::Ready(Wake::Io(progress));
        }
        alarm.poll(cx).map(|()| Wake::Timer)
    }

    /// Sets the alarm to when something is due. One that is set to an earlier time stays: it rings once for nothing, which is
    /// cheaper than to set it later with each share.
    fn set(&self, alarm: Pin<&mut Sleep>) {
        let terms_timer =
            self.seen.as_ref().and_then(|feed| self.machine.poll_timeout(&feed.terms));
        let pauses = [self.pause.until(), self.under_way.until()];
        let timers = [terms_timer, self.unread_until()].into_iter().chain(pauses);
        let due = at(timers.flatten().min().unwrap_or_else(|| self.far()));
        if alarm.is_elapsed() || due < alarm.deadline() {
            alarm.reset(due);
        }
    }

    /// Later than anything that is waited for.
    fn far(&self) -> Instant {
        self.opened + FAR
    }
}
