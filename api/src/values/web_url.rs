//! The URL of a web hook: a scheme, an address and a path, nothing that could hide a credential.

use super::{HostPort, ValueError};

/// For CEL's `matches`.
pub(crate) const WEB_URL_PATTERN: &str = "^https?://([A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?|\\\\[[0-9A-Fa-f:.]+\\\\])(:[0-9]{1,5})?(/[A-Za-z0-9._~%/-]*)?$";

/// Where a web hook is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebUrl {
    /// Whether TLS is spoken: `https`.
    pub is_encrypted: bool,
    /// Where.
    pub address: HostPort,
    /// Begins with `/`.
    pub path: String,
}

// === impl WebUrl ===

impl WebUrl {
    /// Reads `https://HOST`, with a port and a path if there are some, or the same with `http`.
    ///
    /// # Errors
    /// If the text is anything else, among them a URL with a user, a query or a fragment.
    pub fn parse(text: &str) -> Result<Self, ValueError> {
        let (is_encrypted, rest) = match text.strip_prefix("https://") {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix("http://").ok_or(ValueError::WebUrl)?),
        };
        let (host, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, "/"),
        };
        let address = HostPort::parse(host).or_else(|| {
            let port = if is_encrypted { 443 } else { 80 };
            HostPort::parse(&format!("{host}:{port}"))
        });
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "._~%/-".contains(c);
        let address = address.filter(|_| path.chars().all(is_plain)).ok_or(ValueError::WebUrl)?;
        Ok(Self { is_encrypted, address, path: path.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hook_is_scheme_host_port_and_path() {
        for (text, is_encrypted, host, port, path) in [
            ("https://auth.farm.example", true, "auth.farm.example", 443, "/"),
            ("http://127.0.0.1:8080/miners/check", false, "127.0.0.1", 8080, "/miners/check"),
            ("http://[::1]/a", false, "::1", 80, "/a"),
        ] {
            let address = HostPort { host: host.into(), port };
            let wanted = WebUrl { is_encrypted, address, path: path.into() };
            assert_eq!(WebUrl::parse(text), Ok(wanted), "{text}");
        }
    }

    #[test]
    fn anything_else_is_none() {
        for text in [
            "",
            "auth.farm.example",
            "ftp://a/",
            "https://",
            "https://user:password@a/",
            "https://a/?query=1",
            "https://a/#b",
            "https://a:0/",
            "https://a:99999/",
            "https://a b/",
        ] {
            assert_eq!(WebUrl::parse(text), Err(ValueError::WebUrl), "{text}");
        }
    }
}
