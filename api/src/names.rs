//! Every string that both binaries, the chart and a human with kubectl must agree on.
//! Owns no logic beyond the naming rule of a Secret's environment variable.

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
/// Annotation that carries the hash of the rendered config.
pub const CONFIG_HASH_ANNOTATION: &str = "stratum.loka.dev/config-hash";

/// Key of a Secret that is read when a reference names none.
pub const PASSWORD_KEY: &str = "password";
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
