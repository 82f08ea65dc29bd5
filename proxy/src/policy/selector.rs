//! Which pools of a route are mined on: tiers of preference, fail-back after a time of health, weights within a tier.
//!
//! A tier is one pool, or the pools that share a priority by weights; each pool may be several endpoints, of which the
//! first that is fit is taken. A pool that is suspected of something is fit only while no other is.

use std::time::{Duration, Instant};

use loka_api::runtime_config::pool_of;

/// Between two changes to something better. What is lost or suspected is left at once.
const CALM: Duration = Duration::from_secs(60);

/// What is known of one connection, in the order of preference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) fitness: Fitness,
    /// Whether it is wanted for itself.
    pub(crate) standing: Standing,
    pub(crate) place: Place,
}

/// Whether a pool can be mined on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fitness {
    /// It cannot: no connection, no job, or not at this hour.
    Unable,
    /// Only if there is no other.
    Suspect,
    /// From this moment on it may also be taken back from a worse one.
    Fit { trusted_from: Instant },
}

/// Whether a pool is wanted for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Named by the configuration.
    Configured,
    /// Named by an earlier configuration, kept until its successor can be mined on; the successor comes right before it.
    Outgoing,
}

/// Where a pool stands among those of its route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The lower, the better.
    pub(crate) tier: usize,
    /// Which pool of the tier it is an endpoint of.
    pub(crate) group: usize,
    /// The group's part of the tier.
    pub(crate) weight: u32,
}

/// What a configuration says about one pool's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wish<'a> {
    /// Of the endpoint.
    pub(crate) name: &'a str,
    pub(crate) priority: i32,
    pub(crate) weight: Option<u32>,
}

/// What to mine on, and when to ask again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Choice {
    /// With its weight, in the order of preference; none if none can be mined on.
    pub(crate) pools: Vec<(usize, u32)>,
    /// When a better pool may be taken.
    pub(crate) again_at: Option<Instant>,
}

/// The question.
pub(crate) struct Choosing<'a> {
    pub(crate) candidates: &'a [Candidate],
    /// Those that are mined on now.
    pub(crate) active: &'a [usize],
    /// When something better was last taken.
    pub(crate) last_better: Option<Instant>,
    pub(crate) now: Instant,
}

