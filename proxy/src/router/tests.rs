use std::net::{Ipv4Addr, Ipv6Addr};

use super::*;

fn rule(edit: impl FnOnce(&mut Rule)) -> Rule {
    let mut rule = Rule { name: "r".into(), route: "other".into(), ..Rule::default() };
    edit(&mut rule);
    rule
}

fn newcomer<'a>(worker: &'a str, source: &str, firmware: &'a str) -> Newcomer<'a> {
    Newcomer { worker: Some(worker), source: source.parse().unwrap(), firmware }
}

#[track_caller]
fn check(rules: &[Rule], miner: Newcomer<'_>, route: &str) {
    assert_eq!(Rules::compile(rules, "v1", "main").route(&miner), route, "{rules:?}\n{miner:?}");
}

#[test]
fn each_list_narrows_and_an_empty_one_does_not() {
    let miner = newcomer("acct.rig7", "10.1.2.3", "whatsminer");
    check(&[], miner, "main");
    check(&[rule(|_| {})], miner, "other");
    check(&[rule(|r| r.listeners = vec!["v2".into()])], miner, "main");
    check(&[rule(|r| r.listeners = vec!["v2".into(), "v1".into()])], miner, "other");
    check(&[rule(|r| r.workers = vec!["*.rig7".into()])], miner, "other");
    check(&[rule(|r| r.workers = vec!["*.RIG7".into()])], miner, "main");
    check(&[rule(|r| r.sources = vec!["10.1.0.0/16".into()])], miner, "other");
    check(&[rule(|r| r.sources = vec!["10.2.0.0/16".into(), "10.1.2.3".into()])], miner, "other");
    check(&[rule(|r| r.firmware = vec!["antminer".into()])], miner, "main");
    check(&[rule(|r| r.firmware = vec!["antminer".into(), "whatsminer".into()])], miner, "other");
    let both = rule(|r| {
        r.workers = vec!["acct.*".into()];
        r.sources = vec!["10.2.0.0/16".into()];
    });
    check(&[both], miner, "main");
}

#[test]
fn the_first_rule_that_matches_decides() {
    let miner = newcomer("a.b", "10.0.0.1", "x");
    let to = |route: &str, worker: &str| {
        rule(|r| {
            r.route = route.into();
            r.workers = vec![worker.into()];
        })
    };
    check(&[to("one", "b*"), to("two", "a*"), to("three", "*")], miner, "two");
}

#[test]
fn a_miner_without_a_name_matches_no_pattern_of_names() {
    let miner = Newcomer { worker: None, ..newcomer("", "10.0.0.1", "x") };
    check(&[rule(|r| r.workers = vec!["*".into()])], miner, "main");
    check(&[rule(|_| {})], miner, "other");
}

#[test]
fn every_route_that_can_be_reached_is_named_once() {
    let to = |route: &str| rule(|r| r.route = route.into());
    let elsewhere = rule(|r| {
        r.route = "far".into();
        r.listeners = vec!["v2".into()];
    });
    let rules = Rules::compile(&[to("b"), to("main"), elsewhere, to("a"), to("b")], "v1", "main");
    assert_eq!(rules.routes(), ["main", "b", "a"]);
}

#[test]
fn ranges_are_those_of_the_address_that_a_socket_means() {
    let within = |range: &str, address: &str| {
        range::parse(range).is_some_and(|range| range.contains(address.parse().unwrap()))
    };
    for (range, address, wanted) in [
        ("10.1.0.0/16", "10.1.255.255", true),
        ("10.1.0.0/16", "10.2.0.0", false),
        ("10.1.0.0/16", "::ffff:10.1.2.3", true),
        ("::ffff:10.1.0.0/112", "10.1.2.3", true),
        ("::ffff:10.1.0.0/112", "10.2.2.3", false),
        ("10.1.2.3", "10.1.2.3", true),
        ("10.1.2.3", "10.1.2.4", false),
        ("10.9.9.9/8", "10.1.2.3", true),
        ("0.0.0.0/0", "203.0.113.7", true),
        ("0.0.0.0/0", "2001:db8::1", false),
        ("::/0", "2001:db8::1", true),
        ("::/0", "203.0.113.7", false),
        ("2001:db8::/32", "2001:db8:ffff::1", true),
        ("2001:db8::/32", "2001:db9::1", false),
        ("10.1.0.0/33", "10.1.0.0", false),
        ("farm", "10.1.0.0", false),
    ] {
        assert_eq!(within(range, address), wanted, "{address} in {range}");
    }
}

#[test]
fn ranges_hold_what_shares_their_first_bits() {
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..50_000 {
        let bits = random.u32(0..=32);
        let (base, flips) = (random.u32(..), random.u32(..) & random.u32(..) & random.u32(..));
        let address = base ^ flips;
        let same = bits == 0 || base >> (32 - bits) == address >> (32 - bits);
        let range = range::parse(&format!("{}/{bits}", Ipv4Addr::from_bits(base))).unwrap();
        assert_eq!(range.contains(Ipv4Addr::from_bits(address).into()), same, "{range:?}");

        let bits = random.u32(0..=128);
        let base = random.u128(..) | 1 << 127;
        let address = base ^ (1_u128 << random.u32(0..127));
        let same = bits == 0 || base >> (128 - bits) == address >> (128 - bits);
        let range = range::parse(&format!("{}/{bits}", Ipv6Addr::from_bits(base))).unwrap();
        assert_eq!(range.contains(Ipv6Addr::from_bits(address).into()), same, "{range:?}");
    }
}
