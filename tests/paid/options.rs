//! The command line of the experiment.

use std::path::PathBuf;
use std::time::Duration;

use loka_farm::paid::plan::{DAY, SHORT, SOCKETS, Shape};

/// What was asked for.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) shape: ShapeName,
    pub(crate) machines: usize,
    pub(crate) seed: u64,
    /// Between two tickets of a middling machine.
    pub(crate) pause: Duration,
    pub(crate) json: Option<PathBuf>,
    pub(crate) svg: Option<PathBuf>,
}

/// How much of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum ShapeName {
    Day,
    Short,
    Sockets,
}

/// Machines of a farm at most: a simulated listener's backlog.
const MACHINES_MAX: usize = 10_000;

const USAGE: &str = "arguments: [--short | --sockets] [--machines N] [--seed N] [--pause SECONDS] [--json FILE] [--svg FILE]";

// === impl Options ===

impl Options {
    pub(crate) fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut shape = ShapeName::Day;
        let (mut machines, mut seed, mut pause) = (None, None, None);
        let (mut json, mut svg) = (None, None);
        while let Some(argument) = arguments.next() {
            let mut value =
                || arguments.next().ok_or_else(|| format!("{argument} needs a value; {USAGE}"));
            match argument.as_str() {
                "--short" => shape = ShapeName::Short,
                "--sockets" => shape = ShapeName::Sockets,
                "--machines" => machines = Some(number(&value()?, 1..=MACHINES_MAX as u64)?),
                "--seed" => seed = Some(number(&value()?, 0..=u64::MAX)?),
                "--pause" => pause = Some(number(&value()?, 1..=3600)?),
                "--json" => json = Some(PathBuf::from(value()?)),
                "--svg" => svg = Some(PathBuf::from(value()?)),
                unknown => return Err(format!("unknown argument {unknown}; {USAGE}")),
            }
        }
        let machines = machines.and_then(|number| usize::try_from(number).ok());
        Ok(Self {
            shape,
            machines: machines.unwrap_or_else(|| shape.machines()),
            seed: seed.unwrap_or(1),
            pause: pause.map_or_else(|| shape.pause(), Duration::from_secs),
            json,
            svg,
        })
    }
}

fn number(text: &str, bounds: std::ops::RangeInclusive<u64>) -> Result<u64, String> {
    let number = text.parse().ok().filter(|number| bounds.contains(number));
    number.ok_or_else(|| {
        format!("{text} is no whole number from {} to {}; {USAGE}", bounds.start(), bounds.end())
    })
}

// === impl ShapeName ===

impl ShapeName {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Short => "short",
            Self::Sockets => "sockets",
        }
    }

    pub(crate) fn shape(self) -> Shape {
        match self {
            Self::Day => DAY,
            Self::Short => SHORT,
            Self::Sockets => SOCKETS,
        }
    }

    fn machines(self) -> usize {
        match self {
            Self::Day => 600,
            Self::Short => 60,
            Self::Sockets => 200,
        }
    }

    /// As rare as the goals can bear: a day of it counts 860 thousand tickets.
    fn pause(self) -> Duration {
        Duration::from_secs(match self {
            Self::Day => 60,
            Self::Short => 20,
            Self::Sockets => 6,
        })
    }
}
