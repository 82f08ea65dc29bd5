//! Both farms on real sockets and a real clock: proxies as processes, machines over TCP, and gateways that lead from TCP into
//! the network in memory, where distance and faults are.
//!
//! A gateway takes connections even while its pool cannot be reached, as a middlebox would; what comes of them is silence.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use loka_farm::miner::dial::TcpDial;
use loka_farm::network::Net;
use loka_farm::paid::book::{Book, Record};
use loka_farm::paid::machine::{Machine, Server};
use loka_farm::paid::plan::PoolId;
use loka_farm::paid::tickets::MachineId;
use loka_farm::ports::free_port;
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command as Program};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::documents::{self, ACCOUNTS};
use super::simulated::show_until;
use super::watched::Watched;
use super::world::{self, ADDRESSES, COMMANDS_MAX, Command, Experiment, Progress, Side, World};

/// The binary; `cargo xtask paid` names it.
const BINARY: &str = "LOKA_PROXY_BIN";

/// The documents, in each process's own directory.
const FILE: &str = "paid.yaml";

/// Until a process that was killed is replaced.
const RESTART: Duration = Duration::from_secs(15);

/// A new process is given as long to log in to its pools before it gets miners.
const READY: Duration = Duration::from_secs(5);

/// Longer than a drain may take.
const ENDS_WITHIN: Duration = Duration::from_secs(180);

/// The processes behind the address of the farm.
struct Processes {
    binary: PathBuf,
    /// Of the gateways to the pools.
    pools: [String; 2],
    preferred: PoolId,
    serving: Process,
    standby: Process,
    /// Where the farm's addresses lead.
    halls: [Hall; 2],
    ending: JoinSet<()>,
}

struct Process {
    child: Child,
    ports: [u16; 2],
    directory: TempDir,
}

/// The address of one hall: leads to a port that can be changed.
#[derive(Clone)]
struct Hall {
    address: SocketAddr,
    leads_to: Arc<AtomicU16>,
}

/// Runs both at once; returns their records, the proxy's first.
pub(crate) fn run_both(experiment: &Experiment) -> Result<[Vec<Record>; 2], String> {
    let binary = std::env::var_os(BINARY).map(PathBuf::from);
    let binary = binary.ok_or_else(|| format!("{BINARY} does not name the proxy"))?;
    let runtime = tokio::runtime::Runtime::new().map_err(|error| error.to_string())?;
    let progress = Progress::default();
    std::thread::scope(|scope| {
        let progress = &progress;
        let both = scope.spawn(move || {
            runtime.block_on(async {
                tokio::join!(proxied(experiment, binary, progress), direct(experiment, progress))
            })
        });
        show_until(|| both.is_finished(), progress, experiment.plan.shape.length);
        let (proxied, direct) = both.join().expect("the farms' own words are above");
        Ok([proxied, direct])
    })
}

async fn proxied(experiment: &Experiment, binary: PathBuf, progress: &Progress) -> Vec<Record> {
    let mut world = World::build(&experiment.options, unix_now()).await;
    let watch = Some(Arc::clone(&world.book));
    let gateways = gateways(&mut world, &watch).await;
    let (commands, received) = mpsc::channel(COMMANDS_MAX);
    let processes = Processes::start(binary, gateways.map(|port| port.to_string())).await;
    let halls = processes.halls.clone();
    for hall in halls.clone() {
        world.spawn(lead(hall.clone(), listen(hall.address).await));
    }
    let mut keeping = JoinSet::new();
    keeping.spawn(processes.keep(received));
    world.stand_between(commands);
    let farm = world.farm(experiment);
    for id in (0..experiment.options.machines).map(MachineId) {
        let [first, second] = &halls;
        let hall = if id.0 % 2 == 0 { first } else { second };
        let dial = TcpDial { address: hall.address };
        let servers = vec![Server { dial, user: format!("rig{}", id.0) }];
        world.spawn(Machine::new(id, farm.clone(), servers).run());
    }
    drop(farm);
    let book = world.live(&experiment.plan, Side::Proxied, progress).await;
    while keeping.join_next().await.is_some() {}
    world::records(&book)
}

async fn direct(experiment: &Experiment, progress: &Progress) -> Vec<Record> {
    let mut world = World::build(&experiment.options, unix_now()).await;
    let gateways = gateways(&mut world, &None).await;
    let farm = world.farm(experiment);
    for id in (0..experiment.options.machines).map(MachineId) {
        let server = |(address, account): (SocketAddr, &str)| Server {
            dial: TcpDial { address },
            user: format!("{account}.rig{}", id.0),
        };
        let servers = gateways.into_iter().zip(ACCOUNTS).map(server).collect();
        world.spawn(Machine::new(id, farm.clone(), servers).run());
    }
    let book = world.live(&experiment.plan, Side::Direct, progress).await;
    world::records(&book)
}

// === from TCP into the network in memory ===

/// A port for each pool. What goes to the pools is read along where somebody watches.
async fn gateways(world: &mut World, watch: &Option<Arc<Book>>) -> [SocketAddr; 2] {
    let mut ports = [SocketAddr::from((Ipv4Addr::LOCALHOST, 0)); 2];
    for (port, pool) in ports.iter_mut().zip(ADDRESSES) {
        let listener = listen(*port).await;
        *port = listener.local_addr().expect("an address");
        world.spawn(gateway(listener, world.net.clone(), pool, watch.clone()));
    }
    ports
}

