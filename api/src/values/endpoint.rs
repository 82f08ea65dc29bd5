//! The URL of a pool: a scheme and an address, nothing that could hide a credential. The address of
//! a SOCKS server is its second half.

use super::ValueError;

/// For CEL's `matches`: a host name, IPv4 or bracketed IPv6 address, and a port, whose range the
/// pattern leaves to [`HostPort::parse`] and to a rule of its own.
pub(crate) const HOST_PORT_PATTERN: &str =
    "([A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?|\\\\[[0-9A-Fa-f:.]+\\\\]):[0-9]{1,5}";

/// For CEL's `matches`: how a pool is spoken to.
pub(crate) const POOL_SCHEME_PATTERN: &str = "stratum[+](tcp|ssl|tls)://";

/// What is spoken with a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PoolScheme {
    /// `stratum+tcp`: in the clear.
    Tcp,
    /// `stratum+ssl`, and `stratum+tls`, which is the same.
    Tls,
}

/// Scheme, host and port of a pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolUrl {
    /// Whether TLS is spoken.
    pub scheme: PoolScheme,
    /// Where.
    pub address: HostPort,
}

/// Host and port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPort {
    /// Host name or address, without brackets.
    pub host: String,
    /// Port, never 0.
    pub port: u16,
}

const SCHEMES: [(&str, PoolScheme); 3] = [
    ("stratum+tcp://", PoolScheme::Tcp),
    ("stratum+ssl://", PoolScheme::Tls),
    ("stratum+tls://", PoolScheme::Tls),
];

// === impl PoolUrl ===

impl PoolUrl {
    /// Reads `stratum+tcp://HOST:PORT`, or with `ssl` or `tls`.
    ///
    /// # Errors
    /// If the text is anything else, among them a URL with a user, a path or no port.
    pub fn parse(text: &str) -> Result<Self, ValueError> {
        let known = |&(prefix, scheme)| text.strip_prefix(prefix).map(|address| (scheme, address));
        let (scheme, address) = SCHEMES.iter().find_map(known).ok_or(ValueError::PoolUrl)?;
        let address = HostPort::parse(address).ok_or(ValueError::PoolUrl)?;
        Ok(Self { scheme, address })
    }
}

// === impl HostPort ===

impl HostPort {
    /// Reads `HOST:PORT`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        let host = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            Some(inner) if is_ipv6(inner) => inner,
            None if is_host_name(host) => host,
            Some(_) | None => return None,
        };
        if !port.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let port = port.parse().ok().filter(|port| *port > 0)?;
        Some(Self { host: host.to_owned(), port })
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
    fn a_pool_url_is_scheme_host_and_port() {
        for (text, scheme, host, port) in [
            ("stratum+tcp://pool.example.com:3333", PoolScheme::Tcp, "pool.example.com", 3333),
            ("stratum+ssl://pool.example.com:3334", PoolScheme::Tls, "pool.example.com", 3334),
            ("stratum+tls://pool.example.com:3334", PoolScheme::Tls, "pool.example.com", 3334),
            ("stratum+tcp://10.0.0.7:65535", PoolScheme::Tcp, "10.0.0.7", 65535),
            ("stratum+tcp://[2001:db8::1]:25", PoolScheme::Tcp, "2001:db8::1", 25),
        ] {
            let address = HostPort { host: host.into(), port };
            assert_eq!(PoolUrl::parse(text), Ok(PoolUrl { scheme, address }), "{text}");
        }
    }

    #[test]
    fn what_is_not_a_plain_address_is_refused() {
        for text in [
            "pool.example.com:3333",
            "stratum+udp://pool.example.com:3333",
            "stratum+tcp://pool.example.com",
            "stratum+tcp://pool.example.com:0",
            "stratum+tcp://pool.example.com:65536",
            "stratum+tcp://pool.example.com:+33",
            "stratum+tcp://pool.example.com:3333/",
            "stratum+ssl://user:pass@pool.example.com:3333",
            "stratum+tcp://[pool]:3333",
            "stratum+tcp://2001:db8::1:25",
            "stratum+tcp://:3333",
        ] {
            assert_eq!(PoolUrl::parse(text), Err(ValueError::PoolUrl), "{text}");
        }
    }
}
