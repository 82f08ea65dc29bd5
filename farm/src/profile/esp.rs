//! The small ones: ESP-Miner (Bitaxe) and NerdMiner.

use std::time::Duration;

use super::{
    BitsStyle, Call, Chatter, CleanFlag, ConfigureForm, DifficultyFrom, Extension, Extranonce2Plan,
    Extranonce2Sizes, JobRules, Limits, NameRule, Need, NonceText, PLAIN, Patience, Pong, Profile,
    RepeatedId, Rolling, Search, SixthParameter, Step, SubscribeForm,
};

/// ESP-Miner: pipelines, wants ids 1, 2, 3 back as numbers, and hashes on as long as TCP stays up.
pub(super) const ESP_MINER: Profile = Profile {
    name: "esp-miner",
    user_agent: "bitaxe/BM1370/v2.9.0",
    handshake: &[
        Step::pipelined(Call::Configure(ALL_BITS), Need::Answer),
        Step::pipelined(Call::Subscribe(SubscribeForm::AgentSession), Need::Success),
        Step::reply(Call::Authorize, Need::Success),
        // The farm's difficulties are as small as its hashrates.
        Step::pipelined(Call::SuggestDifficulty("0.0001"), Need::Answer),
        Step::pipelined(Call::ExtranonceSubscribe, Need::Answer),
    ],
    rolling: Some(Rolling { able: u32::MAX, style: BitsStyle::Xor, sixth: SixthParameter::Always }),
    jobs: JobRules { repeated_id: RepeatedId::Ignored, clean: CleanFlag::Last, ..JobRules::PLAIN },
    limits: Limits { extranonce2: Extranonce2Sizes::Between(1, 32), ..Limits::PLAIN },
    patience: Patience { silence: Some(MINUTES_10), ..Patience::PLAIN },
    chatter: Chatter { pong: Pong::Method, ..Chatter::NONE },
    ..PLAIN
};

/// NerdMiner: one read after its subscribe, small buffers, and the extranonce2 `…01` for ever.
pub(super) const NERDMINER: Profile = Profile {
    name: "nerdminer",
    user_agent: "NerdMinerV2/V1.8.3",
    handshake: &[
        Step::next_line(
            Call::Subscribe(SubscribeForm::AgentSession),
            Need::Success,
            SUBSCRIBE_WITHIN,
        ),
        Step::reply(Call::Authorize, Need::Success),
        Step::pipelined(SUGGESTION, Need::Answer),
    ],
    search: Search {
        // Its extranonce2 cannot change, so neither may its nonces run out.
        nonces_per_unit: u32::MAX,
        extranonce2: Extranonce2Plan::One,
        nonce_text: NonceText::Unpadded,
        ..Search::PLAIN
    },
    jobs: JobRules { difficulty: DifficultyFrom::AtOnce, ..JobRules::PLAIN },
    limits: Limits {
        extranonce2: Extranonce2Sizes::OneOf(&[2, 4, 8]),
        coinbase_bytes_max: Some(255),
        line_bytes_max: 4096,
        worker: NameRule::Refused(80),
    },
    patience: Patience { silence: None, next_job: Some(MINUTES_10), ..Patience::PLAIN },
    chatter: Chatter { keep_alive: Some((KEEP_ALIVE, SUGGESTION)), ..Chatter::NONE },
    ..PLAIN
};

const MINUTES_10: Duration = Duration::from_secs(600);

/// It sleeps 200 ms after its subscribe and then reads a line, which takes at most the second that
/// Arduino's streams wait by default.
const SUBSCRIBE_WITHIN: Duration = Duration::from_millis(1200);

const KEEP_ALIVE: Duration = Duration::from_secs(30);

const SUGGESTION: Call = Call::SuggestDifficulty("0.00015");

const ALL_BITS: ConfigureForm = ConfigureForm {
    extensions: &[Extension::VersionRolling],
    mask: "ffffffff",
    min_bit_count: None,
};
