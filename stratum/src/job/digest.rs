//! The hash of Bitcoin, straight on SHA-256's compression function.
//!
//! How long each message is, is known before there is one, and so is its padding: nothing has to be buffered and nothing
//! asked at every piece, on which a hasher for messages of any length spends a sixth of a share's verification.

use sha2::block_api::compress256;

/// Bytes that the compression function takes at a time.
pub(super) const BLOCK: usize = 64;

/// What follows a message at least: a bit, and its length.
const PADDING: usize = 9;

/// SHA-256 between two blocks.
#[derive(Clone, Copy)]
pub(super) struct Midstate([u32; 8]);

/// SHA-256 of SHA-256 of a message that fills one block, and a part of the next that leaves room for the padding.
pub(super) fn sha256d<const BYTES: usize>(message: &[u8; BYTES]) -> [u8; 32] {
    let mut blocks = const { padding::<2>(BYTES) };
    let [first, last] = &mut blocks;
    if let Some((head, rest)) = message.split_first_chunk()
        && let Some(place) = last.get_mut(..rest.len())
    {
        *first = *head;
        place.copy_from_slice(rest);
    }
    let mut state = Midstate::INITIAL;
    state.take(&blocks);
    state.hash_again()
}

/// Zeros for a message of so many bytes, and what ends it. Made when this is compiled: padding that is written byte by byte
/// is waited for, since the compression function reads it by longer words.
const fn padding<const BLOCKS: usize>(bytes: usize) -> [[u8; BLOCK]; BLOCKS] {
    assert!(blocks_for(bytes) == BLOCKS, "the message takes another number of blocks");
    let mut blocks = [[0; BLOCK]; BLOCKS];
    end(blocks.as_flattened_mut(), bytes, bytes);
    blocks
}

/// Blocks of a message's last bytes with what ends it.
pub(super) const fn blocks_for(bytes: usize) -> usize {
    (bytes + PADDING).div_ceil(BLOCK)
}

/// Ends a message of `len` bytes, the last `used` of which stand in `room`, which is zero behind them.
pub(super) const fn end(room: &mut [u8], used: usize, len: usize) {
    if let Some((_, behind)) = room.split_at_mut_checked(used)
        && let Some(mark) = behind.first_mut()
    {
        *mark = 0x80;
    }
    if let Some(place) = room.last_chunk_mut() {
        *place = (8 * len as u64).to_be_bytes();
    }
}

// === impl Midstate ===

impl Midstate {
    /// Before the first block (FIPS 180-4, 5.3.3).
    pub(super) const INITIAL: Self = Self([
        0x6a09_e667,
        0xbb67_ae85,
        0x3c6e_f372,
        0xa54f_f53a,
        0x510e_527f,
        0x9b05_688c,
        0x1f83_d9ab,
        0x5be0_cd19,
    ]);

    /// Takes in the next blocks.
    pub(super) fn take(&mut self, blocks: &[[u8; BLOCK]]) {
        compress256(&mut self.0, blocks);
    }

    /// After the last block: the second round, on what the first gave.
    pub(super) fn hash_again(self) -> [u8; 32] {
        let mut blocks = const { padding::<1>(32) };
        let [block] = &mut blocks;
        self.write(block);
        let mut state = Self::INITIAL;
        state.take(&blocks);
        let mut hash = [0; 32];
        state.write(&mut hash);
        hash
    }

    fn write(self, bytes: &mut [u8]) {
        for (place, word) in bytes.as_chunks_mut().0.iter_mut().zip(self.0) {
            *place = word.to_be_bytes();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sha2::{Digest as _, Sha256};

    use super::super::coinbase::Coinbase;
    use super::super::merkle;
    use super::*;

    fn by_the_hasher(message: &[u8]) -> [u8; 32] {
        Sha256::digest(Sha256::digest(message)).into()
    }

    /// The first bytes of `message`, by both ways.
    fn check<const BYTES: usize>(message: &[u8; 119]) {
        let message = message.first_chunk::<BYTES>().unwrap();
        assert_eq!(sha256d(message), by_the_hasher(message), "{BYTES} bytes");
    }

    proptest! {
        #[test]
        fn messages_of_two_blocks_hash_as_by_the_general_hasher(message: [u8; 119]) {
            check::<64>(&message);
            check::<65>(&message);
            check::<80>(&message);
            check::<119>(&message);
        }

        #[test]
        fn coinbases_of_any_length_hash_as_by_the_general_hasher(
            coinb1 in prop::collection::vec(any::<u8>(), 0..260),
            extranonce2 in prop::collection::vec(any::<u8>(), 0..=32),
            coinb2 in prop::collection::vec(any::<u8>(), 0..260),
        ) {
            let size = u8::try_from(extranonce2.len()).unwrap();
            let txid = Coinbase::new(&coinb1, size, &coinb2).txid(&extranonce2);
            prop_assert_eq!(txid, by_the_hasher(&[coinb1, extranonce2, coinb2].concat()));
        }

        #[test]
        fn branches_fold_as_by_the_general_hasher(txid: [u8; 32], branches: Vec<[u8; 32]>) {
            let folded = branches.iter().fold(txid, |left, right| by_the_hasher(&[left, *right].concat()));
            prop_assert_eq!(merkle::root(txid, &branches), folded);
        }
    }

    /// A message may end anywhere in a block, and its padding take a block of its own.
    #[test]
    fn every_end_of_a_coinbase_within_a_block_is_padded_right() {
        for coinb1 in 0..=BLOCK {
            for coinb2 in 0..=BLOCK {
                let (before, after) = (vec![0x11; coinb1], vec![0x33; coinb2]);
                for size in [0, 1, 8, 32] {
                    let extranonce2 = vec![0x22; usize::from(size)];
                    let txid = Coinbase::new(&before, size, &after).txid(&extranonce2);
                    let whole = [&before[..], &extranonce2, &after].concat();
                    assert_eq!(txid, by_the_hasher(&whole), "{coinb1} {size} {coinb2}");
                }
            }
        }
    }
}
