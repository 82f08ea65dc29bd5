use super::*;

/// How often the route's task looks.
const PERIOD: Duration = Duration::from_secs(10);

fn even(rates: &[f64]) -> Vec<Sitter> {
    rates.iter().map(|rate| Sitter { pool: None, rate: *rate }).collect()
}

fn shares(weights: &[f64], work: &[f64]) -> Vec<Share> {
    weights.iter().zip(work).map(|(weight, work)| Share { weight: *weight, work: *work }).collect()
}

fn seat(sitters: &mut [Sitter], moves: &[(usize, usize)]) {
    for (sitter, pool) in moves {
        sitters[*sitter].pool = Some(*pool);
    }
}

fn rate_at(sitters: &[Sitter], pool: usize) -> f64 {
    sitters.iter().filter(|sitter| sitter.pool == Some(pool)).map(|sitter| sitter.rate).sum()
}

/// A farm that finds shares by chance.
struct Bench {
    random: fastrand::Rng,
    sitters: Vec<Sitter>,
    pools: Vec<(u32, f64, Brought)>,
    accounts: Accounts,
    /// Of a share, at every pool.
    difficulty: f64,
    /// What each pool got of each period.
    refused: Vec<f64>,
    moved: usize,
}

impl Bench {
    fn new(seed: u64, weights: &[f64], rates: &[f64]) -> Self {
        let total: f64 = rates.iter().sum();
        let pools =
            weights.iter().zip(1..).map(|(weight, pool)| (pool, *weight, Brought::default()));
        Self {
            random: fastrand::Rng::with_seed(seed),
            sitters: even(rates),
            pools: pools.collect(),
            accounts: Accounts::default(),
            difficulty: total * 2.0,
            refused: vec![0.0; weights.len()],
            moved: 0,
        }
    }

    /// One period of mining, and the moves at its end.
    fn period(&mut self) {
        for sitter in &self.sitters {
            let Some(pool) = sitter.pool else { continue };
            let mean = sitter.rate * PERIOD.as_secs_f64() / self.difficulty;
            let found = poisson(&mut self.random, mean) * self.difficulty;
            self.pools[pool].2.written += found;
            self.pools[pool].2.refused += found * self.refused[pool];
        }
        self.accounts.update(PERIOD, &self.pools);
        let moves = moves(&self.accounts.shares(), &self.sitters);
        let sat = moves.iter().filter(|(sitter, _)| self.sitters[*sitter].pool.is_some()).count();
        self.moved += sat;
        seat(&mut self.sitters, &moves);
    }

    fn hours(&mut self, hours: u32) {
        for _ in 0..hours * 360 {
            self.period();
        }
    }

    fn part(&self, pool: usize) -> f64 {
        let work = |pool: &(u32, f64, Brought)| pool.2.written - pool.2.refused;
        work(&self.pools[pool]) / self.pools.iter().map(work).sum::<f64>()
    }
}

fn poisson(random: &mut fastrand::Rng, mean: f64) -> f64 {
    let limit = (-mean).exp();
    let (mut count, mut product) = (0.0, random.f64());
    while product > limit {
        count += 1.0;
        product *= random.f64();
    }
    count
}

#[test]
fn weights_are_met_within_a_hundredth_over_an_hour() {
    let one_to_ten: Vec<f64> = (0..20).map(|n| if n % 2 == 0 { 1.0 } else { 10.0 }).collect();
    for (weights, rates) in [
        (vec![30.0, 70.0], one_to_ten.clone()),
        (vec![1.0, 1.0, 1.0], one_to_ten.clone()),
        (vec![5.0, 95.0], one_to_ten),
        (vec![30.0, 70.0], vec![1.0, 10.0]),
        (vec![30.0, 70.0], vec![7.0]),
        (vec![50.0, 30.0, 20.0], vec![7.0]),
        (vec![30.0, 70.0], vec![1.0; 500]),
    ] {
        for seed in 1..=10 {
            let mut bench = Bench::new(seed, &weights, &rates);
            bench.hours(1);
            let all: f64 = weights.iter().sum();
            for (pool, weight) in weights.iter().enumerate() {
                let (part, wanted) = (bench.part(pool), weight / all);
                let miners = rates.len();
                assert!(
                    (part - wanted).abs() < 0.008,
                    "{miners} miners, seed {seed}: pool {pool} got {part}, not {wanted}"
                );
            }
        }
    }
}

#[test]
fn moves_are_few() {
    for rates in [vec![7.0], vec![1.0, 10.0], vec![1.0; 500]] {
        let mut bench = Bench::new(3, &[30.0, 70.0], &rates);
        bench.hours(1);
        let per_minute = bench.moved as f64 / 60.0;
        let bound = 6.0 + rates.len() as f64 / 5.0;
        assert!(per_minute < bound, "{per_minute} moves a minute of {} miners", rates.len());
    }
}

#[test]
fn at_rest_nothing_moves() {
    let pools = shares(&[30.0, 70.0], &[300.0, 700.0]);
    let mut sitters = even(&[1.0; 10]);
    let first = moves(&pools, &sitters);
    seat(&mut sitters, &first);
    assert!((rate_at(&sitters, 0) - 3.0).abs() < 1e-9);
    assert_eq!(moves(&pools, &sitters), []);
}

