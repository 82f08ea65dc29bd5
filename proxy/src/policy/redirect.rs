//! Whether a pool's `client.reconnect` may be followed.
//!
//! An address that was hijacked speaks for somebody else, and this is the message by which it would keep the hash that it
//! has. So the host decides, and only the one that was configured, or a sub-domain of it, will do. The port may be any: who
//! answers on another port of a host speaks for that host.

use std::net::IpAddr;

use loka_api::runtime_config::ReconnectPolicy;

/// Whether `policy` lets a pool that is configured as `configured` send us to `host`; without a host, to where we are.
pub(crate) fn is_allowed(policy: ReconnectPolicy, configured: &str, host: Option<&str>) -> bool {
    let same = |host: &str| without_dot(host).eq_ignore_ascii_case(without_dot(configured));
    match policy {
        ReconnectPolicy::Never => false,
        ReconnectPolicy::SameHost => host.is_none_or(same),
        ReconnectPolicy::SubDomain => {
            host.is_none_or(|host| same(host) || is_sub_domain(configured, host))
        }
    }
}

/// Names alone have sub-domains, and only those with a dot: everything is below `local`.
fn is_sub_domain(configured: &str, host: &str) -> bool {
    let (configured, host) = (without_dot(configured), without_dot(host));
    if !configured.contains('.') || configured.parse::<IpAddr>().is_ok() {
        return false;
    }
    let Some(labels) = host.len().checked_sub(configured.len()) else { return false };
    let Some((labels, suffix)) = host.split_at_checked(labels) else { return false };
    let is_label = |label: &str| {
        !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    suffix.eq_ignore_ascii_case(configured)
        && labels.strip_suffix('.').is_some_and(|labels| labels.split('.').all(is_label))
}

/// A name that is written with the root's dot is the same name.
fn without_dot(host: &str) -> &str {
    host.strip_suffix('.').unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(configured: &str, host: Option<&str>, same_host: bool, sub_domain: bool) {
        let allowed = |policy| is_allowed(policy, configured, host);
        assert_eq!(allowed(ReconnectPolicy::SameHost), same_host, "{configured} to {host:?}");
        assert_eq!(allowed(ReconnectPolicy::SubDomain), sub_domain, "{configured} to {host:?}");
        assert!(!allowed(ReconnectPolicy::Never), "{configured} to {host:?}");
    }

    #[test]
    fn the_same_host_is_allowed_however_it_is_written() {
        for host in [None, Some("pool.example"), Some("POOL.Example"), Some("pool.example.")] {
            check("pool.example", host, true, true);
        }
        check("203.0.113.7", Some("203.0.113.7"), true, true);
    }

    #[test]
    fn a_sub_domain_is_allowed_where_the_policy_says_so() {
        for host in ["eu.pool.example", "a.B-2.Pool.Example.", "xn--bcher-kva.pool.example"] {
            check("pool.example", Some(host), false, true);
        }
    }

    #[test]
    fn what_only_looks_like_one_is_not() {
        for host in [
            "evilpool.example",
            "pool.example.evil.org",
            "example",
            "other.example",
            ".pool.example",
            "a..pool.example",
            "evil.org/.pool.example",
            "evil.org#.pool.example",
            "é.pool.example",
            "pool.examplé",
            "",
        ] {
            check("pool.example", Some(host), false, false);
        }
    }

    #[test]
    fn what_has_no_sub_domains_leads_nowhere_else() {
        check("localhost", Some("evil.localhost"), false, false);
        check("203.0.113.7", Some("9.203.0.113.7"), false, false);
        check("2001:db8::1", Some("a.2001:db8::1"), false, false);
    }
}
