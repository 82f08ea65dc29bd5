//! The order of events: start, mine, kill a pool, end, compare the books.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use loka_farm::books::{Ledger, MinerLinks};
use loka_farm::miner::MinerStatus;
use loka_farm::miner::rack::Rack;
use serde_json::{Value, json};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::args::{Args, Pools};
use super::documents::{self, Replacement, Wanted};
use super::gates::{Facts, Moved, Verdict};
use super::mill::{self, Books, Practice};
use super::page::{self, Shown};
use super::proxy::{self, Proxy};
use super::snapshot::{History, Snapshot};
use super::tally::Tally;
use super::view::{self, Screen};

/// Between two looks at everything.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Looks over which the hashrate is averaged.
const RATE_OVER: usize = 10;

/// Longest wait for the page's last readers.
const PAGE_ENDS_WITHIN: Duration = Duration::from_secs(1);

/// Everything that runs.
struct Demo {
    args: Args,
    screen: Screen,
    practice: Option<Practice>,
    proxy: Proxy,
    rack: Rack,
    tally: Option<Arc<Tally>>,
    shown: Shown,
    page: String,
    /// Ends the page's server.
    stop: CancellationToken,
    tasks: TaskTracker,
    started: Instant,
    replaced: Vec<Replacement>,
    /// Hashes done at the last looks.
    hashes: VecDeque<(Instant, u64)>,
    killed: Option<Killed>,
    /// Removed with its files when dropped.
    _directory: Directory,
}

/// The death of a pool.
struct Killed {
    at: Instant,
    name: String,
    /// Accepted by the other pools then.
    elsewhere: u64,
    /// Until another pool credited a share.
    moved_after: Option<Duration>,
}

/// A directory of our own below the system's.
struct Directory(std::path::PathBuf);

/// The signals that end a demo early.
struct Ends {
    interrupt: Signal,
    terminate: Signal,
}

/// Runs the demo and says how it ended.
pub(super) async fn run(args: Args) -> anyhow::Result<Verdict> {
    let mut ends = Ends {
        interrupt: signal(SignalKind::interrupt())?,
        terminate: signal(SignalKind::terminate())?,
    };
    let mut demo = Demo::start(args).await?;
    demo.mine(&mut ends).await?;
    demo.finish().await
}

// === impl Demo ===

