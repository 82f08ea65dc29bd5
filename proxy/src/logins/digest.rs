//! What stands for a login in the tables of what was decided: a digest under a key of the process, so that no password is kept
//! and looking one up tells nothing by the time that it takes.

use ring::hmac;

/// A key that lives as long as its gate.
#[derive(Debug)]
pub(super) struct Key(hmac::Key);

/// A login, or a password with the entry of a list that it was held against.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Digest([u8; 16]);

// === impl Key ===

impl Key {
    pub(super) fn new(random: &mut fastrand::Rng) -> Self {
        let mut key = [0; 32];
        random.fill(&mut key);
        Self(hmac::Key::new(hmac::HMAC_SHA256, &key))
    }

    pub(super) fn of(&self, parts: &[&[u8]]) -> Digest {
        let mut context = hmac::Context::with_key(&self.0);
        for part in parts {
            // With its length, so that no two lists of parts are the same bytes.
            context.update(&part.len().to_be_bytes());
            context.update(part);
        }
        let tag = context.sign();
        let mut digest = Digest::default();
        digest.0.iter_mut().zip(tag.as_ref()).for_each(|(to, from)| *to = *from);
        digest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_of_its_parts_and_of_its_key() {
        let key = |seed| Key::new(&mut fastrand::Rng::with_seed(seed));
        let one = key(1);
        assert_eq!(one.of(&[b"ab", b"c"]), key(1).of(&[b"ab", b"c"]));
        assert_ne!(one.of(&[b"ab", b"c"]), one.of(&[b"a", b"bc"]));
        assert_ne!(one.of(&[b"ab", b"c"]), key(2).of(&[b"ab", b"c"]));
    }
}
