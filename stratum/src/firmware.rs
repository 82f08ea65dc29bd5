//! What is known of the software that miners run: a profile by what it calls itself.
//!
//! A profile narrows what a listener's terms allow, for one kind of miner. Its name is also the class that the miner is
//! counted under: there are as many as are configured and shipped, so it may be a label. It decides nothing by itself.

use std::sync::{Arc, LazyLock};

use crate::difficulty::Difficulty;
use crate::extranonce::Layout;
use crate::glob::Glob;

mod defaults;
#[cfg(test)]
mod tests;

/// The class of a miner that no profile is for.
pub const OTHER: &str = "other";

/// One kind of software.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    /// Its name, which is the class of its miners.
    pub name: Arc<str>,
    /// What it calls itself in `mining.subscribe`.
    pub user_agents: Vec<Glob>,
    /// The extranonce2 sizes that it can work with, the best first; all if there are none.
    pub extranonce2_sizes: Vec<u8>,
    /// The longest coinbase that it can hold.
    pub coinbase_bytes_max: Option<usize>,
    /// It goes no lower.
    pub min_difficulty: Option<Difficulty>,
    /// Where it begins, if nothing else is known of the miner.
    pub initial_difficulty: Option<Difficulty>,
    /// Whether its word is taken that it follows `mining.set_extranonce`.
    pub set_extranonce: SetExtranonce,
}

/// Whether a miner that asks for it is sent `mining.set_extranonce`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetExtranonce {
    /// It is, where nothing else keeps it connected.
    Allowed,
    /// Its firmware says that it follows, and does not.
    Forbidden,
}

/// All profiles, in the order in which they are tried.
#[derive(Debug, Clone, PartialEq)]
pub struct Profiles(Arc<Known>);

#[derive(Debug, PartialEq)]
struct Known {
    profiles: Vec<Arc<Profile>>,
    other: Arc<Profile>,
}

// === impl Profile ===

impl Profile {
    /// One of this name that asks for nothing.
    #[must_use]
    pub fn new(name: &str, user_agents: Vec<Glob>) -> Self {
        Self {
            name: name.into(),
            user_agents,
            extranonce2_sizes: Vec::new(),
            coinbase_bytes_max: None,
            min_difficulty: None,
            initial_difficulty: None,
            set_extranonce: SetExtranonce::Allowed,
        }
    }

    /// What a miner of this kind is given where the route's miners are given `layout`: the same, or within the same room
    /// one that the firmware can work with. The route's if there is none: it may work all the same.
    #[must_use]
    pub fn layout(&self, layout: Layout) -> Layout {
        if self.takes(layout.miner_len()) {
            return layout;
        }
        let within = |size: &u8| {
            let id_len = layout.total().checked_sub(*size)?;
            Layout::new(id_len.min(Layout::ID_LEN_MAX), *size)
        };
        self.extranonce2_sizes.iter().find_map(within).unwrap_or(layout)
    }

    /// Whether it can work with an extranonce2 of so many bytes, as far as is known.
    #[must_use]
    pub fn takes(&self, extranonce2_size: u8) -> bool {
        self.extranonce2_sizes.is_empty() || self.extranonce2_sizes.contains(&extranonce2_size)
    }

    /// Whether a coinbase of this length is more than it can hold.
    #[must_use]
    pub fn is_too_long(&self, coinbase_len: usize) -> bool {
        self.coinbase_bytes_max.is_some_and(|max| coinbase_len > max)
    }
}

// === impl Profiles ===

impl Profiles {
    /// These first, then those that we ship.
    #[must_use]
    pub fn new(own: Vec<Profile>) -> Self {
        let shipped = defaults::shipped();
        let profiles = own.into_iter().chain(shipped).map(Arc::new).collect();
        Self(Arc::new(Known { profiles, other: Arc::new(Profile::new(OTHER, Vec::new())) }))
    }

    /// Those that we ship.
    #[must_use]
    pub fn shipped() -> Self {
        static SHIPPED: LazyLock<Profiles> = LazyLock::new(|| Profiles::new(Vec::new()));
        SHIPPED.clone()
    }

    /// The first that is for a miner which calls itself so.
    #[must_use]
    pub fn of(&self, user_agent: Option<&str>) -> &Arc<Profile> {
        let fits = |profile: &&Arc<Profile>| {
            let agent = user_agent.unwrap_or_default();
            profile.user_agents.iter().any(|glob| glob.matches(agent))
        };
        self.0.profiles.iter().find(fits).unwrap_or(&self.0.other)
    }

    /// Whether both are the very same.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Every name that [`Self::of`] can come to.
    pub fn names(&self) -> impl Iterator<Item = &Arc<str>> {
        self.0.profiles.iter().chain([&self.0.other]).map(|profile| &profile.name)
    }
}
