//! Whatsminer, BOSminer, and what NiceHash's buyers come with.

use super::{
    BitsStyle, Call, ConfigureForm, Extension, Limits, NTimePlan, NameRule, Need, PLAIN, Profile,
    Rolling, Search, SixthParameter, Step, SubscribeForm,
};
use super::{Dialect, KeyOrder};

/// Whatsminer: no min-bit-count, a session id with an odd number of digits, names up to 127 bytes.
pub(super) const WHATSMINER: Profile = Profile {
    name: "whatsminer",
    user_agent: "whatsminer/v1.0",
    handshake: &[
        Step::reply(Call::Configure(MASK_ONLY), Need::Success),
        Step::reply(Call::Subscribe(SubscribeForm::Constant("b08cf00d1")), Need::Success),
        Step::reply(Call::Authorize, Need::Success),
    ],
    rolling: ROLLING,
    limits: Limits { worker: NameRule::Refused(127), ..Limits::PLAIN },
    ..PLAIN
};

/// BOSminer: four parameters in its subscribe, two of them null; rolls the time as well.
pub(super) const BOSMINER: Profile = Profile {
    name: "bosminer",
    user_agent: "bosminer-plus-tuner/22.08.1",
    handshake: &[
        Step::reply(Call::Configure(TWO_BITS), Need::Answer),
        Step::reply(Call::Subscribe(SubscribeForm::AgentNullAddressNull), Need::Success),
        Step::reply(Call::Authorize, Need::Success),
    ],
    rolling: ROLLING,
    search: Search { ntime: NTimePlan::Clock, ..Search::PLAIN },
    ..PLAIN
};

/// NiceHash: signs its subscribe, follows `mining.set_extranonce`, holds a coinbase of 500 bytes.
/// Its least difficulty of 524288 is left out: the farm's hashrates are a millionth of the field's.
pub(super) const NICEHASH: Profile = Profile {
    name: "nicehash",
    user_agent: "NiceHash/1.0.0",
    dialect: Dialect { keys: KeyOrder::ParamsFirst, ..Dialect::COMPACT },
    handshake: &[
        Step::reply(Call::Subscribe(SubscribeForm::Signed), Need::Success),
        Step::reply(Call::Authorize, Need::Success),
        Step::reply(Call::ExtranonceSubscribe, Need::Answer),
    ],
    limits: Limits { coinbase_bytes_max: Some(500), ..Limits::PLAIN },
    ..PLAIN
};

const ROLLING: Option<Rolling> = Some(Rolling {
    able: 0x1fff_e000,
    style: BitsStyle::Replace,
    sixth: SixthParameter::Negotiated,
});

const MASK_ONLY: ConfigureForm = ConfigureForm {
    extensions: &[Extension::VersionRolling],
    mask: "1fffe000",
    min_bit_count: None,
};

const TWO_BITS: ConfigureForm = ConfigureForm { min_bit_count: Some(2), ..MASK_ONLY };
