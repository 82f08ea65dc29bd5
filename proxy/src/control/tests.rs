use super::*;
use crate::config::fixture::{FARM, OnDisk, with_password};
use crate::config::{Blame, load};

fn config(text: &str) -> Applied {
    let disk = OnDisk::empty();
    disk.write("farm.yaml", text);
    let inputs = disk.inputs(&["farm.yaml"]);
    let loaded = load(&inputs, &inputs.read().unwrap(), &with_password("x")).unwrap();
    Applied::of(loaded.config, "farm.yaml")
}

fn refusal() -> ConfigError {
    let problem = loka_api::Problem::of(&"farm.yaml", "is wrong", "put it right");
    ConfigError { blame: Blame::Documents, problems: vec![problem] }
}

fn publisher() -> (Publisher, ConfigFeed) {
    Publisher::new(config(FARM), Telemetry::silent())
}

#[test]
fn a_feed_shows_the_first_configuration_from_the_start() {
    let (_publisher, feed) = publisher();
    assert_eq!(feed.applied.borrow().config.name, "mining/farm");
    assert!(feed.refused.borrow().is_none());
}

#[test]
fn a_configuration_that_is_in_use_already_wakes_nobody() {
    let (publisher, feed) = publisher();
    publisher.publish(config(&format!("# a comment more\n{FARM}")));
    assert!(!feed.applied.has_changed().unwrap());
    publisher.publish(config(&FARM.replace("acme", "acme-2")));
    assert!(feed.applied.has_changed().unwrap());
}

#[test]
fn a_refused_change_is_shown_until_the_next_valid_one_and_the_last_good_stays() {
    let (publisher, feed) = publisher();
    let good = feed.applied.borrow().hash.clone();
    let started = tokio::time::Instant::now().into_std();
    publisher.refuse("farm.yaml", started, refusal());
    assert_eq!(feed.refused.borrow().as_ref().unwrap().error, refusal());
    assert!(!feed.applied.has_changed().unwrap());
    assert_eq!(feed.applied.borrow().hash, good);
    publisher.publish(config(FARM));
    assert!(feed.refused.borrow().is_none(), "back to what is in use is valid again");
}
