//! What firmware asks of a server, and what it does until the answer comes.

use std::fmt;
use std::time::Duration;

/// One request of a handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// What is asked.
    pub call: Call,
    /// What happens until the reply is there.
    pub wait: Await,
    /// What a refusal means.
    pub need: Need,
}

/// A request that is no share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// `mining.authorize [worker, password]`.
    Authorize,
    /// `mining.configure`.
    Configure(ConfigureForm),
    /// `mining.extranonce.subscribe []`.
    ExtranonceSubscribe,
    /// `mining.get_transactions [job id]`.
    GetTransactions,
    /// `mining.multi_version [1]`.
    MultiVersion,
    /// `mining.subscribe`.
    Subscribe(SubscribeForm),
    /// `mining.suggest_difficulty [number]`, the number as written by the firmware.
    SuggestDifficulty(&'static str),
}

/// The methods that miners call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Method {
    /// `mining.authorize`
    Authorize,
    /// `mining.configure`
    Configure,
    /// `mining.extranonce.subscribe`
    ExtranonceSubscribe,
    /// `mining.get_transactions`
    GetTransactions,
    /// `mining.multi_version`
    MultiVersion,
    /// `mining.submit`
    Submit,
    /// `mining.subscribe`
    Subscribe,
    /// `mining.suggest_difficulty`
    SuggestDifficulty,
}

/// What goes into `mining.configure`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConfigureForm {
    /// Codes, in order.
    pub extensions: &'static [Extension],
    /// `version-rolling.mask`, as the firmware writes it.
    pub mask: &'static str,
    /// `version-rolling.min-bit-count`; Whatsminer and cgminer send none.
    pub min_bit_count: Option<u8>,
}

/// Extension codes of BIP310.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extension {
    /// `minimum-difficulty`, with the value asked for.
    MinimumDifficulty(&'static str),
    /// `subscribe-extranonce`
    SubscribeExtranonce,
    /// `version-rolling`
    VersionRolling,
}

/// The parameters of `mining.subscribe`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubscribeForm {
    /// `[agent]`, and `[agent, session]` once a session is known.
    AgentSession,
    /// `[agent, session]`, with `null` until a session is known.
    AgentSessionOrNull,
    /// `[agent, null, "host:port", null]`.
    AgentNullAddressNull,
    /// `[]`.
    Bare,
    /// `[agent, "<constant>"]`: Whatsminer's has an odd number of hex digits.
    Constant(&'static str),
    /// `[agent, "<seconds>", "<hmac>"]`.
    Signed,
}

/// What a firmware does until the reply is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Await {
    /// Reads one line, and that is the reply, or else.
    NextLine { within: Duration },
    /// Goes on with the next request: pipelined.
    Nothing,
    /// Acts on notifications until the reply comes.
    Reply { within: Duration },
}

/// What a refusal means to the firmware.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// An error will do.
    Answer,
    /// A refusal ends the connection.
    Success,
    /// A refused subscribe is tried once more with `[]` (minerd).
    SuccessOrBareRetry,
}

// === impl Step ===

impl Step {
    pub(super) const fn next_line(call: Call, need: Need, within: Duration) -> Self {
        Self { call, wait: Await::NextLine { within }, need }
    }

    pub(super) const fn reply(call: Call, need: Need) -> Self {
        Self { call, wait: Await::Reply { within: REPLY_WITHIN }, need }
    }

    pub(super) const fn pipelined(call: Call, need: Need) -> Self {
        Self { call, wait: Await::Nothing, need }
    }
}

/// cgminer's receive timeout (`DEFAULT_SOCKWAIT` is 60 s); others wait less long, none much longer.
pub(super) const REPLY_WITHIN: Duration = Duration::from_secs(60);

// === impl Call ===

impl Call {
    /// The method called.
    #[must_use]
    pub const fn method(self) -> Method {
        match self {
            Self::Authorize => Method::Authorize,
            Self::Configure(_) => Method::Configure,
            Self::ExtranonceSubscribe => Method::ExtranonceSubscribe,
            Self::GetTransactions => Method::GetTransactions,
            Self::MultiVersion => Method::MultiVersion,
            Self::Subscribe(_) => Method::Subscribe,
            Self::SuggestDifficulty(_) => Method::SuggestDifficulty,
        }
    }
}

// === impl Method ===

impl Method {
    /// As on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Authorize => "mining.authorize",
            Self::Configure => "mining.configure",
            Self::ExtranonceSubscribe => "mining.extranonce.subscribe",
            Self::GetTransactions => "mining.get_transactions",
            Self::MultiVersion => "mining.multi_version",
            Self::Submit => "mining.submit",
            Self::Subscribe => "mining.subscribe",
            Self::SuggestDifficulty => "mining.suggest_difficulty",
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

// === impl Extension ===

impl Extension {
    /// The code, as in the request and as the key of the reply.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::MinimumDifficulty(_) => "minimum-difficulty",
            Self::SubscribeExtranonce => "subscribe-extranonce",
            Self::VersionRolling => "version-rolling",
        }
    }
}
