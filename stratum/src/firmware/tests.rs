use super::*;

fn class(agent: &str) -> String {
    Profiles::shipped().of(Some(agent)).name.to_string()
}

#[test]
fn software_is_known_by_what_it_calls_itself() {
    for (agent, expected) in [
        ("NerdMinerV2/V1.8.3", "nerdminer"),
        ("NiceHash/1.0.0", "nicehash"),
        ("bitaxe/BM1370/v2.9.0", "bitaxe"),
        ("whatsminer/v1.0", "whatsminer"),
        ("cgminer/4.11.1-avalon10", "avalon"),
        ("vnish/1.2.0", "vnish"),
        ("xminer-1.0|LuxOS/2026.1|Antminer S21/a lab", "luxos"),
        ("PowerPlay-BM/0.1", "epic"),
        ("bosminer-plus-tuner/22.08.1", "bosminer"),
        ("bmminer/2.0.0/Antminer S21/1", "antminer-s21"),
        ("bmminer/2.0.0/Antminer S19/13000", "antminer"),
        ("CPUMINER/2.5.1", "cpuminer"),
        ("cpuminer-opt-26.1-x64L", "cpuminer"),
        ("cgminer/4.11.1", "cgminer"),
        ("bfgminer/5.5.0", "bfgminer"),
        ("poclbm/2011", OTHER),
        ("", OTHER),
    ] {
        assert_eq!(class(agent), expected, "{agent}");
    }
    assert_eq!(&*Profiles::shipped().of(None).name, OTHER);
}

#[test]
fn a_farms_own_profile_is_tried_first() {
    let own = Profile::new("mine", vec![Glob::of_any_case("cgminer*"), Glob::of_any_case("*lab?")]);
    let profiles = Profiles::new(vec![own]);
    assert_eq!(&*profiles.of(Some("CGMiner/1")).name, "mine");
    assert_eq!(&*profiles.of(Some("x lab7")).name, "mine");
    assert_eq!(&*profiles.of(Some("bitaxe")).name, "bitaxe");
    let names: Vec<&str> = profiles.names().map(|name| &**name).collect();
    assert_eq!((names[0], *names.last().unwrap()), ("mine", OTHER));
    assert!(profiles.is(&profiles.clone()) && !profiles.is(&Profiles::shipped()));
}

#[test]
fn a_size_that_the_firmware_cannot_work_with_is_not_given() {
    let layout = |id, miner| Layout::new(id, miner).unwrap();
    let profiles = Profiles::shipped();
    let nerd = profiles.of(Some("NerdMinerV2"));
    for (route, given) in [
        (layout(4, 4), layout(4, 4)),
        (layout(2, 2), layout(2, 2)),
        (layout(2, 3), layout(3, 2)),
        (layout(1, 3), layout(2, 2)),
        (layout(4, 8), layout(4, 8)),
        (layout(4, 7), layout(4, 2)),
        (layout(1, 2), layout(1, 2)),
    ] {
        assert_eq!(nerd.layout(route), given);
        assert!(given.total() <= route.total());
    }
    assert_eq!(profiles.of(None).layout(layout(2, 3)), layout(2, 3));
    assert!(nerd.is_too_long(256) && !nerd.is_too_long(255));
    assert!(!profiles.of(None).is_too_long(usize::MAX));
}

#[test]
fn every_shipped_profile_has_a_name_of_its_own_that_can_be_a_label() {
    let profiles = Profiles::shipped();
    let mut names: Vec<&str> = profiles.names().map(|name| &**name).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    assert!(names.iter().all(|name| !name.is_empty() && name.chars().all(plain)), "{names:?}");
}
