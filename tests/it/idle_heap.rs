//! What the heap of the proxy grows by for each miner that is connected, has a job and is silent, by valgrind's DHAT: of a
//! process with so many miners, and of one with twice as many, whose difference is what they cost. Held against
//! `idle_heap.json`, and told by what is allocated and where.
//!
//! `cargo xtask heap` runs it, and the step of that name; beside other tests it would be too slow.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use loka_farm::pool::PoolSettings;
use loka_tests::documents::Documents;
use loka_tests::process::Process;
use loka_tests::rig::{Pools, alpha, beta};
use serde::Deserialize;
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, TcpStream};

use super::client::Client;
use super::tls::{Pair, TLS, dial_of};

/// Where valgrind is installed, as the root of a file system; and how many miners there are at first, where not [`MINERS`].
const ROOT: &str = "LOKA_VALGRIND_ROOT";
const COUNT: &str = "LOKA_HEAP_MINERS";

/// By name.
const BUDGETS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/it/idle_heap.json");

/// Set where a proxy is measured that the budgets are not for.
const UNBOUND: &str = "LOKA_HEAP_UNBOUND";

/// Enough that what is there for many of them counts for little, and few enough for a proxy that is fifty times slower.
const MINERS: u64 = 64;

/// What is more than a budget is a failure, and so is a budget that has room for a mistake.
const SLACK: f64 = 0.1;

/// Kinds that are told.
const TOLD: usize = 24;

/// No job is to be sent while miners log in: by the pools, and by the proxy again.
const NEVER: Duration = Duration::from_secs(24 * 3600);
const SELDOM: &str = "      jobKeepAlive: 10m\n";

/// How functions begin that say nothing of what is allocated: of the allocator, of collections, and of what makes them.
const DULL: [&str; 23] = [
    "<alloc::",
    "<core::",
    "UnknownInlinedFun",
    "__r",
    "alloc::",
    "alloc ",
    "alloc_impl",
    "allocate ",
    "calloc",
    "core::",
    "do_alloc",
    "exchange_malloc",
    "finish_grow",
    "from ",
    "from_iter",
    "hashbrown::",
    "malloc",
    "memalign",
    "new",
    "posix_memalign",
    "realloc",
    "std::",
    "{closure#",
];

/// Letters of a type that are shown.
const SHOWN: usize = 60;

/// What DHAT writes: places where memory was allocated, and what they are called.
#[derive(Deserialize)]
struct Written {
    pps: Vec<Place>,
    ftbl: Vec<String>,
}

#[derive(Deserialize)]
struct Place {
    /// Bytes and blocks that lived to the end.
    #[serde(default)]
    eb: f64,
    #[serde(default)]
    ebk: f64,
    /// From the allocator outwards, as places in the table of names.
    fs: Vec<usize>,
}

/// What lives, in all or for one miner.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
struct Live {
    bytes: f64,
    allocations: f64,
}

/// What lives, by what it is.
type Kinds = BTreeMap<String, Live>;

#[tokio::test]
async fn an_idle_miner_costs_no_more_heap_than_its_budget() {
    check("plain", MINERS, async |count| {
        let pools = quiet_pools().await;
        let documents = quiet(&pools).await;
        let proxy = Observed::start(&documents.text()).await;
        let mut held = Vec::new();
        for number in 0..count {
            held.push(log_in(from(number, documents.port).await, number).await);
        }
        proxy.kinds().await
    })
    .await;
}

#[tokio::test]
async fn an_idle_miner_over_tls_costs_no_more_heap_than_its_budget() {
    check("tls", MINERS / 2, async |count| {
        let (pools, pair) = (quiet_pools().await, Pair::new());
        let documents = Documents { listener: TLS.to_owned(), ..quiet(&pools).await };
        let proxy = Observed::start(&pair.shown_by(&documents)).await;
        let dial = dial_of(documents.port, &[&pair]);
        let mut held = Vec::new();
        for number in 0..count {
            let stream = dial.over(from(number, documents.port).await).await.expect("TLS");
            held.push(log_in(stream, number).await);
        }
        proxy.kinds().await
    })
    .await;
}

/// Measures with so many miners and with twice as many, tells, and holds against the budget of this name.
async fn check(name: &str, count: u64, measure: impl AsyncFn(u64) -> Kinds) {
    if env::var_os(ROOT).is_none() {
        println!("SKIPPED: idle_heap: {ROOT} names no valgrind; run `cargo xtask heap`");
        return;
    }
    let count = env::var(COUNT).map_or(count, |text| text.parse().expect("a number"));
    let (few, mut kinds) = (measure(count).await, measure(2 * count).await);
    for (kind, live) in few {
        let difference = kinds.entry(kind).or_default();
        difference.bytes -= live.bytes;
        difference.allocations -= live.allocations;
    }
    let mut all = Live::default();
    for live in kinds.values_mut() {
        live.bytes /= count as f64;
        live.allocations /= count as f64;
        all.bytes += live.bytes;
        all.allocations += live.allocations;
    }
    tell(name, all, &kinds);
    if env::var_os(UNBOUND).is_some() {
        return;
    }
    let budgets = fs::read_to_string(BUDGETS).expect("budgets");
    let budgets: BTreeMap<String, Live> = serde_json::from_str(&budgets).expect("budgets");
    let budget = budgets[name];
    within(name, "bytes", all.bytes, budget.bytes);
    within(name, "allocations", all.allocations, budget.allocations);
}

