use super::*;
use crate::config::fixture::{FARM, OnDisk, with_password};
use crate::config::{Blame, load};

/// A configuration as it comes from files.
fn config(text: &str) -> Offered {
    let disk = OnDisk::empty();
    disk.write("farm.yaml", text);
    let inputs = disk.inputs(&["farm.yaml"]);
    let loaded = load(&inputs, &inputs.read().unwrap(), &with_password("x")).unwrap();
    Offered::from_files(Applied::of(loaded.config, "farm.yaml"))
}

fn refusal() -> ConfigError {
    let problem = Problem::of(&"farm.yaml", "is wrong", "put it right");
    ConfigError { blame: Blame::Documents, problems: vec![problem] }
}

fn publisher() -> (Publisher, ConfigFeed) {
    Publisher::new(Some(config(FARM)), Telemetry::silent())
}

/// Answers the next offer, and gives it back.
async fn answer(feed: &mut ConfigFeed, answer: Answer) -> Offered {
    let Offer { offered, answer: waiting } = feed.offers.recv().await.unwrap();
    waiting.send(answer).unwrap();
    offered
}

fn refuse(publisher: &Publisher) {
    let started = tokio::time::Instant::now().into_std();
    let provenance = Provenance::files();
    let (origin, provenance, error) = ("farm.yaml", &provenance, refusal());
    publisher.refuse(Refused { origin, provenance, started, error });
}

#[test]
fn a_feed_begins_with_the_first_configuration() {
    let (_publisher, feed) = publisher();
    assert_eq!(feed.first.unwrap().applied.config.name, "mining/farm");
    assert!(feed.shown.refused.borrow().is_none());
    let (_publisher, feed) = Publisher::new(None, Telemetry::silent());
    assert!(feed.first.is_none());
}

#[tokio::test]
async fn a_configuration_that_is_in_use_already_troubles_nobody() {
    let (mut publisher, mut feed) = publisher();
    let same = config(&format!("# a comment more\n{FARM}"));
    publisher.publish(same).await.unwrap();
    assert!(feed.offers.try_recv().is_err());
    let other = config(&FARM.replace("acme", "acme-2"));
    let hash = other.applied.hash.clone();
    let taken = Ok(TraceRef::NONE);
    let (answered, offered) = tokio::join!(publisher.publish(other), answer(&mut feed, taken));
    answered.unwrap();
    assert_eq!(offered.applied.hash, hash);
}

#[tokio::test]
async fn what_could_not_be_used_is_offered_again() {
    let (mut publisher, mut feed) = publisher();
    let other = config(&FARM.replace("acme", "acme-2"));
    let wrong = refusal().problems;
    for _ in 0..2 {
        let publishing = publisher.publish(other.clone());
        let (answered, _) = tokio::join!(publishing, answer(&mut feed, Err(wrong.clone())));
        assert_eq!(answered, Err(wrong.clone()));
    }
}

#[tokio::test]
async fn a_refused_change_is_shown_until_the_next_valid_one() {
    let (mut publisher, mut feed) = publisher();
    refuse(&publisher);
    assert_eq!(feed.shown.refused.borrow().as_ref().unwrap().error, refusal());
    assert!(feed.offers.try_recv().is_err(), "the last good one stays");
    publisher.publish(config(FARM)).await.unwrap();
    assert!(feed.shown.refused.borrow().is_none(), "back to what is in use is valid again");
}

#[tokio::test]
async fn a_proxy_that_drains_says_so_to_whoever_offers() {
    let (mut publisher, feed) = publisher();
    drop(feed.offers);
    let [problem] = &publisher.publish(config(&FARM.replace("acme", "b"))).await.unwrap_err()[..]
    else {
        panic!("one problem");
    };
    assert!(problem.message.contains("draining"), "{problem}");
}
