//! SHA-256d of headers that differ in the nonce only: the first 64 bytes are hashed once.

use sha2::block_api::compress256;

use super::job::Unit;
use super::target::Target;

/// A header with the hash state after its first block, waiting for nonces.
#[derive(Debug, Clone)]
pub(crate) struct Midstate {
    state: [u32; 8],
    /// Root's end, time, bits, room for the nonce, padding.
    second_block: [u8; 64],
}

/// SHA-256's initial state (FIPS 180-4, 5.3.3).
const INITIAL: [u32; 8] = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];

// === impl Midstate ===

impl Midstate {
    pub(crate) fn of(unit: &Unit) -> Self {
        let header = unit.bytes(0);
        let mut first_block = [0_u8; 64];
        first_block.copy_from_slice(&header[..64]);
        let mut state = INITIAL;
        compress256(&mut state, &[first_block]);
        let mut second_block = [0_u8; 64];
        second_block[..16].copy_from_slice(&header[64..]);
        pad(&mut second_block, 16, 80);
        Self { state, second_block }
    }

    /// Tries `count` nonces from `first` on; the first that meets the target, with its hash.
    pub(crate) fn scan(&self, first: u32, count: u32, target: Target) -> Option<(u32, [u8; 32])> {
        let mut block = self.second_block;
        let mut outer = [0_u8; 64];
        pad(&mut outer, 32, 32);
        // Most hashes fail on their first 32 bits.
        let top = u32::try_from(target.top() >> 32).unwrap_or(u32::MAX);
        for step in 0..count {
            let nonce = first.wrapping_add(step);
            block[12..16].copy_from_slice(&nonce.to_le_bytes());
            let mut state = self.state;
            compress256(&mut state, &[block]);
            write_words(&mut outer, &state);
            state = INITIAL;
            compress256(&mut state, &[outer]);
            if state[7].swap_bytes() <= top {
                let hash = digest(&state);
                if target.is_met_by(&hash) {
                    return Some((nonce, hash));
                }
            }
        }
        None
    }
}

/// The end of a message of `bytes` bytes whose last block holds `used` of them.
fn pad(block: &mut [u8; 64], used: usize, bytes: u64) {
    if let Some(end) = block.get_mut(used) {
        *end = 0x80;
    }
    block[56..].copy_from_slice(&(bytes * 8).to_be_bytes());
}

fn write_words(block: &mut [u8; 64], words: &[u32; 8]) {
    for (bytes, word) in block.chunks_exact_mut(4).zip(words) {
        bytes.copy_from_slice(&word.to_be_bytes());
    }
}

fn digest(words: &[u32; 8]) -> [u8; 32] {
    let mut hash = [0_u8; 32];
    for (bytes, word) in hash.chunks_exact_mut(4).zip(words) {
        bytes.copy_from_slice(&word.to_be_bytes());
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::super::hearing;
    use super::super::job::{Header, Job, double_sha256};
    use super::*;

    fn bytes(text: &str) -> Vec<u8> {
        crate::wire::decode_hex(text).unwrap()
    }

    fn array(text: &str) -> [u8; 32] {
        bytes(text).try_into().unwrap()
    }

    /// The classical session of slush's documentation, whose share is known.
    fn slush() -> Job {
        let params = serde_json::json!([
            "bf",
            "4d16b6f85af6e2198f44ae2a6de67f78487ae5611b77c6c0440b921e00000000",
            "01000000010000000000000000000000000000000000000000000000000000000000000000ffffffff20020862062f503253482f04b8864e5008",
            "072f736c7573682f000000000100f2052a010000001976a914d23fcdf86f7e756a64a7a9688ef9903327048ed988ac00000000",
            [],
            "00000002",
            "1c2ac4af",
            "504e86b9",
            false
        ]);
        hearing::job(params.as_array().unwrap(), crate::profile::CleanFlag::Ninth).unwrap()
    }

    #[test]
    fn the_known_share_of_slushs_documentation_is_found_at_its_nonce() {
        let job = slush();
        let root = job.root(&bytes("08000002"), &bytes("00000001"));
        let unit = Unit { root, header: Header { ntime: 0x504e_86ed, ..job.header } };
        let target = Target::of_difficulty("7.88").unwrap();
        let (nonce, hash) = Midstate::of(&unit).scan(0xb295_7c02 - 100, 200, target).unwrap();
        assert_eq!(nonce, 0xb295_7c02);
        let mut shown = hash;
        shown.reverse();
        assert_eq!(
            shown,
            array("000000002076870fe65a2b6eeed84fa892c0db924f1482243a6247d931dcab32")
        );
        assert_eq!(hash, double_sha256(&[&unit.bytes(nonce)]));
    }

    #[test]
    fn a_rolled_version_reaches_the_hash() {
        let mut job = slush();
        job.header.ntime = 0x504e_86ed;
        job.header.version = 0x2000_0000 | 0x00c0_a000;
        let root = job.root(&bytes("08000002"), &bytes("00000001"));
        let unit = Unit { root, header: job.header };
        let target = Target::of_difficulty("0.00001").unwrap();
        assert_eq!(Midstate::of(&unit).scan(0xfe7, 1, target).map(|found| found.0), Some(0xfe7));
    }

    #[test]
    fn branches_are_folded_from_the_coinbase_upwards() {
        let mut job = slush();
        job.branches = vec![[1; 32], [2; 32]];
        let alone = slush().root(&[1], &[2]);
        let once = double_sha256(&[&alone, &[1; 32]]);
        assert_eq!(job.root(&[1], &[2]), double_sha256(&[&once, &[2; 32]]));
    }

    #[test]
    fn a_scan_stops_where_it_is_told() {
        let job = slush();
        let unit = Unit { root: [0; 32], header: job.header };
        let hard = Target::of_difficulty("1000000000").unwrap();
        assert_eq!(Midstate::of(&unit).scan(u32::MAX, 100, hard), None);
        assert_eq!(Midstate::of(&unit).scan(5, 0, Target::MAX), None);
        assert_eq!(Midstate::of(&unit).scan(5, 1, Target::MAX).map(|found| found.0), Some(5));
    }
}
