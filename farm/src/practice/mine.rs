//! `loka-practice mine`: practice miners at one address, and their counts.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use loka_farm::miner::dial::Dial;
use loka_farm::miner::rack::Rack;
use loka_farm::miner::ticket::{NoTickets, TicketSink};
use loka_farm::miner::{MinerSetup, MinerState, MinerStatus, TICK};
use loka_farm::profile::Profile;
use serde::Serialize;
use tokio::net::TcpStream;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::args::MineArgs;
use super::{Ended, Stop, say, unix_now};

/// Between two looks at the miners.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Resolves the name at each attempt, as a miner does: in a cluster it may not exist yet.
#[derive(Clone, Debug)]
struct NameDial {
    host: Arc<str>,
}

/// What is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Counts {
    miners: usize,
    mining: usize,
    submitted: u64,
    accepted: u64,
    rejected: u64,
    unanswered: u64,
    outstanding: u64,
    connects: u64,
    reconnects: u64,
    dial_failures: u64,
    jobs: u64,
}

/// Mines until it is asked to end, the time is over or the shares are there.
pub(super) async fn run(args: MineArgs, mut stop: Stop) -> anyhow::Result<Ended> {
    let host = args.url.strip_prefix("stratum+tcp://").unwrap_or(&args.url);
    let dial = NameDial { host: host.into() };
    let sink: Arc<dyn TicketSink> = Arc::new(NoTickets);
    let rack = Rack::power_on(setups(&args, host), |_| dial.clone(), &sink)?;
    let started = Instant::now();
    let mut ticks = interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut said: Option<(Instant, Counts)> = None;
    loop {
        // The end first: a tick is always to be had.
        tokio::select! {
            biased;
            () = stop.asked() => break,
            _ = ticks.tick() => {}
        }
        let now = Counts::of(&rack.statuses());
        let enough = args.until_accepted.is_some_and(|wanted| now.accepted >= wanted);
        if enough || args.duration.is_some_and(|duration| started.elapsed() >= duration) {
            break;
        }
        let is_news = said.is_none_or(|(at, last)| {
            let first_share = last.accepted == 0 && now.accepted > 0;
            first_share || (at.elapsed() >= args.interval && last != now)
        });
        if is_news {
            say(&now)?;
            said = Some((Instant::now(), now));
        }
    }
    let last = Counts::of(&rack.power_off().await);
    say(&last)?;
    let missed = args.until_accepted.is_some_and(|wanted| last.accepted < wanted);
    Ok(if missed { Ended::TooFewShares } else { Ended::Well })
}

fn setups(args: &MineArgs, host: &str) -> Vec<MinerSetup> {
    let profiles = Profile::all().iter().cycle().take(usize::from(args.miners)).enumerate();
    let setups = profiles.map(|(place, profile)| MinerSetup {
        profile,
        worker: format!("{}.{}{place}", args.account, profile.name),
        password: "x".to_owned(),
        hashes_per_second: args.rate,
        seed: place as u64,
        unix_base: unix_now(),
        pool_url: format!("stratum+tcp://{host}"),
        tick: TICK,
    });
    setups.collect()
}

// === impl NameDial ===

impl Dial for NameDial {
    type Stream = TcpStream;

    async fn dial(&self) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(&*self.host).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

// === impl Counts ===

impl Counts {
    fn of(miners: &[MinerStatus]) -> Self {
        let sum = MinerStatus::totals(miners);
        Self {
            miners: miners.len(),
            mining: miners.iter().filter(|miner| miner.state == MinerState::Mining).count(),
            submitted: sum.submitted,
            accepted: sum.accepted,
            rejected: sum.rejected.total(),
            unanswered: sum.unanswered,
            outstanding: sum.outstanding,
            connects: sum.connects,
            reconnects: sum.reconnects,
            dial_failures: sum.dial_failures,
            jobs: sum.jobs,
        }
    }
}
