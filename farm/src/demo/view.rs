//! The terminal: progress lines, one live view that is drawn in place, and the summary.
//!
//! Not a terminal: a line every few seconds instead. With `--json` all of it goes to standard error.

use std::fmt::Write as _;
use std::io::{self, IsTerminal as _, Write as _};

use super::gates::{Gate, Verdict};
use super::snapshot::{History, Snapshot};

/// Lines of news in the view.
const NEWS_SHOWN: usize = 4;

/// Snapshots between two lines where there is no terminal.
const LINE_EVERY: usize = 10;

/// Width of the bar of the time.
const BAR: usize = 40;

/// Where things are shown.
pub(super) struct Screen {
    out: Box<dyn io::Write + Send>,
    is_terminal: bool,
    /// Lines of the view that are on the terminal now.
    drawn: usize,
    shown: usize,
}

// === impl Screen ===

impl Screen {
    pub(super) fn stdout() -> Self {
        Self::new(Box::new(io::stdout()), io::stdout().is_terminal())
    }

    pub(super) fn stderr() -> Self {
        Self::new(Box::new(io::stderr()), io::stderr().is_terminal())
    }

    fn new(out: Box<dyn io::Write + Send>, is_terminal: bool) -> Self {
        Self { out, is_terminal, drawn: 0, shown: 0 }
    }

    /// A line that stays, above the view.
    pub(super) fn line(&mut self, text: &str) -> io::Result<()> {
        self.clear()?;
        writeln!(self.out, "{text}")?;
        self.out.flush()
    }

    /// The view, in place of the one before.
    pub(super) fn show(&mut self, history: &History, page: &str) -> io::Result<()> {
        let Some(now) = history.snapshots.last() else { return Ok(()) };
        self.shown += 1;
        if !self.is_terminal {
            return if self.shown % LINE_EVERY == 1 { self.line(&one_line(now)) } else { Ok(()) };
        }
        let text = view(now, history, page);
        self.clear()?;
        self.out.write_all(text.as_bytes())?;
        self.drawn = text.lines().count();
        self.out.flush()
    }

    fn clear(&mut self) -> io::Result<()> {
        if self.drawn > 0 {
            // Up so many lines, then erase to the end of the screen.
            write!(self.out, "\u{1b}[{}A\u{1b}[J", self.drawn)?;
            self.drawn = 0;
        }
        Ok(())
    }
}

fn one_line(now: &Snapshot) -> String {
    let active = now.pools.iter().find(|pool| pool.active).map_or("none", |pool| &pool.name);
    let shares = &now.shares;
    format!(
        "{:>5.0}s  pool {active:<10} {:>10}  shares {:>6}  credited {:>6}  refused {:>4}  lost {:>3}",
        now.at,
        hashrate(now.hashrate),
        shares.received,
        shares.credited,
        shares.rejected.values().sum::<u64>() + shares.pool_rejected.values().sum::<u64>(),
        shares.lost + shares.unanswered,
    )
}

/// Writing to a String cannot fail, so the results are dropped.
fn view(now: &Snapshot, history: &History, page: &str) -> String {
    let mut text = String::new();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 40")]
    let done = (now.at / history.duration * 40.0).clamp(0.0, 40.0) as usize;
    let bar = format!("{}{}", "━".repeat(done), "─".repeat(BAR - done));
    writeln!(text, "\n {bar} {:.0} of {:.0} s   {page}\n", now.at, history.duration).ok();
    pools(&mut text, now);
    firmware(&mut text, now);
    shares(&mut text, now);
    for (at, news) in history.news.iter().rev().take(NEWS_SHOWN).rev() {
        writeln!(text, " {at:>5.1}s  {news}").ok();
    }
    text
}

fn pools(text: &mut String, now: &Snapshot) {
    writeln!(
        text,
        "   {:<11} {:<11} {:<7} {:<9} {:>10} {:>9} {:>8} {:>11}",
        "POOL", "STATE", "XNONCE", "MASK", "DIFFICULTY", "ACCEPTED", "REFUSED", "CREDITED"
    )
    .ok();
    for pool in &now.pools {
        let mark = if pool.active { "▶" } else { " " };
        writeln!(
            text,
            " {mark} {:<11} {:<11} {:<7} {:<9} {:>10} {:>9} {:>8} {:>11.6}",
            pool.name,
            pool.state,
            pool.extranonce,
            pool.mask,
            format!("{:.6}", pool.difficulty),
            pool.accepted,
            pool.rejected,
            pool.credited
        )
        .ok();
    }
    text.push('\n');
}

fn firmware(text: &mut String, now: &Snapshot) {
    writeln!(
        text,
        "   {:<16} {:>7} {:>7} {:>9} {:>9} {:>11}",
        "FIRMWARE", "MINERS", "MINING", "ACCEPTED", "REJECTED", "RECONNECTS"
    )
    .ok();
    for kind in &now.firmware {
        writeln!(
            text,
            "   {:<16} {:>7} {:>7} {:>9} {:>9} {:>11}",
            kind.name, kind.miners, kind.mining, kind.accepted, kind.rejected, kind.reconnects
        )
        .ok();
    }
    text.push('\n');
}

fn shares(text: &mut String, now: &Snapshot) {
    let shares = &now.shares;
    let sum = |reasons: &std::collections::BTreeMap<String, u64>| reasons.values().sum::<u64>();
    writeln!(
        text,
        "   SHARES  received {}   rejected {}   below the pool's target {}   on the way {}",
        shares.received,
        sum(&shares.rejected),
        shares.below_pool,
        shares.on_the_way
    )
    .ok();
    writeln!(
        text,
        "           credited {}   refused by the pool {}   unanswered {}   lost {}",
        shares.credited,
        sum(&shares.pool_rejected),
        shares.unanswered,
        shares.lost
    )
    .ok();
    let paid = now.worth.map_or_else(
        || format!("{} shares", now.credited),
        |worth| format!("{} of {worth} shares that meet their pool's target", now.credited),
    );
    writeln!(
        text,
        "   WORK    {}   paid: {paid}   idle {:.1} s\n",
        hashrate(now.hashrate),
        now.idle_seconds
    )
    .ok();
}

/// With the unit that leaves one to three digits before the point.
pub(super) fn hashrate(rate: f64) -> String {
    let (rate, unit) = match rate {
        rate if rate >= 1e6 => (rate / 1e6, "MH/s"),
        rate if rate >= 1e3 => (rate / 1e3, "kH/s"),
        rate => (rate, "H/s"),
    };
    format!("{rate:.1} {unit}")
}

/// The gates as a table.
pub(super) fn gates(gates: &[Gate]) -> String {
    let mut text = String::new();
    for gate in gates {
        let mark = if gate.verdict == Verdict::Passed { "ok    " } else { "FAILED" };
        writeln!(text, "  {mark}  {:<24} {}", gate.name, gate.found).ok();
    }
    text
}
