use std::net::{Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::*;

const A: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const B: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2));
const LASTS: Duration = Duration::from_secs(60);

/// A book and its clock.
struct Door {
    book: Book,
    now: Instant,
}

// === impl Door ===

impl Door {
    fn new(terms: DoorTerms) -> Self {
        let mut book = Book::default();
        book.set_terms(terms);
        Self { book, now: crate::clock::Clock::System.now().instant }
    }

    /// One that bans after three offences.
    fn with_bans() -> Self {
        let ban = Some(BanTerms { after: 3, lasts: LASTS });
        Self::new(DoorTerms { ban, exempt: vec![Cidr::parse("10.0.0.0/8").unwrap()], ..terms() })
    }

    fn pass(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
    }

    fn come(&mut self, address: IpAddr) -> Result<(), NotAdmitted> {
        self.book.knock()?;
        let entered = self.book.enter(self.now, address);
        if entered.is_err() {
            self.book.left(self.now, address, Visit::Unnamed);
        }
        entered
    }

    fn go(&mut self, address: IpAddr, visit: Visit) {
        self.book.left(self.now, address, visit);
    }

    /// Comes, offends and goes.
    fn offend(&mut self, address: IpAddr) -> Sentence {
        self.come(address).expect("not banned");
        let sentence = self.book.offended(self.now, address);
        self.go(address, Visit::Greeting);
        sentence
    }
}

fn terms() -> DoorTerms {
    DoorTerms::default()
}

fn v6(prefix: u64, host: u64) -> IpAddr {
    IpAddr::V6(Ipv6Addr::from_bits(u128::from(prefix) << 64 | u128::from(host)))
}

#[test]
fn connections_of_an_address_are_bounded_and_another_address_is_not_touched() {
    let mut door = Door::new(DoorTerms { connections_per_address_max: Some(2), ..terms() });
    door.come(A).unwrap();
    door.come(A).unwrap();
    assert_eq!(door.come(A), Err(NotAdmitted::AddressConnections));
    assert_eq!(
        door.come("::ffff:192.0.2.1".parse().unwrap()),
        Err(NotAdmitted::AddressConnections),
        "the same address in other letters"
    );
    door.come(B).unwrap();
    door.go(A, Visit::Greeting);
    door.come(A).unwrap();
}

#[test]
fn a_ban_by_hand_holds_for_its_time_whoever_vouches_and_can_be_taken_back() {
    let mut door = Door::with_bans();
    door.come(A).unwrap();
    door.book.credited(A);
    door.book.ban(door.now, A, LASTS).unwrap();
    assert_eq!(door.come(A), Err(NotAdmitted::Banned), "though somebody mines there");
    door.come(B).unwrap();
    door.book.ban(door.now, v6(7, 1), 2 * LASTS).unwrap();
    assert_eq!(door.come(v6(7, 2)), Err(NotAdmitted::Banned), "of IPv6 the first 64 bits count");
    let bans = door.book.bans(door.now);
    let shown: Vec<_> = bans.iter().map(|ban| (ban.address, ban.prefix, ban.by)).collect();
    assert_eq!(shown, [(A, 32, BannedBy::Hand), (v6(7, 0), 64, BannedBy::Hand)]);
    door.pass(60);
    door.come(A).unwrap();
    assert!(!door.book.pardon(door.now, A), "it was over");
    assert!(door.book.pardon(door.now, v6(7, 9)));
    door.come(v6(7, 1)).unwrap();
    assert!(door.book.bans(door.now).is_empty());
}

#[test]
fn what_the_document_exempts_is_not_banned_by_hand_either() {
    let mut door = Door::with_bans();
    let exempt = "10.1.2.3".parse().unwrap();
    assert_eq!(door.book.ban(door.now, exempt, LASTS), Err(Exempt));
    door.come(exempt).unwrap();
}

#[test]
fn bans_by_hand_are_bounded_with_the_rest() {
    let mut door = Door::new(terms());
    for number in 0..2 * u32::try_from(ABSENT_MAX).unwrap() {
        door.book.ban(door.now, Ipv4Addr::from_bits(number).into(), LASTS).unwrap();
    }
    assert!(door.book.known.len() <= ABSENT_MAX, "{}", door.book.known.len());
}

