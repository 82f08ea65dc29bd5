//! Both farms in virtual time, each on a clock and a network of its own, with the same plan.

use std::io::{IsTerminal as _, Write as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

use loka_farm::miner::dial::NetDial;
use loka_farm::paid::book::Record;
use loka_farm::paid::machine::{Machine, Server};
use loka_farm::paid::tickets::MachineId;

use super::documents::{ACCOUNTS, PORTS};
use super::pods::{Keeper, UNIX_START, VipDial};
use super::world::{self, ADDRESSES, Experiment, Progress, Side, World};

/// Where lines cannot be written over, one appears this often.
const SIGN_OF_LIFE: Duration = Duration::from_secs(30);

/// Runs both at once, on a thread each; returns their records, the proxy's first.
pub(crate) fn run_both(experiment: &Experiment) -> [Vec<Record>; 2] {
    let progress = Progress::default();
    std::thread::scope(|scope| {
        let farms = [Side::Proxied, Side::Direct].map(|side| {
            let progress = &progress;
            scope.spawn(move || in_virtual_time(run(side, experiment, progress)))
        });
        let length = experiment.plan.shape.length;
        show_until(|| farms.iter().all(|farm| farm.is_finished()), &progress, length);
        farms.map(|farm| farm.join().expect("the farm's own words are above"))
    })
}

/// Shows how far it is, until it is over.
pub(crate) fn show_until(is_over: impl Fn() -> bool, progress: &Progress, length: Duration) {
    let terminal = std::io::stdout().is_terminal();
    let mut shown = Instant::now();
    while !is_over() {
        std::thread::sleep(Duration::from_millis(200));
        if terminal {
            print!("\r\x1b[2K{}", progress.tell(length));
            // Progress that cannot be shown is no reason to stop.
            std::io::stdout().flush().ok();
        } else if shown.elapsed() >= SIGN_OF_LIFE {
            shown = Instant::now();
            println!("{}", progress.tell(length));
        }
    }
    if terminal {
        print!("\r\x1b[2K");
    }
}

fn in_virtual_time<T>(scenario: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().start_paused(true);
    #[cfg(tokio_unstable)]
    builder.rng_seed(tokio::runtime::RngSeed::from_bytes(b"paid"));
    builder.build().expect("a runtime").block_on(scenario)
}

async fn run(side: Side, experiment: &Experiment, progress: &Progress) -> Vec<Record> {
    let mut world = World::build(&experiment.options, UNIX_START).await;
    let keeper = match side {
        Side::Direct => {
            switch_on_direct(&mut world, experiment);
            None
        }
        Side::Proxied => Some(switch_on_proxied(&mut world, experiment).await),
    };
    let book = world.live(&experiment.plan, side, progress).await;
    if let Some(keeper) = keeper {
        keeper.end().await;
    }
    world::records(&book)
}

async fn switch_on_proxied(world: &mut World, experiment: &Experiment) -> Keeper {
    let farm = world.farm(experiment);
    let addresses = ADDRESSES.map(str::to_owned);
    let book = Arc::clone(&world.book);
    let keeper = Keeper::start(&world.net, addresses, book, experiment.options.seed).await;
    world.stand_between(keeper.commands());
    for id in (0..experiment.options.machines).map(MachineId) {
        let name = format!("rig{}", id.0);
        let port = PORTS.get(id.0 % PORTS.len()).copied().unwrap_or_default();
        let net = world.net.clone();
        let dial = VipDial { net, from: name.clone(), port, vip: keeper.vip() };
        let servers = vec![Server { dial, user: name }];
        world.spawn(Machine::new(id, farm.clone(), servers).run());
    }
    keeper
}

fn switch_on_direct(world: &mut World, experiment: &Experiment) {
    let farm = world.farm(experiment);
    for id in (0..experiment.options.machines).map(MachineId) {
        let name = format!("rig{}", id.0);
        let server = |(address, account): (&str, &str)| Server {
            dial: NetDial { net: world.net.clone(), from: name.clone(), to: address.to_owned() },
            user: format!("{account}.{name}"),
        };
        let servers = ADDRESSES.into_iter().zip(ACCOUNTS).map(server).collect();
        world.spawn(Machine::new(id, farm.clone(), servers).run());
    }
}