async fn gateway(listener: TcpListener, net: Net, pool: &'static str, watch: Option<Arc<Book>>) {
    let mut passing = JoinSet::new();
    loop {
        let Ok((near, _)) = listener.accept().await else { continue };
        while passing.try_join_next().is_some() {}
        let (net, watch) = (net.clone(), watch.clone());
        passing.spawn(async move {
            let Ok(far) = net.dial_from("gateway", pool).await else { return reset(near) };
            match watch {
                Some(book) => pass(near, Watched::new(far, book)).await,
                None => pass(near, far).await,
            }
        });
    }
}

/// Until either end closes; a connection that breaks is reset on the other side too.
async fn pass(mut near: TcpStream, mut far: impl AsyncRead + AsyncWrite + Unpin) {
    near.set_nodelay(true).ok();
    if copy_bidirectional(&mut near, &mut far).await.is_err() {
        reset(near);
    }
}

fn reset(stream: TcpStream) {
    // If it fails the peer sees an orderly close: the connection ends all the same.
    stream.set_zero_linger().ok();
}

/// Takes miners to wherever the hall leads at the moment.
async fn lead(hall: Hall, listener: TcpListener) {
    let mut passing = JoinSet::new();
    loop {
        let Ok((near, _)) = listener.accept().await else { continue };
        while passing.try_join_next().is_some() {}
        let port = hall.leads_to.load(Ordering::Relaxed);
        passing.spawn(async move {
            let Ok(far) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await else {
                return reset(near);
            };
            far.set_nodelay(true).ok();
            pass(near, far).await;
        });
    }
}

async fn listen(address: SocketAddr) -> TcpListener {
    TcpListener::bind(address).await.expect("a free port")
}

fn free_address() -> SocketAddr {
    let port = free_port(Ipv4Addr::LOCALHOST.into()).expect("a free port");
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

fn unix_now() -> u32 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    u32::try_from(since.as_secs()).expect("before 2106")
}

// === impl Processes ===

impl Processes {
    async fn start(binary: PathBuf, pools: [String; 2]) -> Self {
        let preferred = PoolId::First;
        let serving = Process::start(&binary, preferred, &pools).await;
        let standby = Process::start(&binary, preferred, &pools).await;
        let [first, second] = serving.ports;
        let halls = [Hall::new(first), Hall::new(second)];
        let ending = JoinSet::new();
        Self { binary, pools, preferred, serving, standby, halls, ending }
    }

    /// Carries out commands until there are no more senders; then ends all processes.
    async fn keep(mut self, mut commands: mpsc::Receiver<Command>) {
        while let Some(command) = commands.recv().await {
            match command {
                Command::Prefer(pool) => self.prefer(pool).await,
                Command::Kill => self.kill().await,
                Command::Roll => self.roll().await,
            }
        }
        while self.ending.join_next().await.is_some() {}
    }

    async fn prefer(&mut self, pool: PoolId) {
        self.preferred = pool;
        for process in [&self.serving, &self.standby] {
            let text = documents::text(pool, &self.pools, process.ports);
            write(process.directory.path(), &text);
            process.signal("HUP").await;
        }
    }

    async fn kill(&mut self) {
        self.serving.child.start_kill().expect("a running proxy");
        std::mem::swap(&mut self.serving, &mut self.standby);
        self.route();
        sleep(RESTART).await;
        self.standby = Process::start(&self.binary, self.preferred, &self.pools).await;
    }

    /// Both are replaced, a new one first.
    async fn roll(&mut self) {
        for _ in 0..2 {
            let fresh = Process::start(&self.binary, self.preferred, &self.pools).await;
            let next = std::mem::replace(&mut self.standby, fresh);
            let mut old = std::mem::replace(&mut self.serving, next);
            self.route();
            self.ending.spawn(async move {
                old.signal("TERM").await;
                let ended = timeout(ENDS_WITHIN, old.child.wait()).await;
                ended.expect("a drain ends").expect("a status");
            });
        }
    }

    fn route(&self) {
        for (hall, port) in self.halls.iter().zip(self.serving.ports) {
            hall.leads_to.store(port, Ordering::Relaxed);
        }
    }
}

// === impl Process ===

impl Process {
    async fn start(binary: &Path, preferred: PoolId, pools: &[String; 2]) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let ports = [free_address().port(), free_address().port()];
        write(directory.path(), &documents::text(preferred, pools, ports));
        let log = std::fs::File::create(directory.path().join("log")).expect("a file");
        let child = Program::new(binary)
            .args(["run", "--admin", "127.0.0.1:0", "--bind", "127.0.0.1", "-f", FILE])
            .current_dir(directory.path())
            .env_clear()
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .expect("the proxy starts");
        sleep(READY).await;
        Self { child, ports, directory }
    }

    async fn signal(&self, name: &str) {
        let Some(id) = self.child.id() else { return };
        let sent = Program::new("kill").args(["-s", name, &id.to_string()]).status().await;
        sent.expect("kill");
    }
}

/// Replaces the documents, as an editor does.
fn write(directory: &Path, text: &str) {
    let replace = || -> io::Result<()> {
        let new = directory.join(".new");
        std::fs::write(&new, text)?;
        std::fs::rename(new, directory.join(FILE))
    };
    replace().expect("a file");
}

// === impl Hall ===

impl Hall {
    fn new(port: u16) -> Self {
        Self { address: free_address(), leads_to: Arc::new(AtomicU16::new(port)) }
    }
}
