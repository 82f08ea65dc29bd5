//! A farm under attack: hundreds of honest miners mine on while strangers from other addresses do all that strangers may try,
//! at once. Their paid work is that of the calm before, memory stays flat, and every limit acts and is counted.
//!
//! `cargo xtask soak --attack` runs it for as long as one likes; what it is told stands in the environment.

use std::time::Duration;

use loka_farm::miner::counts::MinerCounts;
use loka_farm::miner::rack::Rack;
use loka_farm::miner::{MinerState, MinerStatus};
use loka_farm::pool::{DifficultyPolicy, PoolSettings};
use loka_tests::books::{Books as _, total};
use loka_tests::documents::Documents;
use loka_tests::process::{Process, eventually};
use loka_tests::rig::{DIFFICULTY, Pools, alpha, beta, difficulty, miners_at, miners_by};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::soak::{Memory, setting};

mod doubled;
mod strangers;

use self::doubled::Doubled;
use self::strangers::{Strangers, Weather};

/// How long, and how many honest miners.
const SECONDS: (&str, u64) = ("LOKA_ATTACK_SECONDS", 60);
const MINERS: (&str, u64) = ("LOKA_ATTACK_MINERS", 500);

/// Hashes a second of an honest miner: together some hundred shares a second at the pool's difficulty.
const RATE: u64 = 100;

/// How many miners there are whose shares come twice while there is an attack.
const DOUBLED: usize = 3;

const BEAT: Duration = Duration::from_secs(1);

/// Of the shares for a hash in the calm, so many at least under attack. What is left is chance: with 2,000 shares in the calm
/// and twice as many after it, one of a thousand runs is 8 % off.
const PAID_MIN: f64 = 0.90;

/// Of the rejections of honest miners, which are of stale shares, no more than this part of their shares.
const REJECTED_MAX: f64 = 0.02;

/// Room for the honest and a hundred strangers; for each stranger's address little. The honest miners' address is a farm
/// behind one NAT, and exempt as such a farm should be.
const LIMITS: &str = "      limits:
        maxConnections: ROOM
        maxConnectionsPerAddress: 12
        connectsPerMinutePerAddress: 240
        maxHandshakes: 60
        maxHandshakesPerAddress: 10
        handshakeTimeout: 2s
        submitsPerSecond: 1000
        submitBurst: 2000
        ban: { after: 3, for: 5s }
        exempt: [127.0.0.1/32]
";

/// Every limit that must have acted, by the metric and the reason that count it.
const ACTED: [(&str, &[&str]); 4] = [
    (
        "loka_miner_refused_total",
        &[
            "address_connections",
            "address_connects",
            "address_handshakes",
            "banned",
            "connection_limit",
            "handshakes",
        ],
    ),
    (
        "loka_miner_closed_total",
        &[
            "banned",
            "connection_lost",
            "handshake_timeout",
            "http",
            "line_too_long",
            "not_stratum",
            "proxy_header_forbidden",
            "slow_reader",
            "tls_on_plain_port",
            "too_many_malformed",
        ],
    ),
    ("loka_miner_bans_total", &["invalid_shares", "line_too_long", "malformed", "not_stratum"]),
    ("loka_shares_rejected_total", &["duplicate", "unauthorized", "unknown_job"]),
];

/// The farm, and how it went so far.
struct Farm {
    pools: Pools,
    documents: Documents,
    proxy: Process,
    honest: Rack,
    memory: Memory,
}

/// Where the books stood at a moment.
struct Mark {
    /// Shares that the pool has credited, to everybody.
    credited: u64,
    honest: MinerCounts,
    /// `/metrics`.
    page: String,
}

/// Pool alpha, so easy that there are shares enough to compare.
fn easy() -> PoolSettings {
    PoolSettings { difficulty: DifficultyPolicy::Fixed(difficulty(DIFFICULTY / 2.0)), ..alpha() }
}

// === impl Farm ===

impl Farm {
    async fn start(miners: u64) -> Self {
        let pools = Pools::of([easy(), beta()]).await;
        let listener = LIMITS.replace("ROOM", &(miners + 100).to_string());
        let documents = Documents { listener, ..pools.documents().await };
        let proxy = Process::start_at("info", &documents.text()).await;
        let address = ([127, 0, 0, 1], documents.port).into();
        let honest = miners_at(usize::try_from(miners).expect("a count"), address, RATE);
        let all = || honest.statuses().iter().all(|it| it.state == MinerState::Mining);
        eventually("everybody mines", all).await;
        Self { pools, documents, proxy, honest, memory: Memory::default() }
    }

