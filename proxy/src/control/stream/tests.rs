//! The whole proxy, as a pod, against a stand-in for the operator on real sockets.

mod operator;

use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroUsize;

use loka_api::control::{Identity, Snapshot};
use loka_api::names::LEADER_METADATA;
use loka_api::runtime_config::SCHEMA;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tonic::Status;
use tonic::metadata::MetadataMap;

use self::operator::{Authority, NAME, Operator, PATIENCE};
use super::super::{AllowedPools, SnapshotSettings, follow_snapshots};
use super::*;
use crate::admin::status::{self, StatusSource as _};
use crate::app::{App, Seams};
use crate::books::Books;
use crate::clock::Clock;
use crate::config::fixture::{FARM, OnDisk, with_password};
use crate::config::load;
use crate::telemetry::reasons::ConfigSource;
use crate::transport::Tcp;
use crate::workers::{Tasks, Workers};

const EPOCH: &str = "5f1c";

/// A proxy that runs until the end of the test.
struct Pod {
    disk: OnDisk,
    app: App,
    stop: CancellationToken,
    background: Tasks,
}

/// How a pod is started, where it matters.
struct Setup<'a> {
    operator: SocketAddr,
    authority: &'a Authority,
    mounted: Option<&'a Snapshot>,
    schema: u32,
}

async fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    listener.local_addr().unwrap().port()
}

/// A snapshot with a listener for each of these names and ports.
fn snapshot(sequence: u64, listeners: &[(&str, u16)]) -> Snapshot {
    let lines =
        listeners.iter().map(|(name, port)| format!("    - {{name: {name}, port: {port}}}"));
    let lines = lines.collect::<Vec<_>>().join("\n");
    let text = FARM.replace("    - {name: v1, port: 3333}", &lines);
    // Nobody is there, so that no test depends on a pool.
    let text = text.replace("pool.example.com:3333", "127.0.0.1:1");
    let disk = OnDisk::empty();
    disk.write("farm.yaml", text);
    let inputs = disk.inputs(&["farm.yaml"]);
    let loaded = load(&inputs, &inputs.read().unwrap(), &with_password("x")).unwrap();
    Snapshot::new(EPOCH, sequence, loaded.config)
}

fn identity(of: &Snapshot) -> Identity {
    of.identity.clone()
}

async fn accepts(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).await.is_ok()
}

// === impl Pod ===

impl Pod {
    async fn of(operator: &Operator, authority: &Authority) -> Self {
        let (operator, mounted) = (operator.address, None);
        Self::start(Setup { operator, authority, mounted, schema: SCHEMA }).await
    }

    async fn start(setup: Setup<'_>) -> Self {
        let Setup { operator, authority, mounted, schema } = setup;
        let disk = OnDisk::empty();
        disk.write("ca.crt", &authority.pem);
        disk.write("token", "one\n");
        disk.write("mounted/.keep", "");
        if let Some(mounted) = mounted {
            disk.write("mounted/snapshot.json", mounted.to_file());
        }
        let telemetry = Telemetry::silent();
        let settings = SnapshotSettings {
            mounted: disk.path("mounted"),
            state: disk.path("state"),
            schema,
            allowed: AllowedPools::default(),
        };
        let (follow, mut feed, pushed_to) = follow_snapshots(settings, telemetry.clone());
        let settings = StreamSettings {
            host: operator.ip().to_string(),
            port: operator.port(),
            name: NAME.to_owned(),
            ca: disk.path("ca.crt"),
            token: disk.path("token"),
            schema,
        };
        let stream =
            ControlStream::new(settings, pushed_to, &mut feed, telemetry.clone(), Clock::System);
        let stop = CancellationToken::new();
        let seams = Seams {
            dial: Arc::new(Tcp),
            bind: Arc::new(Tcp),
            clock: Clock::System,
            workers: Workers::start(NonZeroUsize::MIN, &stop).unwrap(),
            telemetry,
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            seed: 1,
            books: Books::default(),
            audit: None,
            room: Default::default(),
        };
        let app = App::start(seams, feed).await.unwrap();
        let background = Tasks::default();
        background.spawn(follow.run(stop.clone()));
        let reader = app.status();
        background.spawn(stream.run(Arc::new(move || reader.report()), stop.clone()));
        Self { disk, app, stop, background }
    }

