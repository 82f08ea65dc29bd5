use std::io::ErrorKind;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use super::*;

const POOL: &str = "pool-a:3333";
const SOON: Duration = Duration::from_secs(1);

const CHOPPY: Conditions = Conditions {
    latency: Duration::from_millis(20),
    jitter: Duration::from_millis(30),
    chunking: Chunking::Pieces { bytes_max: 7 },
};

async fn connected(conditions: Conditions) -> (Net, NetStream, NetStream) {
    let net = Net::new(7, conditions);
    let mut listener = net.listen(POOL).expect("a free name");
    let near = net.dial_from("miner-1", POOL).await.expect("admitted");
    let far = listener.accept().await.expect("a connection");
    (net, near, far)
}

fn assert_reset<T: std::fmt::Debug>(outcome: io::Result<T>) {
    assert_eq!(outcome.expect_err("reset").kind(), ErrorKind::ConnectionReset);
}

#[tokio::test(start_paused = true)]
async fn bytes_arrive_in_order_after_the_latency_and_then_the_end() {
    let (_net, mut near, mut far) = connected(CHOPPY).await;
    let sent: Vec<u8> = (0..=255).cycle().take(2000).collect();
    let started = Instant::now();
    near.write_all(&sent).await.expect("open");
    near.shutdown().await.expect("open");
    let mut byte = [0];
    far.read_exact(&mut byte).await.expect("a byte");
    assert!(started.elapsed() >= CHOPPY.latency);
    let mut rest = Vec::new();
    far.read_to_end(&mut rest).await.expect("the end");
    assert_eq!([byte.to_vec(), rest].concat(), sent);
    assert!(started.elapsed() <= CHOPPY.latency + CHOPPY.jitter + Duration::from_millis(1));
    // The other direction is still open.
    far.write_all(b"bye").await.expect("open");
}

#[tokio::test(start_paused = true)]
async fn a_write_arrives_in_pieces() {
    let (_net, mut near, mut far) = connected(CHOPPY).await;
    near.write_all(&[1; 100]).await.expect("open");
    let mut buffer = [0; 100];
    let first = far.read(&mut buffer).await.expect("bytes");
    assert!(first < 100, "{first} bytes at once");
}

#[tokio::test(start_paused = true)]
async fn both_ends_have_the_same_identity_and_no_other_connection_has_it() {
    let (net, near, far) = connected(Conditions::PERFECT).await;
    assert_eq!(near.id(), far.id());
    assert_eq!((near.local().as_str(), near.peer().as_str()), ("miner-1", POOL));
    assert_eq!((far.local().as_str(), far.peer().as_str()), (POOL, "miner-1"));
    assert_eq!(net.streams(POOL), [near.id()]);
    let _listener = net.listen("other").expect("a free name");
    assert_ne!(net.dial("other").await.expect("admitted").id(), near.id());
}

#[tokio::test(start_paused = true)]
async fn a_dropped_end_is_read_as_the_end_and_breaks_the_writer() {
    let (net, mut near, far) = connected(CHOPPY).await;
    drop(far);
    assert_eq!(near.read(&mut [0]).await.expect("the end"), 0);
    let error = near.write_all(b"x").await.expect_err("nobody reads");
    assert_eq!(error.kind(), ErrorKind::BrokenPipe);
    assert!(net.streams(POOL).is_empty());
}

#[tokio::test(start_paused = true)]
async fn nobody_listening_and_a_refusing_fault_both_refuse() {
    let net = Net::new(1, Conditions::ORDINARY);
    let refused = |outcome: io::Result<NetStream>| {
        assert_eq!(outcome.expect_err("refused").kind(), ErrorKind::ConnectionRefused);
    };
    refused(net.dial(POOL).await);
    let listener = net.listen(POOL).expect("a free name");
    assert_eq!(net.listen(POOL).expect_err("taken").kind(), ErrorKind::AddrInUse);
    net.refuse(POOL);
    refused(net.dial(POOL).await);
    net.admit(POOL);
    net.dial(POOL).await.expect("admitted again");
    drop(listener);
    refused(net.dial(POOL).await);
    let _again = net.listen(POOL).expect("free again");
}

#[tokio::test(start_paused = true)]
async fn a_cut_resets_both_ends_even_while_they_wait() {
    let (net, mut near, mut far) = connected(CHOPPY).await;
    let cut = async { net.cut(POOL) };
    let (waiting, ()) = tokio::join!(near.read_u8(), cut);
    assert_reset(waiting);
    assert_reset(far.read_u8().await);
    assert_reset(far.write_all(b"x").await);
}

#[tokio::test(start_paused = true)]
async fn a_fault_at_one_stream_or_one_name_leaves_the_others_alone() {
    let net = Net::new(1, Conditions::PERFECT);
    let mut listener = net.listen(POOL).expect("a free name");
    let mut first = net.dial_from("miner-1", POOL).await.expect("admitted");
    let mut second = net.dial_from("miner-2", POOL).await.expect("admitted");
    let mut third = net.dial_from("miner-3", POOL).await.expect("admitted");
    net.cut_stream(first.id());
    net.cut("miner-2");
    assert_reset(first.read_u8().await);
    assert_reset(second.read_u8().await);
    third.write_all(b"x").await.expect("untouched");
    for _ in 0..2 {
        assert_reset(listener.accept().await.expect("a connection").read_u8().await);
    }
    assert_eq!(listener.accept().await.expect("a connection").read_u8().await.expect("x"), b'x');
}

