//! Which lane a miner works on: where it is seated, if its extranonce fits there.

use super::mining::{CoinbaseWarning, Mining};
use super::{Downstream, Event, Outbox, Peer, Phase, View};
use crate::extranonce::{Layout, MinerId};
use crate::work::Lane;

/// What becomes of a miner, given what there is to mine on.
#[derive(Debug)]
pub(super) enum Placing<'a> {
    /// It does not fit anywhere, and only a new subscription can help.
    Elsewhere,
    /// Nothing can be mined on, or no connection for its bank is up yet.
    Nowhere,
    /// This lane has its work.
    On(&'a Lane),
    /// This one has, once it has been told this id.
    Renumbered(&'a Lane, MinerId),
}

// === impl Downstream ===

impl Downstream {
    /// What the miner works on now, or would if it were at work; nothing while no pool can be mined on.
    pub(super) fn lane<'a>(&self, view: &View<'a>) -> Option<&'a Lane> {
        match self.miner_id() {
            Some(id) => self.peer.lane(view, id),
            None => view.work.lane(view.lane),
        }
    }

    /// Where a miner at work goes on.
    pub(super) fn placing<'a>(&self, view: &View<'a>) -> Placing<'a> {
        let Phase::Mining(mining) = &self.phase else { return Placing::Nowhere };
        let id = mining.id();
        let Some(lane) = self.peer.lane(view, id) else { return Placing::Nowhere };
        if lane.job.serves(id) {
            return Placing::On(lane);
        }
        if self.peer.follows_set_extranonce()
            && let Some(id) = self.peer.id_for(view, lane)
        {
            return Placing::Renumbered(lane, id);
        }
        // Better another pool than a connection broken off.
        if let Some(lane) = view.work.lanes.iter().find(|lane| lane.job.serves(id)) {
            return Placing::On(lane);
        }
        match id.layout().fits(lane.job.extranonce2_size) {
            true => Placing::Nowhere,
            false => Placing::Elsewhere,
        }
    }
}

// === impl Peer ===

impl Peer {
    /// The lane that the miner is seated on, or one of the same pool that serves its bank. Where its software could not hold
    /// the coinbase, one whose coinbase it can.
    fn lane<'a>(&self, view: &View<'a>, id: MinerId) -> Option<&'a Lane> {
        let seated = view.work.lane_for(view.lane, id)?;
        if !self.profile.is_too_long(seated.job.coinbase_len()) {
            return Some(seated);
        }
        let fits = |lane: &&Lane| {
            lane.job.serves(id) && !self.profile.is_too_long(lane.job.coinbase_len())
        };
        view.work.lanes.iter().find(fits).or(Some(seated))
    }

    /// An id that the job of a lane serves; none if no layout fits, or all are taken.
    fn id_for(&self, view: &View<'_>, lane: &Lane) -> Option<MinerId> {
        let size = lane.job.extranonce2_size;
        let narrow = || Layout::narrow(size, lane.job.sharing);
        let best = || Layout::for_pool_size(size).or_else(narrow);
        let layout = view.work.layout.filter(|layout| layout.fits(size)).or_else(best)?;
        let layout = self.profile.layout(layout);
        if layout.is_narrow() && !self.profile.takes(layout.miner_len()) {
            return None;
        }
        view.registry.allocate(layout, lane.job.bank.of_layout(layout, size))
    }

    /// No work is withheld: some of it may be good all the same, and the operator is told.
    pub(super) fn warn_of_coinbase(&self, mining: &mut Mining, lane: &Lane, out: &mut Outbox) {
        let len = lane.job.coinbase_len();
        if let Some(max) = self.profile.coinbase_bytes_max.filter(|max| len > *max)
            && mining.coinbase == CoinbaseWarning::NotGiven
        {
            mining.coinbase = CoinbaseWarning::Given;
            out.events.push(Event::CoinbaseTooLong { len, max });
        }
    }
}
