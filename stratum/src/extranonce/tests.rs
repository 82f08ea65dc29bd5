use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::fixtures::origin;

fn any_layout() -> impl Strategy<Value = Layout> {
    (1..=4_u8, 2..=8_u8).prop_map(|(id, miner)| Layout::new(id, miner).unwrap())
}

#[test]
fn layouts_follow_the_table() {
    let expected = [None, None, None, Some((1, 2)), Some((2, 2)), Some((3, 2)), Some((2, 4))];
    for (size, expected) in (0..).zip(expected) {
        let layout = Layout::for_pool_size(size);
        assert_eq!(layout.map(|layout| (layout.id_len(), layout.miner_len())), expected, "{size}");
    }
    assert_eq!(Layout::for_pool_size(7), Layout::new(3, 4));
    for size in 8..=u8::MAX {
        assert_eq!(Layout::for_pool_size(size), Layout::new(4, 4));
    }
}

#[test]
fn every_layout_of_the_table_fits_its_size() {
    for size in 3..=u8::MAX {
        assert!(Layout::for_pool_size(size).unwrap().fits(size));
    }
    assert!(Layout::CONSERVATIVE.fits(4));
    assert!(!Layout::CONSERVATIVE.fits(3));
}

#[test]
fn layouts_that_no_miner_could_work_with_do_not_exist() {
    for (id, miner) in [(0, 4), (5, 4), (4, 0), (4, 1), (4, 9), (255, 255)] {
        assert_eq!(Layout::new(id, miner), None);
    }
}

#[test]
fn an_id_is_big_endian_in_the_bytes_of_its_layout() {
    for (id_len, hex) in [(1, "04"), (2, "0304"), (3, "020304"), (4, "01020304")] {
        let id = MinerId::new(Layout::new(id_len, 2).unwrap(), 0x0102_0304);
        assert_eq!(id.to_string(), hex);
    }
}

#[test]
fn the_pool_is_sent_padding_id_and_the_miners_bytes() {
    let id = MinerId::new(Layout::CONSERVATIVE, 0x7f01);
    let extranonce2 = pool_extranonce2(3, id, &[0xab, 0xcd]).unwrap();
    assert_eq!(extranonce2.to_hex(), "0000007f01abcd");
    assert!(pool_extranonce2(29, id, &[0, 0]).is_err());
}

#[test]
fn all_ids_of_a_layout_are_handed_out_and_then_none() {
    let now = origin();
    let mut ids = IdPool::new(Layout::new(1, 2).unwrap(), 0xffff_fff0, DEFAULT_QUARANTINE);
    let handed: BTreeSet<u32> = (0..256).map(|_| ids.allocate(now).unwrap().value()).collect();
    assert_eq!(handed.len(), 256);
    assert_eq!(ids.allocate(now), None);
}

#[test]
fn the_first_id_is_the_start() {
    let mut ids = IdPool::new(Layout::CONSERVATIVE, 0x1234_ffff, DEFAULT_QUARANTINE);
    assert_eq!(ids.allocate(origin()).unwrap().to_string(), "ffff");
    assert_eq!(ids.allocate(origin()).unwrap().to_string(), "0000");
}

#[test]
fn a_released_id_rests_until_its_quarantine_ends() {
    let now = origin();
    let mut ids = IdPool::new(Layout::new(1, 2).unwrap(), 0, DEFAULT_QUARANTINE);
    let all: Vec<MinerId> = (0..256).map(|_| ids.allocate(now).unwrap()).collect();
    ids.release(now, all[7]);
    let nearly = DEFAULT_QUARANTINE - Duration::from_millis(1);
    assert_eq!(ids.allocate(now + nearly), None);
    assert_eq!(ids.allocate(now + DEFAULT_QUARANTINE), Some(all[7]));
}

#[test]
fn a_second_release_does_not_free_the_next_owners_id() {
    let now = origin();
    let mut ids = IdPool::new(Layout::new(1, 2).unwrap(), 0, DEFAULT_QUARANTINE);
    let all: Vec<MinerId> = (0..256).map(|_| ids.allocate(now).unwrap()).collect();
    ids.release(now, all[7]);
    ids.release(now + Duration::from_secs(1), all[7]);
    let later = now + DEFAULT_QUARANTINE;
    assert_eq!(ids.allocate(later), Some(all[7]));
    assert_eq!(ids.allocate(later + Duration::from_secs(1)), None);
}

#[test]
fn an_id_of_another_layout_frees_nothing() {
    let now = origin();
    let mut ids = IdPool::new(Layout::new(1, 2).unwrap(), 0, Duration::ZERO);
    let all: Vec<MinerId> = (0..256).map(|_| ids.allocate(now).unwrap()).collect();
    ids.release(now, MinerId::new(Layout::CONSERVATIVE, all[7].value()));
    assert_eq!(ids.allocate(now), None);
}

#[test]
fn what_an_id_pool_holds_is_bounded() {
    let now = origin();
    let mut ids = IdPool::new(Layout::new(4, 4).unwrap(), 0, DEFAULT_QUARANTINE);
    let handed = std::iter::from_fn(|| ids.allocate(now)).count();
    assert_eq!(handed, 1 << 20);
}

proptest! {
    #[test]
    fn no_id_is_handed_out_twice_nor_during_its_quarantine(
        start in any::<u32>(),
        steps in proptest::collection::vec((any::<bool>(), 0..400_usize, 0..40_u64), 1..2000),
    ) {
        let quarantine = Duration::from_secs(600);
        let mut now = origin();
        let mut ids = IdPool::new(Layout::new(1, 2).unwrap(), start, quarantine);
        let mut held = Vec::new();
        let mut released = BTreeMap::new();
        for (allocate, pick, seconds) in steps {
            now += Duration::from_secs(seconds);
            if allocate {
                let resting = released.values().filter(|at| now < **at + quarantine).count();
                let Some(id) = ids.allocate(now) else {
                    prop_assert_eq!(held.len() + resting, 256);
                    continue;
                };
                prop_assert!(!held.contains(&id));
                if let Some(at) = released.remove(&id) {
                    prop_assert!(now >= at + quarantine);
                }
                held.push(id);
            } else if !held.is_empty() {
                let id = held.swap_remove(pick % held.len());
                ids.release(now, id);
                released.insert(id, now);
            }
        }
    }

    #[test]
    fn what_two_miners_do_never_overlaps(
        layout in any_layout(),
        pad_len in 0..=16_u8,
        ids in any::<(u32, u32)>(),
        miners in any::<([u8; 8], [u8; 8])>(),
    ) {
        let (a, b) = (MinerId::new(layout, ids.0), MinerId::new(layout, ids.1));
        let miner_len = usize::from(layout.miner_len());
        let sent_a = pool_extranonce2(pad_len, a, &miners.0[..miner_len]).unwrap();
        let sent_b = pool_extranonce2(pad_len, b, &miners.1[..miner_len]).unwrap();
        prop_assert_eq!(sent_a.len(), usize::from(pad_len + layout.total()));
        let same_work = a == b && miners.0[..miner_len] == miners.1[..miner_len];
        prop_assert_eq!(sent_a == sent_b, same_work);
    }
}
