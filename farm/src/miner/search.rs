//! The walk through a job's work: nonces, then versions, then extranonce2.
//!
//! Owns which header is hashed next, as the profile's [`Search`] rules say. It neither knows the
//! clock nor the connection: time comes in, shares go out.
//!
//! [`Search`]: crate::profile::Search

use std::sync::Arc;

use super::hash::Midstate;
use super::job::{Header, Job, Unit};
use super::target::Target;
use crate::profile::{BitsStyle, Extranonce2Plan, NTimePlan, Profile};

/// What the server gave, as it stood when the job came.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    pub(crate) job: Arc<Job>,
    pub(crate) extranonce1: Arc<[u8]>,
    pub(crate) extranonce2_size: usize,
    pub(crate) target: Target,
    /// Seconds of the miner's clock.
    pub(crate) arrived: u32,
}

/// Work under way.
#[derive(Debug)]
pub(crate) struct Walk {
    pub(crate) order: Order,
    profile: &'static Profile,
    /// What the server lets this miner roll; none where it never asked.
    mask: Option<u32>,
    extranonce2: u64,
    version_step: u32,
    root: [u8; 32],
    unit: Unit,
    bits: u32,
    midstate: Midstate,
    nonces_tried: u64,
}

/// A hash that met the target asked for.
#[derive(Debug, Clone)]
pub(crate) struct Find {
    pub(crate) header: [u8; 80],
    pub(crate) hash: [u8; 32],
    pub(crate) nonce: u32,
    pub(crate) ntime: u32,
    pub(crate) extranonce2: Vec<u8>,
    /// What the sixth parameter says, where there is one.
    pub(crate) bits: Option<u32>,
}

/// One slice of hashing.
#[derive(Debug)]
pub(crate) struct Slice {
    pub(crate) tried: u32,
    pub(crate) find: Option<Find>,
}

// === impl Walk ===

impl Walk {
    /// From the start of the job, as firmware does: extranonce2, version and nonce begin anew.
    pub(crate) fn new(
        profile: &'static Profile,
        order: Order,
        mask: Option<u32>,
        now: u32,
    ) -> Self {
        let unit = Unit { root: [0; 32], header: order.job.header };
        let midstate = Midstate::of(&unit);
        let mut walk = Self {
            order,
            profile,
            mask,
            extranonce2: 0,
            version_step: 0,
            root: [0; 32],
            unit,
            bits: 0,
            midstate,
            nonces_tried: 0,
        };
        walk.enter_extranonce2();
        walk.enter_unit(now);
        walk
    }

    /// The mask changed under the work at hand: the rest of this unit is another version.
    pub(crate) fn set_mask(&mut self, mask: u32, now: u32) {
        if self.mask != Some(mask) {
            self.mask = Some(mask);
            self.advance(now);
        }
    }

    /// Whether the nonces of the unit are used up.
    pub(crate) fn is_used_up(&self) -> bool {
        self.nonces_tried >= u64::from(self.profile.search.nonces_per_unit)
    }

    /// At most `hashes` hashes against the easier of the two targets; fewer at the end of a unit
    /// or at a share.
    pub(crate) fn slice(&mut self, hashes: u32, interest: Option<Target>) -> Slice {
        let left = u64::from(self.profile.search.nonces_per_unit) - self.nonces_tried;
        let count = u32::try_from(left).unwrap_or(u32::MAX).min(hashes);
        let first = u32::try_from(self.nonces_tried).unwrap_or(u32::MAX);
        let target = interest.map_or(self.order.target, |easy| easy.max(self.order.target));
        let Some((nonce, hash)) = self.midstate.scan(first, count, target) else {
            self.nonces_tried += u64::from(count);
            return Slice { tried: count, find: None };
        };
        let tried = nonce.wrapping_sub(first).saturating_add(1);
        self.nonces_tried += u64::from(tried);
        Slice { tried, find: Some(self.find(nonce, hash)) }
    }

    /// To the next unit of the same job.
    pub(crate) fn advance(&mut self, now: u32) {
        self.version_step += 1;
        if self.version_step >= self.versions() {
            self.version_step = 0;
            self.extranonce2 = self.extranonce2.wrapping_add(1);
            self.enter_extranonce2();
        }
        self.enter_unit(now);
    }

    fn find(&self, nonce: u32, hash: [u8; 32]) -> Find {
        Find {
            header: self.unit.bytes(nonce),
            hash,
            nonce,
            ntime: self.unit.header.ntime,
            extranonce2: self.extranonce2_bytes(),
            bits: self.mask.map(|_| self.bits),
        }
    }

    fn enter_extranonce2(&mut self) {
        self.root = self.order.job.root(&self.order.extranonce1, &self.extranonce2_bytes());
    }

    fn enter_unit(&mut self, now: u32) {
        let job = self.order.job.header;
        let (version, bits) = self.rolled(job.version);
        let ntime = match self.profile.search.ntime {
            NTimePlan::Job => job.ntime,
            NTimePlan::Clock => job.ntime.wrapping_add(now.saturating_sub(self.order.arrived)),
        };
        self.bits = bits;
        self.unit = Unit { root: self.root, header: Header { version, ntime, ..job } };
        self.midstate = Midstate::of(&self.unit);
        self.nonces_tried = 0;
    }

    /// The header's version, and what is said of it in a submit.
    fn rolled(&self, version: u32) -> (u32, u32) {
        let (Some(mask), Some(rolling)) = (self.mask, self.profile.rolling) else {
            return (version, 0);
        };
        // From 1 on, so that rolled bits are what is mostly seen; 0 comes last.
        let pattern = spread((self.version_step + 1) % self.versions(), mask);
        match rolling.style {
            BitsStyle::Or => (version | pattern, pattern),
            BitsStyle::Replace => ((version & !mask) | pattern, pattern),
            BitsStyle::Xor => {
                let rolled = (version & !mask) | pattern;
                (rolled, rolled ^ version)
            }
        }
    }

