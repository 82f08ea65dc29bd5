//! The pods. Everything about them that a running pod cannot change, and of the config nothing but the ports.
//!
//! The number of replicas is not in it: it has a field manager of its own, or else an autoscaler's.

use std::time::Duration;

use k8s_openapi::api::apps::v1::{
    Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment,
};
use k8s_openapi::api::core::v1::{
    Capabilities, ConfigMapVolumeSource, Container, ContainerPort, EmptyDirVolumeSource, EnvVar,
    EnvVarSource, HTTPGetAction, LocalObjectReference, ObjectFieldSelector, PodSecurityContext,
    PodSpec, PodTemplateSpec, Probe, ProjectedVolumeSource, SeccompProfile, SecretVolumeSource,
    SecurityContext, ServiceAccountTokenProjection, TopologySpreadConstraint, Volume, VolumeMount,
    VolumeProjection,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use loka_api::names;
use loka_api::stratum_proxy::ImagePullPolicy;

use super::{Plan, some_texts};

/// Binary in the image.
const BINARY: &str = "/stratum-proxy";
const SNAPSHOT_DIR: &str = "/etc/stratum/snapshot";
const CONTROL_DIR: &str = "/etc/stratum/control";
const STATE_DIR: &str = "/var/lib/stratum";
const ALLOW_LIST_DIR: &str = "/etc/stratum/allow-list";
const TOKEN_DIR: &str = "/var/run/secrets/stratum";
const TOKEN_FILE: &str = "token";

/// Name of its volume, by which an admission policy of the chart finds it.
const ALLOW_LIST: &str = "allow-list";

/// The user of distroless images; any but root would do.
const USER: i64 = 65_532;
/// r--r----- for the group that the volumes are given to.
const SECRET_MODE: i32 = 0o440;
/// The token is renewed by the node long before. An API server takes no less than ten minutes.
const TOKEN_SECONDS: i64 = 3600;
/// The last good snapshot, at most about a megabyte, and the ledger, at most 16 (`proxy/src/books.rs`): what writing them anew
/// takes, and one ledger that was set aside. A node evicts a pod that has more.
const STATE_SIZE: &str = "64Mi";

/// What a proxy needs beyond its drain, to answer shares and to end.
const GRACE_MARGIN: Duration = Duration::from_secs(15);
/// Grace periods are rounded up to one of these, so that a small edit of the drain does not roll the pods. The
/// first is that of the default drain, the last that of the longest one.
const GRACE_SECONDS: [u64; 5] = [135, 315, 615, 1815, 3615];

/// ReplicaSets that are kept to roll back to.
const REVISIONS: i32 = 3;
/// A roll-out without progress for so long is said to have failed.
const PROGRESS_SECONDS: i32 = 600;

pub(super) fn build(plan: &Plan<'_>) -> Deployment {
    Deployment {
        metadata: plan.owner.metadata(plan.owner.name),
        spec: Some(DeploymentSpec {
            selector: plan.owner.label_selector(),
            template: PodTemplateSpec {
                metadata: Some(template_metadata(plan)),
                spec: Some(pod(plan)),
            },
            strategy: Some(DeploymentStrategy {
                type_: Some("RollingUpdate".to_owned()),
                // A new pod is there before an old one goes: farms have no spare hour.
                rolling_update: Some(RollingUpdateDeployment {
                    max_surge: Some(IntOrString::Int(1)),
                    max_unavailable: Some(IntOrString::Int(0)),
                }),
            }),
            revision_history_limit: Some(REVISIONS),
            progress_deadline_seconds: Some(PROGRESS_SECONDS),
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// The user's labels and annotations, and ours, which win.
fn template_metadata(plan: &Plan<'_>) -> ObjectMeta {
    let mut labels = plan.pod.labels.clone();
    labels.extend(plan.owner.labels());
    ObjectMeta {
        labels: Some(labels),
        annotations: some_texts(&plan.pod.annotations),
        ..Default::default()
    }
}

fn pod(plan: &Plan<'_>) -> PodSpec {
    let shape = plan.pod;
    let pull_secrets = plan.spec.image_pull_secrets.iter();
    let pull_secrets: Vec<_> =
        pull_secrets.map(|secret| LocalObjectReference { name: secret.name.clone() }).collect();
    PodSpec {
        service_account_name: Some(plan.owner.name.to_owned()),
        automount_service_account_token: Some(false),
        enable_service_links: Some(false),
        termination_grace_period_seconds: Some(grace_seconds(plan.drain)),
        security_context: Some(pod_security()),
        image_pull_secrets: (!pull_secrets.is_empty()).then_some(pull_secrets),
        node_selector: some_texts(&shape.node_selector),
        tolerations: (!shape.tolerations.is_empty()).then(|| shape.tolerations.clone()),
        priority_class_name: shape.priority_class_name.clone(),
        topology_spread_constraints: Some(spread(plan)),
        containers: vec![container(plan)],
        volumes: Some(volumes(plan)),
        ..Default::default()
    }
}

fn grace_seconds(drain: Duration) -> i64 {
    let needed = (drain + GRACE_MARGIN).as_secs();
    let rounded = GRACE_SECONDS.into_iter().find(|seconds| *seconds >= needed).unwrap_or(needed);
    i64::try_from(rounded).unwrap_or(i64::MAX)
}

fn container(plan: &Plan<'_>) -> Container {
    let policy = plan.spec.image_pull_policy.unwrap_or(plan.settings.proxy_image_pull_policy);
    Container {
        name: names::CONTAINER.to_owned(),
        image: Some(plan.image().to_owned()),
        image_pull_policy: Some(ImagePullPolicy::as_str(policy).to_owned()),
        command: Some(vec![BINARY.to_owned()]),
        args: Some(arguments(plan)),
        env: Some(environment(plan)),
        ports: Some(container_ports(plan)),
        resources: Some(plan.pod.resources.clone()),
        security_context: Some(container_security()),
        volume_mounts: Some(mounts(plan)),
        // Readiness says: it has a config and its ports are open. It never depends on the operator.
        readiness_probe: Some(Probe { failure_threshold: Some(2), ..probe("/readyz", 2) }),
        liveness_probe: Some(Probe { failure_threshold: Some(3), ..probe("/livez", 10) }),
        ..Default::default()
    }
}

fn mounts(plan: &Plan<'_>) -> Vec<VolumeMount> {
    let mut all = vec![
        mount("snapshot", SNAPSHOT_DIR, Some(true)),
        mount("control", CONTROL_DIR, Some(true)),
        mount("token", TOKEN_DIR, Some(true)),
        mount("state", STATE_DIR, None),
    ];
    if plan.settings.proxy_allow_list.is_some() {
        all.push(mount(ALLOW_LIST, ALLOW_LIST_DIR, Some(true)));
    }
    all
}

fn arguments(plan: &Plan<'_>) -> Vec<String> {
    let settings = plan.settings;
    let control = format!(
        "{}.{}.svc:{}",
        settings.operator_name, settings.operator_namespace, settings.control_port
    );
    let flags = [
        ("--snapshot", SNAPSHOT_DIR.to_owned()),
        ("--state", STATE_DIR.to_owned()),
        ("--control", control),
        ("--control-ca", format!("{CONTROL_DIR}/{}", names::CA_KEY)),
        ("--control-token", format!("{TOKEN_DIR}/{TOKEN_FILE}")),
        ("--admin", format!("0.0.0.0:{}", names::ADMIN_PORT)),
    ];
    // A flag and no variable: a version of the proxy that does not know it must not run.
    let allow_list = settings.proxy_allow_list.as_ref();
    let allow_list =
        allow_list.map(|_| ("--allow-list", format!("{ALLOW_LIST_DIR}/{}", names::ALLOW_LIST_KEY)));
    let flags =
        flags.into_iter().chain(allow_list).flat_map(|(flag, value)| [flag.to_owned(), value]);
    std::iter::once("run".to_owned()).chain(flags).collect()
}

fn environment(plan: &Plan<'_>) -> Vec<EnvVar> {
    let fields = [
        ("POD_NAME", "metadata.name"),
        ("POD_NAMESPACE", "metadata.namespace"),
        ("POD_UID", "metadata.uid"),
        ("NODE_NAME", "spec.nodeName"),
    ];
    let mut all: Vec<_> = fields.into_iter().map(|(name, path)| by_field(name, path)).collect();
    // To standard output, which whoever collects logs has (ADR 0011). No flag: an older proxy that does not know it may run.
    all.push(by_value("STRATUM_AUDIT", "-"));
    if let Some(endpoint) = &plan.settings.proxy_otlp_endpoint {
        let attributes = format!(
            "service.namespace=loka,loka.proxy.name={},k8s.namespace.name=$(POD_NAMESPACE),\
             k8s.pod.name=$(POD_NAME),k8s.pod.uid=$(POD_UID),k8s.node.name=$(NODE_NAME),\
             k8s.container.name={}",
            plan.owner.name,
            names::CONTAINER
        );
        all.push(by_value("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint));
        all.push(by_value("OTEL_RESOURCE_ATTRIBUTES", &attributes));
    }
    all
}

fn by_field(name: &str, path: &str) -> EnvVar {
    EnvVar {
        name: name.to_owned(),
        value_from: Some(EnvVarSource {
            field_ref: Some(ObjectFieldSelector {
                api_version: Some("v1".to_owned()),
                field_path: path.to_owned(),
            }),
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn by_value(name: &str, value: &str) -> EnvVar {
    EnvVar { name: name.to_owned(), value: Some(value.to_owned()), ..Default::default() }
}

fn container_ports(plan: &Plan<'_>) -> Vec<ContainerPort> {
    let port = |name: &str, number: u16| ContainerPort {
        name: Some(name.to_owned()),
        container_port: i32::from(number),
        protocol: Some("TCP".to_owned()),
        ..Default::default()
    };
    let listeners = plan.ports.iter().map(|it| port(&it.name, it.number));
    listeners.chain([port(names::ADMIN_PORT_NAME, names::ADMIN_PORT)]).collect()
}

fn probe(path: &str, period_seconds: i32) -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some(path.to_owned()),
            port: IntOrString::String(names::ADMIN_PORT_NAME.to_owned()),
            ..Default::default()
        }),
        period_seconds: Some(period_seconds),
        timeout_seconds: Some(2),
        ..Default::default()
    }
}

/// Pod Security `restricted`, and more.
fn pod_security() -> PodSecurityContext {
    PodSecurityContext {
        run_as_non_root: Some(true),
        run_as_user: Some(USER),
        run_as_group: Some(USER),
        fs_group: Some(USER),
        seccomp_profile: Some(seccomp()),
        ..Default::default()
    }
}

fn container_security() -> SecurityContext {
    SecurityContext {
        allow_privilege_escalation: Some(false),
        read_only_root_filesystem: Some(true),
        run_as_non_root: Some(true),
        capabilities: Some(Capabilities { drop: Some(vec!["ALL".to_owned()]), add: None }),
        seccomp_profile: Some(seccomp()),
        ..Default::default()
    }
}

fn seccomp() -> SeccompProfile {
    SeccompProfile { type_: "RuntimeDefault".to_owned(), ..Default::default() }
}

fn mount(name: &str, path: &str, read_only: Option<bool>) -> VolumeMount {
    VolumeMount {
        name: name.to_owned(),
        mount_path: path.to_owned(),
        read_only,
        ..Default::default()
    }
}

fn volumes(plan: &Plan<'_>) -> Vec<Volume> {
    let snapshot = SecretVolumeSource {
        secret_name: Some(names::config_secret(plan.owner.name)),
        default_mode: Some(SECRET_MODE),
        ..Default::default()
    };
    let control = ConfigMapVolumeSource {
        name: names::control_config_map(plan.owner.name),
        default_mode: Some(SECRET_MODE),
        ..Default::default()
    };
    let token = ServiceAccountTokenProjection {
        audience: Some(names::CONTROL_AUDIENCE.to_owned()),
        expiration_seconds: Some(TOKEN_SECONDS),
        path: TOKEN_FILE.to_owned(),
    };
    let projected = ProjectedVolumeSource {
        default_mode: Some(SECRET_MODE),
        sources: Some(vec![VolumeProjection {
            service_account_token: Some(token),
            ..Default::default()
        }]),
    };
    let state = EmptyDirVolumeSource {
        size_limit: Some(Quantity(STATE_SIZE.to_owned())),
        ..Default::default()
    };
    let named = |name: &str| Volume { name: name.to_owned(), ..Default::default() };
    let mut all = vec![
        Volume { secret: Some(snapshot), ..named("snapshot") },
        Volume { config_map: Some(control), ..named("control") },
        Volume { projected: Some(projected), ..named("token") },
        Volume { empty_dir: Some(state), ..named("state") },
    ];
    all.extend(plan.settings.proxy_allow_list.as_ref().map(|name| {
        // Not optional: pods wait for it, rather than mine without it.
        let list = ConfigMapVolumeSource {
            name: name.clone(),
            default_mode: Some(SECRET_MODE),
            ..Default::default()
        };
        Volume { config_map: Some(list), ..named(ALLOW_LIST) }
    }));
    all
}

/// Over nodes and zones as far as possible, counted anew for each roll-out; or as the user says.
fn spread(plan: &Plan<'_>) -> Vec<TopologySpreadConstraint> {
    let given = &plan.pod.topology_spread_constraints;
    if given.is_empty() {
        return ["kubernetes.io/hostname", "topology.kubernetes.io/zone"]
            .map(|key| TopologySpreadConstraint {
                max_skew: 1,
                topology_key: key.to_owned(),
                when_unsatisfiable: "ScheduleAnyway".to_owned(),
                label_selector: Some(plan.owner.label_selector()),
                match_label_keys: Some(vec!["pod-template-hash".to_owned()]),
                ..Default::default()
            })
            .into();
    }
    let with_selector = |constraint: &TopologySpreadConstraint| {
        let mut constraint = constraint.clone();
        constraint.label_selector.get_or_insert_with(|| plan.owner.label_selector());
        constraint
    };
    given.iter().map(with_selector).collect()
}