impl Demo {
    async fn start(args: Args) -> anyhow::Result<Self> {
        let mut screen = if args.json { Screen::stderr() } else { Screen::stdout() };
        let directory = Directory::make()?;
        let practice = match args.pools() {
            Pools::Real => None,
            kind => {
                screen.line("[1/4] practice pools: they hand out jobs and judge every share")?;
                Some(Practice::start(kind).await?)
            }
        };
        screen.line(&format!("[2/4] documents of {}", args.samples.display()))?;
        let listen = match args.listen {
            Some(address) => address,
            None => SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), proxy::free_port()?),
        };
        let (text, replaced) = rewritten(&args, practice.as_ref(), listen)?;
        screen.line(&replacements(&replaced))?;
        screen.line("[3/4] the proxy")?;
        let proxy = Proxy::start(&args.proxy, &directory.0, &text, listen, &args.password).await?;
        let pages = format!("admin pages on http://{}", proxy.admin());
        screen.line(&format!("      {pages}, log in {}", proxy.log().display()))?;
        let history = History { duration: args.duration.as_secs_f64(), ..History::default() };
        let shown: Shown = Arc::new(Mutex::new(history));
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let page = page::serve(args.page, Arc::clone(&shown), stop.clone(), &tasks).await?;
        let tally = (args.pools() == Pools::Practice).then(mill::tally).transpose()?;
        screen.line(&format!("[4/4] {} miners on stratum+tcp://{listen}", args.miners))?;
        let address = match listen.ip().is_unspecified() {
            true => SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), listen.port()),
            false => listen,
        };
        let rack = mill::power_on(args.miners, address, tally.clone())?;
        let page = format!("http://{page}/");
        screen.line(&format!("\nLook at {page}"))?;
        let started = Instant::now();
        let (hashes, killed) = (VecDeque::new(), None);
        Ok(Self {
            args,
            screen,
            practice,
            proxy,
            rack,
            tally,
            shown,
            page,
            stop,
            tasks,
            started,
            replaced,
            hashes,
            killed,
            _directory: directory,
        })
    }

    /// Looks at the farm until the time is over or somebody ends it.
    async fn mine(&mut self, ends: &mut Ends) -> anyhow::Result<()> {
        let mut ticks = interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let end = self.started + self.args.duration;
        while Instant::now() < end {
            tokio::select! {
                biased;
                _ = ends.interrupt.recv() => return Ok(self.screen.line("Ctrl-C: ending")?),
                _ = ends.terminate.recv() => return Ok(self.screen.line("SIGTERM: ending")?),
                _ = ticks.tick() => {}
            }
            let status = self.proxy.status().await?;
            self.look(&status).await?;
            if self.killed.is_none() && self.started.elapsed() > self.args.duration / 2 {
                self.kill_active(&status);
            }
        }
        Ok(())
    }

    async fn look(&mut self, status: &Value) -> anyhow::Result<()> {
        let ledger = self.proxy.ledger().await?;
        let miners = self.rack.statuses();
        let mut snapshot =
            Snapshot::of(self.started.elapsed(), status, &ledger, &miners, &self.books());
        snapshot.hashrate = self.hashrate(MinerStatus::totals(&miners).hashes);
        snapshot.worth = self.tally.as_ref().map(|tally| tally.worth());
        self.tell_of_moves(&snapshot);
        let history = {
            let mut history = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
            history.push(snapshot);
            history.clone()
        };
        self.screen.show(&history, &self.page)?;
        Ok(())
    }

    fn books(&self) -> Books {
        self.practice.as_ref().map(Practice::books).unwrap_or_default()
    }

    fn hashrate(&mut self, hashes: u64) -> f64 {
        let now = Instant::now();
        self.hashes.push_back((now, hashes));
        if self.hashes.len() > RATE_OVER {
            self.hashes.pop_front();
        }
        let Some((then, before)) = self.hashes.front() else { return 0.0 };
        let seconds = (now - *then).as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "a rate to be looked at")]
        let done = hashes.saturating_sub(*before) as f64;
        if seconds > 0.0 { done / seconds } else { 0.0 }
    }

    fn kill_active(&mut self, status: &Value) {
        let Some(practice) = &self.practice else { return };
        let active =
            status.pointer("/routes/0/activePool").and_then(Value::as_str).unwrap_or_default();
        let Some(index) = mill::NAMES.iter().position(|name| *name == active) else { return };
        let Some(pool) = practice.pools.get(index) else { return };
        pool.control().kill();
        let name = active.to_owned();
        let elsewhere = self.accepted_elsewhere(&name);
        let at = Instant::now();
        self.tell(format!("pool {name} dies: it resets every connection and refuses new ones"));
        self.killed = Some(Killed { at, name, elsewhere, moved_after: None });
    }

    fn accepted_elsewhere(&self, name: &str) -> u64 {
        let books = self.books();
        books.iter().filter(|(known, _)| *known != name).map(|(_, books)| books.accepted).sum()
    }

    fn tell_of_moves(&mut self, snapshot: &Snapshot) {
        let active = |snapshot: &Snapshot| {
            snapshot.pools.iter().find(|pool| pool.active).map(|pool| pool.name.clone())
        };
        let before = {
            let history = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
            history.snapshots.last().and_then(active)
        };
        match (before, active(snapshot)) {
            (before, Some(now)) if before.as_ref() != Some(&now) => {
                self.tell(format!("the farm mines on {now}"));
            }
            (Some(_), None) => self.tell("no pool: the miners are held".to_owned()),
            _ => {}
        }
        let elsewhere = self.killed.as_ref().map(|killed| self.accepted_elsewhere(&killed.name));
        if let (Some(killed), Some(elsewhere)) = (&mut self.killed, elsewhere)
            && killed.moved_after.is_none()
            && elsewhere > killed.elsewhere
        {
            let after = killed.at.elapsed();
            killed.moved_after = Some(after);
            self.tell(format!(
                "credited elsewhere within {:.1} s of the death, on the same connections",
                after.as_secs_f64()
            ));
        }
    }

    fn tell(&self, news: String) {
        let mut history = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        history.tell(self.started.elapsed(), news);
    }

    /// Switches the miners off, waits for the last verdicts, compares all books, and ends the proxy.
    async fn finish(mut self) -> anyhow::Result<Verdict> {
        self.screen.line("miners off, last verdicts")?;
        let moved = self.killed.as_ref().map(|killed| match killed.moved_after {
            Some(_) => Moved::Yes,
            None => Moved::No,
        });
        let Self {
            args,
            mut screen,
            practice,
            proxy,
            rack,
            tally,
            shown,
            replaced,
            killed,
            stop,
            tasks,
            ..
        } = self;
        let miners = rack.power_off().await;
        let ledger = proxy.quiet_ledger().await?;
        let books: Books = practice.as_ref().map(Practice::books).unwrap_or_default();
        let facts = Facts {
            disagreements: disagreements(args.pools(), &ledger, &books, &miners),
            worth: tally.as_ref().map_or(ledger.total.due, |tally| tally.worth()),
            credited: books.iter().map(|(_, books)| books.accepted).sum(),
            reconnects: MinerStatus::totals(&miners).reconnects,
            proxy_exit: None,
            moved,
        };
        stop.cancel();
        tasks.close();
        let exit = proxy.stop().await?;
        // A browser may hold its connection for ever.
        drop(timeout(PAGE_ENDS_WITHIN, tasks.wait()).await);
        let facts = Facts { proxy_exit: exit.code(), ..facts };
        let history = shown.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let summary = Summary { args: &args, facts: &facts, ledger: &ledger, miners: &miners };
        if args.json {
            print_json(&summary.json(&history, &replaced, killed.as_ref()))?;
        }
        screen.line(&summary.text(&history))?;
        Ok(match args.pools() {
            Pools::Real => Verdict::Passed,
            Pools::Adapting | Pools::Practice => facts.verdict(),
        })
    }
}

