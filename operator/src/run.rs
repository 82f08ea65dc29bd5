//! `stratum-operator run`: from arguments to a running process, and from a signal to its end.
//!
//! It wires; whatever it wires decides.

mod heard;

use std::future::pending;
use std::io::{self, Write as _};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use kube::{Client, Config};
use loka_api::stratum_proxy::ImagePullPolicy;
use loka_ops::admin::Admin;
use loka_ops::environment::Environment;
use loka_ops::signals::Signals;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::admin::{self, Check, Health, Watchdog};
use crate::args::{Exit, PullPolicy, RunArgs, Watched};
use crate::controller::{
    self, ABORT_AFTER_VARIABLE, AbortAfter, Fence, PodCache, Settings, Wiring,
};
use crate::fleet::Fleet;
use crate::leader::{self, Leadership, Timing};
use crate::push::auth::Gate;
use crate::push::authority::{Authority, AuthorityArgs, Certificate};
use crate::push::{self, Lead, Leader, Limits, Push};
use crate::telemetry::{self, Telemetry};

/// Longest wait for background threads at the very end.
const THREADS_STOP: Duration = Duration::from_secs(1);

/// Longest wait for what was under way when it was told to end: within the chart's grace period.
const TASKS_STOP: Duration = Duration::from_secs(15);

/// For giving up the Lease, and for the last spans.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// A process whose tasks get no turn for so long is started again.
const TURN_WITHIN: Duration = Duration::from_secs(60);

const TURN_EVERY: Duration = Duration::from_secs(5);

/// What lives until the end.
struct Parts {
    telemetry: Telemetry,
    leadership: Leadership,
    tasks: TaskTracker,
    /// The Lease is given up after everything else has ended.
    lease: TaskTracker,
    stop: CancellationToken,
    lease_stop: CancellationToken,
}

impl Fence for Leadership {
    fn may_write(&self) -> bool {
        self.is_leader()
    }
}

/// Runs the operator until it is told to stop, and says how that ended.
pub fn run(args: &RunArgs) -> Exit {
    let ended = runtime().and_then(|runtime| {
        let exit = runtime.block_on(serve(args, &Environment::read()));
        runtime.shutdown_timeout(THREADS_STOP);
        exit
    });
    ended.unwrap_or_else(|error| {
        // Standard error may be gone; there is nobody left to tell.
        drop(writeln!(io::stderr(), "error: {error:#}"));
        Exit::Failed
    })
}

fn runtime() -> anyhow::Result<Runtime> {
    Builder::new_multi_thread().enable_all().build().context("cannot start a thread")
}

async fn serve(args: &RunArgs, environment: &Environment) -> anyhow::Result<Exit> {
    let telemetry = telemetry::init(&args.log(), environment)?;
    let mut signals = Signals::listen().context("cannot listen for signals")?;
    let client = client().await?;
    let admin = Admin::bind(args.admin).await?;
    let control = TcpListener::bind(args.control)
        .await
        .with_context(|| format!("--control {}: cannot listen", args.control))?;
    let (lease, lease_stop) = (TaskTracker::new(), CancellationToken::new());
    let election = leader::Settings {
        namespace: args.namespace.as_str().to_owned(),
        name: args.name.as_str().to_owned(),
        pod_name: args.pod_name.as_str().to_owned(),
        control: args.pod_ip.with_port(args.control.port()),
        timing: Timing::new(args.lease_duration.duration()),
    };
    let leadership =
        leader::start(client.clone(), election, telemetry.clone(), &lease, lease_stop.clone());
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let parts = Parts { telemetry, leadership, tasks, lease, stop, lease_stop };
    let failed = parts.start(client, args, environment, (admin, control))?;
    let exit = tokio::select! {
        // A signal first: who is asked to end has not failed.
        biased;
        signal = signals.stop() => {
            tracing::info!(signal, "asked to stop");
            Exit::Done
        }
        loss = parts.leadership.lost() => {
            tracing::error!(%loss, "another replica may lead: ending, so that nothing more is written");
            return Ok(Exit::Failed);
        }
        () = failed.cancelled() => Exit::Failed,
    };
    tokio::select! {
        biased;
        () = parts.end() => Ok(exit),
        signal = signals.stop() => {
            tracing::warn!(signal, "stopping at once");
            Ok(Exit::CutShort)
        }
    }
}

async fn client() -> anyhow::Result<Client> {
    let config = Config::infer()
        .await
        .context("no cluster: neither in a pod, nor a kubeconfig (KUBECONFIG, ~/.kube/config)")?;
    Client::try_from(config).context("cannot speak to the API server")
}

// === impl Parts ===

