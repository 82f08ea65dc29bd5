//! `stratum-proxy run`: from arguments to a running process, and from a signal to its end.
//!
//! It wires; whatever it wires decides.

use std::io::{self, Write as _};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use anyhow::Context as _;
use loka_api::overlay::PREFIX;
use loka_ops::admin::Admin;
use loka_ops::environment::Environment;
use loka_ops::signals::{Signals, reload_on_hangup};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::admin;
use crate::admin::api::Keys;
use crate::app::{App, Seams};
use crate::args::{ADMIN_API, Exit, RunArgs, SnapshotArgs};
use crate::audit::{self, AuditTo};
use crate::books::{self, Books};
use crate::clock::Clock;
use crate::config::{Blame, ConfigError, Inputs};
use crate::control::{
    AllowedPools, ConfigFeed, ControlStream, FollowAllowList, FollowFiles, FollowSnapshots,
    ReportSource, SnapshotSettings, StreamSettings, follow_allow_list, follow_files,
    follow_snapshots,
};
use crate::room::Room;
use crate::telemetry::audit::AuditTap;
use crate::telemetry::reasons::DrainCause;
use crate::telemetry::{self, Telemetry};
use crate::transport::Tcp;
use crate::workers::{Tasks, Workers};

/// Longest wait for background threads at the very end.
const THREADS_STOP: Duration = Duration::from_secs(1);

/// The flag of the admin API, and what the log calls it.
const API: (&str, &str) = ("--admin-api", "admin API");

/// Runs the proxy until it is told to stop, and says how that ended.
pub fn run(args: RunArgs, environment: Environment) -> Exit {
    let ended = control_runtime().and_then(|runtime| {
        let exit = runtime.block_on(serve(args, environment));
        runtime.shutdown_timeout(THREADS_STOP);
        exit
    });
    ended.unwrap_or_else(|error| {
        // Standard error may be gone; there is nobody left to tell.
        drop(writeln!(io::stderr(), "error: {error:#}"));
        exit_of(&error)
    })
}

/// Pools, routes, listeners and the admin server live on one thread: their work is small next to the sessions'.
fn control_runtime() -> anyhow::Result<Runtime> {
    Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("control")
        .enable_all()
        .build()
        .context("cannot start a thread")
}

fn exit_of(error: &anyhow::Error) -> Exit {
    match error.downcast_ref::<ConfigError>() {
        Some(ConfigError { blame: Blame::Files, problems: _ }) => Exit::Usage,
        Some(ConfigError { blame: Blame::Documents, problems: _ }) | None => Exit::Failed,
    }
}

async fn serve(args: RunArgs, environment: Environment) -> anyhow::Result<Exit> {
    let settings = args.audit.settings(&environment);
    let tap = (settings.to != AuditTo::Off).then(Arc::<AuditTap>::default);
    let telemetry = telemetry::init(&args.log(), &environment, tap.clone())?;
    let (audit, keep_audit) =
        tap.and_then(|tap| audit::keep(settings, tap, telemetry.clone())).unzip();
    let mut signals = Signals::listen().context("cannot listen for signals")?;
    let stop = CancellationToken::new();
    let (list, allowed) = allow_list(&args, &telemetry)?;
    let (source, feed) = source(&args, environment, allowed, &telemetry)?;
    let (books, keep) = match &args.state {
        Some(directory) => books::open(directory, Clock::System, telemetry.clone())
            .map(|(books, keep)| (books, Some(keep)))?,
        None => (Books::default(), None),
    };
    let admin = Admin::bind(args.admin).await?;
    let keys = Keys::new(args.admin_token_file.clone(), Clock::System)?;
    let api = match args.admin_api {
        Some(address) => Some(Admin::bind_as(API, address).await?),
        None => None,
    };
    let threads = args.threads.unwrap_or_else(cores);
    let workers = Workers::start(threads, &stop).context("cannot start the session threads")?;
    let room = Room::new(args.room());
    let seams = Seams {
        dial: Arc::new(Tcp),
        bind: Arc::new(Tcp),
        clock: Clock::System,
        workers,
        telemetry: telemetry.clone(),
        address: args.bind,
        seed: fastrand::u64(..),
        books,
        audit,
        room: room.clone(),
    };
    let app = App::start(seams, feed).await?;
    let reload = Arc::new(Notify::new());
    // Not among the app's: they outlive its drain, and are watched during it.
    let background = Tasks::default();
    source.follow(&app, Arc::clone(&reload), &stop, &background);
    background.spawn(hangups(reload, stop.clone()));
    if let Some(keep) = keep {
        background.spawn(keep.run(stop.clone()));
    }
    let status = app.status();
    background.spawn(room.watch(move || status.memory().total(), stop.clone()));
    if let Some(keep) = keep_audit {
        background.spawn(keep.run(stop.clone()));
    }
    if let Some(list) = list {
        background.spawn(list.run(stop.clone()));
    }
    let pages = admin::router(Arc::new(app.status()), telemetry.clone());
    background.spawn(admin.serve(pages, stop.clone()));
    if let Some(api) = default_api(api).await {
        let acts = admin::api::router(
            Arc::new(app.hand()),
            Arc::new(app.status()),
            keys,
            telemetry.clone(),
        );
        background.spawn(api.serve(acts, stop.clone()));
    }
    let exit = until_stopped(&app, &mut signals).await;
    stop.cancel();
    background.join().await;
    flush(&telemetry).await;
    Ok(exit)
}

