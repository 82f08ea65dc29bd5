//! Firmware that runs on Antminers: the maker's own, VNISH, and LuxOS.

use std::time::Duration;

use super::{
    BitsStyle, Call, ConfigureForm, Dialect, Extension, Ids, Limits, Matching, Need, NonceText,
    PLAIN, Patience, Profile, Rolling, Search, SixthParameter, Slashes, Step, SubmitId,
    SubscribeForm,
};

/// The maker's bmminer: numbers its requests from 0, holds a coinbase of 750 bytes, and reconnects
/// for ever where no job comes.
pub(super) const BMMINER: Profile = Profile {
    name: "bmminer",
    user_agent: "bmminer/2.0.0/Antminer S19/13000",
    handshake: &[
        Step::reply(Call::Configure(BMMINER_CONFIGURE), Need::Answer),
        Step::reply(Call::Subscribe(SubscribeForm::AgentSessionOrNull), Need::Success),
        Step::reply(Call::Authorize, Need::Success),
        Step::pipelined(Call::MultiVersion, Need::Answer),
        Step::pipelined(Call::ExtranonceSubscribe, Need::Answer),
    ],
    ids: Ids { first: 0, submit: SubmitId::Counting, matching: Matching::ById },
    rolling: ROLLING,
    limits: Limits { coinbase_bytes_max: Some(750), ..Limits::PLAIN },
    patience: Patience { first_job: Some(Duration::from_secs(20)), ..Patience::PLAIN },
    ..PLAIN
};

/// VNISH: everything at once, and every extension it asked for must be answered.
pub(super) const VNISH: Profile = Profile {
    name: "vnish",
    user_agent: "vnish/1.2.0",
    handshake: &[
        Step::pipelined(Call::Configure(VNISH_CONFIGURE), Need::Success),
        Step::pipelined(Call::Subscribe(SubscribeForm::Bare), Need::Success),
        Step::pipelined(Call::Authorize, Need::Success),
    ],
    ids: Ids { first: 1, submit: SubmitId::Counting, matching: Matching::ByOrder },
    rolling: ROLLING,
    ..PLAIN
};

/// LuxOS: an agent full of separators, slashes escaped.
pub(super) const XMINER: Profile = Profile {
    name: "xminer",
    user_agent: "xminer-1.0|LuxOS/2026.1|Antminer S21/a lab",
    dialect: Dialect { slashes: Slashes::Escaped, ..Dialect::COMPACT },
    handshake: &[
        Step::reply(Call::Configure(BMMINER_CONFIGURE), Need::Answer),
        Step::reply(Call::Subscribe(SubscribeForm::AgentSession), Need::Success),
        Step::reply(Call::Authorize, Need::Success),
        Step::pipelined(Call::ExtranonceSubscribe, Need::Answer),
    ],
    rolling: ROLLING,
    search: Search { nonce_text: NonceText::Upper, ..Search::PLAIN },
    ..PLAIN
};

const ROLLING: Option<Rolling> = Some(Rolling {
    able: 0x1fff_e000,
    style: BitsStyle::Replace,
    sixth: SixthParameter::Negotiated,
});

/// As captured from S9 and S19.
const BMMINER_CONFIGURE: ConfigureForm = ConfigureForm {
    extensions: &[Extension::VersionRolling, Extension::SubscribeExtranonce],
    mask: "1fffe000",
    min_bit_count: Some(16),
};

const VNISH_CONFIGURE: ConfigureForm = ConfigureForm {
    extensions: &[
        Extension::VersionRolling,
        // 2048 in the field; the farm's difficulties are as small as its hashrates.
        Extension::MinimumDifficulty("0.00000001"),
        Extension::SubscribeExtranonce,
    ],
    mask: "1fffe000",
    min_bit_count: Some(2),
};