    fn status(&self) -> status::Status {
        self.app.status().status()
    }

    /// Waits until the status is as it should be.
    async fn shows(&self, what: &str, is_so: impl Fn(&status::Status) -> bool) -> status::Status {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let status = self.status();
            if is_so(&status) {
                return status;
            }
            assert!(Instant::now() < deadline, "not {what}: {status:#?}");
            tokio::task::yield_now().await;
        }
    }

    async fn last_error(&self, words: &[&str]) {
        let said = |status: &status::Status| {
            let error = status.config.stream.as_ref().and_then(|s| s.last_error.clone());
            words.iter().all(|word| error.as_ref().is_some_and(|error| error.contains(word)))
        };
        self.shows(&format!("{words:?}"), said).await;
    }

    async fn end(self) {
        self.stop.cancel();
        self.app.stop().await;
        self.background.join().await;
    }
}

#[tokio::test]
async fn a_pod_without_a_snapshot_greets_is_given_one_and_says_that_it_runs() {
    let authority = Authority::new();
    let mut operator = Operator::start(&authority).await;
    let pod = Pod::of(&operator, &authority).await;
    let mut stream = operator.stream().await;
    assert_eq!(stream.authorization, "Bearer one");
    assert_eq!(stream.hello.version, env!("CARGO_PKG_VERSION"));
    assert_eq!((stream.hello.schema, &stream.hello.running), (SCHEMA, &None));
    let unready = pod.status().unready().join("\n");
    assert!(unready.contains("no valid configuration yet: ") && unready.contains("snapshot.json"));

    let port = free_port().await;
    let sent = snapshot(4, &[("v1", port)]);
    stream.send(&sent).await;
    assert_eq!(stream.ack().await, 4);
    let status = pod.status();
    assert_eq!(status.unready(), [""; 0]);
    let config = &status.config;
    assert_eq!((config.hash.as_str(), config.sequence), (sent.identity.hash.as_str(), Some(4)));
    assert_eq!(config.epoch.as_deref(), Some(EPOCH));
    assert_eq!(config.source, Some(ConfigSource::Stream));
    assert!(config.stream.as_ref().unwrap().connected);
    let kept = std::fs::read_to_string(pod.disk.path("state/last-good.json")).unwrap();
    assert_eq!(Snapshot::from_file(&kept, SCHEMA).unwrap().identity, sent.identity);

    let _miner = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let mut report = stream.report().await;
    while report.miners != 1 || report.pools.is_empty() {
        report = stream.report().await;
    }
    let pool = &report.pools[0];
    assert_eq!((pool.route.as_str(), pool.pool.as_str(), pool.up), ("main", "primary", false));
    pod.end().await;
}

#[tokio::test]
async fn a_snapshot_that_cannot_be_bound_whole_changes_nothing() {
    let authority = Authority::new();
    let mut operator = Operator::start(&authority).await;
    let (port, free) = (free_port().await, free_port().await);
    let holder = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let taken = holder.local_addr().unwrap().port();
    let mounted = snapshot(1, &[("v1", port)]);
    let pod = Pod::start(Setup {
        operator: operator.address,
        authority: &authority,
        mounted: Some(&mounted),
        schema: SCHEMA,
    })
    .await;
    let mut stream = operator.stream().await;
    assert_eq!(stream.hello.running, Some(identity(&mounted).into()));

    stream.send(&snapshot(2, &[("new", free), ("v2", taken)])).await;
    let nack = stream.nack().await;
    assert_eq!(nack.snapshot.unwrap().sequence, 2);
    let [problem] = &nack.problems[..] else { panic!("{:?}", nack.problems) };
    assert_eq!(problem.path, "spec.listeners[1].port");
    assert!(
        problem.message.contains("in use") && problem.remedy.contains("ss -ltnp"),
        "{problem:?}"
    );
    let status = pod.status();
    assert_eq!(status.config.sequence, Some(1));
    assert!(status.config.refused.is_some() && status.unready().is_empty());
    assert_eq!(status.listeners.len(), 1);
    assert!(accepts(port).await, "what ran before runs on");
    drop(TcpListener::bind(("127.0.0.1", free)).await.expect("nothing stays bound"));

    drop(holder);
    stream.send(&snapshot(3, &[("new", free), ("v2", taken)])).await;
    assert_eq!(stream.ack().await, 3);
    assert!(accepts(free).await && accepts(taken).await);
    assert!(pod.status().config.refused.is_none());
    pod.end().await;
}