fn tell(name: &str, all: Live, kinds: &Kinds) {
    println!(
        "one more idle miner, {name}: {:.0} bytes, {:.2} allocations",
        all.bytes, all.allocations
    );
    println!("{:>8} {:>6}  WHAT, AND WHERE", "BYTES", "COUNT");
    let mut dearest: Vec<(&String, &Live)> = kinds.iter().collect();
    dearest.sort_by(|(_, one), (_, other)| other.bytes.total_cmp(&one.bytes));
    for (kind, Live { bytes, allocations }) in dearest.into_iter().take(TOLD) {
        println!("{bytes:>8.1} {allocations:>6.2}  {kind}");
    }
}

fn within(name: &str, what: &str, counted: f64, budget: f64) {
    let remedy = "find what has become dearer";
    assert!(counted <= budget, "{name}: {counted:.2} {what}, and the budget is {budget}; {remedy}");
    let least = budget * (1.0 - SLACK);
    let remedy = "lower it in tests/it/idle_heap.json: it has room for a mistake";
    assert!(counted >= least, "{name}: {counted:.2} {what}, and the budget is {budget}; {remedy}");
}

async fn quiet_pools() -> Pools {
    let quiet = |pool| PoolSettings { job_interval: NEVER, block_interval: NEVER, ..pool };
    Pools::of([quiet(alpha()), quiet(beta())]).await
}

async fn quiet(pools: &Pools) -> Documents {
    Documents { route: SELDOM.to_owned(), ..pools.documents().await }
}

/// Connected from an address of its own, as machines are.
async fn from(number: u64, port: u16) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    let [.., high, low] = (number + 256).to_be_bytes();
    socket.bind(SocketAddr::from(([127, 1, high, low], 0))).expect("an address");
    socket.connect(SocketAddr::from(([127, 0, 0, 1], port))).await.expect("the listener listens")
}

/// Until it has a job.
async fn log_in<S: AsyncRead + AsyncWrite + Unpin>(stream: S, number: u64) -> Client<S> {
    let mut client = Client::over(stream);
    client.call("mining.subscribe", json!(["idle/1"])).await;
    let authorize = json!({
        "id": 0, "method": "mining.authorize", "params": [format!("acct.rig{number}"), "x"],
    });
    client.send(&format!("{authorize}\n")).await;
    client.notification("mining.notify").await;
    client
}

/// A proxy of which every allocation is looked at.
struct Observed {
    process: Process,
    directory: tempfile::TempDir,
}

// === impl Observed ===

impl Observed {
    async fn start(documents: &str) -> Self {
        let root = env::var(ROOT).expect("valgrind");
        let root = root.trim_end_matches('/');
        let directory = tempfile::tempdir().expect("a directory");
        let out = format!("--dhat-out-file={}", directory.path().join("dhat").display());
        let valgrind = format!("{root}/usr/bin/valgrind");
        let by = [valgrind.as_str(), "--tool=dhat", "--num-callers=40", &out];
        let own = format!("{root}/usr/libexec/valgrind");
        let environment = [
            ("VALGRIND_LIB", own.as_str()),
            ("STRATUM_THREADS", "1"),
            ("STRATUM_LOG_LEVEL", "info"),
        ];
        let process = Process::start_through(&by, documents, &environment).await;
        Self { process, directory }
    }

    /// Ends the proxy in the midst of all, so that what lives lives to the end.
    async fn kinds(self) -> Kinds {
        let Self { process, directory } = self;
        process.signal("ABRT").await;
        process.ended().await;
        read(&directory.path().join("dhat"))
    }
}

fn read(file: &Path) -> Kinds {
    let text = fs::read_to_string(file).expect("what DHAT writes");
    let Written { pps, ftbl } = serde_json::from_str(&text).expect("JSON");
    let mut kinds = Kinds::new();
    for Place { eb, ebk, fs } in pps.iter().filter(|place| place.eb > 0.0) {
        let frames = fs.iter().map(|frame| ftbl[*frame].as_str());
        let live = kinds.entry(kind(frames)).or_default();
        live.bytes += eb;
        live.allocations += ebk;
    }
    kinds
}

/// What is allocated, where its name is known; the innermost function that says something, and the innermost with a path.
fn kind<'a>(frames: impl Iterator<Item = &'a str>) -> String {
    // `0x1234: function (file:line)`
    let name = |frame: &'a str| frame.split_once(": ").map_or(frame, |(_, name)| name);
    let frames: Vec<&str> = frames.map(name).collect();
    let what = frames.iter().find_map(|name| name.strip_prefix("new<"));
    let what = what.and_then(|name| name.rsplit_once("> ")).map(|(name, _)| bare(name));
    let says = |name: &&&str| {
        !name.contains("library/") && !DULL.iter().any(|dull| name.starts_with(dull))
    };
    let first = frames.iter().find(says).map(|name| without_types(name));
    let mut whole = frames.iter().filter(says).map(|name| without_types(name));
    let whole = whole.find(|name| name.contains("::")).filter(|it| Some(it) != first.as_ref());
    let what: Option<String> = what.map(|name| name.chars().take(SHOWN).collect());
    what.into_iter().chain(first).chain(whole).collect::<Vec<_>>().join(" < ")
}

/// A type without the modules that it is in.
fn bare(name: &str) -> String {
    let words = name.split_inclusive(|letter: char| !letter.is_alphanumeric() && letter != '_');
    let mut out = String::new();
    for word in words {
        let is_module = word.ends_with(':') && word.starts_with(|it: char| it.is_lowercase());
        if !is_module && word != ":" {
            out.push_str(word);
        }
    }
    out
}

/// A function without what stands between angle brackets.
fn without_types(name: &str) -> String {
    let mut depth = 0_u32;
    let mut out = String::new();
    for letter in name.chars() {
        match letter {
            '<' => depth += 1,
            '>' => depth = depth.saturating_sub(1),
            letter if depth == 0 => out.push(letter),
            _ => {}
        }
    }
    out.replace("::::", "::")
}
