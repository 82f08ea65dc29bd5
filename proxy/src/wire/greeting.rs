//! What the other side is, by the first bytes that came: one who speaks Stratum, or one who has the wrong port. A guess from a
//! look, and only ever a reason to close at once what could not have mined.

/// How a TLS connection begins: a record of the handshake, and the first byte of its version.
const TLS: &[u8] = b"\x16\x03";

/// What a TLS server says to whoever does not speak TLS begins with this byte, and nothing in Stratum does.
const TLS_ALERT: u8 = 0x15;

/// How version 2 of the PROXY protocol begins, where no line of a miner does.
const PROXY_V2: &[u8] = b"\r\n\r\n\0";

/// Beginnings of HTTP requests. Bytes that come singly are only called foreign.
const HTTP: [&[u8]; 8] = [b"GET ", b"POST", b"HEAD", b"PUT ", b"OPTI", b"CONN", b"DELE", b"PRI "];

/// What the first bytes look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Greeting {
    /// Nothing that is known.
    Foreign,
    Http,
    /// A load balancer's word for where the miner is from.
    ProxyHeader,
    /// JSON, or blanks before it.
    Stratum,
    Tls,
    /// TLS has nothing to say to us.
    TlsAlert,
}

// === impl Greeting ===

impl Greeting {
    /// By the bytes of the first read.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        if bytes.starts_with(PROXY_V2) || bytes.starts_with(b"PROX") {
            return Self::ProxyHeader;
        }
        // BFGMiner tries TLS on a plain port first, and hangs unless it is closed at once.
        if !bytes.is_empty() && (bytes.starts_with(TLS) || TLS.starts_with(bytes)) {
            return Self::Tls;
        }
        match bytes.first() {
            Some(b'{' | b'[' | b' ' | b'\t' | b'\r' | b'\n') | None => Self::Stratum,
            Some(first) if *first == TLS_ALERT => Self::TlsAlert,
            Some(_) if HTTP.iter().any(|verb| bytes.starts_with(verb)) => Self::Http,
            Some(_) => Self::Foreign,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_visitor_is_known_by_its_first_bytes() {
        for (bytes, expected) in [
            (&b"{\"id\":1"[..], Greeting::Stratum),
            (b"[", Greeting::Stratum),
            (b"\r\n{", Greeting::Stratum),
            (b"\r\n\r\n{", Greeting::Stratum),
            (b"\x16\x03\x01\x02", Greeting::Tls),
            (b"\x16", Greeting::Tls),
            (b"\x16\x00", Greeting::Foreign),
            (b"GET / HTTP/1.1\r\n", Greeting::Http),
            (b"POST /", Greeting::Http),
            (b"PRI * HTTP/2.0", Greeting::Http),
            (b"G", Greeting::Foreign),
            (b"PROXY TCP4 ", Greeting::ProxyHeader),
            (b"\r\n\r\n\0\r\nQUIT\n", Greeting::ProxyHeader),
            (b"SSH-2.0-x", Greeting::Foreign),
            (b"\x15\x03\x03\x00\x02\x02", Greeting::TlsAlert),
            (b"\0", Greeting::Foreign),
        ] {
            assert_eq!(Greeting::of(bytes), expected, "{bytes:?}");
        }
    }
}