#[tokio::test]
async fn a_pod_never_goes_back() {
    let authority = Authority::new();
    let mut operator = Operator::start(&authority).await;
    let pod = Pod::of(&operator, &authority).await;
    let mut stream = operator.stream().await;
    stream.send(&snapshot(7, &[("v1", free_port().await)])).await;
    assert_eq!(stream.ack().await, 7);
    stream.send(&snapshot(6, &[("v1", free_port().await)])).await;
    let nack = stream.nack().await;
    let problem = &nack.problems[0];
    assert_eq!(problem.path, "");
    assert!(problem.message.contains("6 is older than what runs (sequence 7)"), "{problem:?}");
    assert_eq!(pod.status().config.sequence, Some(7));
    pod.end().await;
}

#[tokio::test]
async fn a_new_name_for_what_runs_is_taken_over_and_no_miner_notices() {
    let authority = Authority::new();
    let mut operator = Operator::start(&authority).await;
    let pod = Pod::of(&operator, &authority).await;
    let mut stream = operator.stream().await;
    let port = free_port().await;
    stream.send(&snapshot(1, &[("v1", port)])).await;
    assert_eq!(stream.ack().await, 1);
    let applied_at = pod.status().config.applied_at;
    let mut miner = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    pod.shows("a miner", |status| status.listeners[0].miners == 1).await;
    stream.send(&snapshot(9, &[("v1", port)])).await;
    assert_eq!(stream.ack().await, 9);
    let status = pod.status();
    assert_eq!((status.config.sequence, status.config.applied_at), (Some(9), applied_at));
    let kept = std::fs::read_to_string(pod.disk.path("state/last-good.json")).unwrap();
    assert_eq!(Snapshot::from_file(&kept, SCHEMA).unwrap().identity.sequence, 9);
    // It is answered on the connection that it had.
    miner.write_all(b"{\"id\":1,\"method\":\"mining.ping\",\"params\":[]}\n").await.unwrap();
    assert_ne!(miner.read(&mut [0; 64]).await.unwrap(), 0);
    pod.end().await;
}

#[tokio::test]
async fn listeners_that_change_names_and_places_are_no_conflict() {
    let authority = Authority::new();
    let mut operator = Operator::start(&authority).await;
    let pod = Pod::of(&operator, &authority).await;
    let mut stream = operator.stream().await;
    let (a, b) = (free_port().await, free_port().await);
    let changes: [&[(&str, u16)]; 3] = [
        &[("v1", a), ("v2", b)],
        // Places changed, then a name.
        &[("v1", b), ("v2", a)],
        &[("v3", b), ("v2", a)],
    ];
    for (sequence, listeners) in (1..).zip(changes) {
        stream.send(&snapshot(sequence, listeners)).await;
        assert_eq!(stream.ack().await, sequence);
        let status = pod.status();
        assert!(status.unready().is_empty(), "{listeners:?}: {status:#?}");
        for (name, port) in listeners {
            let listener = status.listeners.iter().find(|listener| listener.name == *name);
            assert_eq!(listener.unwrap().address.unwrap().port(), *port, "{listeners:?}");
            assert!(accepts(*port).await, "{listeners:?}");
        }
    }
    pod.end().await;
}

#[tokio::test]
async fn an_older_version_refuses_a_newer_schema_and_says_so_in_its_greeting() {
    let authority = Authority::new();
    let mut operator = Operator::start(&authority).await;
    let setup =
        Setup { operator: operator.address, authority: &authority, mounted: None, schema: 0 };
    let pod = Pod::start(setup).await;
    let mut stream = operator.stream().await;
    assert_eq!(stream.hello.schema, 0);
    stream.send(&snapshot(1, &[("v1", free_port().await)])).await;
    let problem = stream.nack().await.problems.remove(0);
    assert_eq!((problem.path.as_str(), problem.remedy.as_str()), ("", "update the proxy's image"));
    assert!(problem.message.contains("schema 1") && problem.message.contains("up to 0"));
    pod.end().await;
}