impl Parts {
    /// Starts everything; what it returns is cancelled when a part fails that nothing works without.
    fn start(
        &self,
        client: Client,
        args: &RunArgs,
        environment: &Environment,
        (server, control): (Admin, TcpListener),
    ) -> anyhow::Result<CancellationToken> {
        let mut health = Health::default();
        let (caches, serving) =
            (health.check("caches filled"), health.check("control stream served"));
        self.tasks.spawn(take_turns(health.watchdog("tasks", TURN_WITHIN), self.stop.clone()));
        let life = health.watchdog("queues", TURN_WITHIN);
        let health = Arc::new(health);
        let pages = admin::router(health, self.telemetry.clone());
        self.tasks.spawn(server.serve(pages, self.stop.clone()));

        let (fleet, changes) = Fleet::new();
        let authority = AuthorityArgs {
            namespace: args.namespace.as_str().to_owned(),
            operator: args.name.as_str().to_owned(),
            service: args.name.as_str().to_owned(),
        };
        let (authority, certificates, certificate) = Authority::new(client.clone(), authority);
        self.tasks.spawn(authority.run(self.stop.clone()));
        let pods = PodCache::default();
        let known = pods.clone();
        let gate = Gate::new(
            client.clone(),
            Some(Arc::new(move |namespace, name| known.find(namespace, name))),
        );
        let push = self.push(gate, &fleet, certificate.clone());
        let failed = CancellationToken::new();
        self.tasks.spawn(serve_control(control, push, self.stop.clone(), failed.clone()));
        self.tasks.spawn(pass_once_there(certificate, serving, self.stop.clone()));

        let (leads, leading) = watch::channel(false);
        self.tasks.spawn(tell_once_leading(self.leadership.clone(), leads, self.stop.clone()));
        let (synced, filled) = watch::channel(false);
        self.tasks.spawn(pass_once_filled(filled, caches, self.stop.clone()));
        self.tasks.spawn(controller::run(Wiring {
            client,
            settings: settings(args, environment)?,
            fleet,
            changes,
            fence: Arc::new(self.leadership.clone()),
            leading,
            certificates,
            synced,
            telemetry: self.telemetry.clone(),
            pods,
            life,
            stop: self.stop.clone(),
        }));
        Ok(failed)
    }

    fn push(&self, gate: Gate, fleet: &Arc<Fleet>, certificate: Certificate) -> Push {
        let (now, lost) = (self.leadership.clone(), self.leadership.clone());
        let lead = move || {
            if now.is_leader() { Lead::Leading } else { Lead::Following(now.leader_address()) }
        };
        let lost = move || {
            let lost = lost.clone();
            async move {
                lost.lost().await;
            }
        };
        Push {
            fleet: Arc::clone(fleet),
            leader: Leader::new(lead, lost),
            gate: Arc::new(gate),
            certificate,
            events: heard::events(self.telemetry.clone()),
            limits: Limits::default(),
        }
    }

    /// Ends the streams and what is written, then gives up the Lease, then says the last words.
    async fn end(&self) {
        self.stop.cancel();
        self.tasks.close();
        if timeout(TASKS_STOP, self.tasks.wait()).await.is_err() {
            tracing::warn!("something did not end in time: the Lease is left to expire");
        } else {
            self.lease_stop.cancel();
            self.lease.close();
            drop(timeout(LAST_WORDS, self.lease.wait()).await);
        }
        let telemetry = self.telemetry.clone();
        // It blocks, and needs the runtime that it waits for.
        let flushed = tokio::task::spawn_blocking(move || telemetry.shutdown());
        drop(timeout(LAST_WORDS, flushed).await);
    }
}

fn settings(args: &RunArgs, environment: &Environment) -> anyhow::Result<Settings> {
    let abort_after = environment.string(ABORT_AFTER_VARIABLE).map(|step| {
        AbortAfter::parse(step).with_context(|| {
            format!("{ABORT_AFTER_VARIABLE}={step}: not a step; persist, canary, mounted or push")
        })
    });
    Ok(Settings {
        operator_name: args.name.as_str().to_owned(),
        operator_namespace: args.namespace.as_str().to_owned(),
        pod_name: args.pod_name.as_str().to_owned(),
        control_port: args.control.port(),
        watched: match args.watched() {
            Watched::All => Vec::new(),
            Watched::Only(names) => names.iter().map(|name| name.as_str().to_owned()).collect(),
        },
        proxy_image: args.proxy_image.as_str().to_owned(),
        proxy_image_pull_policy: match args.proxy_image_pull_policy {
            PullPolicy::Always => ImagePullPolicy::Always,
            PullPolicy::IfNotPresent => ImagePullPolicy::IfNotPresent,
            PullPolicy::Never => ImagePullPolicy::Never,
        },
        proxy_otlp_endpoint: args.proxy_otlp_endpoint.as_ref().map(|url| url.as_str().to_owned()),
        proxy_allow_list: args.proxy_allow_list.as_ref().map(ToString::to_string),
        abort_after: abort_after.transpose()?,
    })
}

async fn serve_control(
    listener: TcpListener,
    push: Push,
    stop: CancellationToken,
    failed: CancellationToken,
) {
    if let Err(error) = push::serve(listener, push, stop).await {
        tracing::error!(%error, "the control stream is not served");
        failed.cancel();
    }
}

async fn pass_once_there(mut certificate: Certificate, check: Check, stop: CancellationToken) {
    if stop.run_until_cancelled(certificate.is_there()).await.is_some() {
        check.pass();
    }
}

async fn pass_once_filled(
    mut filled: watch::Receiver<bool>,
    check: Check,
    stop: CancellationToken,
) {
    let all = filled.wait_for(|filled| *filled);
    if let Some(Ok(_)) = stop.run_until_cancelled(all).await {
        check.pass();
    }
}

/// The end of leading is the end of the process: only its beginning is told.
async fn tell_once_leading(
    leadership: Leadership,
    leads: watch::Sender<bool>,
    stop: CancellationToken,
) {
    let told = async {
        leadership.acquired().await;
        leads.send_replace(true);
        pending::<()>().await;
    };
    stop.run_until_cancelled(told).await;
}

async fn take_turns(watchdog: Watchdog, stop: CancellationToken) {
    while stop.run_until_cancelled(tokio::time::sleep(TURN_EVERY)).await.is_some() {
        watchdog.tick();
    }
}
