//! The URL of a pool: a scheme and an address, nothing that could hide a credential.

use super::ValueError;

/// For CEL's `matches`: the scheme, a host name, IPv4 or bracketed IPv6 address, and a port, whose
/// range the pattern leaves to [`PoolUrl::parse`] and to a rule of its own.
pub(crate) const POOL_URL_PATTERN: &str = "^stratum[+]tcp://([A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?|\\\\[[0-9A-Fa-f:.]+\\\\]):[0-9]{1,5}$";

const SCHEME: &str = "stratum+tcp://";

/// Host and port of a `stratum+tcp://` URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolUrl {
    /// Host name or address, without brackets.
    pub host: String,
    /// Port, never 0.
    pub port: u16,
}

impl PoolUrl {
    /// Reads `stratum+tcp://HOST:PORT`.
    ///
    /// # Errors
    /// If the text is anything else, among them a URL with a user, a path or no port.
    pub fn parse(text: &str) -> Result<Self, ValueError> {
        let address = text.strip_prefix(SCHEME).ok_or(ValueError::PoolUrl)?;
        let (host, port) = address.rsplit_once(':').ok_or(ValueError::PoolUrl)?;
        let host = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            Some(inner) if is_ipv6(inner) => inner,
            None if is_host_name(host) => host,
            Some(_) | None => return Err(ValueError::PoolUrl),
        };
        if !port.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(ValueError::PoolUrl);
        }
        match port.parse() {
            Ok(port) if port > 0 => Ok(Self { host: host.to_owned(), port }),
            Ok(_) | Err(_) => Err(ValueError::PoolUrl),
        }
    }
}

fn is_ipv6(text: &str) -> bool {
    text.parse::<std::net::Ipv6Addr>().is_ok()
}

fn is_host_name(text: &str) -> bool {
    let ends = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    ends(text.chars().next())
        && ends(text.chars().next_back())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_url_is_host_and_port() {
        for (text, host, port) in [
            ("stratum+tcp://pool.example.com:3333", "pool.example.com", 3333),
            ("stratum+tcp://10.0.0.7:65535", "10.0.0.7", 65535),
            ("stratum+tcp://[2001:db8::1]:25", "2001:db8::1", 25),
        ] {
            assert_eq!(PoolUrl::parse(text), Ok(PoolUrl { host: host.into(), port }), "{text}");
        }
    }

    #[test]
    fn what_is_not_a_plain_address_is_refused() {
        for text in [
            "pool.example.com:3333",
            "stratum+ssl://pool.example.com:3333",
            "stratum+tcp://pool.example.com",
            "stratum+tcp://pool.example.com:0",
            "stratum+tcp://pool.example.com:65536",
            "stratum+tcp://pool.example.com:+33",
            "stratum+tcp://pool.example.com:3333/",
            "stratum+tcp://user:pass@pool.example.com:3333",
            "stratum+tcp://[pool]:3333",
            "stratum+tcp://2001:db8::1:25",
            "stratum+tcp://:3333",
        ] {
            assert_eq!(PoolUrl::parse(text), Err(ValueError::PoolUrl), "{text}");
        }
    }
}
