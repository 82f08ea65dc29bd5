//! The slots of a route follow its configuration: pools that come, stay, change and go.

use std::sync::Arc;
use std::time::Instant;

use super::route::RouteTask;
use super::slot::{Slot, Succession};
use crate::policy::selector::{Wish, places};
use crate::upstream::PoolId;

// === impl RouteTask ===

impl RouteTask {
    /// Makes the slots those of the configuration, in its order. A pool that is reached or logged in to differently is a
    /// new one, and the old one goes when that has a job.
    pub(super) fn reconcile_pools(&mut self) {
        let now = self.now().instant;
        let mut former = std::mem::take(&mut self.slots);
        let config = Arc::clone(&self.config);
        let wishes: Vec<Wish<'_>> = config
            .pools
            .iter()
            .map(|pool| Wish { name: &pool.name, priority: pool.priority, weight: pool.weight })
            .collect();
        let places = places(&wishes, config.pin.as_deref());
        for (pool, place) in config.pools.iter().zip(places) {
            let is_first = |slot: &Slot| slot.further.is_none() && slot.is_same(pool, &config);
            let kept = former.iter().position(is_first);
            let mut slot = match kept {
                Some(kept) => former.remove(kept),
                None => Slot::start(pool, &config, &mut self.parts.seams, &self.updates_in),
            };
            slot.keep(pool);
            slot.place = place;
            let of = slot.handle.id;
            self.slots.push(slot);
            let is_further = |slot: &Slot| slot.further.is_some_and(|further| further.of == of);
            while let Some(kept) = former.iter().position(is_further) {
                let mut slot = former.remove(kept);
                slot.keep(pool);
                slot.place = place;
                self.slots.push(slot);
            }
            while let Some(replaced) = former.iter().position(|slot| slot.name() == pool.name) {
                let mut slot = former.remove(replaced);
                slot.outgoing(now);
                slot.place = place;
                self.slots.push(slot);
            }
        }
        self.let_go(now, former);
    }

    /// What the configuration has no more goes at once, unless it is left in steps.
    fn let_go(&mut self, now: Instant, former: Vec<Slot>) {
        let is_left_in_steps = |slot: &&Slot| slot.further.is_none() && self.is_left_in_steps(slot);
        let kept = former.iter().filter(is_left_in_steps).map(|slot| slot.handle.id);
        let kept: Vec<PoolId> = kept.collect();
        for mut slot in former {
            let of = slot.further.map_or(slot.handle.id, |further| further.of);
            if kept.contains(&of) {
                slot.removed(now);
                self.slots.push(slot);
            } else {
                self.remove(&slot);
            }
        }
    }

    /// A second connection to a pool that has moved; the first one is left when that has a job.
    pub(super) fn replace(&mut self, index: usize) {
        let now = self.now().instant;
        // A further connection goes with the first one.
        let can = |slot: &&mut Slot| slot.outgoing_until().is_none() && slot.further.is_none();
        let former = self.slots.get_mut(index).filter(can);
        let Some(former) = former else { return };
        former.outgoing(now);
        let (pool, place) = (former.pool(), former.place);
        let seams = &mut self.parts.seams;
        let mut successor = Slot::start(&pool, &self.config, seams, &self.updates_in);
        successor.place = place;
        self.slots.insert(index, successor);
    }

    pub(super) fn remove(&mut self, slot: &Slot) {
        slot.stop();
        if let Some(source) = slot.source {
            self.withdraw(source);
        }
    }

    /// Lets outgoing pools go whose successor is mined on and whose last shares have come, or whose time is over.
    pub(super) fn drop_outgoing(&mut self, now: Instant) {
        let active: Vec<PoolId> = self.board.active().map(PoolId::of).collect();
        for slot in &mut self.slots {
            let is_left = !active.is_empty() && !active.contains(&slot.handle.id);
            slot.succeeded(now, if is_left { Succession::MinedOn } else { Succession::Awaited });
        }
        let gone = |slot: &Slot| {
            slot.outgoing_until().is_some_and(|until| {
                let is_active = active.contains(&slot.handle.id);
                let is_left = slot.last_shares_until().is_some_and(|at| now >= at);
                // A change in steps does not leave what works for what does not.
                let is_over = now >= until && (!is_active || self.steps().is_none());
                let is_kept = match slot.is_removed() {
                    true => self.staging.holds(slot.handle.id),
                    false => self.staging.keeps(slot.handle.id),
                };
                (is_over || is_left) && !is_kept && self.change.is_none()
            })
        };
        let leaving: Vec<bool> = self.slots.iter().map(gone).collect();
        if !leaving.contains(&true) {
            return;
        }
        let mut leaving = leaving.into_iter();
        let (outgoing, kept): (Vec<Slot>, Vec<Slot>) = std::mem::take(&mut self.slots)
            .into_iter()
            .partition(|_| leaving.next().unwrap_or_default());
        self.slots = kept;
        for slot in &outgoing {
            self.remove(slot);
        }
        self.drop_further(|_| false);
    }
}
