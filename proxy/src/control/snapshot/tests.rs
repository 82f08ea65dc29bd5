use tokio::task::JoinSet;
use tokio::time::timeout;

use super::super::Offer;
use super::*;
use crate::config::fixture::{FARM, OnDisk, with_password};
use crate::config::load;
use loka_api::allow_list::AllowList;

/// Far beyond the time that anything here may take, which is virtual.
const PATIENCE: Duration = Duration::from_secs(120);

const SCHEMA: u32 = loka_api::runtime_config::SCHEMA;

/// A pod that follows its snapshots until the end of the test. The test plays the app.
struct Pod {
    disk: OnDisk,
    feed: ConfigFeed,
    pushed_to: PushedTo,
    _tasks: JoinSet<()>,
}

/// What came of an offer: sequence and source.
type Taken = (u64, ConfigSource);

fn snapshot(epoch: &str, sequence: u64, account: &str) -> Snapshot {
    let disk = OnDisk::empty();
    disk.write("farm.yaml", FARM.replace("account: acme", &format!("account: {account}")));
    let inputs = disk.inputs(&["farm.yaml"]);
    let loaded = load(&inputs, &inputs.read().unwrap(), &with_password("x")).unwrap();
    Snapshot::new(epoch, sequence, loaded.config)
}

/// The file of a snapshot, by the number that is its sequence and its content.
fn file(epoch: &str, sequence: u64) -> String {
    snapshot(epoch, sequence, &format!("acme-{sequence}")).to_file()
}

// === impl Pod ===

impl Pod {
    fn start(disk: OnDisk) -> Self {
        Self::understanding(SCHEMA, disk)
    }

    fn understanding(schema: u32, disk: OnDisk) -> Self {
        Self::within(AllowedPools::default(), schema, disk)
    }

    fn within(allowed: AllowedPools, schema: u32, disk: OnDisk) -> Self {
        let (mounted, state) = (disk.path("mounted"), disk.path("state"));
        let settings = SnapshotSettings { mounted, state, schema, allowed };
        let (follow, feed, pushed_to) = follow_snapshots(settings, Telemetry::silent());
        let mut tasks = JoinSet::new();
        tasks.spawn(follow.run(CancellationToken::new()));
        Self { disk, feed, pushed_to, _tasks: tasks }
    }

    fn mount(&self, text: &str) {
        self.disk.write("mounted/snapshot.json", text);
    }

    /// The offer that comes next, not yet answered.
    async fn offer(&mut self) -> Offer {
        timeout(PATIENCE, self.feed.offers.recv()).await.expect("offered").unwrap()
    }

    async fn next(&mut self) -> (Taken, Ports) {
        let Offer { offered, answer } = self.offer().await;
        answer.send(Ok(TraceRef::NONE)).unwrap();
        let sequence = offered.provenance.identity.as_ref().unwrap().sequence;
        self.runs(sequence).await;
        ((sequence, offered.provenance.source), offered.ports)
    }

    async fn runs(&mut self, sequence: u64) {
        let is_it =
            |running: &Running| matches!(running, Running::This(this) if this.sequence == sequence);
        drop(timeout(PATIENCE, self.pushed_to.running.wait_for(is_it)).await.expect("runs"));
    }

    /// Nothing is offered while the mounted file is read several times.
    async fn assert_nothing_offered(&mut self) {
        assert!(timeout(POLL_INTERVAL * 3, self.feed.offers.recv()).await.is_err());
    }

    async fn push(&self, snapshot: wire::Snapshot) -> Answer {
        let (answer, answered) = oneshot::channel();
        let pushed = Pushed { snapshot, origin: "stream op:8443".to_owned(), answer };
        self.pushed_to.pushed.send(pushed).await.unwrap();
        timeout(PATIENCE, answered).await.expect("answered").unwrap()
    }

    async fn next_refusal(&mut self) -> Vec<String> {
        let refused = &mut self.feed.shown.refused;
        let shown = timeout(PATIENCE, refused.wait_for(Option::is_some)).await.expect("refused");
        shown.unwrap().as_ref().unwrap().error.texts()
    }

    async fn refusal_cleared(&mut self) {
        let cleared = self.feed.shown.refused.wait_for(Option::is_none);
        drop(timeout(PATIENCE, cleared).await.expect("cleared").unwrap());
    }

    fn kept(&self) -> Option<u64> {
        let text = disk::read(&self.disk.path("state/last-good.json"), SNAPSHOT_BYTES_MAX).ok()?;
        Some(Snapshot::from_file(&text, SCHEMA).unwrap().identity.sequence)
    }
}

fn identity(epoch: &str, sequence: u64, hash: &str) -> Identity {
    Identity { epoch: epoch.to_owned(), sequence, hash: hash.to_owned() }
}

