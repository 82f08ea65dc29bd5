//! Who may ask: whoever has the token, and whoever is on loopback and was not led there by a browser.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, header};
use sha2::{Digest as _, Sha256};

use crate::admin::token::{self, NoToken};
use crate::clock::Clock;
use crate::telemetry::reasons::AdminDenied;

/// Wrong tokens of one address within [`WRONG_WITHIN`]; after that none is looked at.
const WRONG_MAX: u32 = 5;
const WRONG_WITHIN: Duration = Duration::from_secs(60);

/// Addresses whose wrong tokens are counted. Beyond, the one whose first is longest ago is forgotten.
const ADDRESSES_MAX: usize = 1024;

/// By what somebody was let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who {
    Loopback,
    Token,
}

/// What lets somebody in.
#[derive(Clone)]
pub struct Keys {
    file: Option<Arc<Path>>,
    clock: Clock,
    wrong: Arc<Mutex<BTreeMap<IpAddr, Wrong>>>,
}

#[derive(Clone, Copy, Debug)]
struct Wrong {
    count: u32,
    first: Instant,
}

/// The file of the token cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("--admin-token-file {path}: {error}", path = .path.display())]
pub struct TokenFileError {
    path: PathBuf,
    error: NoToken,
}

// === impl Keys ===

impl Keys {
    /// Loopback, and the token of a file, if there is one.
    ///
    /// # Errors
    /// [`TokenFileError`] if the file holds no token.
    pub fn new(file: Option<PathBuf>, clock: Clock) -> Result<Self, TokenFileError> {
        if let Some(path) = &file {
            token::read(path).map_err(|error| TokenFileError { path: path.clone(), error })?;
        }
        Ok(Self { file: file.map(Into::into), clock, wrong: Arc::default() })
    }

    /// Whether somebody may ask, by where he is and what he says.
    pub(super) fn admit(&self, peer: SocketAddr, headers: &HeaderMap) -> Result<Who, AdminDenied> {
        if let Some(given) = headers.get(header::AUTHORIZATION) {
            let given = given.to_str().ok().and_then(|text| text.strip_prefix("Bearer "));
            return self.token(peer.ip().to_canonical(), given.unwrap_or_default().trim());
        }
        if !peer.ip().to_canonical().is_loopback() {
            return Err(match &self.file {
                Some(_) => AdminDenied::NoToken,
                None => AdminDenied::NoTokenFile,
            });
        }
        on_loopback(headers)
    }

    fn token(&self, from: IpAddr, given: &str) -> Result<Who, AdminDenied> {
        let Some(path) = &self.file else { return Err(AdminDenied::NoTokenFile) };
        if !self.may_try(from) {
            return Err(AdminDenied::TooMany);
        }
        // Each time: a token that was replaced holds no longer, at once.
        let token = token::read(path).map_err(|_| AdminDenied::TokenFile)?;
        if is_same(token.as_bytes(), given.as_bytes()) {
            self.lock().remove(&from);
            return Ok(Who::Token);
        }
        self.was_wrong(from);
        Err(AdminDenied::WrongToken)
    }

    fn may_try(&self, from: IpAddr) -> bool {
        let now = self.clock.now().instant;
        let mut wrong = self.lock();
        wrong.retain(|_, wrong| now.saturating_duration_since(wrong.first) < WRONG_WITHIN);
        wrong.get(&from).is_none_or(|wrong| wrong.count < WRONG_MAX)
    }

    fn was_wrong(&self, from: IpAddr) {
        let now = self.clock.now().instant;
        let mut wrong = self.lock();
        if wrong.len() >= ADDRESSES_MAX && !wrong.contains_key(&from) {
            let oldest = wrong.iter().min_by_key(|(_, wrong)| wrong.first).map(|(from, _)| *from);
            oldest.map(|oldest| wrong.remove(&oldest));
        }
        wrong.entry(from).or_insert(Wrong { count: 0, first: now }).count += 1;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<IpAddr, Wrong>> {
        self.wrong.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("file", &self.file).finish_non_exhaustive()
    }
}

// === impl Who ===

impl Who {
    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Loopback => "loopback",
            Self::Token => "token",
        }
    }
}

/// Whoever has this machine may; a page in its browser may not. One that was led here by a name of its own says that name,
/// and one that sends more than a plain question says where it is from.
fn on_loopback(headers: &HeaderMap) -> Result<Who, AdminDenied> {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    if !host.is_some_and(is_loopback_name) {
        return Err(AdminDenied::ForeignHost);
    }
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let is_own = |origin: &str| origin.strip_prefix("http://") == host;
    if text("origin").is_some_and(|origin| !is_own(origin)) {
        return Err(AdminDenied::ForeignOrigin);
    }
    match text("sec-fetch-site") {
        None | Some("none" | "same-origin") => Ok(Who::Loopback),
        Some(_) => Err(AdminDenied::ForeignOrigin),
    }
}

/// A host, with or without a port.
fn is_loopback_name(host: &str) -> bool {
    let bare = match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map_or(rest, |(inner, _)| inner),
        None => host.split_once(':').map_or(host, |(bare, _)| bare),
    };
    let is_address =
        bare.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback());
    is_address || bare.eq_ignore_ascii_case("localhost")
}

