use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;
use crate::fixtures::origin;

/// What of it allocates from the first bank.
fn allocate(ids: &mut IdPool, now: Instant, layout: Layout) -> Option<MinerId> {
    ids.allocate(now, layout, 0..1)
}

fn small() -> Layout {
    Layout::new(1, 2).unwrap()
}

fn any_layout() -> impl Strategy<Value = Layout> {
    let narrow = Layout::narrow(2, Sharing::Shared).unwrap();
    let usual = (1..=4_u8, 2..=8_u8).prop_map(|(id, miner)| Layout::new(id, miner).unwrap());
    prop_oneof![1 => Just(narrow), 9 => usual]
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
fn a_miner_alone_needs_no_number() {
    let now = origin();
    let mut ids = IdPool::new(7, DEFAULT_QUARANTINE);
    let layout = Layout::narrow(2, Sharing::Alone).unwrap();
    let [one, two] = [0, 1].map(|_| ids.allocate(now, layout, 0..1).unwrap());
    assert_eq!((one, one.to_string().as_str(), one.in_bank(3)), (two, "", one));
    assert_eq!(MinerId::unpack(one.pack()), Some(one));
    // Nobody else's number is taken back with it.
    let other = ids.allocate(now, Layout::new(4, 4).unwrap(), 0..1).unwrap();
    ids.release(now, one);
    assert_ne!(ids.allocate(now, Layout::new(4, 4).unwrap(), 0..1), Some(other));
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
    let sent = |size, id, bytes: &[u8]| pool_extranonce2(size, id, bytes).unwrap().to_hex();
    assert_eq!(sent(7, id, &[0xab, 0xcd]), "0000007f01abcd");
    assert_eq!(sent(7, id.in_bank(0x0902), &[0xab, 0xcd]), "0009027f01abcd");
    assert_eq!(sent(5, id.in_bank(0x0902), &[0xab, 0xcd]), "027f01abcd");
    assert_eq!(pool_extranonce2(3, id, &[0, 0]), None);
    assert_eq!(pool_extranonce2(33, id, &[0, 0]), None);
}

#[test]
fn all_ids_of_a_layout_are_handed_out_and_then_none() {
    let now = origin();
    let mut ids = IdPool::new(0xffff_fff0, DEFAULT_QUARANTINE);
    let handed: BTreeSet<u32> =
        (0..256).map(|_| allocate(&mut ids, now, small()).unwrap().id()).collect();
    assert_eq!(handed.len(), 256);
    assert_eq!(allocate(&mut ids, now, small()), None);
}

#[test]
fn the_first_id_is_the_start() {
    let mut ids = IdPool::new(0x1234_ffff, DEFAULT_QUARANTINE);
    assert_eq!(allocate(&mut ids, origin(), Layout::CONSERVATIVE).unwrap().to_string(), "ffff");
    assert_eq!(allocate(&mut ids, origin(), Layout::CONSERVATIVE).unwrap().to_string(), "0000");
}

#[test]
fn a_released_id_rests_until_its_quarantine_ends() {
    let now = origin();
    let mut ids = IdPool::new(0, DEFAULT_QUARANTINE);
    let all: Vec<MinerId> = (0..256).map(|_| allocate(&mut ids, now, small()).unwrap()).collect();
    ids.release(now, all[7]);
    let nearly = DEFAULT_QUARANTINE - Duration::from_millis(1);
    assert_eq!(allocate(&mut ids, now + nearly, small()), None);
    assert_eq!(allocate(&mut ids, now + DEFAULT_QUARANTINE, small()), Some(all[7]));
}

#[test]
fn a_second_release_does_not_free_the_next_owners_id() {
    let now = origin();
    let mut ids = IdPool::new(0, DEFAULT_QUARANTINE);
    let all: Vec<MinerId> = (0..256).map(|_| allocate(&mut ids, now, small()).unwrap()).collect();
    ids.release(now, all[7]);
    ids.release(now + Duration::from_secs(1), all[7]);
    let later = now + DEFAULT_QUARANTINE;
    assert_eq!(allocate(&mut ids, later, small()), Some(all[7]));
    assert_eq!(allocate(&mut ids, later + Duration::from_secs(1), small()), None);
}

#[test]
fn an_id_of_another_layout_frees_nothing() {
    let now = origin();
    let mut ids = IdPool::new(0, Duration::ZERO);
    let all: Vec<MinerId> = (0..256).map(|_| allocate(&mut ids, now, small()).unwrap()).collect();
    ids.release(now, MinerId::new(Layout::CONSERVATIVE, all[7].id()));
    assert_eq!(allocate(&mut ids, now, small()), None);
}

#[test]
fn what_an_id_pool_holds_is_bounded() {
    let now = origin();
    let mut ids = IdPool::new(0, DEFAULT_QUARANTINE);
    let four = Layout::new(4, 4).unwrap();
    let handed = std::iter::from_fn(|| allocate(&mut ids, now, four)).count();
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
        let mut ids = IdPool::new(start, quarantine);
        let mut held = Vec::new();
        let mut released = BTreeMap::new();
        for (comes, pick, seconds) in steps {
            now += Duration::from_secs(seconds);
            if comes {
                let resting = released.values().filter(|at| now < **at + quarantine).count();
                let Some(id) = allocate(&mut ids, now, small()) else {
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

    /// Over any layouts and banks, on any pool connection: no bytes that two live miners can fill in are the same.
    #[test]
    fn what_two_miners_do_never_overlaps(
        start in any::<u32>(),
        few in any::<bool>(),
        steps in proptest::collection::vec((any_layout(), 0..4_u32, 0..2_u8, 0..8_u8), 2..60),
        size in 3..=14_u8,
    ) {
        let now = origin();
        // Close to the ends, where layouts meet.
        let start = if few { start % 3 } else { start };
        let mut ids = IdPool::new(start, DEFAULT_QUARANTINE);
        let mut held: Vec<(MinerId, [u8; 8])> = Vec::new();
        // So few bytes that those meet which can.
        for (layout, banks, byte, leave) in steps {
            held.extend(ids.allocate(now, layout, 0..banks).map(|id| (id, [byte; 8])));
            if leave == 0 && !held.is_empty() {
                ids.release(now, held.swap_remove(0).0);
            }
        }
        let filled: Vec<(Bank, Extranonce)> = held
            .iter()
            .filter_map(|(id, bytes)| {
                let bytes = &bytes[..usize::from(id.layout().miner_len())];
                Some((id.bank(size)?, pool_extranonce2(size, *id, bytes)?))
            })
            .collect();
        for (index, (bank, one)) in filled.iter().enumerate() {
            prop_assert_eq!(one.len(), usize::from(size));
            for (other_bank, other) in &filled[..index] {
                prop_assert!(bank != other_bank || one != other, "{one:?} {held:?}");
            }
        }
    }

    /// The same, for the bytes that miners can fill in as opposed to those that they happened to.
    #[test]
    fn the_parts_of_two_ids_are_apart(
        start in 0..4_u32,
        layouts in proptest::collection::vec((any_layout(), 1..3_u32), 2..300),
    ) {
        let mut ids = IdPool::new(start, DEFAULT_QUARANTINE);
        let parts: Vec<(u128, u128)> = layouts
            .into_iter()
            .filter_map(|(layout, banks)| ids.allocate(origin(), layout, 0..banks))
            .map(|id| (id.position(), id.position() + id.extent()))
            .collect();
        for (index, (begin, end)) in parts.iter().enumerate() {
            for (other_begin, other_end) in &parts[..index] {
                prop_assert!(end <= other_begin || other_end <= begin);
            }
        }
    }

    #[test]
    fn an_id_is_packed_and_unpacked(layout in any_layout(), id in any::<u32>(), bank in any::<u32>()) {
        let id = MinerId::new(layout, id).in_bank(bank);
        prop_assert_eq!(MinerId::unpack(id.pack()), Some(id));
        prop_assert!(id.pack() != 0);
    }
}

#[test]
fn nothing_packed_is_no_id() {
    assert_eq!(MinerId::unpack(0), None);
    assert_eq!(MinerId::unpack(u64::MAX), None);
}

#[test]
fn ids_go_on_in_the_next_bank() {
    let now = origin();
    let mut ids = IdPool::new(200, DEFAULT_QUARANTINE);
    let all: Vec<MinerId> = std::iter::from_fn(|| ids.allocate(now, small(), 0..3)).collect();
    assert_eq!(all.len(), 3 * 256);
    let banks: Vec<u32> = all.iter().map(|id| id.layout_bank()).collect();
    assert!(banks.is_sorted(), "the first that has room");
    assert_eq!((all[0].id(), all[256].id()), (200, 200));
    assert_eq!(
        (all[256].bank(3), all[256].bank(4), all[256].bank(2)),
        (Some(Bank(1)), Some(Bank(0)), None)
    );
    ids.release(now, all[7]);
    assert_eq!(ids.allocate(now + DEFAULT_QUARANTINE, small(), 0..3), Some(all[7]));
    assert_eq!(ids.allocate(now, small(), 1..2), None, "only those that were asked for");
}

#[test]
fn a_connection_serves_as_many_banks_of_a_layout_as_it_has_room_for() {
    for (bank, layout, size, expected) in [
        (0, (2, 2), 4, 0..1),
        (3, (2, 2), 4, 3..4),
        (0, (2, 2), 5, 0..256),
        (1, (2, 2), 5, 256..512),
        (0, (1, 2), 12, 0..BANKS_MAX),
        (0, (1, 2), 255, 0..BANKS_MAX),
        (1, (1, 2), 12, BANKS_MAX..BANKS_MAX),
        (0, (4, 4), 7, 0..0),
    ] {
        let layout = Layout::new(layout.0, layout.1).unwrap();
        let banks = Bank(bank).of_layout(layout, size);
        assert_eq!(banks, expected, "{bank} {layout:?} {size}");
        for id_bank in [0, 1, 3, 255, 256, 300] {
            let served = MinerId::new(layout, 5).in_bank(id_bank).bank(size) == Some(Bank(bank));
            assert_eq!(served, banks.contains(&id_bank), "{bank} {layout:?} {size} {id_bank}");
        }
    }
}

#[test]
fn many_short_parts_leave_room_for_long_ones() {
    let now = origin();
    let mut ids = IdPool::new(0x0000_0001, DEFAULT_QUARANTINE);
    let short = Layout::new(3, 2).unwrap();
    assert!((0..5000).all(|_| ids.allocate(now, short, 0..1).is_some()));
    let long = Layout::new(1, 4).unwrap();
    // One of the 256 long parts is in use by all of the short ones.
    assert_eq!(std::iter::from_fn(|| ids.allocate(now, long, 0..1)).count(), 255);
    assert_eq!(ids.allocate(now, Layout::new(1, 5).unwrap(), 0..1).map(|id| id.id()), Some(1));
}
