//! Pools: endpoints taken apart, the login put together, the password looked up.

use crate::{
    names,
    resources::Sourced,
    runtime_config::{Endpoint, Health, Pool, PoolTimeouts, ReconnectPolicy, SuggestDifficulty},
    secrets::{Secret, SecretRef, SecretSource},
    stratum_pool::{self as spec, StratumPoolSpec},
    stratum_proxy::StratumProxySpec,
    values::PoolUrl,
};

use super::{
    draft::{At, Draft, Notes},
    origin::Origin,
    secret,
};

/// The longest password that is sent to a pool.
const PASSWORD_BYTES_MAX: usize = 512;

/// What a login is made of, beyond the StratumPool.
pub(super) struct Login<'a> {
    pub(super) proxy: &'a Sourced<StratumProxySpec>,
    pub(super) secrets: &'a dyn SecretSource,
}

impl Login<'_> {
    /// One pool for each endpoint, all with the same login. `to` is the first one's place in the
    /// config; the others are explained by their address alone.
    pub(super) fn render(
        &self,
        pool: &Sourced<StratumPoolSpec>,
        to: &str,
        notes: &mut Notes,
    ) -> Vec<Pool> {
        let draft = &mut Draft::new(pool, notes);
        let at = At::new("spec", to);
        let endpoints: Vec<_> = endpoints(draft, to);
        let account = draft.text(&at.field("account"), &pool.spec.account);
        let user = self.user(draft, &at);
        let password = self.password(draft, &at);
        let timeouts = timeouts(draft, &at.field("timeouts"), &pool.spec.timeouts);
        let version_rolling = pool.spec.version_rolling;
        draft.text(&at.field("versionRolling"), &format!("{version_rolling:?}"));
        endpoints
            .into_iter()
            .map(|(name, endpoint)| Pool {
                name,
                priority: 0,
                endpoint,
                user: user.clone(),
                account: account.clone(),
                password: password.clone(),
                timeouts: timeouts.clone(),
                version_rolling,
                weight: None,
                schedule: Vec::new(),
                worker_names: None,
                payout: None,
                health: Health::default(),
                suggest_difficulty: SuggestDifficulty::default(),
                reconnect: ReconnectPolicy::default(),
            })
            .collect()
    }

    fn user(&self, draft: &mut Draft<'_, StratumPoolSpec>, at: &At) -> String {
        let spec = &draft.document.spec;
        let at = At::new("spec.workerName", at.field("user").to);
        let worker = spec.worker_name.as_deref().unwrap_or(&self.proxy.name);
        let user = match worker {
            "" => spec.account.clone(),
            worker => format!("{}.{worker}", spec.account),
        };
        let from = match &spec.worker_name {
            Some(_) => "spec.workerName".to_owned(),
            None => format!("the name of {}", self.proxy.document),
        };
        let of = format!("{} spec.account and {from}", draft.document.document);
        draft.notes.explain(&at, &user, Origin::Derived { of });
        user
    }

    fn password(&self, draft: &mut Draft<'_, StratumPoolSpec>, at: &At) -> Secret {
        let at = At::new("spec.passwordSecretRef", at.field("password").to);
        let Some(reference) = &draft.document.spec.password_secret_ref else {
            draft.text(&at, names::NO_PASSWORD);
            return Secret::new(names::NO_PASSWORD);
        };
        let wanted = SecretRef {
            namespace: draft.document.namespace.clone(),
            name: reference.name.clone(),
            key: reference.key.clone(),
        };
        let wanted = secret::Wanted { at: &at, reference: wanted, key: secret::Key::Named };
        match secret::find(draft, self.secrets, wanted) {
            Some(secret) => sendable(draft, &at, &secret),
            None => Secret::new(""),
        }
    }
}

fn endpoints(draft: &mut Draft<'_, StratumPoolSpec>, to: &str) -> Vec<(String, Endpoint)> {
    let pool = draft.document;
    let endpoints = pool.spec.endpoints.iter().enumerate();
    endpoints
        .map(|(index, wanted)| {
            let name = match index {
                0 => pool.name.clone(),
                _ => format!("{}/{}", pool.name, index + 1),
            };
            let to = match index {
                0 => format!("{to}.endpoint"),
                _ => format!("{}/{}].endpoint", to.trim_end_matches(']'), index + 1),
            };
            (name, endpoint(draft, &At::new(format!("spec.endpoints[{index}].url"), to), wanted))
        })
        .collect()
}

fn endpoint(draft: &mut Draft<'_, StratumPoolSpec>, at: &At, wanted: &spec::Endpoint) -> Endpoint {
    draft.text(at, &wanted.url);
    match PoolUrl::parse(&wanted.url) {
        Ok(PoolUrl { host, port }) => Endpoint { host, port },
        Err(_) => {
            let remedy = "write it like stratum+tcp://pool.example.com:3333";
            draft.refuse_value(&at.from, &wanted.url, "is not stratum+tcp://HOST:PORT", remedy);
            Endpoint { host: String::new(), port: 0 }
        }
    }
}

fn timeouts(
    draft: &mut Draft<'_, StratumPoolSpec>,
    at: &At,
    wanted: &spec::PoolTimeouts,
) -> PoolTimeouts {
    PoolTimeouts {
        connect_ms: draft.millis(&at.duration("connect"), &wanted.connect),
        handshake_ms: draft.millis(&at.duration("handshake"), &wanted.handshake),
        first_job_ms: draft.millis(&at.duration("firstJob"), &wanted.first_job),
        job_silence_ms: draft.millis(&at.duration("jobSilence"), &wanted.job_silence),
        submit_ms: draft.millis(&at.duration("submit"), &wanted.submit),
    }
}

/// A line break at the end is an editor's or `echo`'s, never meant; anywhere else there is none.
fn sendable(draft: &mut Draft<'_, StratumPoolSpec>, at: &At, secret: &Secret) -> Secret {
    let text = secret.expose().trim_end_matches(['\n', '\r']);
    if text.len() > PASSWORD_BYTES_MAX || text.chars().any(char::is_control) {
        let message =
            format!("is longer than {PASSWORD_BYTES_MAX} bytes or has control characters in it");
        draft.refuse(&at.from, &message, "correct the Secret: a password is one line of text");
    }
    Secret::new(text)
}
