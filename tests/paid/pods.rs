//! Two proxies behind one address: one has the miners, the other stands by. They can be killed and replaced.
//!
//! Owns which of them the address leads to. Each sees the network under a name of its own, so that a kill cuts what is
//! its, and nothing more.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use loka_farm::miner::dial::Dial as MinerDial;
use loka_farm::network::{Net, NetListener, NetStream};
use loka_farm::paid::book::Book;
use loka_farm::paid::plan::PoolId;
use loka_proxy::app::{App, Seams};
use loka_proxy::books::Books;
use loka_proxy::clock::Clock;
use loka_proxy::control::{Offered, Publisher};
use loka_proxy::telemetry::Telemetry;
use loka_proxy::telemetry::reasons::DrainCause;
use loka_proxy::transport::{Accept, Arrival, Bind, Boxed, Dial, Transport};
use loka_proxy::workers::Workers;
use loka_stratum::types::UnixTime;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::documents::{self, PORTS};
use super::watched::Watched;
use super::world::{COMMANDS_MAX, Command};

/// When the world's clocks start: 2026-01-01.
pub(crate) const UNIX_START: u32 = 1_767_225_600;

/// The pods' keeper: carries out one command after the other, in a task of its own.
pub(crate) struct Keeper {
    commands: mpsc::Sender<Command>,
    vip: Arc<AtomicUsize>,
    keeping: JoinSet<()>,
}

struct Pods {
    site: Site,
    preferred: PoolId,
    serving: Pod,
    standby: Pod,
    vip: Arc<AtomicUsize>,
    started: usize,
    /// Pods on their way out.
    ending: JoinSet<()>,
}

/// What all pods are given.
struct Site {
    net: Net,
    addresses: [String; 2],
    book: Arc<Book>,
    seed: u64,
}

struct Pod {
    number: usize,
    app: App,
    publisher: Publisher,
    net: PodNet,
}

/// The network as one pod sees it.
#[derive(Clone)]
struct PodNet {
    net: Net,
    number: usize,
    killed: Arc<AtomicBool>,
    book: Arc<Book>,
}

struct PodPort {
    listener: NetListener,
    address: SocketAddr,
    killed: Arc<AtomicBool>,
}

/// The address of the proxies, as a machine dials it.
#[derive(Clone)]
pub(crate) struct VipDial {
    pub(crate) net: Net,
    pub(crate) from: String,
    pub(crate) port: u16,
    pub(crate) vip: Arc<AtomicUsize>,
}

/// Until a pod that was killed is replaced.
const RESTART: Duration = Duration::from_secs(30);

/// A new pod is given as long before it gets miners, as a readiness probe gives it.
const READY: Duration = Duration::from_secs(10);

// === impl Keeper ===

impl Keeper {
    pub(crate) async fn start(
        net: &Net,
        addresses: [String; 2],
        book: Arc<Book>,
        seed: u64,
    ) -> Self {
        let (commands, mut received) = mpsc::channel(COMMANDS_MAX);
        let site = Site { net: net.clone(), addresses, book, seed };
        let mut pods = Pods::start(site).await;
        let vip = Arc::clone(&pods.vip);
        let mut keeping = JoinSet::new();
        keeping.spawn(async move {
            while let Some(command) = received.recv().await {
                match command {
                    Command::Prefer(pool) => pods.prefer(pool).await,
                    Command::Kill => pods.kill().await,
                    Command::Roll => pods.roll().await,
                }
            }
            pods.end().await;
        });
        Self { commands, vip, keeping }
    }

    /// What machines dial.
    pub(crate) fn vip(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.vip)
    }

    /// Where commands are sent; the pods end with the last sender.
    pub(crate) fn commands(&self) -> mpsc::Sender<Command> {
        self.commands.clone()
    }

    pub(crate) async fn end(self) {
        let Self { commands, vip: _, mut keeping } = self;
        drop(commands);
        while let Some(ended) = keeping.join_next().await {
            ended.expect("its words are above");
        }
    }
}

// === impl Pods ===

impl Pods {
    async fn start(site: Site) -> Self {
        let preferred = PoolId::First;
        let serving = Pod::start(&site, 0, preferred).await;
        let standby = Pod::start(&site, 1, preferred).await;
        let vip = Arc::new(AtomicUsize::new(serving.number));
        Self { site, preferred, serving, standby, vip, started: 2, ending: JoinSet::new() }
    }

    async fn prefer(&mut self, pool: PoolId) {
        self.preferred = pool;
        for pod in [&mut self.serving, &mut self.standby] {
            let applied = documents::applied(pool, &self.site.addresses, PORTS);
            pod.publisher.publish(Offered::from_files(applied)).await.expect("good documents");
        }
    }