#[tokio::test]
async fn a_replica_that_does_not_lead_sends_the_pod_on() {
    let authority = Authority::new();
    let follower = Operator::start(&authority).await;
    let mut leader = Operator::start(&authority).await;
    let mut metadata = MetadataMap::new();
    metadata.insert(LEADER_METADATA, leader.address.to_string().parse().unwrap());
    let elsewhere = Status::failed_precondition("not the leader");
    follower.refuse(Some(Status::with_metadata(elsewhere.code(), "not the leader", metadata)));
    let pod = Pod::of(&follower, &authority).await;
    leader.stream().await;
    pod.shows("at the leader", |status| {
        let stream = status.config.stream.as_ref().unwrap();
        stream.connected && stream.address == leader.address.to_string()
    })
    .await;
    pod.end().await;
}

#[tokio::test]
async fn a_stream_that_is_lost_is_had_again_with_what_runs_and_the_token_of_the_day() {
    let authority = Authority::new();
    let mut operator = Operator::start(&authority).await;
    let address = operator.address;
    let pod = Pod::of(&operator, &authority).await;
    let mut stream = operator.stream().await;
    let sent = snapshot(1, &[("v1", free_port().await)]);
    stream.send(&sent).await;
    assert_eq!(stream.ack().await, 1);
    drop((stream, operator));
    let down = |status: &status::Status| !status.config.stream.as_ref().unwrap().connected;
    let status = pod.shows("down", down).await;
    assert!(status.unready().is_empty(), "readiness never depends on the operator");
    pod.last_error(&["cannot connect"]).await;

    pod.disk.write("token", "two");
    let mut operator = Operator::start_at(address, &authority).await;
    let stream = operator.stream().await;
    assert_eq!(stream.authorization, "Bearer two");
    assert_eq!(stream.hello.running, Some(identity(&sent).into()));
    pod.end().await;
}

#[tokio::test]
async fn what_the_mounted_file_brought_first_is_told_to_the_operator() {
    let authority = Authority::new();
    let mut operator = Operator::start(&authority).await;
    let port = free_port().await;
    let first = snapshot(1, &[("v1", port)]);
    let pod = Pod::start(Setup {
        operator: operator.address,
        authority: &authority,
        mounted: Some(&first),
        schema: SCHEMA,
    })
    .await;
    let mut stream = operator.stream().await;
    let second = snapshot(2, &[("v1", free_port().await)]);
    pod.disk.write("mounted/snapshot.json", second.to_file());
    assert_eq!(stream.ack().await, 2);
    assert_eq!(pod.status().config.source, Some(ConfigSource::Mounted));
    pod.end().await;
}

#[tokio::test]
async fn whoever_is_not_the_operator_is_given_no_token_and_the_reason_is_shown() {
    let authority = Authority::new();
    let stranger = Operator::start(&Authority::new()).await;
    let pod = Pod::of(&stranger, &authority).await;
    pod.last_error(&["no TLS", "certificate", "--control-ca"]).await;
    pod.end().await;

    let plain = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = plain.local_addr().unwrap();
    let mut answering = tokio::task::JoinSet::new();
    answering.spawn(async move {
        loop {
            let (mut stream, _peer) = plain.accept().await.unwrap();
            drop(stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await);
        }
    });
    let setup = Setup { operator: address, authority: &authority, mounted: None, schema: SCHEMA };
    let pod = Pod::start(setup).await;
    pod.last_error(&["no TLS"]).await;
    pod.end().await;

    let operator = Operator::start(&authority).await;
    operator.refuse(Some(Status::unauthenticated("audience does not match")));
    let pod = Pod::of(&operator, &authority).await;
    pod.last_error(&["refused the token", "audience does not match", "--control-token"]).await;
    pod.disk.write("token", "");
    pod.last_error(&["holds no token"]).await;
    pod.disk.write("ca.crt", "nothing");
    pod.disk.write("token", "one");
    pod.last_error(&["ca.crt", "no certificate"]).await;
    pod.end().await;
}