/// Takes as long whatever is given: what is compared are hashes, to the end.
fn is_same(ours: &[u8], given: &[u8]) -> bool {
    let (ours, given) = (Sha256::digest(ours), Sha256::digest(given));
    ours.iter().zip(given.iter()).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use std::fs;

    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    const LOCAL: ([u8; 4], u16) = ([127, 0, 0, 1], 40_000);
    const FAR: ([u8; 4], u16) = ([10, 0, 0, 7], 40_000);
    const TOKEN: &str = "0123456789abcdef";

    fn headers(given: &[(&'static str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        };
        given.iter().map(pair).collect()
    }

    #[track_caller]
    fn check(
        keys: &Keys,
        peer: impl Into<SocketAddr>,
        given: &[(&'static str, &str)],
        expected: Result<Who, AdminDenied>,
    ) {
        assert_eq!(keys.admit(peer.into(), &headers(given)), expected, "{given:?}");
    }

    fn with_token(text: &str) -> (tempfile::TempDir, Keys) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        fs::write(&path, text).unwrap();
        (directory, Keys::new(Some(path), Clock::System).unwrap())
    }

    #[test]
    fn loopback_needs_no_token_and_a_browser_that_was_led_there_is_not_let_in() {
        let keys = Keys::new(None, Clock::System).unwrap();
        for host in ["localhost:9091", "127.0.0.1:9091", "127.0.0.1", "[::1]:9091", "LOCALHOST"] {
            check(&keys, LOCAL, &[("host", host)], Ok(Who::Loopback));
        }
        let mapped: SocketAddr = "[::ffff:127.0.0.1]:1".parse().unwrap();
        check(&keys, mapped, &[("host", "localhost")], Ok(Who::Loopback));
        for host in
            ["farm.example", "127.0.0.1.nip.io:9091", "localhost.evil.example", "", "10.0.0.1"]
        {
            check(&keys, LOCAL, &[("host", host)], Err(AdminDenied::ForeignHost));
        }
        check(&keys, LOCAL, &[], Err(AdminDenied::ForeignHost));
        let from = |origin| [("host", "localhost:9091"), ("origin", origin)];
        check(&keys, LOCAL, &from("http://localhost:9091"), Ok(Who::Loopback));
        for origin in
            ["http://evil.example", "null", "http://localhost:3000", "https://localhost:9091"]
        {
            check(&keys, LOCAL, &from(origin), Err(AdminDenied::ForeignOrigin));
        }
        let site = [("host", "localhost:9091"), ("sec-fetch-site", "cross-site")];
        check(&keys, LOCAL, &site, Err(AdminDenied::ForeignOrigin));
    }

    #[test]
    fn off_loopback_nothing_but_the_token_lets_in() {
        let keys = Keys::new(None, Clock::System).unwrap();
        check(&keys, FAR, &[("host", "localhost")], Err(AdminDenied::NoTokenFile));
        let bearer = format!("Bearer {TOKEN}");
        check(&keys, FAR, &[("authorization", &bearer)], Err(AdminDenied::NoTokenFile));
        let (_directory, keys) = with_token(&format!("{TOKEN}\n"));
        check(&keys, FAR, &[("host", "localhost")], Err(AdminDenied::NoToken));
        check(&keys, FAR, &[("authorization", &bearer)], Ok(Who::Token));
        for wrong in ["Bearer 0123456789abcdeF", "Bearer ", "Basic MDEyMzQ1Njc4OWFiY2RlZg=="] {
            check(&keys, FAR, &[("authorization", wrong)], Err(AdminDenied::WrongToken));
        }
        // Whoever says a wrong one on loopback is told so.
        let wrong = [("host", "localhost"), ("authorization", "Bearer x")];
        check(&keys, LOCAL, &wrong, Err(AdminDenied::WrongToken));
    }

    #[test]
    fn after_some_wrong_tokens_none_of_the_address_is_looked_at() {
        let (_directory, keys) = with_token(TOKEN);
        for _ in 0..WRONG_MAX {
            check(&keys, FAR, &[("authorization", "Bearer x")], Err(AdminDenied::WrongToken));
        }
        let bearer = format!("Bearer {TOKEN}");
        check(&keys, FAR, &[("authorization", &bearer)], Err(AdminDenied::TooMany));
        check(&keys, ([10, 0, 0, 8], 1), &[("authorization", &bearer)], Ok(Who::Token));
        for number in 0..2 * u32::try_from(ADDRESSES_MAX).unwrap() {
            let address = std::net::Ipv4Addr::from_bits(number);
            keys.was_wrong(address.into());
        }
        assert!(keys.lock().len() <= ADDRESSES_MAX);
    }

    #[test]
    fn a_token_that_is_replaced_holds_at_once_and_a_short_one_never() {
        let (directory, keys) = with_token(TOKEN);
        let path = directory.path().join("token");
        let bearer = format!("Bearer {TOKEN}");
        fs::write(&path, "fedcba9876543210").unwrap();
        check(&keys, FAR, &[("authorization", &bearer)], Err(AdminDenied::WrongToken));
        check(&keys, FAR, &[("authorization", "Bearer fedcba9876543210")], Ok(Who::Token));
        for text in ["", "short"] {
            fs::write(&path, text).unwrap();
            let given = format!("Bearer {text}");
            check(&keys, FAR, &[("authorization", &given)], Err(AdminDenied::TokenFile));
            let error = Keys::new(Some(path.clone()), Clock::System).unwrap_err().to_string();
            assert!(error.contains("openssl rand") && error.contains("16"), "{error}");
        }
        assert!(Keys::new(Some(directory.path().join("none")), Clock::System).is_err());
        assert!(!format!("{keys:?}").contains(TOKEN));
    }
}
