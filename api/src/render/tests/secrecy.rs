//! A marked secret is put wherever one may stand, and no text that is made for people shows it.

use serde_json::json;

use crate::{
    documents::read,
    problem::Problem,
    render::{Rendered, render},
    resources::Resources,
    secrets::{Layered, Secret, SecretRef, SecretSource},
    validate::validate,
};

const MARK: &str = "hunter2";

/// A farm whose Secret is marked in all three places: plain, encoded, and in the annotation that
/// client-side `kubectl apply` leaves. POOL and SECRET are for faults.
const FARM: &str = "
apiVersion: stratum.loka.dev/v1alpha1
kind: StratumProxy
metadata: {name: farm-east}
spec:
  listeners: [{name: v1, port: 3333}]
  routes: [{name: main, pools: [{poolRef: {name: one}}, {poolRef: {name: two}}]}]
---
apiVersion: stratum.loka.dev/v1alpha1
kind: StratumPool
metadata: {name: one}
spec: {endpoints: [{url: 'stratum+tcp://a:1'}], account: a, passwordSecretRef: {name: s}POOL}
---
apiVersion: stratum.loka.dev/v1alpha1
kind: StratumPool
metadata: {name: two}
spec:
  endpoints: [{url: 'stratum+ssl://b:1'}]
  account: a
  passwordSecretRef: {name: s, key: k}
  tls: {caSecretRef: {name: t}, clientCertificateSecretRef: {name: t}}
  proxy: {socks5: 'c:1', credentialsSecretRef: {name: t}}
---
apiVersion: v1
kind: Secret
metadata:
  name: s
  annotations: {kubectl.kubernetes.io/last-applied-configuration: '{\"password\":\"hunter2\"}'}
stringData: {password: hunter2SECRET}
data: {k: aHVudGVyMg==}
---
apiVersion: v1
kind: Secret
metadata: {name: t}
stringData: {ca.crt: hunter2, tls.crt: hunter2, tls.key: hunter2, username: hunter2, password: 'hunter2 '}
";

fn farm(pool: &str, secret: &str) -> String {
    FARM.replace("POOL", pool).replace("SECRET", secret)
}

fn rendered(text: &str) -> Result<Rendered, Vec<Problem>> {
    let resources = Resources::load([("t.yaml", text)])?;
    render(&resources, resources.proxy(None)?, &Layered(vec![&resources.secrets]))
}

#[test]
fn nothing_that_is_printed_shows_a_secret() {
    let text = farm("", "");
    let (documents, problems) = read("t.yaml", &text);
    let resources = Resources::load([("t.yaml", text.as_str())]).unwrap();
    let rendered = rendered(&text).unwrap();
    let passwords = rendered.config.routes[0].pools.iter().map(|pool| pool.password.expose());
    assert_eq!(passwords.collect::<Vec<_>>(), [MARK, MARK], "the mark is where it belongs");

    let wanted = SecretRef { namespace: "default".into(), name: "s".into(), key: "k".into() };
    let explained: Vec<_> = rendered
        .explain()
        .iter()
        .map(|it| format!("{} {} {}", it.path, it.value, it.origin))
        .collect();
    for shown in [
        format!("{documents:?} {problems:?}"),
        format!("{:?}", documents.iter().map(validate).collect::<Vec<_>>()),
        format!("{resources:#?}"),
        format!("{rendered:#?}"),
        format!("{:#?}", rendered.config),
        format!("{} {explained:?} {}", rendered.hash(), json!(rendered.explain())),
        format!("{:?}", resources.secrets.find(&wanted)),
        format!("{:?}", Secret::new(MARK)),
    ] {
        assert!(!shown.contains(MARK) && !shown.contains("aHVudGVyMg"), "{shown}");
    }
}

#[test]
fn no_problem_shows_a_secret() {
    let too_long = MARK.repeat(100);
    for text in [
        // The password where the reference, the key or an address should be.
        farm("", "").replace("{name: s}", MARK),
        farm(", password: hunter2", ""),
        farm("", "").replace("stratum+tcp://a:1", "stratum+tcp://u:hunter2@a:1"),
        farm("", "").replace("stratum+tcp://a:1", "a:hunter2@a:1"),
        // A password that cannot be sent, entries that are no text, unknown keys.
        farm("", &too_long),
        farm("", "\\u0007").replace("{password: hunter2\\u0007}", "{password: \"hunter2\\u0007\"}"),
        farm("", "").replace("{password: hunter2}", "[hunter2]"),
        farm("", "").replace("{password: hunter2}", "{password: {hunter2: hunter2}}"),
        farm("", "").replace("stringData", "strungData"),
        farm("", "").replace("aHVudGVyMg==", "hunter2!"),
        farm("", "").replace("key: k", "key: absent"),
        // Text that is no YAML at all.
        farm("", "").replace("{password: hunter2}", "{password: hunter2: hunter2}"),
        farm("", "").replace("{password: hunter2}", "{password: \"hunter2}"),
        farm("", "").replace("{password: hunter2}", "{password: hunter2, password: hunter2}"),
        farm("", "").replace("{password: hunter2}", "{password: !hunter2 hunter2}"),
        farm("", "").replace("{password: hunter2}", "{password: *hunter2}"),
    ] {
        let problems = rendered(&text).expect_err(&text);
        for problem in problems {
            let shown = format!("{problem} {problem:?} {}", json!(problem));
            assert!(!shown.contains(MARK), "{shown}\n{text}");
        }
    }
}
