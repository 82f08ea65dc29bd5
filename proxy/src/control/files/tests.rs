use std::fs;

use loka_api::allow_list::AllowList;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant as Time, timeout};

use super::super::Offer;
use super::*;
use crate::config::Blame;
use crate::config::fixture::{FARM, OnDisk, VARIABLE, secret, with_password};
use crate::telemetry::TraceRef;

/// Far beyond the time that anything here may take, which is virtual.
const PATIENCE: Duration = Duration::from_secs(60);

/// A farm on disk that is followed until the end of the test.
struct Followed {
    disk: OnDisk,
    feed: ConfigFeed,
    in_use: Offered,
    reload: Arc<Notify>,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl Followed {
    fn start(disk: OnDisk, files: &[&str], environment: Environment) -> Self {
        Self::within(AllowedPools::default(), disk, files, environment)
    }

    fn within(
        allowed: AllowedPools,
        disk: OnDisk,
        files: &[&str],
        environment: Environment,
    ) -> Self {
        let inputs = disk.inputs(files);
        let (follow, mut feed) =
            follow_files(inputs, environment, allowed, Telemetry::silent()).unwrap();
        let in_use = feed.first.take().unwrap();
        let (reload, stop, mut tasks) = (Arc::default(), CancellationToken::new(), JoinSet::new());
        tasks.spawn(follow.run(Arc::clone(&reload), stop.clone()));
        Self { disk, feed, in_use, reload, stop, tasks }
    }

    fn farm() -> Self {
        Self::start(OnDisk::farm(), &["farm.yaml"], with_password("x"))
    }

    fn write(&self, text: &str) {
        self.disk.write("farm.yaml", text);
    }

    /// The account of the configuration that comes next.
    async fn next(&mut self) -> String {
        let Offer { offered, answer } =
            timeout(PATIENCE, self.feed.offers.recv()).await.expect("offered").unwrap();
        answer.send(Ok(TraceRef::NONE)).unwrap();
        self.in_use = offered;
        self.account()
    }

    fn assert_nothing_offered(&mut self) {
        assert!(self.feed.offers.try_recv().is_err());
    }

    /// The account of the configuration in use.
    fn account(&self) -> String {
        self.in_use.applied.config.routes[0].pools[0].account.clone()
    }

    /// What is wrong with the change that is refused next.
    async fn next_refusal(&mut self) -> ConfigError {
        let refused = &mut self.feed.shown.refused;
        timeout(PATIENCE, refused.changed()).await.expect("refused").unwrap();
        refused.borrow().as_ref().expect("a refusal").error.clone()
    }

    async fn refusal_cleared(&mut self) {
        let cleared = self.feed.shown.refused.wait_for(Option::is_none);
        drop(timeout(PATIENCE, cleared).await.expect("cleared").unwrap());
    }
}

fn account(name: &str) -> String {
    FARM.replace("account: acme", &format!("account: {name}"))
}

/// Lets virtual time pass: the clock is paused, and nothing waits for real.
async fn pass(time: Duration) {
    sleep(time).await;
}

#[tokio::test(start_paused = true)]
async fn a_changed_file_is_applied_within_a_second_and_a_half() {
    let mut followed = Followed::farm();
    // The first reading, of what is in use.
    pass(POLL_INTERVAL / 2).await;
    let changed = Time::now();
    followed.write(&account("acme-2"));
    assert_eq!(followed.next().await, "acme-2");
    assert!(changed.elapsed() <= POLL_INTERVAL + SETTLE, "{:?}", changed.elapsed());
    assert!(followed.feed.shown.refused.borrow().is_none());
}

#[tokio::test(start_paused = true)]
async fn on_request_the_files_are_read_at_once() {
    let mut followed = Followed::farm();
    pass(POLL_INTERVAL / 4).await;
    let asked = Time::now();
    followed.write(&account("acme-2"));
    followed.reload.notify_one();
    assert_eq!(followed.next().await, "acme-2");
    assert_eq!(asked.elapsed().as_millis(), SETTLE.as_millis());
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_being_written_is_not_applied() {
    let mut followed = Followed::farm();
    pass(POLL_INTERVAL / 4).await;
    // Valid as it stands, and not what is meant.
    followed.write(&account("half"));
    followed.reload.notify_one();
    pass(SETTLE / 2).await;
    followed.write(&account("whole"));
    assert_eq!(followed.next().await, "whole");
}

#[tokio::test(start_paused = true)]
async fn a_half_written_file_that_is_invalid_is_not_refused() {
    let mut followed = Followed::farm();
    pass(POLL_INTERVAL / 4).await;
    let (half, _) = FARM.split_at(FARM.len() / 2);
    followed.write(half);
    followed.reload.notify_one();
    pass(SETTLE / 2).await;
    followed.write(&account("whole"));
    assert_eq!(followed.next().await, "whole");
    assert!(!followed.feed.shown.refused.has_changed().unwrap());
}

#[tokio::test(start_paused = true)]
async fn an_invalid_change_is_refused_and_shown_until_it_is_put_right() {
    let mut followed = Followed::farm();
    followed.write(&account("'a b'").replace("port: 3333", "port: 0"));
    let error = followed.next_refusal().await;
    assert_eq!(error.blame, Blame::Documents);
    assert!(error.texts().iter().any(|text| text.contains("spec.listeners[0].port")), "{error}");
    followed.assert_nothing_offered();
    assert_eq!(followed.account(), "acme", "the last good one stays");

    followed.write(&account("acme-2"));
    assert_eq!(followed.next().await, "acme-2");
    followed.refusal_cleared().await;
}

#[tokio::test(start_paused = true)]
async fn a_refused_change_that_is_taken_back_is_no_longer_shown() {
    let mut followed = Followed::farm();
    followed.write("kind: [");
    followed.next_refusal().await;
    followed.write(FARM);
    followed.refusal_cleared().await;
    // Nothing changed in the end.
    followed.assert_nothing_offered();
}

#[tokio::test(start_paused = true)]
async fn a_file_that_goes_away_leaves_the_last_good_configuration_in_use() {
    let mut followed = Followed::farm();
    fs::remove_file(followed.disk.path("farm.yaml")).unwrap();
    let error = followed.next_refusal().await;
    assert_eq!(error.blame, Blame::Files);
    assert!(error.to_string().contains("farm.yaml"), "{error}");
    assert_eq!(followed.account(), "acme");
    followed.write(FARM);
    followed.refusal_cleared().await;
}

#[tokio::test(start_paused = true)]
async fn a_changed_secret_is_applied() {
    let disk = OnDisk::farm();
    disk.write("secret.yaml", secret("one"));
    let files = ["farm.yaml", "secret.yaml"];
    let mut followed = Followed::start(disk, &files, Environment::default());
    followed.disk.write("secret.yaml", secret("two"));
    followed.next().await;
    assert_eq!(followed.in_use.applied.config.routes[0].pools[0].password.expose(), "two");
}

#[tokio::test(start_paused = true)]
async fn files_that_never_settle_are_taken_as_they_are_in_the_end() {
    let mut followed = Followed::farm();
    pass(POLL_INTERVAL / 4).await;
    let started = Time::now();
    let path = followed.disk.path("farm.yaml");
    followed.tasks.spawn(async move {
        // Never at the moment of a reading.
        pass(SETTLE / 4).await;
        for number in 0.. {
            fs::write(&path, format!("kind: [ # {number}")).unwrap();
            pass(SETTLE / 2).await;
        }
    });
    followed.next_refusal().await;
    let readings = u32::try_from(SETTLE_READINGS_MAX).unwrap();
    assert!(started.elapsed() > SETTLE * (readings - 2), "{:?}", started.elapsed());
    assert!(
        started.elapsed() <= POLL_INTERVAL + SETTLE * (readings + 1),
        "{:?}",
        started.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn following_ends_when_asked() {
    let mut followed = Followed::farm();
    followed.stop.cancel();
    timeout(PATIENCE, followed.tasks.join_next()).await.expect("ends").unwrap().unwrap();
}

#[test]
fn documents_that_are_wrong_at_the_start_are_an_error() {
    let disk = OnDisk::farm();
    let inputs = disk.inputs(&["farm.yaml"]);
    let error =
        follow_files(inputs, Environment::default(), AllowedPools::default(), Telemetry::silent())
            .unwrap_err();
    assert!(error.to_string().contains(VARIABLE), "{error}");
}

#[tokio::test]
async fn debug_shows_no_secret() {
    let disk = OnDisk::farm();
    disk.write("secret.yaml", secret("m4rked-s3cret"));
    let inputs = disk.inputs(&["farm.yaml", "secret.yaml"]);
    let followed = follow_files(
        inputs,
        with_password("m4rked-s3cret"),
        AllowedPools::default(),
        Telemetry::silent(),
    )
    .unwrap();
    let shown = format!("{followed:?}");
    assert!(shown.contains("secret.yaml") && !shown.contains("m4rked"), "{shown}");
}

/// The farm's pool, for an account.
fn allowing(account: &str) -> Arc<AllowList> {
    let text = format!("pools: [{{host: pool.example.com, port: 3333, accounts: [{account}]}}]");
    Arc::new(AllowList::parse(&text, "list").unwrap())
}

#[test]
fn documents_that_the_allow_list_does_not_have_stop_the_process() {
    let disk = OnDisk::farm();
    let (_lists, list) = watch::channel(allowing("other"));
    let (inputs, allowed) = (disk.inputs(&["farm.yaml"]), AllowedPools::by(list));
    let telemetry = Telemetry::silent();
    let error = follow_files(inputs, with_password("x"), allowed, telemetry.clone()).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("StratumPool/primary: spec.account (\"acme\"): is no account"), "{text}");
}

/// A change is refused whole, and taken when the list has come to allow it.
#[tokio::test(start_paused = true)]
async fn a_change_of_account_waits_for_the_allow_list() {
    let (lists, list) = watch::channel(allowing("acme"));
    let allowed = AllowedPools::by(list);
    let (disk, environment) = (OnDisk::farm(), with_password("x"));
    let mut followed = Followed::within(allowed, disk, &["farm.yaml"], environment);
    assert_eq!(followed.account(), "acme");
    followed.write(&FARM.replace("account: acme", "account: mallory"));
    let mut refused = followed.feed.shown.refused.clone();
    timeout(PATIENCE, refused.wait_for(Option::is_some)).await.expect("refused").unwrap();
    followed.assert_nothing_offered();
    let shown = refused.borrow().as_ref().map(|it| it.error.to_string()).unwrap();
    assert!(shown.contains("spec.account (\"mallory\")"), "{shown}");
    lists.send_replace(allowing("mallory"));
    assert_eq!(followed.next().await, "mallory");
}
