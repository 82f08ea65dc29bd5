//! A list of hashed passwords. A key is stretched once for each password and entry, on threads of its own; what came of it is
//! kept as a digest for as long as the list is the listener's, so that a farm that comes back at once costs its passwords
//! and not its miners.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use loka_api::values::{LoginEntry, Phc, login_entries};
use loka_stratum::glob::Glob;
use ring::{digest, pbkdf2};
use tokio::sync::oneshot;

use super::cache::Cache;
use super::digest::{Digest, Key};
use super::{Answer, Asked, Decision, Login, Proof};
use crate::telemetry::reasons::LoginRefusal;
use crate::workers::Workers;

/// Passwords that were right, with their entries. Some 80 bytes each.
const RIGHT_MAX: usize = 16_384;

/// Those that were wrong, apart: whoever tries thousands pushes out no right one.
const WRONG_MAX: usize = 4096;

/// Entries that one login is held against: the old and the new password of a name, and of its account.
const TRIED_MAX: usize = 4;

#[derive(Debug)]
pub(super) struct List {
    entries: Vec<Arc<Entry>>,
    /// Of entries without a wildcard: looked up only.
    exact: HashMap<Box<str>, Vec<usize>>,
    patterns: Vec<usize>,
    shared: Arc<Shared>,
    workers: Workers,
}

#[derive(Debug)]
struct Shared {
    key: Key,
    /// Contended by logins; never by a share.
    verified: Mutex<Verified>,
}

#[derive(Debug)]
struct Verified {
    right: Cache<()>,
    wrong: Cache<()>,
}

struct Entry {
    glob: Glob,
    phc: Phc,
    proof: Proof,
}

// === impl List ===

impl List {
    pub(super) fn new(text: &str, key: Key, workers: Workers) -> Self {
        let (mut entries, mut patterns) = (Vec::new(), Vec::new());
        let mut exact: HashMap<Box<str>, Vec<usize>> = HashMap::new();
        // Each line was checked when the configuration was loaded.
        for LoginEntry { pattern, phc } in login_entries(text).filter_map(Result::ok) {
            let place = entries.len();
            match pattern.contains(['*', '?']) {
                true => patterns.push(place),
                false => exact.entry(pattern.into()).or_default().push(place),
            }
            let (glob, proof) = (Glob::of_its_case(pattern), Proof::of(pattern, &phc));
            entries.push(Arc::new(Entry { glob, phc, proof }));
        }
        let verified = Verified { right: Cache::new(RIGHT_MAX), wrong: Cache::new(WRONG_MAX) };
        let shared = Arc::new(Shared { key, verified: Mutex::new(verified) });
        Self { entries, exact, patterns, shared, workers }
    }

    pub(super) fn ask(&self, login: &Login<'_>) -> Asked {
        let entries: Vec<&Arc<Entry>> = self.entries_of(login.worker).take(TRIED_MAX).collect();
        if entries.is_empty() {
            return Asked::Known(Decision::Out(LoginRefusal::Unknown));
        }
        let entries = match self.shared.known(&entries, login.password) {
            Known::Right(proof) => return Asked::Known(Decision::In(Some(proof))),
            Known::Wrong => return Asked::Known(Decision::Out(LoginRefusal::Password)),
            Known::Unknown(entries) => entries,
        };
        let (decided, decision) = oneshot::channel();
        let (shared, password) = (Arc::clone(&self.shared), Box::<str>::from(login.password));
        let job = move || {
            // A session that has gone needs no answer, and no work.
            if !decided.is_closed() {
                decided.send(shared.verify(&entries, &password)).ok();
            }
        };
        match self.workers.aside(job) {
            Ok(()) => Asked::Later(Answer::Ours(decision)),
            Err(_) => Asked::Known(Decision::Out(LoginRefusal::Busy)),
        }
    }

    pub(super) fn has(&self, proof: Proof) -> bool {
        self.entries.iter().any(|entry| entry.proof == proof)
    }

    /// Those that are for this name, its own first.
    fn entries_of<'a>(&'a self, worker: &'a str) -> impl Iterator<Item = &'a Arc<Entry>> + 'a {
        let own = self.exact.get(worker).into_iter().flatten();
        let own = own.filter_map(|place| self.entries.get(*place));
        let patterns = self.patterns.iter().filter_map(|place| self.entries.get(*place));
        own.chain(patterns.filter(move |entry| entry.glob.matches(worker)))
    }
}

enum Known {
    Right(Proof),
    Wrong,
    /// Of which entries.
    Unknown(Vec<(Arc<Entry>, Digest)>),
}

// === impl Shared ===

impl Shared {
    /// What is known of this password without stretching a key.
    fn known(&self, entries: &[&Arc<Entry>], password: &str) -> Known {
        let mut unknown = Vec::new();
        for entry in entries {
            let digest = self.key.of(&[&entry.proof.0.to_be_bytes(), password.as_bytes()]);
            let verified = self.lock();
            if verified.right.recall(digest).is_some() {
                return Known::Right(entry.proof);
            }
            if verified.wrong.recall(digest).is_none() {
                unknown.push((Arc::clone(entry), digest));
            }
        }
        if unknown.is_empty() { Known::Wrong } else { Known::Unknown(unknown) }
    }