#[test]
fn of_ipv6_the_first_64_bits_count() {
    let mut door = Door::new(DoorTerms { connections_per_address_max: Some(1), ..terms() });
    door.come(v6(7, 1)).unwrap();
    assert_eq!(door.come(v6(7, 2)), Err(NotAdmitted::AddressConnections));
    door.come(v6(8, 1)).unwrap();
}

#[test]
fn handshakes_are_bounded_in_total_and_by_address_and_a_miner_makes_room() {
    let some =
        DoorTerms { handshakes_max: Some(3), handshakes_per_address_max: Some(2), ..terms() };
    let mut door = Door::new(some);
    door.come(A).unwrap();
    door.come(A).unwrap();
    assert_eq!(door.come(A), Err(NotAdmitted::AddressHandshakes));
    door.come(B).unwrap();
    assert_eq!(door.come(B), Err(NotAdmitted::Handshakes));
    door.book.mining(A);
    assert_eq!(door.book.handshakes(), 2);
    door.come(A).unwrap();
    door.go(A, Visit::Mining);
    assert_eq!(door.book.handshakes(), 3, "its handshake was over before");
}

#[test]
fn connects_of_a_minute_may_come_at_once_and_those_refused_cost_nothing() {
    let mut door = Door::new(DoorTerms { connects_per_minute: Some(6), ..terms() });
    for _ in 0..6 {
        door.come(A).unwrap();
        door.go(A, Visit::Greeting);
    }
    for _ in 0..50 {
        assert_eq!(door.come(A), Err(NotAdmitted::AddressConnects));
    }
    door.come(B).unwrap();
    door.pass(11);
    door.come(A).unwrap();
    assert_eq!(door.come(A), Err(NotAdmitted::AddressConnects), "one in ten seconds");
}

#[test]
fn an_address_is_banned_for_a_time_and_then_forgiven() {
    let mut door = Door::with_bans();
    assert_eq!((door.offend(A), door.offend(A)), (Sentence::Noted, Sentence::Noted));
    door.come(A).unwrap();
    assert_eq!(door.offend(A), Sentence::Banned(LASTS));
    assert_eq!(door.book.offended(door.now, A), Sentence::Noted, "said once");
    assert_eq!(door.come(A), Err(NotAdmitted::Banned));
    assert_eq!(door.book.banned(door.now), 1);
    door.come(B).unwrap();
    door.pass(LASTS.as_secs());
    assert_eq!(door.book.banned(door.now), 0);
    assert_eq!(door.offend(A), Sentence::Noted, "it begins anew");
}

#[test]
fn offences_that_are_far_apart_ban_nobody() {
    let mut door = Door::with_bans();
    for _ in 0..10 {
        assert_eq!((door.offend(A), door.offend(A)), (Sentence::Noted, Sentence::Noted));
        door.pass(OFFENCES_WITHIN.as_secs());
    }
}

/// A farm behind one address is not banned for its broken machine, neither while somebody mines nor for a day after.
#[test]
fn where_somebody_mines_nobody_is_banned() {
    let mut door = Door::with_bans();
    door.come(A).unwrap();
    door.book.mining(A);
    door.book.credited(A);
    for _ in 0..10 {
        assert_eq!(door.offend(A), Sentence::Noted);
    }
    door.go(A, Visit::Credited);
    door.pass(VOUCHED_FOR.as_secs() - 1);
    for _ in 0..10 {
        assert_eq!(door.offend(A), Sentence::Noted);
    }
    door.pass(1);
    assert_eq!((door.offend(A), door.offend(A)), (Sentence::Noted, Sentence::Noted));
    assert_eq!(door.offend(A), Sentence::Banned(LASTS));
}

#[test]
fn an_exempt_address_has_no_limits_and_no_ban() {
    let limits = DoorTerms {
        connections_per_address_max: Some(1),
        connects_per_minute: Some(1),
        handshakes_per_address_max: Some(1),
        ..Door::with_bans().book.terms
    };
    let mut door = Door::new(limits);
    let exempt = "10.1.2.3".parse().unwrap();
    for _ in 0..20 {
        door.come(exempt).unwrap();
        assert_eq!(door.book.offended(door.now, exempt), Sentence::Noted);
    }
}

#[test]
fn what_has_lapsed_is_not_kept() {
    let mut door = Door::new(DoorTerms { connects_per_minute: Some(6), ..terms() });
    door.come(A).unwrap();
    door.go(A, Visit::Greeting);
    assert_eq!((door.book.known.len(), door.book.absent), (1, 1), "its bucket is not full");
    door.pass(61);
    door.come(A).unwrap();
    door.pass(61);
    door.go(A, Visit::Mining);
    assert_eq!((door.book.known.len(), door.book.absent), (0, 0));
}

