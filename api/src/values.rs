//! The little languages inside string fields: durations, quantities, pool URLs, fingerprints, ranges of
//! addresses and Bitcoin addresses.
//! Owns their grammar, once for the CEL rules (as regular expressions) and once for the proxy (as
//! parsers); a test holds the two together. Does not know which field may hold how much.

mod address;
mod cidr;
mod duration;
mod endpoint;
mod login;
mod pin;
mod quantity;
mod web_url;

pub use cidr::Cidr;
pub use duration::DurationText;
pub use endpoint::{HostPort, PoolScheme, PoolUrl};
pub use login::{
    LOGIN_ENTRIES_MAX, LOGIN_ITERATIONS, LOGIN_LIST_BYTES_MAX, LoginEntry, LoginError, Phc,
    login_entries,
};
pub use quantity::{Quantity, QuantityText};
pub use web_url::WebUrl;

pub(crate) use address::{ADDRESS_PATTERN, script_of};
pub(crate) use duration::DURATION_PATTERN;
pub(crate) use endpoint::{HOST_PORT_PATTERN, POOL_SCHEME_PATTERN};
pub(crate) use pin::{PIN_PATTERN, pin};
pub(crate) use quantity::QUANTITY_PATTERN;
pub(crate) use web_url::WEB_URL_PATTERN;

use std::borrow::Cow;

use schemars::{Schema, json_schema};

/// No value of these languages is longer; the bound keeps the CEL cost estimate of an API server
/// small.
const TEXT_LENGTH_MAX: usize = 32;

/// A text that stands in a field of a document but does not follow the field's grammar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// Not a duration.
    #[error("not a duration")]
    Duration,
    /// Not a quantity.
    #[error("not a quantity")]
    Quantity,
    /// Not `stratum+tcp://HOST:PORT`, or with `ssl` or `tls`.
    #[error("not a pool URL")]
    PoolUrl,
    /// Not `ADDRESS/BITS`.
    #[error("not a range of addresses")]
    Cidr,
    /// Not `https://HOST` with a port and a path, or with `http`.
    #[error("not a web hook's URL")]
    WebUrl,
}

fn short_text(description: Cow<'static, str>) -> Schema {
    json_schema!({ "type": "string", "maxLength": TEXT_LENGTH_MAX, "description": description })
}