fn rewritten(
    args: &Args,
    practice: Option<&Practice>,
    listen: SocketAddr,
) -> anyhow::Result<(String, Vec<Replacement>)> {
    let mut documents = documents::read(&args.samples)?;
    let real = [args.pool.clone().unwrap_or_default()];
    let login = args.user.as_deref().map(|user| match user.split_once('.') {
        Some((account, worker)) => (account, Some(worker)),
        None => (user, None),
    });
    let wanted = Wanted {
        port: listen.port(),
        difficulty: mill::MINER_DIFFICULTY,
        urls: practice.map_or(real.as_slice(), |practice| &practice.urls),
        login,
    };
    let replaced = documents::replace(&mut documents, &wanted);
    Ok((documents::to_text(&documents).context("cannot write the documents")?, replaced))
}

fn replacements(replaced: &[Replacement]) -> String {
    let width = replaced.iter().map(|one| one.field.len()).max().unwrap_or_default();
    let lines = replaced.iter().map(|one| {
        let was = if one.was.is_empty() { "(default)" } else { &one.was };
        format!("      {:<width$}  {was} -> {}", one.field, one.is)
    });
    let head = "      replaced, and nothing else:".to_owned();
    std::iter::once(head).chain(lines).collect::<Vec<_>>().join("\n")
}

/// Real miners are in the ledger and not among ours.
fn disagreements(
    pools: Pools,
    ledger: &Ledger,
    books: &Books,
    miners: &[MinerStatus],
) -> Vec<String> {
    let mut found = ledger.imbalances();
    if !ledger.is_quiet() {
        let total = &ledger.total;
        found.push(format!("{} shares are still on their way", total.held + total.outstanding));
    }
    found.extend(books.iter().flat_map(|(name, books)| ledger.compare_with_pool(name, books)));
    if pools == Pools::Practice {
        found.extend(ledger.compare_with_miners(&MinerStatus::totals(miners), MinerLinks::Whole));
    }
    found
}

#[expect(clippy::print_stdout, reason = "--json asks for it")]
fn print_json(value: &Value) -> anyhow::Result<()> {
    println!("{}", serde_json::to_string_pretty(value)?);
    Ok(())
}

/// What is said at the end.
struct Summary<'a> {
    args: &'a Args,
    facts: &'a Facts,
    ledger: &'a Ledger,
    miners: &'a [MinerStatus],
}

// === impl Summary ===

impl Summary<'_> {
    fn text(&self, history: &History) -> String {
        let counts = MinerStatus::totals(self.miners);
        let total = &self.ledger.total;
        let mut text = format!(
            "\nSummary\n  miners   {}, {} hashes, {} shares found; idle {:.1} miner-seconds of {:.1}\n",
            self.miners.len(),
            counts.hashes,
            counts.found,
            counts.idle.as_secs_f64(),
            (counts.idle + counts.mining).as_secs_f64(),
        );
        text.push_str(&format!(
            "  ledger   received {} = rejected {} + below the pool's target {} + due {}\n",
            total.received,
            total.rejected.values().sum::<u64>(),
            total.below_pool_difficulty,
            total.due
        ));
        text.push_str(&format!(
            "           due {} = credited {} + refused {} + unanswered {} + lost {}\n",
            total.due,
            total.pool_accepted,
            total.pool_rejected.values().sum::<u64>(),
            total.unanswered.values().sum::<u64>(),
            total.lost.values().sum::<u64>()
        ));
        for (at, news) in &history.news {
            text.push_str(&format!("  {at:>5.1}s   {news}\n"));
        }
        if self.args.pools() != Pools::Real {
            text.push('\n');
            text.push_str(&view::gates(&self.facts.gates()));
        }
        text
    }

    fn json(&self, history: &History, replaced: &[Replacement], killed: Option<&Killed>) -> Value {
        let counts = MinerStatus::totals(self.miners);
        json!({
            "verdict": self.facts.verdict(),
            "gates": self.facts.gates(),
            "facts": self.facts,
            "replaced": replaced,
            "idleMinerSeconds": counts.idle.as_secs_f64(),
            "miningMinerSeconds": counts.mining.as_secs_f64(),
            "hashes": counts.hashes,
            "killed": killed.map(|killed| json!({
                "pool": killed.name,
                "creditedElsewhereAfterSeconds": killed.moved_after.map(|after| after.as_secs_f64()),
            })),
            "ledger": self.ledger,
            "news": history.news,
            "last": history.snapshots.last(),
        })
    }
}

// === impl Directory ===

impl Directory {
    fn make() -> anyhow::Result<Self> {
        let path = std::env::temp_dir().join(format!("loka-demo-{}", std::process::id()));
        std::fs::create_dir_all(&path)
            .with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // What is left behind lies in the system's own directory for such things.
        std::fs::remove_dir_all(&self.0).ok();
    }
}
