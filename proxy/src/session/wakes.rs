//! What wakes a session: the feed, the socket, the pool's word, a clock, and whoever wants it gone.
//!
//! What wakes it is registered when it has to be, and not at every wake: to register and to deregister costs more than most of
//! what a wake does ([ADR 0012](../../../docs/adr/0012-cost-of-a-share.md)).

use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
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
            let wake = self.wait(changed.as_mut(), alarm.as_mut()).await;
            let is_fed = matches!(wake, Wake::Feed(_));
            self.step(wake)?;
            if is_fed || self.is_moved {
                return Ok(());
            }
        }
    }

    async fn wait(
        &mut self,
        mut changed: Pin<&mut impl Future<Output = Result<(), RecvError>>>,
        mut alarm: Pin<&mut Sleep>,
    ) -> Wake {
        if self.lines_pending && self.may_read() {
            // More lines than one wake handles: others first, then on.
            tokio::task::yield_now().await;
            return Wake::Timer;
        }
        self.set(alarm.as_mut());
        let interest = match self.may_read() {
            true => Interest::ReadWrite,
            false => Interest::Write,
        };
        let Self { wire, pause, under_way, card, pipeline, .. } = self;
        let is_held = matches!(pause, Pause::Held(_));
        poll_fn(|cx| {
            // Whoever wants this session's place stands still; then work, then what a miner waits for.
            if let Some(summons) = card.summons() {
                return Poll::Ready(Wake::Summoned(summons));
            }
            if let Poll::Ready(fed) = changed.as_mut().poll(cx) {
                return Poll::Ready(Wake::Feed(fed));
            }
            if let Poll::Ready((ticket, result)) = under_way.poll(cx) {
                return Poll::Ready(Wake::HandedOver(ticket, result));
            }
            if is_held && pipeline.poll(cx).is_ready() {
                return Poll::Ready(Wake::Ripe);
            }
            if let Poll::Ready(progress) = wire.poll(cx, interest) {
                return Poll::Ready(Wake::Io(progress));
            }
            alarm.as_mut().poll(cx).map(|()| Wake::Timer)
        })
        .await
    }

    /// Sets the alarm to when something is due. One that is set to an earlier time stays: it rings once for nothing, which is
    /// cheaper than to set it later with each share.
    fn set(&self, alarm: Pin<&mut Sleep>) {
        let terms_timer = self.machine.poll_timeout(&self.feed.borrow().terms);
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