/// The admin API where it is wanted, or, if that was not said, where it is by default: bound after the miners' ports, since
/// it must take none of them, and that the address is somebody else's is no reason not to mine.
async fn default_api(bound: Option<Admin>) -> Option<Admin> {
    if bound.is_some() {
        return bound;
    }
    let remedy =
        "give --admin-api an address of its own; until then stratum-proxy ctl cannot be used";
    match Admin::bind_as(API, ADMIN_API).await {
        Ok(api) => Some(api),
        Err(error) => {
            tracing::warn!(%error, remedy, "running without the admin API");
            None
        }
    }
}

/// What configurations come from.
enum Source {
    Files(Box<FollowFiles>),
    Snapshots { follow: Box<FollowSnapshots>, stream: Option<Box<ControlStream>> },
}

fn allow_list(
    args: &RunArgs,
    telemetry: &Telemetry,
) -> Result<(Option<FollowAllowList>, AllowedPools), ConfigError> {
    let Some(path) = args.limits.allow_list.clone() else {
        return Ok((None, AllowedPools::default()));
    };
    let (follow, allowed) = follow_allow_list(path, telemetry.clone())?;
    Ok((Some(follow), allowed))
}

fn source(
    args: &RunArgs,
    environment: Environment,
    allowed: AllowedPools,
    telemetry: &Telemetry,
) -> anyhow::Result<(Source, ConfigFeed)> {
    let Some(settings) = snapshot_settings(args, &allowed) else {
        let inputs = Inputs::from(args.input.clone());
        let (files, feed) = follow_files(inputs, environment, allowed, telemetry.clone())?;
        return Ok((Source::Files(Box::new(files)), feed));
    };
    ignored(&environment);
    let (follow, mut feed, pushed_to) = follow_snapshots(settings, telemetry.clone());
    let stream = stream_settings(&args.pod).map(|settings| {
        let telemetry = telemetry.clone();
        Box::new(ControlStream::new(settings, pushed_to, &mut feed, telemetry, Clock::System))
    });
    Ok((Source::Snapshots { follow: Box::new(follow), stream }, feed))
}

/// What a snapshot says was rendered elsewhere, and is one thing with its hash: nothing is set over it here.
fn ignored(environment: &Environment) {
    let variables: Vec<&str> = environment.names(PREFIX).collect();
    if !variables.is_empty() {
        let variables = variables.join(", ");
        let remedy =
            "edit the StratumProxy and the StratumPools; these variables are heeded with -f only";
        tracing::warn!(
            variables,
            remedy,
            "variables that set fields are not heeded with --snapshot"
        );
    }
}

fn snapshot_settings(args: &RunArgs, allowed: &AllowedPools) -> Option<SnapshotSettings> {
    let (mounted, state) = (args.pod.snapshot.clone()?, args.state.clone()?);
    let (schema, allowed) = (args.pod.schema_max, allowed.clone());
    Some(SnapshotSettings { mounted, state, schema, allowed })
}

fn stream_settings(args: &SnapshotArgs) -> Option<StreamSettings> {
    let address = args.control.clone()?;
    Some(StreamSettings {
        name: args.control_name.clone().unwrap_or_else(|| address.host.clone()),
        host: address.host,
        port: address.port,
        ca: args.control_ca.clone()?,
        token: args.control_token.clone()?,
        schema: args.schema_max,
    })
}

impl Source {
    /// Follows for as long as the process lives, which is longer than the app.
    fn follow(self, app: &App, reload: Arc<Notify>, stop: &CancellationToken, background: &Tasks) {
        match self {
            Self::Files(files) => background.spawn(files.run(reload, stop.clone())),
            Self::Snapshots { follow, stream } => {
                background.spawn(follow.run(stop.clone()));
                if let Some(stream) = stream {
                    let status = app.status();
                    let report: ReportSource = Arc::new(move || status.report());
                    background.spawn(stream.run(report, stop.clone()));
                }
            }
        }
    }
}

/// Drains at the first signal, or when somebody asks for it by hand, and stops at the next signal.
async fn until_stopped(app: &App, signals: &mut Signals) -> Exit {
    let cause = tokio::select! {
        // Both come to the same.
        biased;
        signal = signals.stop() => {
            tracing::info!(signal, "asked to stop");
            DrainCause::Signal
        }
        () = app.drain_asked() => DrainCause::Hand,
    };
    tokio::select! {
        biased;
        () = app.drain(cause) => Exit::Done,
        signal = signals.stop() => {
            tracing::warn!(signal, "stopping at once: what is in flight is booked as unanswered or lost");
            app.stop().await;
            Exit::CutShort
        }
    }
}

async fn hangups(reload: Arc<Notify>, stop: CancellationToken) {
    let heeded = stop.run_until_cancelled(reload_on_hangup(reload)).await;
    if let Some(Err(error)) = heeded {
        tracing::warn!(%error, "SIGHUP is not heeded; files are still read within a second");
    }
}

async fn flush(telemetry: &Telemetry) {
    let telemetry = telemetry.clone();
    // It blocks, and needs the runtime that it waits for.
    if let Err(error) = tokio::task::spawn_blocking(move || telemetry.shutdown()).await {
        tracing::warn!(%error, "the last spans were not exported");
    }
}

fn cores() -> NonZeroUsize {
    available_parallelism().unwrap_or(NonZeroUsize::MIN)
}
