//! cgminer and what descends from it or speaks like it.

use std::time::Duration;

use super::handshake::REPLY_WITHIN;
use super::{
    BitsStyle, Call, Chatter, ConfigureForm, Dialect, Extension, Ids, Limits, Matching, NameRule,
    Need, Opening, PLAIN, Patience, Profile, ReconnectRule, Rolling, SixthParameter, Step,
    SubmitId, Submits, SubscribeForm, TLS_PATIENCE,
};

/// cgminer 4.11 with version rolling: whatever line follows its configure is taken for the reply,
/// and 90 s of silence kill the pool.
pub(super) const CGMINER: Profile = Profile {
    name: "cgminer",
    user_agent: "cgminer/4.11.1",
    dialect: Dialect::SPACED,
    handshake: &[
        Step::next_line(Call::Configure(ALL_BITS), Need::Answer, REPLY_WITHIN),
        Step::next_line(SUBSCRIBE, Need::Success, REPLY_WITHIN),
        Step::reply(Call::Authorize, Need::Success),
        // The farm's difficulties are as small as its hashrates.
        Step::pipelined(Call::SuggestDifficulty("0.00002"), Need::Answer),
    ],
    ids: Ids { first: 0, submit: SubmitId::Counting, matching: Matching::ById },
    rolling: Some(Rolling {
        able: u32::MAX,
        style: BitsStyle::Or,
        sixth: SixthParameter::Negotiated,
    }),
    patience: Patience { silence: Some(Duration::from_secs(90)), ..Patience::PLAIN },
    chatter: Chatter { reconnect: ReconnectRule::SameDomain, ..Chatter::NONE },
    submits: Submits::Resend(Duration::from_secs(120)),
    ..PLAIN
};

/// Avalon: a cgminer that cuts worker names at 63 characters.
pub(super) const AVALON: Profile = Profile {
    name: "avalon",
    user_agent: "cgminer/4.11.1-avalon10",
    limits: Limits { worker: NameRule::CutAt(63), ..Limits::PLAIN },
    ..CGMINER
};

/// BFGMiner: TLS first on a plain port, and asks for the transactions of each job.
pub(super) const BFGMINER: Profile = Profile {
    name: "bfgminer",
    user_agent: "bfgminer/5.5.0",
    dialect: Dialect::SPACED,
    opening: Opening::TlsFirst { patience: TLS_PATIENCE },
    handshake: &[
        Step::next_line(SUBSCRIBE, Need::Success, REPLY_WITHIN),
        Step::reply(Call::Authorize, Need::Success),
    ],
    ids: Ids { first: 0, submit: SubmitId::Counting, matching: Matching::ById },
    chatter: Chatter { after_job: Some(Call::GetTransactions), ..Chatter::NONE },
    ..PLAIN
};

const SUBSCRIBE: Call = Call::Subscribe(SubscribeForm::AgentSession);

const ALL_BITS: ConfigureForm = ConfigureForm {
    extensions: &[Extension::VersionRolling],
    mask: "ffffffff",
    min_bit_count: None,
};