/// The places of pools in the order of the configuration. `pin` is the name of a pool that comes first whatever the
/// order: that of its first endpoint, which stands for all of them.
pub(crate) fn places(wishes: &[Wish<'_>], pin: Option<&str>) -> Vec<Place> {
    let mut places: Vec<Place> = Vec::with_capacity(wishes.len());
    for (index, wish) in wishes.iter().enumerate() {
        if pin.is_some_and(|pin| pin == pool_of(wish.name)) {
            places.push(Place { tier: 0, group: 0, weight: 1 });
            continue;
        }
        let before = || wishes.iter().zip(&places);
        let Some(weight) = wish.weight else {
            // A group of its own: endpoints without weights are pools in an order.
            places.push(Place { tier: index + 1, group: index, weight: 1 });
            continue;
        };
        let same_tier =
            |other: &Wish<'_>| other.weight.is_some() && other.priority == wish.priority;
        let tier = before().find(|(other, place)| same_tier(other) && place.tier > 0);
        let group = before().find(|(other, _)| pool_of(other.name) == pool_of(wish.name));
        places.push(Place {
            tier: tier.map_or(index + 1, |(_, place)| place.tier),
            group: group.map_or(index, |(_, place)| place.group),
            weight,
        });
    }
    places
}

// === impl Choosing ===

impl Choosing<'_> {
    /// What to mine on.
    pub(crate) fn choose(&self) -> Choice {
        let Some(best) = self.tiers().min() else { return self.least_bad() };
        let active = self.active.iter().filter(|index| self.is_fit(**index));
        let Some(current) = active.map(|index| self.tier(*index)).min() else {
            return self.within(best, Entry::Fresh);
        };
        if best >= current {
            return self.within(current, Entry::Staying);
        }
        let trusted = self.members(best).filter_map(|index| self.trusted_from(index)).min();
        let at = trusted.map(|trusted| trusted.max(self.calm_from()));
        if at.is_some_and(|at| at <= self.now) {
            return self.within(best, Entry::Fresh);
        }
        let stay = self.within(current, Entry::Staying);
        Choice { again_at: earlier(stay.again_at, at), ..stay }
    }

    /// With none fit: what is mined on, as far as it can be, else the best that can.
    fn least_bad(&self) -> Choice {
        let able = |index: &usize| {
            self.candidates.get(*index).is_some_and(|it| it.fitness != Fitness::Unable)
        };
        let weight = |index: usize| (index, self.weight(index));
        let mut pools: Vec<_> = self.active.iter().copied().filter(able).map(weight).collect();
        if pools.is_empty() {
            let able = (0..self.candidates.len()).filter(able);
            pools.extend(able.min_by_key(|index| (self.tier(*index), *index)).map(weight));
        }
        Choice { pools, again_at: None }
    }

    /// What of `tier` to mine on.
    fn within(&self, tier: usize, entry: Entry) -> Choice {
        let mut choice = Choice::default();
        let mut groups: Vec<usize> = self
            .members(tier)
            .filter_map(|index| Some(self.candidates.get(index)?.place.group))
            .collect();
        groups.sort_unstable();
        groups.dedup();
        for group in groups {
            let (member, again_at) = self.of_group(tier, group, entry);
            choice.again_at = earlier(choice.again_at, again_at);
            choice.pools.extend(member.map(|member| (member, self.weight(member))));
        }
        // The first lane takes whoever sits nowhere, so it is the largest.
        choice.pools.sort_by_key(|(index, weight)| (std::cmp::Reverse(*weight), *index));
        choice
    }

    /// The endpoint of a pool to mine on; none while it has yet to prove itself.
    fn of_group(
        &self,
        tier: usize,
        group: usize,
        entry: Entry,
    ) -> (Option<usize>, Option<Instant>) {
        let members = || {
            self.members(tier).filter(|index| {
                self.candidates.get(*index).is_some_and(|it| it.place.group == group)
            })
        };
        let Some(best) = members().next() else { return (None, None) };
        let trusted = self.trusted_from(best);
        let proven = trusted.is_some_and(|at| at <= self.now);
        let Some(mined) = members().find(|index| self.active.contains(index)) else {
            // An endpoint that was just lost is replaced by the next at once.
            let was_active = self.active.iter().any(|index| {
                self.candidates
                    .get(*index)
                    .is_some_and(|it| it.place.tier == tier && it.place.group == group)
            });
            return match entry {
                Entry::Fresh => (Some(best), None),
                Entry::Staying if proven || was_active => (Some(best), None),
                Entry::Staying => (None, trusted),
            };
        };
        let outgoing =
            self.candidates.get(mined).is_some_and(|it| it.standing == Standing::Outgoing);
        let at = trusted.map(|trusted| trusted.max(self.calm_from()));
        if best >= mined {
            (Some(mined), None)
        } else if outgoing || at.is_some_and(|at| at <= self.now) {
            (Some(best), None)
        } else {
            (Some(mined), at)
        }
    }

    /// From when on something better may be taken.
    fn calm_from(&self) -> Instant {
        self.last_better.map_or(self.now, |at| at + CALM)
    }

    fn is_fit(&self, index: usize) -> bool {
        self.trusted_from(index).is_some()
    }

    fn trusted_from(&self, index: usize) -> Option<Instant> {
        match self.candidates.get(index)?.fitness {
            Fitness::Fit { trusted_from } => Some(trusted_from),
            Fitness::Unable | Fitness::Suspect => None,
        }
    }

    fn tier(&self, index: usize) -> usize {
        self.candidates.get(index).map_or(usize::MAX, |it| it.place.tier)
    }

    fn weight(&self, index: usize) -> u32 {
        self.candidates.get(index).map_or(1, |it| it.place.weight)
    }

    /// The tiers that have a fit pool.
    fn tiers(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.candidates.len()).filter(|index| self.is_fit(*index)).map(|index| self.tier(index))
    }

    /// The fit pools of a tier.
    fn members(&self, tier: usize) -> impl Iterator<Item = usize> + '_ {
        (0..self.candidates.len())
            .filter(move |index| self.is_fit(*index) && self.tier(*index) == tier)
    }
}

/// How a tier is come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Entry {
    /// From nothing or from another tier.
    Fresh,
    /// It is mined on.
    Staying,
}

fn earlier(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    [a, b].into_iter().flatten().min()
}

#[cfg(test)]
mod tests;
