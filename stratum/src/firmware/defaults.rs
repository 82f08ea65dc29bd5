//! The profiles that we ship, each with where its facts come from. A farm's own profiles are tried before these.

use crate::difficulty::Difficulty;

use super::{Profile, SetExtranonce};
use crate::glob::Glob;

/// A row of the table, without what only a farm can say of its own machines; what is 0 or empty is not known or does not matter.
struct Row {
    name: &'static str,
    user_agents: &'static [&'static str],
    extranonce2_sizes: &'static [u8],
    coinbase_bytes_max: usize,
    min_difficulty: &'static str,
    set_extranonce: SetExtranonce,
}

const PLAIN: Row = Row {
    name: "",
    user_agents: &[],
    extranonce2_sizes: &[],
    coinbase_bytes_max: 0,
    min_difficulty: "",
    set_extranonce: SetExtranonce::Allowed,
};

/// Special kinds stand before those whose pattern would take them as well.
const ROWS: [Row; 14] = [
    // Sizes other than 2, 4 and 8 give a wrong coinbase, and its halves share buffers of 512 digits (its source, e3a04b7).
    // It asks for its difficulty itself.
    Row {
        name: "nerdminer",
        user_agents: &["nerdminer*"],
        extranonce2_sizes: &[2, 4, 8],
        coinbase_bytes_max: 255,
        ..PLAIN
    },
    // DATUM gateway's own limits for it: coinbase about 500 bytes, difficulty at least 524288.
    Row {
        name: "nicehash",
        user_agents: &["nicehash*", "excavator*"],
        coinbase_bytes_max: 500,
        min_difficulty: "524288",
        ..PLAIN
    },
    // ESP-Miner takes extranonce2 up to 32 bytes and a coinbase of 6500 (DATUM gateway), and
    // asks for its difficulty itself.
    Row {
        name: "bitaxe",
        user_agents: &["bitaxe*", "esp-miner*", "nerdqaxe*", "nerdaxe*", "nerdoctaxe*"],
        coinbase_bytes_max: 6500,
        ..PLAIN
    },
    // DATUM gateway: "whatsminer/v1" holds 6500 bytes.
    Row {
        name: "whatsminer",
        user_agents: &["whatsminer*", "btminer*"],
        coinbase_bytes_max: 6500,
        ..PLAIN
    },
    Row { name: "avalon", user_agents: &["avalon*", "cgminer*avalon*"], ..PLAIN },
    Row { name: "vnish", user_agents: &["*vnish*", "*anthill*"], ..PLAIN },
    // Its agent holds '|' and '/'. DATUM gateway: "xminer-1" holds 16 KB.
    Row {
        name: "luxos",
        user_agents: &["*luxos*", "luxminer*", "xminer*"],
        coinbase_bytes_max: 16_000,
        ..PLAIN
    },
    // DATUM gateway: "PowerPlay-BM" holds 16 KB.
    Row {
        name: "epic",
        user_agents: &["powerplay*", "epic*"],
        coinbase_bytes_max: 16_000,
        ..PLAIN
    },
    // DATUM gateway: "bosminer-plus" holds 2250 bytes.
    Row {
        name: "bosminer",
        user_agents: &["bosminer*", "braiins*"],
        coinbase_bytes_max: 2250,
        ..PLAIN
    },
    // DATUM gateway: an S21 holds 2250 bytes.
    Row {
        name: "antminer-s21",
        user_agents: &["antminer s21*", "bmminer*s21*"],
        coinbase_bytes_max: 2250,
        ..PLAIN
    },
    // DATUM gateway: the stock firmware of the older ones holds 730 to 750 bytes.
    Row {
        name: "antminer",
        user_agents: &["bmminer*", "antminer*"],
        coinbase_bytes_max: 730,
        ..PLAIN
    },
    // cpuminer takes extranonce2 of 1 to 100 bytes, its forks of 1 to 16.
    Row { name: "cpuminer", user_agents: &["cpuminer*", "*cpuminer-opt*", "minerd*"], ..PLAIN },
    // cgminer takes extranonce2 of 2 to 16 bytes.
    Row { name: "cgminer", user_agents: &["cgminer*", "sgminer*"], ..PLAIN },
    Row { name: "bfgminer", user_agents: &["bfgminer*"], ..PLAIN },
];

/// The shipped profiles, in the order in which they are tried.
pub(super) fn shipped() -> Vec<Profile> {
    ROWS.iter().map(Row::profile).collect()
}

// === impl Row ===

impl Row {
    fn profile(&self) -> Profile {
        let Self {
            name,
            user_agents,
            extranonce2_sizes,
            coinbase_bytes_max,
            min_difficulty,
            set_extranonce,
        } = self;
        Profile {
            name: (*name).into(),
            user_agents: user_agents.iter().map(|pattern| Glob::of_any_case(pattern)).collect(),
            extranonce2_sizes: extranonce2_sizes.to_vec(),
            coinbase_bytes_max: Some(*coinbase_bytes_max).filter(|max| *max > 0),
            min_difficulty: Difficulty::parse(min_difficulty).ok(),
            initial_difficulty: None,
            set_extranonce: *set_extranonce,
        }
    }
}
