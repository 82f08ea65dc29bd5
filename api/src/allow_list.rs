//! The allow-list: which accounts may be paid at which pools, whatever StratumPools say. It is a
//! document of its own, beside the resources, so that another hand than theirs can hold it. Owns its
//! form and what it allows; who heeds it is the proxy.

use std::net::IpAddr;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    problem::Problem,
    runtime_config::{Pool, RuntimeConfig},
    schema::structure::{Fault, conform},
};

/// Bytes of the document at most.
const TEXT_BYTES_MAX: usize = 256 * 1024;
const POOLS_MAX: usize = 256;
const ACCOUNTS_MAX: usize = 256;

/// The pools that may be mined on. None: no pool may be.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct AllowList {
    /// One entry for each address.
    pub pools: Vec<AllowedPool>,
}

/// An address, and the accounts that may be paid there.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct AllowedPool {
    /// Host name or address, whole and without brackets. Case does not count.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Accounts, each whole as in `spec.account` of a StratumPool.
    pub accounts: Vec<String>,
}

/// Why a pool may not be mined on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAllowed {
    /// The list has no such host and port.
    #[error("is no address that the allow-list has")]
    Address,
    /// The list has the address, and other accounts.
    #[error("is no account that the allow-list has for this address")]
    Account,
}

/// A pool of a config that may not be mined on.
#[derive(Debug, Clone, PartialEq)]
pub struct Refused<'a> {
    /// Name of the route.
    pub route: &'a str,
    /// The pool.
    pub pool: &'a Pool,
    /// Why not.
    pub reason: NotAllowed,
}

// === impl AllowList ===

impl AllowList {
    /// Whether an account may be paid at an address.
    ///
    /// # Errors
    /// Why not.
    pub fn allows(&self, host: &str, port: u16, account: &str) -> Result<(), NotAllowed> {
        let is_there = |pool: &&AllowedPool| pool.port == port && is_same_host(&pool.host, host);
        let mut there = self.pools.iter().filter(is_there).peekable();
        if there.peek().is_none() {
            return Err(NotAllowed::Address);
        }
        match there.any(|pool| pool.accounts.iter().any(|allowed| allowed == account)) {
            true => Ok(()),
            false => Err(NotAllowed::Account),
        }
    }

    /// The pools of a config that may not be mined on.
    pub fn refused<'a>(&self, config: &'a RuntimeConfig) -> Vec<Refused<'a>> {
        let pools = config
            .routes
            .iter()
            .flat_map(|route| route.pools.iter().map(move |pool| (route.name.as_str(), pool)));
        pools
            .filter_map(|(route, pool)| {
                let allowed = self.allows(&pool.endpoint.host, pool.endpoint.port, &pool.account);
                allowed.err().map(|reason| Refused { route, pool, reason })
            })
            .collect()
    }

    /// Reads the document; `origin` is where it is from, for the messages.
    ///
    /// # Errors
    /// All that is wrong with it, by field.
    pub fn parse(text: &str, origin: &str) -> Result<Self, Vec<Problem>> {
        let whole = |message: &str, remedy: &str| vec![Problem::of(&origin, message, remedy)];
        if text.len() > TEXT_BYTES_MAX {
            let message = format!("is longer than {TEXT_BYTES_MAX} bytes");
            return Err(whole(&message, "keep one entry for each address of a pool"));
        }
        let mut value: Value = serde_yaml::from_str(text).map_err(|error| {
            whole(&format!("is not YAML: {error}"), "write it like the example in docs/routing.md")
        })?;
        let mut faults = Vec::new();
        conform(&schema(), &mut value, "", &mut faults);
        if !faults.is_empty() {
            return Err(faults.iter().map(|fault| of_fault(origin, fault)).collect());
        }
        let list: Self = serde_json::from_value(value)
            .map_err(|error| whole(&format!("cannot be read: {error}"), "report it"))?;
        let problems: Vec<_> = list.pools.iter().enumerate().filter_map(unlike_a_host).collect();
        if problems.is_empty() {
            return Ok(list);
        }
        let of = |(path, host): (String, &String)| {
            let remedy = "write the whole name or address: no pattern, no port, no brackets";
            let problem = Problem::of(&origin, "is not the host of a pool", remedy).at(&path);
            problem.with_value(&Value::String(host.clone()))
        };
        Err(problems.into_iter().map(of).collect())
    }
}

// === impl Refused ===

impl Refused<'_> {
    /// The same, for the person who wrote the StratumPool.
    #[must_use]
    pub fn problem(&self) -> Problem {
        let Self { route: _, pool, reason } = self;
        let (name, endpoint) = pool.name.split_once('/').unwrap_or((&pool.name, "1"));
        let index = endpoint.parse::<usize>().unwrap_or(1).saturating_sub(1);
        let (path, value) = match reason {
            NotAllowed::Address => (
                format!("spec.endpoints[{index}].url"),
                format!("{}:{}", pool.endpoint.host, pool.endpoint.port),
            ),
            NotAllowed::Account => ("spec.account".to_owned(), pool.account.clone()),
        };
        let remedy = "use what the list has, or ask who keeps it: the list is not changed by \
                      StratumPools";
        let problem =
            Problem::of(&format!("StratumPool/{name}"), &reason.to_string(), remedy).at(&path);
        problem.with_value(&Value::String(value))
    }
}

/// Names without regard to case and the dot of the root; addresses by value.
fn is_same_host(one: &str, other: &str) -> bool {
    match (one.parse::<IpAddr>(), other.parse::<IpAddr>()) {
        (Ok(one), Ok(other)) => one.to_canonical() == other.to_canonical(),
        (Err(_), Err(_)) => {
            let plain = |host: &str| host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
            plain(one) == plain(other)
        }
        (Ok(_), Err(_)) | (Err(_), Ok(_)) => false,
    }
}

/// What no address of a StratumPool can be, such as a pattern: it would never match, and somebody
/// would wonder.
fn unlike_a_host((index, pool): (usize, &AllowedPool)) -> Option<(String, &String)> {
    let is_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
    let is_address = pool.host.parse::<std::net::Ipv6Addr>().is_ok();
    let is_wrong = !pool.host.chars().all(is_host) || (pool.host.contains(':') && !is_address);
    is_wrong.then(|| (format!("pools[{index}].host"), &pool.host))
}

fn of_fault(origin: &str, fault: &Fault) -> Problem {
    let problem = Problem::of(&origin, &fault.message, &fault.remedy).at(&fault.path);
    match &fault.value {
        Some(value) => problem.with_value(value),
        None => problem,
    }
}

fn schema() -> Value {
    let account = json!({ "type": "string", "minLength": 1, "maxLength": 128 });
    json!({
        "type": "object",
        "required": ["pools"],
        "properties": { "pools": {
            "type": "array",
            "description": "The pools that may be mined on.",
            "maxItems": POOLS_MAX,
            "items": {
                "type": "object",
                "required": ["host", "port", "accounts"],
                "properties": {
                    "host": {
                        "type": "string",
                        "description": "Host name or address of the pool.",
                        "minLength": 1,
                        "maxLength": 253,
                    },
                    "port": {
                        "type": "integer",
                        "description": "TCP port of the pool.",
                        "minimum": 1,
                        "maximum": 65535,
                    },
                    "accounts": {
                        "type": "array",
                        "description": "Accounts that may be paid there.",
                        "minItems": 1,
                        "maxItems": ACCOUNTS_MAX,
                        "items": account,
                    },
                },
            },
        }},
    })
}

#[cfg(test)]
mod tests;
