//! Whom a listener lets in: the list that a Secret holds, or the web hook with what is shown to it.

use crate::{
    runtime_config::{
        Authentication, Endpoint, Listener, Pool, RuntimeConfig, Webhook, WebhookTls,
    },
    secrets::{Secret, SecretRef, SecretSource},
    stratum_proxy::{self as spec, AuthenticationType, OnHookFailure, StratumProxySpec},
    values::{LOGIN_ENTRIES_MAX, LOGIN_LIST_BYTES_MAX, WebUrl, login_entries},
};

use super::{
    draft::{At, Draft},
    secret,
};

/// The longest token: what fits a header of any server.
const TOKEN_BYTES_MAX: usize = 4096;

pub(super) fn render(
    draft: &mut Draft<'_, StratumProxySpec>,
    secrets: &dyn SecretSource,
    at: &At,
    wanted: &spec::Authentication,
) -> Option<Authentication> {
    let spec::Authentication { r#type, list, webhook } = wanted;
    let at_type = at.field("type");
    match (r#type, list, webhook) {
        (AuthenticationType::Open, ..) => None,
        (AuthenticationType::List, Some(wanted), _) => {
            draft.text(&at_type, "List");
            Some(self::list(draft, secrets, at, wanted))
        }
        (AuthenticationType::Pool, ..) => {
            draft.text(&at_type, "Pool");
            Some(Authentication::Pool)
        }
        (AuthenticationType::Webhook, _, Some(wanted)) => {
            draft.text(&at_type, "Webhook");
            Some(Authentication::Webhook(hook(draft, secrets, at, wanted)))
        }
        // Its rule has refused the document.
        (AuthenticationType::List, None, _) | (AuthenticationType::Webhook, _, None) => None,
    }
}

/// A pool that is to say who may mine must be told names, and must be known before its miner has told its own.
pub(super) fn pools_can_say(draft: &mut Draft<'_, StratumProxySpec>, config: &RuntimeConfig) {
    let asks =
        |(_, listener): &(usize, &Listener)| listener.authentication == Some(Authentication::Pool);
    for (index, listener) in config.listeners.iter().enumerate().filter(asks) {
        let path = format!("spec.listeners[{index}].authentication.type");
        let rules = config
            .rules
            .iter()
            .filter(|rule| rule.listeners.is_empty() || rule.listeners.contains(&listener.name));
        let mut routes = vec![listener.route.as_str()];
        for rule in rules {
            routes.push(&rule.route);
            if !rule.workers.is_empty() || !rule.firmware.is_empty() {
                let message = format!(
                    "rule {} leads miners of this listener to a pool by what they say of themselves, and the \
                     pool is asked before that",
                    rule.name
                );
                let remedy = "let the rule go by listeners and sources alone, or set type to List or Webhook";
                draft.refuse_value(&path, "Pool", &message, remedy);
            }
        }
        let pools = config.routes.iter().filter(|route| routes.contains(&route.name.as_str()));
        for pool in pools.flat_map(|route| &route.pools).filter(|pool| !is_told_names(pool)) {
            let message =
                format!("pool {} is not told names, and cannot say who may mine", pool.name);
            let remedy =
                "write {worker} into the pool's workerName, or set type to List or Webhook";
            draft.refuse_value(&path, "Pool", &message, remedy);
        }
    }
}

fn is_told_names(pool: &Pool) -> bool {
    let template = pool.worker_names.as_ref().map(|names| names.template.as_str());
    template.is_some_and(|it| it.contains("{worker}") || it.contains("{name}"))
}

fn list(
    draft: &mut Draft<'_, StratumProxySpec>,
    secrets: &dyn SecretSource,
    at: &At,
    wanted: &spec::LoginList,
) -> Authentication {
    let spec::LoginList { secret_ref: spec::LoginListSecretRef { name, key } } = wanted;
    let at = at.renamed("list.secretRef", "entries");
    let entries = find(draft, secrets, &at, (name, key));
    if let Some((message, remedy)) = entries.as_ref().and_then(|it| fault_of(it.expose())) {
        draft.refuse_value(&format!("{}.key", at.from), key, &message, remedy);
    }
    Authentication::List { entries: entries.unwrap_or_else(nothing) }
}

/// What is wrong with a list. Nothing of it is repeated.
fn fault_of(text: &str) -> Option<(String, &'static str)> {
    const REMEDY: &str =
        "write lines of a name, a blank and what `stratum-proxy hash-password` prints";
    if text.len() > LOGIN_LIST_BYTES_MAX {
        let message = format!("the list has more than {LOGIN_LIST_BYTES_MAX} bytes");
        return Some((message, "use patterns of names, or a web hook"));
    }
    let mut entries = 0_usize;
    for entry in login_entries(text) {
        entries += 1;
        if let Err(error) = entry {
            return Some((error.to_string(), REMEDY));
        }
    }
    match entries {
        0 => Some(("the list has no entry, and would let nobody in".to_owned(), REMEDY)),
        1..=LOGIN_ENTRIES_MAX => None,
        _ => {
            let message = format!("the list has {entries} entries, more than {LOGIN_ENTRIES_MAX}");
            Some((message, "use patterns of names, or a web hook"))
        }
    }
}

fn hook(
    draft: &mut Draft<'_, StratumProxySpec>,
    secrets: &dyn SecretSource,
    at: &At,
    wanted: &spec::Webhook,
) -> Webhook {
    let spec::Webhook {
        url,
        ca_secret_ref,
        token_secret_ref,
        timeout,
        allow_for,
        refuse_for,
        stale_for,
        on_failure,
    } = wanted;
    let from = |field: &str| At::new(format!("{}.webhook.{field}", at.from), &at.to);
    let to = |field: &str, to: &str| At::new(from(field).from, format!("{}.{to}", at.to));
    let (is_encrypted, endpoint, path) = endpoint(draft, &to("url", "endpoint"), url);
    let ca_pem = ca_secret_ref.as_ref().map(|spec::HookCaSecretRef { name, key }| {
        if !is_encrypted {
            let remedy = "write https:// into url, or remove caSecretRef";
            let message = "no certificate is looked at where url is http://";
            draft.refuse_value(&from("caSecretRef.name").from, name, message, remedy);
        }
        find(draft, secrets, &to("caSecretRef", "tls.caPem"), (name, key)).unwrap_or_else(nothing)
    });
    let token = token_secret_ref.as_ref().map(|spec::HookTokenSecretRef { name, key }| {
        let at = to("tokenSecretRef", "token");
        let token = find(draft, secrets, &at, (name, key)).unwrap_or_else(nothing);
        // A file that was made with an editor ends with a line end, which is no part of it.
        let token = Secret::new(token.expose().trim_end_matches(['\n', '\r']));
        let is_sendable = token.expose().bytes().all(|byte| byte.is_ascii_graphic());
        if !is_sendable || token.expose().len() > TOKEN_BYTES_MAX {
            let message = "the token cannot be sent in a header";
            let remedy = "give up to 4096 letters, digits and signs on one line";
            draft.refuse_value(&format!("{}.key", at.from), key, message, remedy);
        }
        token
    });
    let on_failure_text = match on_failure {
        OnHookFailure::Allow => "Allow",
        OnHookFailure::Refuse => "Refuse",
    };
    draft.text(&to("onFailure", "onFailure"), on_failure_text);
    Webhook {
        endpoint,
        path,
        tls: is_encrypted.then_some(WebhookTls { ca_pem }),
        token,
        timeout_ms: draft.millis(&to("timeout", "timeoutMs"), timeout),
        allow_for_ms: draft.millis(&to("allowFor", "allowForMs"), allow_for),
        refuse_for_ms: draft.millis(&to("refuseFor", "refuseForMs"), refuse_for),
        stale_for_ms: draft.millis(&to("staleFor", "staleForMs"), stale_for),
        on_failure: *on_failure,
    }
}

fn endpoint(
    draft: &mut Draft<'_, StratumProxySpec>,
    at: &At,
    url: &str,
) -> (bool, Endpoint, String) {
    draft.text(at, url);
    match WebUrl::parse(url) {
        Ok(WebUrl { is_encrypted, address, path }) => {
            (is_encrypted, Endpoint { host: address.host, port: address.port }, path)
        }
        Err(_) => {
            let remedy = "write it like https://auth.farm.example/miners";
            draft.refuse_value(&at.from, url, "is no address of a web hook", remedy);
            (false, Endpoint { host: String::new(), port: 0 }, "/".to_owned())
        }
    }
}

fn find(
    draft: &mut Draft<'_, StratumProxySpec>,
    secrets: &dyn SecretSource,
    at: &At,
    (name, key): (&str, &str),
) -> Option<Secret> {
    let namespace = draft.document.namespace.clone();
    let reference = SecretRef { namespace, name: name.to_owned(), key: key.to_owned() };
    let wanted = secret::Wanted { at, reference, key: secret::Key::Named };
    secret::find(draft, secrets, wanted)
}

/// Of what was not found, which has been told.
fn nothing() -> Secret {
    Secret::new("")
}
