use super::kernel::Seen;
use super::*;

const MIB: u64 = 1 << 20;

fn seen(resident: u64, open: u64) -> Seen {
    Seen { resident, open, open_max: None }
}

fn of_memory(budget: u64) -> Room {
    let room = Room::new(RoomLimits { memory: Some(budget) });
    room.seen(seen(10 * MIB, 9), 0);
    room
}

fn admit(room: &Room) -> Result<(), Lack> {
    room.look().map(|()| room.arrived())
}

#[test]
fn without_limits_there_is_room_for_everybody() {
    let room = Room::default();
    assert!((0..100_000).all(|_| admit(&room).is_ok()));
}

#[test]
fn newcomers_are_refused_before_the_budget_is_used_up_and_let_in_again_when_others_have_left() {
    let room = of_memory(64 * MIB);
    room.seen(seen(40 * MIB, 9), 24 * MIB);
    assert_eq!(admit(&room), Ok(()));
    room.seen(seen(58 * MIB, 9), 41 * MIB);
    assert_eq!((admit(&room), room.view().lack), (Err(Lack::Memory), Some(Lack::Memory)));
    // They have left, and the allocator keeps what they had.
    room.seen(seen(61 * MIB, 9), 10 * MIB);
    assert_eq!(admit(&room), Ok(()));
    // What is not accounted takes it all.
    room.seen(seen(61 * MIB, 9), 20 * MIB);
    assert_eq!(admit(&room), Err(Lack::Memory));
}

#[test]
fn who_comes_between_two_looks_is_counted() {
    let room = of_memory(14 * MIB);
    let admitted = (0..10_000).take_while(|_| admit(&room).is_ok()).count() as u64;
    let left = 14 * MIB - 14 * MIB / RESERVED - 10 * MIB;
    let each = charged(SESSION_BYTES);
    assert!(admitted.abs_diff(left / each) <= 1, "{admitted} of {}", left / each);
    room.seen(seen(10 * MIB, 9), 0);
    assert_eq!(admit(&room), Ok(()));
}

#[test]
fn a_farm_that_hangs_up_and_dials_again_needs_each_place_once() {
    let room = Room::default();
    room.seen(Seen { open_max: Some(1024), ..seen(MIB, 20 + 800) }, 0);
    for _ in 0..800 {
        room.left();
    }
    let back = (0..2_000).take_while(|_| admit(&room).is_ok()).count();
    assert_eq!(back, 1024 - 128 - 20);
    let room = of_memory(14 * MIB);
    room.seen(seen(12 * MIB, 9), 500 * SESSION_BYTES);
    (0..500).for_each(|_| room.left());
    let back = (0..10_000).take_while(|_| admit(&room).is_ok()).count();
    assert!(back > 500, "{back}");
}

#[test]
fn whoever_is_turned_away_for_something_else_takes_no_room() {
    let room = of_memory(14 * MIB);
    assert!((0..10_000).all(|_| room.look().is_ok()));
    assert_eq!(admit(&room), Ok(()));
}

#[test]
fn descriptors_are_kept_for_what_is_not_a_miner() {
    for (limit, reserve) in [(1024, 128), (100, 25)] {
        let room = Room::default();
        let seen = |resident, open| Seen { open_max: Some(limit), ..seen(resident, open) };
        room.seen(seen(MIB, 20), 0);
        let admitted = (0..2_000).take_while(|_| admit(&room).is_ok()).count() as u64;
        assert_eq!(admitted, limit - reserve - 20);
        assert_eq!((admit(&room), room.view().reserved), (Err(Lack::Descriptors), reserve));
        // They are open now, and nobody else came.
        room.seen(seen(MIB, 20 + admitted), 0);
        assert_eq!(admit(&room), Err(Lack::Descriptors));
        room.seen(seen(MIB, 19 + admitted), 0);
        assert_eq!(admit(&room), Ok(()));
    }
}

#[test]
fn a_weight_is_taken_out_when_it_is_dropped() {
    let sum = Arc::new(AtomicUsize::new(5));
    let mut weight = Weight::of(&sum);
    for bytes in [10, 30, 2] {
        weight.set(bytes);
        assert_eq!(sum.load(Ordering::Relaxed), 5 + bytes);
    }
    drop(weight);
    assert_eq!(sum.load(Ordering::Relaxed), 5);
}
