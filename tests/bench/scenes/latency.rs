//! From submit to answer, at a pace.

use super::{Round, Scenery, Stage, quantile};
use crate::farm::{Farm, Submitted};
use crate::figure::{Better, Figure, figure};
use crate::subject::Subject;

/// Shares of each miner that show what a closed loop reaches.
const TO_KNOW: u32 = 200;

/// Part of that which is most of the load that is possible.
const MOST: f64 = 0.8;

/// How long a pace is held.
const SECONDS: f64 = 2.0;

/// A pace that was kept to less than this was not.
const KEPT: f64 = 0.97;

/// So many shares of each miner, `rate` a second over all of them.
pub(super) async fn play(
    round: &Round<'_>,
    subject: Subject,
    miners: usize,
    rate: f64,
    shares: u32,
) -> Result<Vec<Figure>, String> {
    let mut stage = Stage::set(round, subject, Scenery::PLAIN).await?;
    let mut farm = stage.farm(miners).await?;
    farm.stock_up(shares);
    let before = stage.usage();
    let submitted = farm.submit(Some(rate)).await.map_err(|it| stage.told(it))?;
    let used = stage.usage().cpu - before.cpu;
    let mut figures = added(quantiles(&submitted, rate));
    let count = submitted.times.len() as f64;
    stage.has(submitted.times.len() as u64).await?;
    figures.push(figure("cpu per share", "µs", used as f64 / count / 1e3));
    Ok(figures)
}

/// At most of what this one reaches, and at most of what haproxy does.
pub(super) async fn loaded(
    round: &mut Round<'_>,
    subject: Subject,
    miners: usize,
) -> Result<Vec<Figure>, String> {
    let relayed = match round.relayed {
        Some(rate) => rate,
        None => closed(round, Subject::HaProxy, miners).await?.2,
    };
    round.relayed = Some(relayed);
    let (mut stage, mut farm, reached) = closed(round, subject, miners).await?;
    let (mut figures, mut shares) = (Vec::new(), miners * TO_KNOW as usize);
    for (reached, whose) in [(reached, None), (relayed, Some("at haproxy's"))] {
        let rate = reached * MOST;
        farm.stock_up((rate * SECONDS / miners as f64) as u32);
        let submitted = farm.submit(Some(rate)).await.map_err(|it| stage.told(it))?;
        shares += submitted.times.len();
        let each = quantiles(&submitted, rate);
        match whose {
            // At the same load for all.
            Some(whose) => figures.extend(added(each).into_iter().map(|it| it.of(whose))),
            None => figures.extend(each),
        }
    }
    stage.has(shares as u64).await?;
    Ok(figures)
}

/// What is reached in a closed loop, in shares a second.
async fn closed(
    round: &Round<'_>,
    subject: Subject,
    miners: usize,
) -> Result<(Stage, Farm, f64), String> {
    let stage = Stage::set(round, subject, Scenery::PLAIN).await?;
    let mut farm = stage.farm(miners).await?;
    farm.stock_up(TO_KNOW);
    let submitted = farm.submit(None).await.map_err(|it| stage.told(it))?;
    let rate = submitted.times.len() as f64 / submitted.wall.as_secs_f64();
    Ok((stage, farm, rate))
}

fn quantiles(submitted: &Submitted, wanted: f64) -> Vec<Figure> {
    let rate = submitted.times.len() as f64 / submitted.wall.as_secs_f64();
    let late = (rate < wanted * KEPT)
        .then(|| format!("{wanted:.0}/s were wanted: the driver was the limit"));
    let at = |what, at| figure(what, "µs", quantile(&submitted.times, at));
    vec![
        at("p50", 0.5),
        at("p99", 0.99),
        at("p99.9", 0.999),
        figure("rate", "/s", rate).neither_is_better().noted(late),
    ]
}

/// Beside each time that of the way without anything between counts.
fn added(figures: Vec<Figure>) -> Vec<Figure> {
    let is_time = |it: &Figure| it.better == Better::Less;
    figures.into_iter().map(|it| if is_time(&it) { it.added_to() } else { it }).collect()
}
