use std::net::Ipv4Addr;

use loka_api::runtime_config::Endpoint;

use super::*;
use crate::transport::{Dial, Tcp};
use crate::workers::Workers;

const MINUTE: Duration = Duration::from_secs(60);

fn hook(on_failure: OnHookFailure) -> (Hook, Instant) {
    let wanted = Webhook {
        endpoint: Endpoint { host: "127.0.0.1".into(), port: 1 },
        path: "/".into(),
        tls: None,
        token: None,
        timeout_ms: 1000,
        allow_for_ms: 60_000,
        refuse_for_ms: 60_000,
        stale_for_ms: 3_600_000,
        on_failure,
    };
    let (dial, mut random): (Arc<dyn Dial>, _) = (Arc::new(Tcp), fastrand::Rng::with_seed(3));
    let seams = GateSeams {
        listener: &"v1".into(),
        clock: Clock::System,
        telemetry: &Telemetry::silent(),
        dial: &dial,
        tasks: &Tasks::default(),
        workers: &Workers::inline(),
        random: &mut random,
    };
    let key = Key::new(&mut fastrand::Rng::with_seed(5));
    (Hook::new(&wanted, key, seams), Clock::System.now().instant)
}

fn asked(hook: &Hook, now: Instant, password: &str) -> Option<Decision> {
    let address = Ipv4Addr::LOCALHOST.into();
    let login = Login { listener: "v1", worker: "a", password, address, user_agent: "" };
    match hook.ask(now, &login) {
        Asked::Known(decision) => Some(decision),
        Asked::Later(_) => None,
    }
}

fn digest(hook: &Hook, password: &str) -> Digest {
    hook.key.of(&[b"a", password.as_bytes(), b"127.0.0.1"])
}

#[tokio::test]
async fn a_yes_holds_for_a_while_and_for_longer_while_the_hook_fails() {
    let (hook, start) = hook(OnHookFailure::Refuse);
    assert_eq!(asked(&hook, start, "known"), None, "it is asked");
    hook.shared.lock().allowed.note(digest(&hook, "known"), start);
    let allowed = Some(Decision::In(None));
    assert_eq!(asked(&hook, start + MINUTE - Duration::from_secs(1), "known"), allowed);
    assert_eq!(asked(&hook, start + MINUTE, "known"), None, "asked again");
    // The hook fails, and is left alone for two hours.
    hook.shared.lock().asked_from = Some(start + 120 * MINUTE);
    assert_eq!(asked(&hook, start + 59 * MINUTE, "known"), allowed);
    let failed = Some(Decision::Out(LoginRefusal::HookFailed));
    assert_eq!(asked(&hook, start + 60 * MINUTE, "known"), failed, "for no longer than staleFor");
    assert_eq!(asked(&hook, start, "other"), failed);
    assert_eq!(asked(&hook, start + 120 * MINUTE, "other"), None, "asked again");
}

#[tokio::test]
async fn a_no_holds_and_a_failure_lets_in_where_the_document_says_so() {
    let (hook, start) = hook(OnHookFailure::Allow);
    hook.shared.lock().refused.note(digest(&hook, "bad"), start);
    hook.shared.lock().asked_from = Some(start + 10 * MINUTE);
    assert_eq!(asked(&hook, start, "bad"), Some(Decision::Out(LoginRefusal::Hook)));
    assert_eq!(asked(&hook, start, "other"), Some(Decision::In(None)));
    assert_eq!(asked(&hook, start + MINUTE, "bad"), Some(Decision::In(None)), "a no is over");
}
