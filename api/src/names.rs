//! Every string that both binaries, the chart and a human with kubectl must agree on.
//! Owns no logic beyond rules of naming.

/// API group of the custom resources.
pub const GROUP: &str = "stratum.loka.dev";
/// The served and stored version.
pub const VERSION: &str = "v1alpha1";
/// What a document says under `apiVersion`.
pub const API_VERSION: &str = "stratum.loka.dev/v1alpha1";
/// `kind` of the infrastructure resource.
pub const STRATUM_PROXY: &str = "StratumProxy";
/// `kind` of an upstream pool with the account that it pays.
pub const STRATUM_POOL: &str = "StratumPool";
/// Category that lists all of ours: `kubectl get stratum`.
pub const CATEGORY: &str = "stratum";

/// Name of a document that names no namespace, as kubectl has it without a context's own.
pub const DEFAULT_NAMESPACE: &str = "default";

/// Field manager of everything that the operator applies.
pub const FIELD_MANAGER: &str = "stratum-operator";
/// `app.kubernetes.io/name` of what the operator makes.
pub const APP_NAME: &str = "stratum-proxy";
/// `app.kubernetes.io/managed-by` of what the operator makes.
pub const MANAGED_BY: &str = "stratum-operator";
/// `app.kubernetes.io/part-of` of what the operator makes.
pub const PART_OF: &str = "loka-stratum";
/// `app.kubernetes.io/component` of what the operator makes.
pub const COMPONENT: &str = "proxy";
/// Label whose value is [`APP_NAME`].
pub const NAME_LABEL: &str = "app.kubernetes.io/name";
/// Label whose value is the name of the StratumProxy.
pub const INSTANCE_LABEL: &str = "app.kubernetes.io/instance";
/// Label whose value is [`MANAGED_BY`].
pub const MANAGED_BY_LABEL: &str = "app.kubernetes.io/managed-by";
/// Label whose value is [`PART_OF`].
pub const PART_OF_LABEL: &str = "app.kubernetes.io/part-of";
/// Label whose value is [`COMPONENT`].
pub const COMPONENT_LABEL: &str = "app.kubernetes.io/component";
/// Annotation that carries the hash of the rendered config.
pub const CONFIG_HASH_ANNOTATION: &str = "stratum.loka.dev/config-hash";
/// Annotation on the operator's Lease: where the control stream of its holder is, as `IP:PORT`.
pub const CONTROL_ADDRESS_ANNOTATION: &str = "stratum.loka.dev/control-address";

/// Audience of the token that a pod proves itself with on the control stream.
pub const CONTROL_AUDIENCE: &str = "stratum-operator";
/// Metadata of a stream that a replica refuses because it does not lead: where the leader listens.
pub const LEADER_METADATA: &str = "stratum-leader";
/// Annotation that carries the sequence of the rendered config.
pub const CONFIG_SEQUENCE_ANNOTATION: &str = "stratum.loka.dev/config-sequence";

/// Field manager of a Deployment's replicas alone: whoever stops to apply them with the rest would
/// set them to one.
pub const REPLICAS_FIELD_MANAGER: &str = "stratum-operator-replicas";
/// Container of the proxy in its pods.
pub const CONTAINER: &str = "proxy";
/// Key of certificates of authorities: in the ConfigMap by which a proxy knows its operator, and in
/// a Secret by which it knows a pool where the reference names no key.
pub const CA_KEY: &str = "ca.crt";
/// Key of a list of logins, where the reference names none.
pub const LOGINS_KEY: &str = "logins";
/// Key of the token of a web hook, where the reference names none.
pub const TOKEN_KEY: &str = "token";

/// Key of the allow-list in the ConfigMap that an installation names for it.
pub const ALLOW_LIST_KEY: &str = "allow-list.yaml";
/// Port of the operator's control stream.
pub const CONTROL_PORT: u16 = 8443;
/// Port of a proxy's admin pages in its pod.
pub const ADMIN_PORT: u16 = 9090;
/// Name of that port.
pub const ADMIN_PORT_NAME: &str = "admin";

/// Name of the mounted Secret of a StratumProxy.
#[must_use]
pub fn config_secret(proxy: &str) -> String {
    format!("{proxy}-config")
}

/// Name of the ConfigMap with the operator's certificates of a StratumProxy.
#[must_use]
pub fn control_config_map(proxy: &str) -> String {
    format!("{proxy}-control")
}

/// File of the mounted snapshot, and key of the Secret that it is mounted from.
pub const SNAPSHOT_FILE: &str = "snapshot.json";
/// Key of a Secret that is read when a reference names none.
pub const PASSWORD_KEY: &str = "password";
/// Key of the name in a Secret of type kubernetes.io/basic-auth.
pub const USERNAME_KEY: &str = "username";
/// Key of the certificates in a Secret of type kubernetes.io/tls.
pub const TLS_CERTIFICATE_KEY: &str = "tls.crt";
/// Key of the private key in a Secret of type kubernetes.io/tls.
pub const TLS_PRIVATE_KEY_KEY: &str = "tls.key";
/// What a pool is sent as password when the StratumPool refers to no Secret: pools that pay by
/// account ignore it, and `x` is the field's custom.
pub const NO_PASSWORD: &str = "x";

/// Prefix of the environment variables that stand in for Secrets outside a cluster.
pub const SECRET_VARIABLE_PREFIX: &str = "STRATUM_SECRET";

/// The environment variable that holds one key of one Secret outside a cluster:
/// `primary-credentials` and `password` give `STRATUM_SECRET_PRIMARY_CREDENTIALS_PASSWORD`.
#[must_use]
pub fn secret_variable(secret: &str, key: &str) -> String {
    let shout = |text: &str| {
        text.chars()
            .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' })
            .collect::<String>()
    };
    format!("{SECRET_VARIABLE_PREFIX}_{}_{}", shout(secret), shout(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secrets_variable_is_upper_case_and_without_punctuation() {
        assert_eq!(
            secret_variable("primary-credentials", "api.key"),
            "STRATUM_SECRET_PRIMARY_CREDENTIALS_API_KEY"
        );
    }

    #[test]
    fn the_api_version_is_group_and_version() {
        assert_eq!(API_VERSION, format!("{GROUP}/{VERSION}"));
    }
}