#[test]
fn a_snapshot_is_taken_by_its_name() {
    let running = Running::This(identity("e", 5, "h"));
    for (candidate, expected) in [
        (identity("e", 5, "h"), Order::Same),
        (identity("e", 6, "h"), Order::Adopt),
        (identity("f", 1, "h"), Order::Adopt),
        (identity("e", 6, "i"), Order::Apply),
        (identity("f", 1, "i"), Order::Apply),
        (identity("e", 4, "i"), Order::Older),
        (identity("e", 4, "h"), Order::Older),
        (identity("e", 5, "i"), Order::Older),
    ] {
        assert_eq!(order(&candidate, &running), expected, "{candidate:?}");
    }
    assert_eq!(order(&identity("e", 1, "h"), &Running::Nothing), Order::Apply);
}

#[tokio::test(start_paused = true)]
async fn a_pod_starts_from_the_newest_valid_snapshot() {
    use ConfigSource::{LastGood, Mounted};
    let broken = || Some("{\"identity\": ".to_owned());
    let of = |epoch, sequence| Some(file(epoch, sequence));
    let changed = Some(file("e", 3).replace("acme-3", "other"));
    // What is mounted, what was kept, what is taken, and whether something is shown as refused.
    let cases = [
        (of("e", 3), None, (3, Mounted), false),
        (of("e", 3), of("e", 2), (3, Mounted), false),
        (of("e", 3), of("e", 3), (3, Mounted), false),
        (of("e", 3), of("e", 4), (4, LastGood), false),
        (of("e", 3), of("old", 9), (3, Mounted), false),
        (None, of("e", 2), (2, LastGood), true),
        (broken(), of("e", 2), (2, LastGood), true),
        (changed, of("e", 2), (2, LastGood), true),
        (of("e", 3), broken(), (3, Mounted), false),
    ];
    for (case, (mounted, kept, expected, is_refused)) in cases.into_iter().enumerate() {
        let disk = OnDisk::empty();
        for (name, text) in [("mounted/snapshot.json", mounted), ("state/last-good.json", kept)] {
            if let Some(text) = text {
                disk.write(name, text);
            }
        }
        let mut pod = Pod::start(disk);
        assert_eq!(pod.next().await, (expected, Ports::Retry), "case {case}");
        pod.assert_nothing_offered().await;
        assert_eq!(pod.feed.shown.refused.borrow().is_some(), is_refused, "case {case}");
        assert_eq!(pod.kept(), Some(expected.0), "case {case}");
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_valid_snapshot_it_says_why_and_goes_on_trying() {
    let disk = OnDisk::empty();
    disk.write("state/last-good.json", "rubbish");
    let mut pod = Pod::start(disk);
    let problems = pod.next_refusal().await.join("\n");
    for word in ["mounted/snapshot.json: cannot be read", "last-good.json: is no snapshot"] {
        assert!(problems.contains(word), "{problems}");
    }
    assert_eq!(*pod.pushed_to.running.borrow(), Running::Nothing);
    pod.mount(&file("e", 1));
    assert_eq!(pod.next().await, ((1, ConfigSource::Mounted), Ports::Retry));
    pod.refusal_cleared().await;
}

#[tokio::test(start_paused = true)]
async fn a_newer_mounted_snapshot_is_applied_and_kept_and_an_older_one_is_not() {
    let disk = OnDisk::empty();
    disk.write("mounted/snapshot.json", file("e", 3));
    let mut pod = Pod::start(disk);
    pod.next().await;
    pod.mount(&file("e", 4));
    assert_eq!(pod.next().await, ((4, ConfigSource::Mounted), Ports::AllOrNothing));
    pod.mount(&file("e", 2));
    pod.assert_nothing_offered().await;
    assert_eq!(pod.kept(), Some(4));
    assert!(pod.feed.shown.refused.borrow().is_none(), "behind the stream is no fault");
    pod.mount("rubbish");
    pod.next_refusal().await;
    pod.mount(&file("e", 2));
    pod.refusal_cleared().await;
}

#[tokio::test(start_paused = true)]
async fn what_could_not_be_applied_is_tried_again_and_then_falls_to_the_next() {
    let disk = OnDisk::empty();
    disk.write("mounted/snapshot.json", file("e", 3));
    let mut pod = Pod::start(disk);
    pod.next().await;
    pod.mount(&file("e", 4));
    let problem = Problem::of(&"x", "port in use", "free it");
    pod.offer().await.answer.send(Err(vec![problem])).unwrap();
    assert!(pod.next_refusal().await[0].contains("port in use"));
    let refused = tokio::time::Instant::now();
    assert_eq!(pod.next().await.0, (4, ConfigSource::Mounted));
    assert!(refused.elapsed() >= SNAPSHOT_AGAIN, "{:?}", refused.elapsed());
    pod.refusal_cleared().await;
}

#[tokio::test(start_paused = true)]
async fn a_mounted_file_that_was_away_for_a_moment_does_not_bring_an_old_epoch_back() {
    let disk = OnDisk::empty();
    disk.write("mounted/snapshot.json", file("e", 3));
    let mut pod = Pod::start(disk);
    pod.next().await;
    let newer = snapshot("f", 1, "acme");
    let (pushed, _) = tokio::join!(pod_push(&pod.pushed_to, newer.to_wire()), async {
        pod.feed.offers.recv().await.unwrap().answer.send(Ok(TraceRef::NONE)).unwrap();
    });
    pushed.unwrap();
    std::fs::remove_file(pod.disk.path("mounted/snapshot.json")).unwrap();
    pod.next_refusal().await;
    pod.mount(&file("e", 3));
    pod.assert_nothing_offered().await;
}

async fn pod_push(to: &PushedTo, snapshot: wire::Snapshot) -> Answer {
    let (answer, answered) = oneshot::channel();
    let pushed = Pushed { snapshot, origin: "stream op:8443".to_owned(), answer };
    to.pushed.send(pushed).await.unwrap();
    answered.await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_state_that_cannot_be_written_to_does_not_stop_anything() {
    let disk = OnDisk::empty();
    disk.write("mounted/snapshot.json", file("e", 3));
    disk.write("state", "a file");
    let mut pod = Pod::start(disk);
    assert_eq!(pod.next().await.0, (3, ConfigSource::Mounted));
    pod.mount(&file("e", 4));
    assert_eq!(pod.next().await.0, (4, ConfigSource::Mounted));
}

#[tokio::test(start_paused = true)]
async fn what_is_pushed_and_cannot_be_run_is_answered_with_what_is_wrong() {
    let disk = OnDisk::empty();
    disk.write("mounted/snapshot.json", file("e", 3));
    let mut pod = Pod::start(disk);
    pod.next().await;
    let mut unfit = snapshot("e", 4, "acme").config;
    unfit.listeners[0].difficulty.initial = "none".to_owned();
    let unfit = Snapshot::new("e", 4, unfit).to_wire();
    let mut changed = snapshot("e", 4, "acme").to_wire();
    changed.config.push(b' ');
    let mut nameless = snapshot("e", 4, "acme").to_wire();
    nameless.identity = None;
    for (pushed, path, words) in [
        (unfit, "spec.listeners[0].difficulty.initial", "a positive number"),
        (changed, "", "changed on its way"),
        (nameless, "", "no identity"),
        (snapshot("e", 2, "acme").to_wire(), "", "sequence 2 is older than what runs (sequence 3)"),
    ] {
        let [problem] = &pod.push(pushed).await.unwrap_err()[..] else { panic!("one problem") };
        assert_eq!(problem.path, path);
        assert!(problem.to_string().contains(words), "{problem}");
        assert_eq!(pod.next_refusal().await, [problem.to_string()]);
    }
    assert!(pod.feed.offers.try_recv().is_err(), "nobody was asked to run any of them");
    assert_eq!(pod.kept(), Some(3));
    // What runs, pushed again, is answered at once.
    pod.push(snapshot("e", 3, "acme-3").to_wire()).await.unwrap();
    pod.refusal_cleared().await;
}

#[tokio::test(start_paused = true)]
async fn an_older_version_names_both_versions_and_the_remedy() {
    let disk = OnDisk::empty();
    disk.write("mounted/snapshot.json", file("e", 3));
    let mut pod = Pod::understanding(0, disk);
    let problems = pod.next_refusal().await.join("\n");
    assert!(problems.contains("has the schema 1") && problems.contains("up to 0"), "{problems}");
    let [problem] = &pod.push(snapshot("e", 4, "acme").to_wire()).await.unwrap_err()[..] else {
        panic!("one problem")
    };
    assert_eq!(problem.remedy, "update the proxy's image");
}

/// The farm's pool, for some accounts.
fn allowing(accounts: &str) -> Arc<AllowList> {
    let text = format!("pools: [{{host: pool.example.com, port: 3333, accounts: {accounts}}}]");
    Arc::new(AllowList::parse(&text, "list").unwrap())
}

/// The operator hears which field it was: that is what its status shows.
#[tokio::test(start_paused = true)]
async fn a_snapshot_beyond_the_allow_list_is_refused_whole_from_wherever_it_comes() {
    let (lists, list) = watch::channel(allowing("[acme-1]"));
    let mut pod = Pod::within(AllowedPools::by(list), SCHEMA, OnDisk::empty());
    pod.mount(&file("e", 2));
    let problem = "StratumPool/primary: spec.account (\"acme-2\"): is no account";
    let mounted = pod.next_refusal().await;
    assert!(mounted[0].starts_with(problem), "{mounted:?}");

    let pushed = pod.push(snapshot("e", 2, "acme-2").to_wire()).await.unwrap_err();
    assert!(pushed[0].to_string().starts_with(problem), "{pushed:?}");
    pod.assert_nothing_offered().await;
    assert_eq!(pod.kept(), None);

    // Nothing has to be written anew for the list to be heeded.
    lists.send_replace(allowing("[acme-1, acme-2]"));
    assert_eq!(pod.next().await, ((2, ConfigSource::Mounted), Ports::Retry));
}