#[tokio::test(start_paused = true)]
async fn a_half_open_link_swallows_bytes_and_farewells() {
    let (net, mut near, mut far) = connected(CHOPPY).await;
    near.write_all(b"in flight").await.expect("open");
    net.half_open(POOL);
    near.write_all(&vec![0; 1_000_000]).await.expect("still believed in");
    drop(near);
    let silence = timeout(Duration::from_secs(86_400), far.read_u8()).await;
    assert!(silence.is_err(), "{silence:?}");
    // What is dialled afterwards works.
    let _listener = net.listen("pool-b:3333").expect("a free name");
    net.dial("pool-b:3333").await.expect("admitted");
}

#[tokio::test(start_paused = true)]
async fn a_partition_delays_bytes_and_dials_until_it_ends() {
    let (net, mut near, mut far) = connected(CHOPPY).await;
    let started = Instant::now();
    let lasts = Duration::from_secs(60);
    near.write_all(b"a").await.expect("open");
    net.partition(POOL, lasts);
    near.write_all(b"b").await.expect("open");
    assert!(timeout(lasts / 2, far.read_u8()).await.is_err());
    assert!(timeout(SOON, net.dial(POOL)).await.is_err());
    assert_eq!(far.read_u8().await.expect("a"), b'a');
    assert_eq!(far.read_u8().await.expect("b"), b'b');
    assert!(started.elapsed() >= lasts && started.elapsed() < lasts + SOON);
    let _listener = net.listen("elsewhere").expect("a free name");
    net.dial("elsewhere").await.expect("admitted");
}

#[tokio::test(start_paused = true)]
async fn a_writer_waits_when_nobody_reads_and_goes_on_when_somebody_does() {
    let (_net, mut near, mut far) = connected(Conditions::PERFECT).await;
    let flood = vec![7; 1_000_000];
    assert!(timeout(SOON, near.write_all(&flood)).await.is_err(), "the pipe has no bound");
    let write = async {
        near.write_all(&flood).await.expect("open");
        drop(near);
    };
    let mut received = Vec::new();
    let (outcome, ()) = tokio::join!(far.read_to_end(&mut received), write);
    outcome.expect("the end");
    assert!(received.len() >= flood.len());
}

/// When each piece of a conversation arrived, and how long it was.
async fn pieces(seed: u64) -> Vec<(Duration, usize)> {
    let net = Net::new(seed, CHOPPY);
    let mut listener = net.listen(POOL).expect("a free name");
    let started = Instant::now();
    let mut near = net.dial(POOL).await.expect("admitted");
    let mut far = listener.accept().await.expect("a connection");
    near.write_all(&[0; 200]).await.expect("open");
    drop(near);
    let mut seen = Vec::new();
    let mut buffer = [0; 64];
    while let Ok(length @ 1..) = far.read(&mut buffer).await {
        seen.push((started.elapsed(), length));
    }
    seen
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_gives_the_same_arrivals() {
    assert_eq!(pieces(3).await, pieces(3).await);
    assert_ne!(pieces(3).await, pieces(4).await);
}

#[tokio::test(start_paused = true)]
async fn a_full_backlog_refuses() {
    let net = Net::new(1, Conditions::PERFECT);
    let mut listener = net.listen(POOL).expect("a free name");
    let mut waiting = Vec::new();
    for _ in 0..BACKLOG_MAX {
        waiting.push(net.dial(POOL).await.expect("admitted"));
    }
    let refused = net.dial(POOL).await.expect_err("a full backlog");
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    listener.accept().await.expect("a connection");
    net.dial(POOL).await.expect("admitted again");
}

/// The digest after a small farm has talked through every fault there is.
async fn digest_of_a_faulty_farm(seed: u64, says: u8) -> u64 {
    let net = Net::new(seed, CHOPPY);
    let mut listener = net.listen(POOL).expect("a free name");
    let mut ends = Vec::new();
    for miner in 0..6 {
        let near = net.dial_from(&format!("miner-{miner}"), POOL).await.expect("admitted");
        ends.push((near, listener.accept().await.expect("a connection")));
    }
    net.cut("miner-1");
    net.half_open("miner-2");
    net.partition("miner-3", SOON);
    for (near, far) in &mut ends {
        let mut buffer = [0; 300];
        for _ in 0..3 {
            if near.write_all(&[says; 100]).await.is_ok() && far.write_all(&[1; 50]).await.is_ok() {
                timeout(SOON * 2, far.read(&mut buffer)).await.ok();
                timeout(SOON * 2, near.read(&mut buffer)).await.ok();
            }
        }
    }
    net.digest()
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_gives_the_same_digest_of_deliveries() {
    let first = digest_of_a_faulty_farm(9, 7).await;
    assert_eq!(first, digest_of_a_faulty_farm(9, 7).await);
    assert_ne!(first, digest_of_a_faulty_farm(10, 7).await);
    assert_ne!(first, digest_of_a_faulty_farm(9, 8).await);
}

#[tokio::test(start_paused = true)]
async fn an_address_can_have_conditions_of_its_own() {
    let net = Net::new(1, Conditions::PERFECT);
    let far_away = Conditions { latency: SOON, ..Conditions::PERFECT };
    net.set_conditions(POOL, far_away);
    let _listener = net.listen(POOL).expect("a free name");
    let started = Instant::now();
    net.dial(POOL).await.expect("admitted");
    assert_eq!(started.elapsed(), SOON * 2);
}

#[tokio::test(start_paused = true)]
async fn closed_links_are_struck_off_the_books() {
    let net = Net::new(1, Conditions::PERFECT);
    let mut listener = net.listen(POOL).expect("a free name");
    for _ in 0..10 * LINKS_BEFORE_PRUNING {
        net.dial(POOL).await.expect("admitted");
        listener.accept().await.expect("a connection");
    }
    assert!(net.state().links.len() <= 2 * LINKS_BEFORE_PRUNING);
}
