//! The same pool at real sockets and at a name of the network in memory.

use std::io::ErrorKind;
use std::net::Ipv4Addr;

use tokio::net::TcpStream;

use super::*;
use crate::network::{Chunking, Conditions};

const NAME: &str = "pool-a:3333";

/// Dials until it succeeds; the pool opens its door when its task runs.
async fn dialled(net: &Net) -> crate::network::NetStream {
    loop {
        match net.dial(NAME).await {
            Ok(stream) => return stream,
            Err(_) => tokio::time::sleep(Duration::from_millis(1)).await,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_farm_mines_through_a_choppy_network() {
    let pool = pool(PoolSettings { extranonce2_bytes: 6, ..settings() });
    let conditions =
        Conditions { chunking: Chunking::Pieces { bytes_max: 9 }, ..Conditions::ORDINARY };
    let net = Net::new(3, conditions);
    pool.listen_in(&net, NAME).await.expect("a free name");
    let (mut miner, job) = TestMiner::started(net.dial(NAME).await.expect("open")).await;
    for salt in 0..5 {
        assert!(miner.submit(&job.share(salt)).await.is_success());
    }
    assert_eq!(pool.counts().accepted, 5);
    let taken = pool.listen_in(&net, NAME).await.expect_err("one pool at a name");
    assert_eq!(taken.kind(), ErrorKind::AddrInUse);
}

#[tokio::test(start_paused = true)]
async fn a_dead_pool_resets_and_refuses_in_the_network_in_memory() {
    let pool = pool(settings());
    let net = Net::new(3, Conditions::PERFECT);
    pool.listen_in(&net, NAME).await.expect("a free name");
    let (mut miner, _) = TestMiner::started(net.dial(NAME).await.expect("open")).await;
    pool.control().kill();
    let end = miner.lines.next_line().await.expect_err("a reset");
    assert_eq!(end.kind(), ErrorKind::ConnectionReset);
    let refused = net.dial(NAME).await.expect_err("a closed door");
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    pool.control().revive();
    let (mut again, job) = TestMiner::started(dialled(&net).await).await;
    assert!(again.submit(&job.share(1)).await.is_success());
}

#[tokio::test(start_paused = true)]
async fn a_cut_network_is_a_lost_connection_for_the_pool_too() {
    let pool = pool(settings());
    let net = Net::new(3, Conditions::PERFECT);
    pool.listen_in(&net, NAME).await.expect("a free name");
    let (_miner, _) = TestMiner::started(net.dial(NAME).await.expect("open")).await;
    assert_eq!(pool.connections().len(), 1);
    net.cut(NAME);
    tokio::task::yield_now().await;
    assert_eq!(pool.connections().len(), 0);
}

/// Real sockets and real time; nothing in it waits for the clock.
#[tokio::test]
async fn a_pool_at_a_real_socket_dies_by_reset_and_returns_at_the_same_port() {
    let pool = pool(settings());
    let address = (Ipv4Addr::LOCALHOST, 0).into();
    let address = pool.listen(address).await.expect("a free port");
    let stream = TcpStream::connect(address).await.expect("open");
    let (mut miner, job) = TestMiner::started(stream).await;
    assert!(miner.submit(&job.share(1)).await.is_success());
    pool.control().kill();
    let end = miner.lines.next_line().await.expect_err("a reset");
    assert_eq!(end.kind(), ErrorKind::ConnectionReset);
    while TcpStream::connect(address).await.is_ok() {}
    pool.control().revive();
    let stream = loop {
        match TcpStream::connect(address).await {
            Ok(stream) => break stream,
            Err(_) => tokio::task::yield_now().await,
        }
    };
    let (mut again, job) = TestMiner::started(stream).await;
    assert!(again.submit(&job.share(1)).await.is_success());
    pool.shutdown().await;
}