#[test]
fn addresses_are_bounded_and_bans_are_forgotten_last() {
    let mut door = Door::with_bans();
    for _ in 0..3 {
        door.offend(A);
    }
    door.come(B).unwrap();
    door.book.mining(B);
    door.book.credited(B);
    door.go(B, Visit::Credited);
    let stays = v6(u64::MAX, 0);
    door.come(stays).unwrap();
    for prefix in 0..3 * ABSENT_MAX as u64 {
        door.offend(v6(prefix, 0));
        assert!(door.book.absent <= ABSENT_MAX);
    }
    assert!(door.book.known.len() <= ABSENT_MAX + 1, "{}", door.book.known.len());
    assert_eq!(door.book.banned(door.now), 1, "the ban is kept");
    assert!(door.book.known.contains_key(&Source::of(B)), "and the voucher");
    assert!(door.book.known.contains_key(&Source::of(stays)), "and whoever is connected");
}

/// What can happen at a door.
#[derive(Clone, Copy, Debug)]
enum Deed {
    Come,
    Mine,
    Credit,
    Offend,
    Go,
    Wait(u16),
}

fn any_deed() -> impl Strategy<Value = (Deed, u8)> {
    let deed = prop_oneof![
        4 => Just(Deed::Come),
        2 => Just(Deed::Mine),
        2 => Just(Deed::Credit),
        2 => Just(Deed::Offend),
        3 => Just(Deed::Go),
        1 => (0..900_u16).prop_map(Deed::Wait),
    ];
    (deed, 0..3_u8)
}

proptest! {
    /// Whatever happens, the book counts what is there, and its limits hold.
    #[test]
    fn the_book_counts_what_is_there(deeds in proptest::collection::vec(any_deed(), 1..300)) {
        let limits = DoorTerms {
            connections_per_address_max: Some(4),
            connects_per_minute: Some(8),
            handshakes_max: Some(6),
            handshakes_per_address_max: Some(3),
            ban: Some(BanTerms { after: 3, lasts: LASTS }),
            exempt: Vec::new(),
        };
        let mut door = Door::new(limits);
        let mut there: Vec<(IpAddr, Visit)> = Vec::new();
        for (deed, host) in deeds {
            let address = IpAddr::V4(Ipv4Addr::new(10, 0, 0, host));
            let mut step = |from: Visit, to: Visit| {
                let found = there.iter_mut().find(|visit| **visit == (address, from));
                found.map(|visit| visit.1 = to).is_some()
            };
            match deed {
                Deed::Come => {
                    if door.come(address).is_ok() {
                        there.push((address, Visit::Greeting));
                    }
                }
                Deed::Mine => {
                    if step(Visit::Greeting, Visit::Mining) {
                        door.book.mining(address);
                    }
                }
                Deed::Credit => {
                    if step(Visit::Mining, Visit::Credited) {
                        door.book.credited(address);
                    }
                }
                Deed::Offend => drop(door.book.offended(door.now, address)),
                Deed::Go => {
                    if let Some(place) = there.iter().position(|(from, _)| *from == address) {
                        let (address, visit) = there.remove(place);
                        door.go(address, visit);
                    }
                }
                Deed::Wait(seconds) => door.pass(seconds.into()),
            }
            let greeting = |(_, visit): &&(IpAddr, Visit)| *visit == Visit::Greeting;
            prop_assert_eq!(door.book.handshakes as usize, there.iter().filter(greeting).count());
            prop_assert!(door.book.handshakes <= 6);
            for (source, visitor) in &door.book.known {
                let of = there.iter().filter(|(address, _)| Source::of(*address) == *source);
                let of: Vec<_> = of.collect();
                prop_assert_eq!(visitor.connected as usize, of.len());
                prop_assert_eq!(visitor.greeting as usize, of.iter().copied().filter(greeting).count());
                let credited = of.iter().filter(|(_, visit)| *visit == Visit::Credited).count();
                prop_assert_eq!(visitor.credited as usize, credited);
                prop_assert!(visitor.connected <= 4 && visitor.greeting <= 3);
            }
            let absent = door.book.known.values().filter(|visitor| visitor.connected == 0).count();
            prop_assert_eq!(door.book.absent, absent);
        }
    }
}