#[test]
fn one_that_is_new_goes_where_most_is_missing() {
    let pools = shares(&[50.0, 50.0], &[100.0, 90.0]);
    let sitters = [Sitter { pool: None, rate: 0.0 }];
    assert_eq!(moves(&pools, &sitters), [(0, 1)]);
    // And one whose pool is gone as well.
    let sitters = [Sitter { pool: Some(5), rate: 0.0 }];
    assert_eq!(moves(&pools, &sitters), [(0, 1)]);
}

#[test]
fn what_is_wanted_adds_up_to_what_there_is_and_nobody_is_owed_less_than_nothing() {
    let mut random = fastrand::Rng::with_seed(5);
    for _ in 0..2000 {
        let count = random.usize(1..6);
        let pools: Vec<Share> = (0..count)
            .map(|_| Share {
                weight: f64::from(random.u32(1..1000)),
                work: random.f64() * 10_f64.powi(random.i32(-3..9)),
            })
            .collect();
        let rate = random.f64() * 1e6;
        let wanted = wanted(&pools, rate);
        assert!(wanted.iter().all(|rate| *rate >= 0.0), "{wanted:?}");
        let sum: f64 = wanted.iter().sum();
        assert!((sum - rate).abs() <= rate * 1e-9, "{sum} of {rate}");
    }
}

#[test]
fn every_move_is_of_another_sitter_to_another_pool_and_brings_the_work_nearer() {
    let mut random = fastrand::Rng::with_seed(6);
    for round in 0..500 {
        let count = random.usize(1..5);
        let pools: Vec<Share> = (0..count)
            .map(|_| Share { weight: f64::from(random.u32(1..100)), work: random.f64() * 1000.0 })
            .collect();
        let mut sitters: Vec<Sitter> = (0..random.usize(0..100))
            .map(|_| Sitter { pool: Some(random.usize(0..count)), rate: 0.1 + random.f64() * 10.0 })
            .collect();
        let total: f64 = sitters.iter().map(|sitter| sitter.rate).sum();
        let distance = |sitters: &[Sitter]| {
            let wanted = wanted(&pools, total);
            let miss = |(pool, wanted): (usize, &f64)| (wanted - rate_at(sitters, pool)).abs();
            wanted.iter().enumerate().map(miss).sum::<f64>()
        };
        let before = distance(&sitters);
        let moved = moves(&pools, &sitters);
        assert!(moved.len() <= MOVES_MAX);
        let mut once: Vec<usize> = moved.iter().map(|(sitter, _)| *sitter).collect();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once.len(), moved.len(), "round {round}: nobody moves twice");
        for (sitter, pool) in &moved {
            assert!(sitters[*sitter].pool != Some(*pool) && *pool < count);
        }
        seat(&mut sitters, &moved);
        assert!(distance(&sitters) <= before + 1e-9, "round {round}");
    }
}

#[test]
fn a_pool_that_was_away_is_not_owed_what_it_missed() {
    let mut accounts = Accounts::default();
    let brought = |written| Brought { written, refused: 0.0 };
    accounts.update(PERIOD, &[(1, 30.0, brought(0.0)), (2, 70.0, brought(0.0))]);
    accounts.update(PERIOD, &[(1, 30.0, brought(50.0)), (2, 70.0, brought(20.0))]);
    assert!(accounts.shares()[0].work > 49.0);
    // Alone for an hour.
    accounts.update(PERIOD, &[(2, 70.0, brought(9000.0))]);
    accounts.update(PERIOD, &[(1, 30.0, brought(50.0)), (2, 70.0, brought(9000.0))]);
    assert_eq!(accounts.shares(), shares(&[30.0, 70.0], &[0.0, 0.0]));
    // Other weights begin anew as well.
    accounts.update(PERIOD, &[(1, 30.0, brought(60.0)), (2, 70.0, brought(9000.0))]);
    accounts.update(PERIOD, &[(1, 40.0, brought(60.0)), (2, 60.0, brought(9000.0))]);
    assert_eq!(accounts.shares(), shares(&[40.0, 60.0], &[0.0, 0.0]));
}

#[test]
fn a_pool_that_refuses_all_does_not_draw_all_hashrate() {
    let mut bench = Bench::new(1, &[50.0, 50.0], &[1.0; 20]);
    bench.refused[0] = 1.0;
    bench.hours(1);
    let written = |pool: usize| bench.pools[pool].2.written;
    let part = written(0) / (written(0) + written(1));
    assert!(part < 0.53, "{part} of the work went to a pool that pays nothing");
}

#[test]
fn a_pool_that_refuses_a_little_is_made_good_for() {
    let mut bench = Bench::new(1, &[30.0, 70.0], &[1.0; 20]);
    bench.refused[0] = 0.04;
    bench.hours(1);
    assert!((bench.part(0) - 0.3).abs() < 0.01, "{}", bench.part(0));
}

#[test]
fn a_small_weight_is_served_at_once_when_it_is_lent_for() {
    let mut bench = Bench::new(1, &[99.0, 1.0], &[7.0; 10]);
    bench.period();
    bench.accounts.lend(2, 7.0);
    bench.period();
    assert!((rate_at(&bench.sitters, 1) - 7.0).abs() < 1e-9, "one miner, no more");
}