    /// Stretches keys, for tens of milliseconds each. What another login has found out meanwhile is not done again.
    fn verify(&self, entries: &[(Arc<Entry>, Digest)], password: &str) -> Decision {
        for (entry, digest) in entries {
            let (is_right, is_wrong) = {
                let verified = self.lock();
                let is_right = verified.right.recall(*digest).is_some();
                (is_right, verified.wrong.recall(*digest).is_some())
            };
            if is_wrong {
                continue;
            }
            let is_right = is_right || entry.is_of(password);
            let mut verified = self.lock();
            if is_right {
                verified.right.note(*digest, ());
                return Decision::In(Some(entry.proof));
            }
            verified.wrong.note(*digest, ());
        }
        Decision::Out(LoginRefusal::Password)
    }

    fn lock(&self) -> MutexGuard<'_, Verified> {
        self.verified.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Entry ===

impl Entry {
    /// In constant time.
    fn is_of(&self, password: &str) -> bool {
        let Some(iterations) = NonZeroU32::new(self.phc.iterations) else { return false };
        let algorithm = pbkdf2::PBKDF2_HMAC_SHA256;
        let Phc { iterations: _, salt, hash } = &self.phc;
        pbkdf2::verify(algorithm, iterations, salt, password.as_bytes(), hash).is_ok()
    }
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Entry(redacted)")
    }
}

// === impl Proof ===

impl Proof {
    fn of(pattern: &str, phc: &Phc) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(pattern.as_bytes());
        context.update(b"\n");
        context.update(phc.to_string().as_bytes());
        let bytes = context.finish();
        let bytes = bytes.as_ref().iter().take(16);
        Self(bytes.fold(0, |sum, byte| sum << 8 | u128::from(*byte)))
    }
}

/// A new entry's hash of a password, for a list.
pub(crate) fn hash(password: &str, salt: [u8; 16], iterations: NonZeroU32) -> Phc {
    let mut hash = [0; 32];
    let algorithm = pbkdf2::PBKDF2_HMAC_SHA256;
    pbkdf2::derive(algorithm, iterations, &salt, password.as_bytes(), &mut hash);
    Phc { iterations: iterations.get(), salt: salt.into(), hash }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(pattern: &str, password: &str) -> String {
        let iterations = NonZeroU32::new(1000).unwrap();
        format!("{pattern} {}\n", hash(password, *b"0123456789abcdef", iterations))
    }

    fn list(text: &str) -> List {
        let key = Key::new(&mut fastrand::Rng::with_seed(7));
        List::new(text, key, Workers::inline())
    }

    fn ask(list: &List, worker: &str, password: &str) -> (Decision, bool) {
        let login = Login {
            listener: "v1",
            worker,
            password,
            address: std::net::Ipv4Addr::LOCALHOST.into(),
            user_agent: "",
        };
        match list.ask(&login) {
            Asked::Known(decision) => (decision, false),
            Asked::Later(Answer::Ours(mut decision)) => (decision.try_recv().unwrap(), true),
            Asked::Later(Answer::Pools(_)) => panic!("no pool is asked"),
        }
    }

    #[test]
    fn a_key_is_stretched_once_for_each_password_and_entry() {
        let list = list(&entry("acct.*", "right"));
        let proof = list.entries[0].proof;
        assert_eq!(ask(&list, "acct.a", "right"), (Decision::In(Some(proof)), true));
        assert_eq!(ask(&list, "acct.b", "right"), (Decision::In(Some(proof)), false));
        let wrong = Decision::Out(LoginRefusal::Password);
        assert_eq!(ask(&list, "acct.a", "wrong"), (wrong, true));
        assert_eq!(ask(&list, "acct.c", "wrong"), (wrong, false));
        let unknown = Decision::Out(LoginRefusal::Unknown);
        assert_eq!(ask(&list, "other.a", "right"), (unknown, false));
    }

    #[test]
    fn a_name_may_have_two_passwords_and_each_is_an_entry_of_its_own() {
        let (old, new) = (entry("a", "old"), entry("a", "new"));
        let both = list(&format!("# rotated\n{old}\n{new}"));
        let Decision::In(Some(by_old)) = ask(&both, "a", "old").0 else { panic!("refused") };
        let Decision::In(Some(by_new)) = ask(&both, "a", "new").0 else { panic!("refused") };
        let after = list(&new);
        assert!(after.has(by_new) && !after.has(by_old));
        assert_eq!(ask(&after, "a", "old").0, Decision::Out(LoginRefusal::Password));
    }

    #[test]
    fn nothing_of_a_list_is_shown() {
        let list = list(&entry("acct.*", "marked"));
        ask(&list, "acct.a", "marked");
        let shown = format!("{list:?}");
        assert!(!shown.contains("marked") && !shown.contains("pbkdf2"), "{shown}");
    }
}
