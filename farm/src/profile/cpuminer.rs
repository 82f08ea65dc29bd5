//! pooler/cpuminer, cpuminer-opt, and miners older than the order of the handshake.

use std::time::Duration;

use super::{
    Await, Call, Chatter, Dialect, Extranonce2Sizes, Ids, JobRules, KeyOrder, Limits, Matching,
    Messages, NTimePlan, Need, OldJob, PLAIN, Patience, Profile, ReconnectRule, RepeatedId, Search,
    Step, SubmitId, SubscribeForm,
};

/// minerd gives its sockets 30 s, then fails the handshake.
const LINE_WITHIN: Duration = Duration::from_secs(30);

/// minerd works on a job until its nonces are used up: 2^32 of them at megahashes; the farm's
/// miners are as much slower.
const NONCE_RANGE: u32 = 1 << 18;

/// pooler/cpuminer 2.5.1: the first line that it reads is the reply to its subscribe, and every
/// share has the id 4.
pub(super) const CPUMINER: Profile = Profile {
    name: "cpuminer",
    user_agent: "cpuminer/2.5.1",
    dialect: MINERD_JSON,
    handshake: &[
        Step::next_line(SUBSCRIBE, Need::SuccessOrBareRetry, LINE_WITHIN),
        Step::reply(Call::Authorize, Need::Success),
    ],
    ids: MINERD_IDS,
    search: MINERD_SEARCH,
    jobs: MINERD_JOBS,
    limits: MINERD_LIMITS,
    patience: MINERD_PATIENCE,
    chatter: Chatter {
        messages: Messages::Answered,
        reconnect: ReconnectRule::WithHost,
        ..Chatter::NONE
    },
    ..PLAIN
};

/// cpuminer-opt: as minerd, and blocks on `mining.extranonce.subscribe`.
pub(super) const CPUMINER_OPT: Profile = Profile {
    name: "cpuminer-opt",
    user_agent: "cpuminer-opt-26.1-x64L",
    handshake: &[
        Step::next_line(SUBSCRIBE, Need::SuccessOrBareRetry, LINE_WITHIN),
        Step::reply(Call::Authorize, Need::Success),
        Step {
            call: Call::ExtranonceSubscribe,
            wait: Await::Reply { within: EXTRANONCE_WITHIN },
            need: Need::Answer,
        },
    ],
    ..CPUMINER
};

/// Measured: 13 s of no mining before cpuminer-opt gives up on the reply.
const EXTRANONCE_WITHIN: Duration = Duration::from_secs(13);

/// Authorises before it subscribes.
pub(super) const OLD_MINER: Profile = Profile {
    name: "old-miner",
    user_agent: "poclbm/2011",
    dialect: Dialect { keys: KeyOrder::ParamsFirst, ..Dialect::SPACED },
    handshake: &[
        Step::reply(Call::Authorize, Need::Success),
        Step::reply(Call::Subscribe(SubscribeForm::Bare), Need::Success),
    ],
    search: Search { ntime: NTimePlan::Clock, ..Search::PLAIN },
    ..PLAIN
};

const SUBSCRIBE: Call = Call::Subscribe(SubscribeForm::AgentSession);

const MINERD_JSON: Dialect = Dialect { submit_keys: KeyOrder::IdLast, ..Dialect::SPACED };

const MINERD_IDS: Ids = Ids { first: 1, submit: SubmitId::Fixed(4), matching: Matching::ByOrder };

const MINERD_SEARCH: Search = Search { nonces_per_unit: NONCE_RANGE, ..Search::PLAIN };

const MINERD_JOBS: JobRules =
    JobRules { repeated_id: RepeatedId::Ignored, old_job: OldJob::UsedUp, ..JobRules::PLAIN };

const MINERD_LIMITS: Limits =
    Limits { extranonce2: Extranonce2Sizes::Between(1, 16), ..Limits::PLAIN };

const MINERD_PATIENCE: Patience = Patience {
    silence: Some(Duration::from_secs(120)),
    reconnect_after: Duration::from_secs(30),
    ..Patience::PLAIN
};