    async fn mark(&self) -> Mark {
        let (_, page) = self.proxy.page("/metrics").await;
        let honest = MinerStatus::totals(&self.honest.statuses());
        Mark { credited: self.pools.accepted()[0], honest, page }
    }

    async fn pass(&mut self, time: Duration) {
        let end = Instant::now() + time;
        let mut beat = Instant::now();
        while beat < end {
            beat += BEAT;
            sleep_until(beat).await;
            self.memory.look(self.proxy.id());
        }
    }

    /// The honest have lost nothing, and the books agree.
    async fn end(self, [calm, attack, last]: [Mark; 3]) {
        let idle = attack.limits_idle_until(&last);
        let paid = [calm.paid_until(&attack), attack.paid_until(&last)];
        println!(
            "shares for a million hashes: {:.1} in the calm ({} shares), {:.1} under attack ({})",
            paid[0] * 1e6,
            attack.credited - calm.credited,
            paid[1] * 1e6,
            last.credited - attack.credited,
        );
        assert!(attack.credited - calm.credited > 1_000, "too few to compare");
        assert!(paid[1] >= PAID_MIN * paid[0], "{paid:?}");
        let counts = MinerStatus::totals(&self.honest.power_off().await);
        assert_eq!(counts.connects, calm.honest.connects, "somebody had to reconnect");
        let rejected = counts.rejected.total() as f64 / counts.submitted as f64;
        println!("of {} honest shares {:.2} % were rejected", counts.submitted, 100.0 * rejected);
        assert!(rejected <= REJECTED_MAX, "{:?}", counts.rejected);
        let ledger = self.proxy.quiet_ledger().await;
        ledger.assert_agrees_with_pool("alpha", &self.pools.pools[0].counts());
        let (lost, unanswered) = (total(&ledger.total.lost), total(&ledger.total.unanswered));
        assert_eq!((lost, unanswered), (0, 0), "{:?}", ledger.total);
        self.memory.assert_is_flat();
        assert_eq!(idle, [""; 0], "never acted");
    }
}

// === impl Mark ===

impl Mark {
    /// Credited shares for a hash of the honest. The doubled miners hash at all times, so that theirs are the same in both.
    fn paid_until(&self, later: &Self) -> f64 {
        let hashes = later.honest.hashes - self.honest.hashes;
        (later.credited - self.credited) as f64 / hashes as f64
    }

    /// The limits of [`ACTED`] that did not act between the two.
    fn limits_idle_until(&self, later: &Self) -> Vec<String> {
        let mut idle = Vec::new();
        for (metric, reasons) in ACTED {
            for reason in reasons {
                let times = later.count(metric, reason) - self.count(metric, reason);
                println!("{metric}{{reason=\"{reason}\"}} +{times}");
                if times < 1.0 {
                    idle.push(format!("{metric}: {reason}"));
                }
            }
        }
        idle
    }

    /// The sum of a metric's series of this reason.
    fn count(&self, metric: &str, reason: &str) -> f64 {
        let wanted = format!("reason=\"{reason}\"");
        let series = self.page.lines().filter(|line| {
            line.strip_prefix(metric).is_some_and(|rest| rest.starts_with('{'))
                && line.contains(&wanted)
        });
        series.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn under_attack_the_honest_are_paid_as_in_the_calm_and_every_limit_acts() {
    let (seconds, miners) = (setting(SECONDS), setting(MINERS));
    let mut farm = Farm::start(miners).await;
    let (weather, forecast) = watch::channel(Weather::Calm);
    let port = farm.documents.port;
    let doubled = Doubled::new(port, forecast.clone());
    let address = ([127, 0, 0, 1], port).into();
    let doubled = miners_by(&doubled, DOUBLED, address, RATE);
    let calm = farm.mark().await;
    farm.pass(Duration::from_secs(seconds / 3)).await;
    let attack = farm.mark().await;
    let strangers = Strangers::come(port, forecast);
    weather.send_replace(Weather::Storm);
    farm.pass(Duration::from_secs(seconds - seconds / 3)).await;
    let last = farm.mark().await;
    weather.send_replace(Weather::Over);
    strangers.gone().await;
    let shown = doubled.power_off().await;
    assert!(shown.iter().any(|miner| miner.counts.accepted > 0), "there was nothing to double");
    farm.end([calm, attack, last]).await;
}
