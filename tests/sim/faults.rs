//! What goes wrong in a farm, drawn from a seed.

use std::time::Duration;

use loka_tests::books::MinerLinks;

/// One fault. Pools are named by their index.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Fault {
    /// The pool resets everybody and refuses.
    Kill(usize),
    /// It is back.
    Revive(usize),
    /// The pool closes all connections; sessions can be resumed where it resumes.
    Drop(usize),
    /// As after a restart: new extranonce1 for all.
    Restart(usize),
    /// The pool keeps its connections and says nothing.
    Silence(usize),
    /// It speaks again.
    Speak(usize),
    /// Judges, and keeps its verdicts for itself.
    WithholdVerdicts(usize),
    /// Tells its verdicts again.
    TellVerdicts(usize),
    /// Another difficulty.
    Difficulty(usize, f64),
    /// A new extranonce1, told on the connection.
    Extranonce(usize),
    /// Another mask, told on the connection.
    Mask(usize, u32),
    /// A block is found.
    Block(usize),
    /// A clean job without a block.
    CleanJob(usize),
    /// A line that is no Stratum.
    Garbage(usize),
    /// A line of [`HOSTILE`] by this number.
    Hostile(usize, usize),
    /// Verdicts come this much later.
    Late(usize, Duration),
    /// The proxy's wall clock is set forward or back by so many seconds.
    ClockJump(i64),
    /// The network delivers nothing to or from the pool for a while.
    Partition(usize, Duration),
    /// What is sent on the pool's connections vanishes.
    HalfOpen(usize),
    /// All miners' connections are reset.
    CutMiners,
    /// The documents change: the pools in another order, other difficulties; in a farm whose document is drawn, anything.
    Reconfigure,
    /// The pool's coinbase pays somebody else.
    PayElsewhere(usize),
    /// It pays whom it paid before.
    PayAgain(usize),
    /// The pool's name stands for another address; the one before works on.
    Move(usize),
    /// The same, and at the one before nobody is left.
    MoveForGood(usize),
}

/// What a pool may say to do harm. None of it is a reason to close a miner, to lose a share or to stop; most is a reason to
/// leave the pool alone until it behaves.
pub(crate) const HOSTILE: &[&str] = &[
    r#"{"id":null,"method":"mining.set_difficulty","params":["NaN"]}"#,
    r#"{"id":null,"method":"mining.set_difficulty","params":[1e400]}"#,
    r#"{"id":null,"method":"mining.set_difficulty","params":[0]}"#,
    r#"{"id":null,"method":"mining.set_difficulty","params":[-5]}"#,
    r#"{"id":null,"method":"mining.set_extranonce","params":["zz",4]}"#,
    r#"{"id":null,"method":"mining.set_extranonce","params":["00",255]}"#,
    r#"{"id":null,"method":"mining.notify","params":["x","00","00","00",["00"],"1","1","1",true]}"#,
    r#"{"id":null,"method":"mining.notify","params":[]}"#,
    r#"{"id":987654321,"result":true,"error":null}"#,
    r#"{"id":1,"result":true,"error":null}"#,
    r#"{"id":"x","result":{"a":[[[[]]]]},"error":{"code":"a"}}"#,
    r#"{"id":null,"method":"client.reconnect","params":["evil.example",3333,0]}"#,
    r#"{"id":null,"method":"client.reconnect","params":["evil.example","x",1e9]}"#,
    r#"{"id":null,"method":"client.show_message","params":["[2J
<script>"]}"#,
    r#"{"id":5,"method":"client.get_version","params":[]}"#,
    r#"{"id":42,"method":"mining.ping","params":[]}"#,
    r#"[1,2,3]"#,
    r#"{"id":null,"method":"mining.set_version_mask","params":["ffffffffffff"]}"#,
];

/// How much goes wrong at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Strength {
    /// A fault a minute.
    Mild,
    /// A fault every five seconds.
    Wild,
}

/// The faults of a run with their times, in order.
#[derive(Debug)]
pub(crate) struct Plan(Vec<(Duration, Fault)>);

// === impl Strength ===

impl Strength {
    pub(crate) fn any(random: &mut fastrand::Rng) -> Self {
        if random.bool() { Self::Mild } else { Self::Wild }
    }

    fn mean_gap(self) -> Duration {
        match self {
            Self::Mild => Duration::from_secs(60),
            Self::Wild => Duration::from_secs(5),
        }
    }
}

// === impl Plan ===

impl Plan {
    /// Faults over `length` at so many pools, the first one's death among them.
    pub(crate) fn random(
        random: &mut fastrand::Rng,
        length: Duration,
        strength: Strength,
        pools: usize,
    ) -> Self {
        let mut faults = vec![(length.mul_f64(0.3), Fault::Kill(0))];
        if random.bool() {
            faults.push((length.mul_f64(0.6), Fault::Revive(0)));
        }
        let draw = |random: &mut fastrand::Rng| Fault::random(random, pools);
        let Self(mut others) = Self::of(random, length, strength.mean_gap(), draw);
        faults.append(&mut others);
        faults.sort_by_key(|(at, _)| *at);
        Self(faults)
    }

    /// Faults over `length`, each so long after the one before on average.
    pub(crate) fn of(
        random: &mut fastrand::Rng,
        length: Duration,
        mean_gap: Duration,
        draw: impl Fn(&mut fastrand::Rng) -> Fault,
    ) -> Self {
        let mut faults = Vec::new();
        let mut at = Duration::from_secs(5);
        loop {
            at += mean_gap.mul_f64(random.f64() * 2.0);
            if at >= length {
                break;
            }
            faults.push((at, draw(random)));
        }
        Self(faults)
    }

    pub(crate) fn faults(&self) -> &[(Duration, Fault)] {
        &self.0
    }

    /// Whether miners may have lost their last answers.
    pub(crate) fn miner_links(&self) -> MinerLinks {
        let cut = self.0.iter().any(|(_, fault)| *fault == Fault::CutMiners);
        if cut { MinerLinks::Cut } else { MinerLinks::Whole }
    }
}

// === impl Fault ===

impl Fault {
    fn random(random: &mut fastrand::Rng, pools: usize) -> Self {
        let pool = random.usize(0..pools);
        match random.u8(0..27) {
            0 => Self::Kill(pool),
            1 => Self::Revive(pool),
            2 => Self::Drop(pool),
            3 => Self::Restart(pool),
            4 => Self::Silence(pool),
            5 => Self::Speak(pool),
            6 => Self::WithholdVerdicts(pool),
            7 => Self::TellVerdicts(pool),
            8 => Self::Difficulty(pool, 2_f64.powi(random.i32(-2..4))),
            9 => Self::Extranonce(pool),
            10 => Self::Mask(pool, random.u32(..) & 0x1fff_e000),
            11 => Self::Block(pool),
            12 => Self::CleanJob(pool),
            13 => Self::Garbage(pool),
            14 => Self::Partition(pool, Duration::from_millis(random.u64(100..20_000))),
            15 => Self::HalfOpen(pool),
            16 => Self::CutMiners,
            17 => Self::Hostile(pool, random.usize(0..HOSTILE.len())),
            18 => Self::Late(pool, Duration::from_millis(random.u64(10..15_000))),
            19 => Self::ClockJump(random.i64(-20_000..20_000)),
            20 => Self::PayElsewhere(pool),
            21 => Self::PayAgain(pool),
            22 => Self::Move(pool),
            23 => Self::MoveForGood(pool),
            _ => Self::Reconfigure,
        }
    }
}
