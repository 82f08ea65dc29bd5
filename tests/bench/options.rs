//! The command line of the bench.

use std::path::PathBuf;

use crate::adapters::{ADAPTERS, Adapter};
use crate::scenes::{Death, FanOut, Scene, Way};
use crate::subject::Subject;

const USAGE: &str = "arguments: [--only SCENE]... [--against NAME]... [--rounds N] [--json FILE], or --draw FILE... --into DIR";

/// What was asked for.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) proxy: PathBuf,
    /// Of every scene; else each has its own number of them.
    pub(crate) rounds: Option<u32>,
    pub(crate) json: Option<PathBuf>,
    /// What was measured before and is to be drawn; nothing is measured then.
    pub(crate) draw: Vec<PathBuf>,
    pub(crate) into: Option<PathBuf>,
    only: Vec<String>,
    against: Vec<String>,
}

/// All scenes, cheap ones first.
const SCENES: [Scene; 19] = [
    Scene::Cost { miners: 256, shares: 200, is_due: false },
    Scene::Cost { miners: 256, shares: 200, is_due: true },
    Scene::Threads { miners: 256, shares: 200 },
    Scene::Latency { miners: 100, rate: 2_000.0, shares: 60 },
    Scene::Loaded { miners: 100 },
    fan_out(1_000, Way::Plain, None),
    fan_out(1_000, Way::Plain, Some(POURING)),
    fan_out(1_000, Way::Tls, None),
    Scene::Idle { miners: &[1_000, 10_000, usize::MAX], way: Way::Plain },
    Scene::Flat { miners: &[100, 1_000, 10_000], submitting: None, shares: 60_000 },
    Scene::Flat { miners: &[100, 1_000, 10_000], submitting: Some(100), shares: 60_000 },
    fan_out(10_000, Way::Plain, None),
    fan_out(10_000, Way::Plain, Some(POURING)),
    Scene::Storm { miners: 10_000 },
    Scene::Idle { miners: &[1_000, 10_000], way: Way::Tls },
    fan_out(10_000, Way::Tls, None),
    Scene::Failover { miners: 1_000, death: Death::Ends },
    Scene::Failover { miners: 1_000, death: Death::FallsSilent },
    Scene::Many { miners: 10_000 },
];

/// Shares a second, while a job goes out.
const POURING: f64 = 5_000.0;

const fn fan_out(miners: usize, way: Way, load: Option<f64>) -> Scene {
    Scene::FanOut(FanOut { miners, jobs: if miners > 1_000 { 5 } else { 10 }, way, load })
}

// === impl Options ===

impl Options {
    pub(crate) fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let proxy = std::env::var_os("LOKA_PROXY_BIN").map(PathBuf::from);
        let mut options = Self {
            proxy: proxy.unwrap_or_default(),
            rounds: None,
            json: None,
            draw: Vec::new(),
            into: None,
            only: Vec::new(),
            against: Vec::new(),
        };
        while let Some(argument) = arguments.next() {
            let mut value =
                || arguments.next().ok_or_else(|| format!("{argument} needs a value; {USAGE}"));
            match argument.as_str() {
                "--only" => options.only.push(value()?),
                "--against" => options.against.push(value()?),
                "--rounds" => {
                    let text = value()?;
                    let number = text.parse().ok().filter(|number| (1..=99).contains(number));
                    let number = number.ok_or_else(|| format!("--rounds {text}: from 1 to 99"));
                    options.rounds = Some(number?);
                }
                "--json" => options.json = Some(PathBuf::from(value()?)),
                "--draw" => options.draw.push(PathBuf::from(value()?)),
                "--into" => options.into = Some(PathBuf::from(value()?)),
                unknown => return Err(format!("unknown argument {unknown}; {USAGE}")),
            }
        }
        if options.draw.is_empty() && options.proxy.as_os_str().is_empty() {
            return Err("LOKA_PROXY_BIN does not name the proxy".to_owned());
        }
        Ok(options)
    }

    /// Those whose name has one of the words of `--only`.
    pub(crate) fn scenes(&self) -> impl Iterator<Item = Scene> {
        let wanted = |scene: &Scene| {
            self.only.is_empty() || self.only.iter().any(|word| scene.name().contains(word))
        };
        SCENES.into_iter().filter(wanted)
    }

    /// Ours always; the others where they are named, or all that are found. Whoever is named and is not there is an error.
    pub(crate) fn subjects(&self) -> Result<Vec<Subject>, String> {
        let found = Subject::all();
        for name in &self.against {
            if !found.iter().any(|subject| subject.name() == name) {
                let known = ADAPTERS.iter().find(|adapter| adapter.name == name);
                return Err(known.map_or_else(
                    || format!("--against {name}: nobody of that name is known"),
                    Adapter::lack,
                ));
            }
        }
        let wanted = |subject: &Subject| {
            *subject == Subject::Loka
                || self.against.is_empty()
                || self.against.iter().any(|name| name == subject.name())
        };
        Ok(found.into_iter().filter(wanted).collect())
    }
}
