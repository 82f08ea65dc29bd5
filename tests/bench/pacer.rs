//! Shares at a pace that no answer changes: a miner sends its next one when it is due, whether or not the one before is answered.
//!
//! The runtime's timers count milliseconds, so a thread of its own sends; the answers are awaited by the runtime.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::net::tcp::OwnedWriteHalf;
use tokio::task::{JoinSet, spawn_blocking};

use crate::farm::Submitted;
use crate::miner::{Listening, Miner, Stock};

/// Until the first one, so that all are listening by then.
const LEAD: Duration = Duration::from_millis(20);

/// Of one miner: its stock, and when each share of it was sent, in nanoseconds from the start.
struct Lane {
    to: OwnedWriteHalf,
    stock: Stock,
    sent: Arc<[AtomicU64]>,
}

/// All submit their stock, `rate` a second over all of them. A share's time counts from when it was really sent.
pub(crate) async fn submit(
    miners: Vec<Miner>,
    rate: f64,
) -> Result<(Vec<Miner>, Submitted), String> {
    let start = Instant::now() + LEAD;
    let (mut lanes, mut listening) = (Vec::with_capacity(miners.len()), JoinSet::new());
    for (number, miner) in miners.into_iter().enumerate() {
        let (from, to, stock) = miner.part()?;
        let sent: Arc<[AtomicU64]> = (0..stock.shares()).map(|_| AtomicU64::new(0)).collect();
        listening.spawn(listen(number, from, Arc::clone(&sent), start));
        lanes.push(Lane { to, stock, sent });
    }
    let sending = spawn_blocking(move || send(lanes, rate, start));
    let mut heard = Vec::with_capacity(listening.len());
    let mut times = Vec::new();
    while let Some(done) = listening.join_next().await {
        let (number, from, taken) = done.map_err(|error| error.to_string())??;
        heard.push((number, from));
        times.extend(taken);
    }
    let wall = start.elapsed();
    times.sort_unstable();
    heard.sort_unstable_by_key(|(number, _)| *number);
    let lanes = sending.await.map_err(|error| error.to_string())??;
    let whole = heard.into_iter().zip(lanes).map(|((_, from), lane)| from.whole(lane.to));
    Ok((whole.collect::<Result<_, _>>()?, Submitted { wall, times }))
}

async fn listen(
    number: usize,
    mut from: Listening,
    sent: Arc<[AtomicU64]>,
    start: Instant,
) -> Result<(usize, Listening, Vec<u32>), String> {
    let mut times = Vec::with_capacity(sent.len());
    for sent in &*sent {
        from.answered().await?;
        let now = start.elapsed().as_nanos() as u64;
        let taken = now.saturating_sub(sent.load(Ordering::Acquire));
        times.push(u32::try_from(taken).unwrap_or(u32::MAX));
    }
    Ok((number, from, times))
}

/// The miners take turns.
fn send(lanes: Vec<Lane>, rate: f64, start: Instant) -> Result<Vec<Lane>, String> {
    let shares = lanes.iter().map(|lane| lane.stock.shares()).min().unwrap_or(0);
    let mut number = 0_u32;
    for share in 0..shares {
        for lane in &lanes {
            let due = start + Duration::from_secs_f64(f64::from(number) / rate);
            let wait = due.saturating_duration_since(Instant::now());
            if !wait.is_zero() {
                std::thread::sleep(wait);
            }
            let line = lane.stock.share(share);
            lane.sent[share].store(start.elapsed().as_nanos() as u64, Ordering::Release);
            match lane.to.try_write(line) {
                Ok(count) if count == line.len() => {}
                Ok(_) => return Err("a share could not be written whole".to_owned()),
                Err(error) => return Err(format!("a share could not be written: {error}")),
            }
            number += 1;
        }
    }
    Ok(lanes)
}