    fn versions(&self) -> u32 {
        let patterns = 1_u32.checked_shl(self.mask.unwrap_or(0).count_ones()).unwrap_or(u32::MAX);
        self.profile.search.versions_per_extranonce2.min(patterns).max(1)
    }

    fn extranonce2_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.order.extranonce2_size];
        match self.profile.search.extranonce2 {
            Extranonce2Plan::Counting => {
                let counter = self.extranonce2.to_le_bytes();
                bytes.iter_mut().zip(counter).for_each(|(byte, digit)| *byte = digit);
            }
            Extranonce2Plan::One => bytes.iter_mut().next_back().into_iter().for_each(|b| *b = 1),
        }
        bytes
    }
}

/// The low bits of `number`, laid out over the set bits of `mask`.
fn spread(mut number: u32, mask: u32) -> u32 {
    let mut pattern = 0;
    let mut rest = mask;
    while rest != 0 && number != 0 {
        let lowest = rest & rest.wrapping_neg();
        if number & 1 == 1 {
            pattern |= lowest;
        }
        number >>= 1;
        rest ^= lowest;
    }
    pattern
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::super::job::double_sha256;
    use super::*;

    fn order(version: u32) -> Order {
        let header = Header { version, prev_hash: [3; 32], nbits: 0x1d00_ffff, ntime: 1000 };
        let job = Job {
            id: "1".to_owned(),
            coinb1: vec![1; 40],
            coinb2: vec![2; 60],
            branches: vec![[4; 32]],
            header,
            clean: true,
        };
        Order {
            job: Arc::new(job),
            extranonce1: Arc::from([7, 7]),
            extranonce2_size: 4,
            target: Target::of_difficulty("0.0000002").unwrap(),
            arrived: 50,
        }
    }

    fn walk(profile: &str, version: u32, mask: Option<u32>) -> Walk {
        Walk::new(Profile::named(profile).unwrap(), order(version), mask, 50)
    }

    /// Walks until `count` shares are found.
    fn finds(walk: &mut Walk, count: usize) -> Vec<Find> {
        let mut found = Vec::new();
        while found.len() < count {
            if walk.is_used_up() {
                walk.advance(53);
            }
            found.extend(walk.slice(512, None).find);
        }
        found
    }

    #[test]
    fn what_is_found_is_what_its_parameters_say() {
        for (profile, mask) in
            [("cpuminer", None), ("cgminer", Some(0x1fff_e000)), ("esp-miner", Some(0x1fff_e000))]
        {
            let mut walk = walk(profile, 0x2000_0000, mask);
            for find in finds(&mut walk, 60) {
                let job = &walk.order.job;
                let root = job.root(&walk.order.extranonce1, &find.extranonce2);
                let version = job.header.version | find.bits.unwrap_or(0);
                let header = Header { version, ntime: find.ntime, ..job.header };
                assert_eq!(Unit { root, header }.bytes(find.nonce), find.header);
                assert_eq!(double_sha256(&[&find.header]), find.hash);
                assert!(walk.order.target.is_met_by(&find.hash));
            }
        }
    }

    #[test]
    fn no_header_is_hashed_twice() {
        let mut walk = walk("bmminer", 0x2000_0000, Some(0x6000));
        let found = finds(&mut walk, 300);
        let headers: HashSet<_> = found.iter().map(|find| find.header).collect();
        assert_eq!(headers.len(), found.len());
        let extranonces: HashSet<_> = found.iter().map(|find| find.extranonce2.clone()).collect();
        assert!(extranonces.len() > 1, "four versions of 16384 nonces, then the next extranonce2");
    }

    #[test]
    fn esp_miner_sends_the_difference_and_cgminer_its_pattern() {
        let mask = 0x1fff_e000;
        let version = 0x2000_2004;
        let esp = walk("esp-miner", version, Some(mask)).rolled(version);
        assert_eq!(esp, (0x2000_2004, 0));
        let cgminer = walk("cgminer", version, Some(mask)).rolled(version);
        assert_eq!(cgminer, (0x2000_2004, 0x2000));
        let bmminer = walk("bmminer", version & !mask, Some(mask)).rolled(version & !mask);
        assert_eq!(bmminer, (0x2000_2004, 0x2000));
    }

    #[test]
    fn nerdminer_never_changes_its_extranonce2() {
        let mut walk = walk("nerdminer", 2, None);
        let found = finds(&mut walk, 50);
        assert!(found.iter().all(|find| find.extranonce2 == [0, 0, 0, 1]));
    }

    #[test]
    fn a_smaller_mask_counts_at_once() {
        let mut walk = walk("bmminer", 0x2000_0000, Some(0x1fff_e000));
        walk.set_mask(0x8000, 50);
        assert!(finds(&mut walk, 40).iter().all(|find| find.bits.unwrap() & !0x8000 == 0));
    }

    #[test]
    fn time_rolls_with_the_clock_where_the_firmware_rolls_it() {
        let mut rolling = walk("bosminer", 2, None);
        rolling.advance(57);
        assert_eq!(rolling.unit.header.ntime, 1007);
        let mut still = walk("cgminer", 2, None);
        still.advance(57);
        assert_eq!(still.unit.header.ntime, 1000);
    }

    #[test]
    fn numbers_are_spread_over_the_bits_of_a_mask() {
        assert_eq!(spread(0b101, 0b1101_0000), 0b1001_0000);
        assert_eq!(spread(0b1111, 0b11), 0b11);
        assert_eq!(spread(0, u32::MAX), 0);
    }
}