    /// The serving pod is gone between two instructions, and the address leads to the other one, as an address does that
    /// moves with the process. A new pod stands by some time later.
    async fn kill(&mut self) {
        self.serving.net.kill();
        std::mem::swap(&mut self.serving, &mut self.standby);
        self.route();
        sleep(RESTART).await;
        let fresh = self.fresh().await;
        let dead = std::mem::replace(&mut self.standby, fresh);
        // Nothing of what it does at its end reaches anybody.
        self.ending.spawn(async move { dead.app.stop().await });
    }

    /// Both are replaced, a new one first.
    async fn roll(&mut self) {
        for _ in 0..2 {
            let fresh = self.fresh().await;
            sleep(READY).await;
            let next = std::mem::replace(&mut self.standby, fresh);
            let old = std::mem::replace(&mut self.serving, next);
            self.route();
            self.ending.spawn(async move {
                old.app.drain(DrainCause::Requested).await;
                drop(old);
            });
            sleep(READY).await;
        }
    }

    async fn end(mut self) {
        for pod in [&self.serving, &self.standby] {
            pod.app.stop().await;
        }
        while self.ending.join_next().await.is_some() {}
    }

    async fn fresh(&mut self) -> Pod {
        let number = self.started;
        self.started += 1;
        Pod::start(&self.site, number, self.preferred).await
    }

    fn route(&self) {
        self.vip.store(self.serving.number, Ordering::Relaxed);
    }
}

// === impl Pod ===

impl Pod {
    async fn start(site: &Site, number: usize, preferred: PoolId) -> Self {
        let Site { net, addresses, book, seed } = site;
        let killed = Arc::new(AtomicBool::new(false));
        let net = PodNet { net: net.clone(), number, killed, book: Arc::clone(book) };
        let telemetry = Telemetry::silent();
        let first = Offered::from_files(documents::applied(preferred, addresses, PORTS));
        let (publisher, feed) = Publisher::new(Some(first), telemetry.clone());
        let seams = Seams {
            dial: Arc::new(net.clone()),
            bind: Arc::new(net.clone()),
            clock: Clock::starting_at(UnixTime(UNIX_START)),
            workers: Workers::current(),
            telemetry,
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            seed: seed.wrapping_add(number as u64),
            books: Books::default(),
            audit: None,
            room: Default::default(),
        };
        let app = App::start(seams, feed).await.expect("a free name");
        Self { number, app, publisher, net }
    }
}

// === impl PodNet ===

impl PodNet {
    fn kill(&self) {
        self.killed.store(true, Ordering::Relaxed);
        self.net.cut(&self.name());
        for port in PORTS {
            self.net.cut(&listener(self.number, port));
        }
    }

    fn name(&self) -> String {
        format!("pod-{}", self.number)
    }
}

fn listener(pod: usize, port: u16) -> String {
    format!("pod-{pod}:{port}")
}

impl Dial for PodNet {
    fn dial<'a>(&'a self, host: &'a str, port: u16) -> Boxed<'a, io::Result<Box<dyn Transport>>> {
        Box::pin(async move {
            let stream = self.net.dial_from(&self.name(), &format!("{host}:{port}")).await?;
            if self.killed.load(Ordering::Relaxed) {
                stream.reset();
                return Err(io::ErrorKind::NetworkUnreachable.into());
            }
            let watched = Watched::new(stream, Arc::clone(&self.book));
            Ok(Box::new(watched) as Box<dyn Transport>)
        })
    }
}

impl Bind for PodNet {
    fn bind(&self, address: SocketAddr) -> Boxed<'_, io::Result<Box<dyn Accept>>> {
        Box::pin(async move {
            let listener = self.net.listen(&listener(self.number, address.port()))?;
            let killed = Arc::clone(&self.killed);
            Ok(Box::new(PodPort { listener, address, killed }) as Box<dyn Accept>)
        })
    }
}

// === impl PodPort ===

impl Accept for PodPort {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }

    fn accept(&mut self) -> Boxed<'_, io::Result<Arrival>> {
        Box::pin(async move {
            loop {
                let stream = self.listener.accept().await?;
                if self.killed.load(Ordering::Relaxed) {
                    stream.reset();
                    continue;
                }
                let peer = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), self.address.port());
                let open = move || Ok(Box::new(stream) as Box<dyn Transport>);
                return Ok(Arrival { peer, open: Box::new(open) });
            }
        })
    }
}

// === impl VipDial ===

impl MinerDial for VipDial {
    type Stream = NetStream;

    async fn dial(&self) -> io::Result<NetStream> {
        let pod = self.vip.load(Ordering::Relaxed);
        self.net.dial_from(&self.from, &listener(pod, self.port)).await
    }
}
