//! Candidates against a Lease in memory, in virtual time.

mod memory;
mod world;

use std::time::Duration;

use tokio::time::{Instant, sleep};

use self::memory::{Link, Memory};
use self::world::{Pod, World};
use super::*;

const LEASE: Duration = Duration::from_secs(15);

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

#[tokio::test(start_paused = true)]
async fn one_of_three_leads_and_the_others_know_where() {
    let world = World::new(1);
    let pods: Vec<_> = (1..=3).map(|n| world.pod(n)).collect();
    sleep(seconds(10)).await;
    let leaders: Vec<_> = pods.iter().filter(|pod| pod.leadership().is_leader()).collect();
    let [leader] = leaders.as_slice() else { panic!("{} lead", leaders.len()) };
    for pod in &pods {
        assert_eq!(pod.leadership().leader_address(), Some(leader.control()));
    }
    world.check();
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_was_given_up_is_taken_within_a_retry() {
    let world = World::new(2);
    let first = world.pod(1);
    first.leadership().acquired().await;
    let second = world.pod(2);
    sleep(seconds(5)).await;
    assert!(!second.leadership().is_leader());
    let began = Instant::now();
    first.stop().await;
    // Nobody's, or already the other's.
    assert!(world.memory.holder().is_none_or(|holder| holder.starts_with("op-2_")));
    assert_ne!(world.memory.control_address(), Some(first.control()));
    second.leadership().acquired().await;
    assert!(began.elapsed() < seconds(4), "{:?}", began.elapsed());
    world.check();
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_is_killed_is_followed_after_its_lease_and_not_before() {
    let world = World::new(3);
    let first = world.pod(1);
    first.leadership().acquired().await;
    let second = world.pod(2);
    sleep(seconds(20)).await;
    let renewed = Instant::now();
    first.kill();
    second.leadership().acquired().await;
    let took = renewed.elapsed();
    // It was renewed at most a retry before, and is looked at every retry.
    assert!((seconds(12)..seconds(20)).contains(&took), "{took:?}");
    world.check();
}

#[tokio::test(start_paused = true)]
async fn an_isolated_leader_stops_before_another_begins() {
    let world = World::new(4);
    let first = world.pod(1);
    first.leadership().acquired().await;
    let second = world.pod(2);
    sleep(seconds(5)).await;
    first.set_link(Link::Cut);
    let cut = Instant::now();
    assert_eq!(first.leadership().lost().await, Loss::DeadlineMissed);
    let lost = cut.elapsed();
    assert!((seconds(7)..=seconds(10)).contains(&lost), "{lost:?}");
    assert!(!first.leadership().is_leader() && !second.leadership().is_leader());
    assert_eq!(first.leadership().leader_address(), None);
    second.leadership().acquired().await;
    assert!(cut.elapsed() > lost + seconds(2), "{:?}", cut.elapsed());
    world.check();
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_slept_through_its_lease_writes_no_more() {
    let world = World::new(5);
    let first = world.pod(1);
    first.leadership().acquired().await;
    let second = world.pod(2);
    sleep(seconds(5)).await;
    let before = world.writes_of(&first);
    assert!(before > 0);
    first.pause();
    second.leadership().acquired().await;
    sleep(seconds(5)).await;
    first.resume();
    sleep(seconds(60)).await;
    assert_eq!(world.writes_of(&first), before);
    assert!(matches!(first.leadership().lost().await, Loss::DeadlineMissed | Loss::Taken));
    assert!(second.leadership().is_leader());
    world.check();
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_comes_after_the_deadline_does_not_bring_it_back() {
    let world = World::new(6);
    let first = world.pod(1);
    first.leadership().acquired().await;
    sleep(seconds(3)).await;
    // Past the deadline and within the Lease: nobody else could have taken it.
    first.pause();
    sleep(seconds(11)).await;
    assert!(!first.leadership().is_leader());
    first.resume();
    assert_eq!(first.leadership().lost().await, Loss::DeadlineMissed);
    sleep(seconds(30)).await;
    assert!(!first.leadership().is_leader());
    world.check();
}

#[tokio::test(start_paused = true)]
async fn answers_that_are_lost_cost_nothing_as_long_as_some_come() {
    let world = World::new(7);
    let first = world.pod(1);
    first.leadership().acquired().await;
    let second = world.pod(2);
    for _ in 0..20 {
        first.set_link(Link::Deaf);
        sleep(seconds(4)).await;
        first.set_link(Link::Good);
        sleep(seconds(7)).await;
        assert!(first.leadership().is_leader());
    }
    assert!(!second.leadership().is_leader());
    world.check();
}

#[tokio::test(start_paused = true)]
async fn a_deleted_lease_ends_its_leader_before_another_begins() {
    let world = World::new(8);
    let first = world.pod(1);
    first.leadership().acquired().await;
    let second = world.pod(2);
    sleep(seconds(5)).await;
    let deleted = Instant::now();
    world.memory.delete();
    assert_eq!(first.leadership().lost().await, Loss::Deleted);
    second.leadership().acquired().await;
    assert!(deleted.elapsed() >= LEASE, "{:?}", deleted.elapsed());
    world.check();
}

#[tokio::test(start_paused = true)]
async fn what_others_write_into_the_lease_beside_neither_ends_nor_prolongs_it() {
    let world = World::new(9);
    let first = world.pod(1);
    first.leadership().acquired().await;
    for _ in 0..20 {
        sleep(seconds(3)).await;
        world.memory.touch();
    }
    assert!(first.leadership().is_leader());
    let second = world.pod(2);
    sleep(seconds(5)).await;
    first.kill();
    let killed = Instant::now();
    while !second.leadership().is_leader() {
        world.memory.touch();
        sleep(seconds(1)).await;
        assert!(killed.elapsed() < seconds(30), "a label keeps a dead leader in office");
    }
    world.check();
}

/// Whatever the clock on the wall says: the Lease of a leader whose wall clock is a year behind is
/// respected, and so is that of one whose clock is ahead.
#[tokio::test(start_paused = true)]
async fn times_in_the_lease_are_not_compared() {
    for renewed in ["2025-01-01T00:00:00Z", "2099-01-01T00:00:00Z"] {
        let world = World::new(10);
        world.memory.hold_as("op-9_old", renewed.parse().unwrap());
        let pod: Pod = world.pod(1);
        sleep(LEASE - seconds(1)).await;
        assert!(!pod.leadership().is_leader(), "{renewed}");
        sleep(seconds(4)).await;
        assert!(pod.leadership().is_leader(), "{renewed}");
        world.check();
    }
}
