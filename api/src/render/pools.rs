//! Pools: endpoints taken apart, the login put together, the password looked up.

use crate::{
    names,
    resources::Sourced,
    runtime_config::{Endpoint, Health, Payout, Pool, PoolTimeouts, WorkerNames},
    secrets::{Secret, SecretRef, SecretSource},
    stratum_pool::{self as spec, StratumPoolSpec},
    stratum_proxy::StratumProxySpec,
    values::{HostPort, PoolScheme, PoolUrl, script_of},
};

use super::{
    draft::{At, Draft, Notes},
    origin::Origin,
    reaching, secret,
};

/// The longest password that is sent to a pool.
const PASSWORD_BYTES_MAX: usize = 512;

/// How many names of miners are logins on one connection, where the document does not say.
const LOGINS_MAX: i32 = 16;

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
        let endpoints = endpoints(draft, to);
        let account = draft.text(&at.field("account"), &pool.spec.account);
        let user = self.user(draft, &at);
        let password = self.password(draft, &at);
        let timeouts = timeouts(draft, &at.field("timeouts"), &pool.spec.timeouts);
        let version_rolling = pool.spec.version_rolling;
        draft.text(&at.field("versionRolling"), &format!("{version_rolling:?}"));
        let worker_names = worker_names(draft, &at);
        let payout = payout(draft, &at);
        let health = health(draft, &at.field("health"), &pool.spec.health);
        let suggest_difficulty = pool.spec.suggest_difficulty;
        draft.text(&at.field("suggestDifficulty"), &format!("{suggest_difficulty:?}"));
        let reconnect = pool.spec.reconnect;
        draft.text(&at.field("reconnect"), &format!("{reconnect:?}"));
        // Explained once, at the first address that it is for.
        let encrypted = endpoints.iter().find(|it| it.scheme == PoolScheme::Tls);
        let tls = encrypted.map(|first| reaching::tls(draft, self.secrets, &first.to));
        let socks5 = reaching::socks5(draft, self.secrets, &at);
        endpoints
            .into_iter()
            .map(|Address { name, to: _, scheme, endpoint }| Pool {
                name,
                priority: 0,
                endpoint,
                tls: tls.clone().filter(|_| scheme == PoolScheme::Tls),
                socks5: socks5.clone(),
                user: user.clone(),
                account: account.clone(),
                password: password.clone(),
                timeouts: timeouts.clone(),
                version_rolling,
                weight: None,
                schedule: Vec::new(),
                worker_names: worker_names.clone(),
                payout: payout.clone(),
                health: health.clone(),
                suggest_difficulty,
                reconnect,
            })
            .collect()
    }

    fn user(&self, draft: &mut Draft<'_, StratumPoolSpec>, at: &At) -> String {
        let spec = &draft.document.spec;
        let at = At::new("spec.workerName", at.field("user").to);
        // A template has no miner's name in it yet: what goes under no name of its own goes under
        // the proxy's.
        let own = spec.worker_name.as_deref().filter(|name| !is_template(name));
        let worker = own.unwrap_or(&self.proxy.name);
        let user = match worker {
            "" => spec.account.clone(),
            worker => format!("{}.{worker}", spec.account),
        };
        let from = match own {
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

/// One endpoint, as a pool of its own.
struct Address {
    name: String,
    /// Its pool's place in the config.
    to: String,
    scheme: PoolScheme,
    endpoint: Endpoint,
}

fn endpoints(draft: &mut Draft<'_, StratumPoolSpec>, to: &str) -> Vec<Address> {
    let pool = draft.document;
    let endpoints = pool.spec.endpoints.iter().enumerate();
    endpoints
        .map(|(index, wanted)| {
            let name = match index {
                0 => pool.name.clone(),
                _ => format!("{}/{}", pool.name, index + 1),
            };
            let to = match index {
                0 => to.to_owned(),
                _ => format!("{}/{}]", to.trim_end_matches(']'), index + 1),
            };
            let at = At::new(format!("spec.endpoints[{index}].url"), format!("{to}.endpoint"));
            let (scheme, endpoint) = endpoint(draft, &at, wanted);
            Address { name, to, scheme, endpoint }
        })
        .collect()
}

fn endpoint(
    draft: &mut Draft<'_, StratumPoolSpec>,
    at: &At,
    wanted: &spec::Endpoint,
) -> (PoolScheme, Endpoint) {
    draft.text(at, &wanted.url);
    match PoolUrl::parse(&wanted.url) {
        Ok(PoolUrl { scheme, address: HostPort { host, port } }) => {
            (scheme, Endpoint { host, port })
        }
        Err(_) => {
            let remedy = "write it like stratum+tcp://pool.example.com:3333";
            draft.refuse_value(&at.from, &wanted.url, "is no address of a pool", remedy);
            (PoolScheme::Tcp, Endpoint { host: String::new(), port: 0 })
        }
    }
}

fn is_template(worker_name: &str) -> bool {
    worker_name.contains('{')
}

fn worker_names(draft: &mut Draft<'_, StratumPoolSpec>, at: &At) -> Option<WorkerNames> {
    let spec = &draft.document.spec;
    let template = spec.worker_name.as_deref().filter(|name| is_template(name))?;
    let template = draft.text(&at.renamed("workerName", "workerNames.template"), template);
    let at = at.renamed("maxLogins", "workerNames.loginsMax");
    let logins_max = draft.number(&at, spec.max_logins.unwrap_or(LOGINS_MAX));
    Some(WorkerNames { template, logins_max })
}

fn payout(draft: &mut Draft<'_, StratumPoolSpec>, at: &At) -> Option<Payout> {
    let spec::Verify { payout_address, min_percent } = draft.document.spec.verify.as_ref()?;
    let (verify, at) = (At::new("spec.verify", &at.to), at.field("payout"));
    let address_at = At::new("spec.verify.payoutAddress", format!("{}.address", at.to));
    let address = draft.text(&address_at, payout_address);
    let script_hex = match script_of(payout_address) {
        Ok(script) => script.iter().map(|byte| format!("{byte:02x}")).collect(),
        Err(error) => {
            let remedy = "copy the address anew, whole, from the wallet that is to be paid";
            draft.refuse_value(&address_at.from, payout_address, &error.to_string(), remedy);
            String::new()
        }
    };
    let of = format!("{} spec.verify.payoutAddress", draft.document.document);
    let script_at = At::new(&address_at.from, format!("{}.scriptHex", at.to));
    draft.notes.explain(&script_at, &script_hex, Origin::Derived { of });
    let min_percent =
        draft.number(&verify.renamed("minPercent", "payout.minPercent"), *min_percent);
    Some(Payout { address, script_hex, min_percent })
}

fn health(draft: &mut Draft<'_, StratumPoolSpec>, at: &At, wanted: &spec::Health) -> Health {
    let spec::Health { submit_stall, block_lag } = wanted;
    let stall = submit_stall.as_ref();
    Health {
        submit_stall_ms: stall.map(|it| draft.millis(&at.duration("submitStall"), it)),
        block_lag_ms: draft.millis(&at.duration("blockLag"), block_lag),
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
