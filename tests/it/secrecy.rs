//! Marked secrets in every place that a secret has, and everything that is written searched for them: the log at its most
//! talkative, standard output, every admin page, spans, `check`, errors about bad values, what is kept on disk, what a crash
//! prints.
//!
//! A further place is a line in [`PLACES`] or [`WRONG`], and what is written a call of [`Written::take`].

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use loka_api::control::Snapshot;
use loka_api::{Layered, Resources, render};
use loka_tests::documents::{Documents, PROXY, PoolDocument};
use loka_tests::logins::{Hook, Mood, entry};
use loka_tests::process::{Process, eventually, free_port, run_to_end};
use loka_tests::rig::Pools;
use loka_tests::socks::{Answer, Manners, SocksServer};
use loka_tests::terminator::{Authority, Pair, Speech, Terminator};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::admin_api::ask_as;
use super::client::Client;
use super::otlp::Collector;
use super::pool_tls::{ca, secret};
use super::tls_dial::{FROM_1_2, TlsDial};

/// What the proxy is given to keep to itself. None of them may be found in anything that is written.
const PLACES: [&str; 15] = [
    "zq7-password-of-the-pool-7qz",
    "zq7-password-that-a-pool-repeats-7qz",
    SOCKS_PASSWORD,
    "zq7-password-from-the-environment-7qz",
    "zq7-password-from-a-directory-7qz",
    "zq7-password-of-a-miner-7qz",
    "zq7-password-in-an-object-7qz",
    "zq7-password-in-a-text-7qz",
    "zq7-password-in-an-array-7qz",
    "zq7-password-cut-off-7qz",
    ADMIN_TOKEN,
    HOOK_TOKEN,
    LISTED_PASSWORD,
    GUESSED_PASSWORD,
    WRONG_MARK,
];

const ADMIN_TOKEN: &str = "zq7-token-of-the-admin-api-7qz";

const HOOK_TOKEN: &str = "zq7-token-of-the-web-hook-7qz";

/// Of a miner in a list, and of one who is in it with another.
const LISTED_PASSWORD: &str = "zq7-password-of-the-list-7qz";
const GUESSED_PASSWORD: &str = "zq7-password-that-is-guessed-7qz";

const SOCKS_PASSWORD: &str = "zq7-password-of-socks-7qz";

/// In the place of a secret, and of a wrong form.
const WRONG_MARK: &str = "zq7-wrong-secret-7qz";

/// What is no secret, and must be found where it belongs: the search would find one.
const WORKER: &str = "zq7-name-of-a-worker-7qz";
const ACCOUNT: &str = "zq7account7qz";

/// Logins as miners send them, and as they do not.
const LOGINS: [&str; 5] = [
    r#"["acct.WORKER","zq7-password-of-a-miner-7qz"]"#,
    r#"{"worker":"acct.w","password":"zq7-password-in-an-object-7qz"}"#,
    r#""acct.w:zq7-password-in-a-text-7qz""#,
    r#"[["acct.w","zq7-password-in-an-array-7qz"]]"#,
    r#"["acct.w","zq7-password-cut-off-7qz"#,
];

/// Secrets of the documents that cannot be used, by what is in the place of `password: …` of the Secret `login`.
const WRONG: [&str; 8] = [
    "password: \"MARK\\u0007\"",
    "password: { MARK: MARK }",
    "password: [MARK]",
    "password: MARK: MARK",
    "password: \"MARK",
    "password: MARK, password: MARK",
    "password: !MARK MARK",
    "pass: MARK",
];

const PAGES: [&str; 6] = ["/livez", "/readyz", "/metrics", "/ledger", "/status", "/no-such-page"];

/// Of the admin API.
const API: [&str; 4] =
    ["/v1/sessions", "/v1/workers/zq7-name-of-a-worker-7qz", "/v1/bans", "/v1/no-such"];

/// All that was written, by where.
#[derive(Default)]
struct Written(Vec<(String, String)>);

// === impl Written ===

impl Written {
    fn take(&mut self, place: impl Into<String>, text: impl Into<String>) {
        self.0.push((place.into(), text.into()));
    }

    /// The log and all pages of a process.
    async fn take_all_of(&mut self, what: &str, proxy: &Process) {
        for page in PAGES {
            self.take(format!("{what}: {page}"), proxy.page(page).await.1);
        }
        for path in API {
            let token = format!("Bearer {ADMIN_TOKEN}");
            let headers = [("authorization", token.as_str())];
            let (_, answer) = ask_as(proxy.api(), &headers, "GET", path, None).await;
            self.take(format!("{what}: {path}"), answer.to_string());
        }
        self.take(format!("{what}: log"), log(&proxy.log()));
    }

    fn take_directory(&mut self, what: &str, directory: &Path) {
        for entry in fs::read_dir(directory).expect("a directory") {
            let path = entry.expect("an entry").path();
            let bytes = fs::read(&path).expect("a file");
            self.take(format!("{what}: {}", path.display()), String::from_utf8_lossy(&bytes));
        }
    }

    /// Where this text is.
    fn showing(&self, text: &str) -> Vec<&str> {
        let found = self.0.iter().filter(|(_, written)| written.contains(text));
        found.map(|(place, _)| place.as_str()).collect()
    }

    fn assert_without(&self, secret: &str) {
        assert_eq!(self.showing(secret), [""; 0], "{secret} is shown");
    }

    /// The search would find secrets: what is none is where it belongs, and they are in what they came from.
    fn assert_searched(&self, site: &Site) {
        let workers = self.showing(WORKER);
        assert!(workers.iter().any(|place| place.ends_with("log")), "{workers:?}");
        let accounts = self.showing(ACCOUNT);
        assert!(workers.iter().any(|place| place.starts_with("audit log")), "{workers:?}");
        for place in ["/status", "/ledger", "check -f"] {
            assert!(accounts.iter().any(|found| found.contains(place)), "{place}: {accounts:?}");
        }
        let mut given = Self::default();
        given.take("documents", format!("{}{}", site.text(), site.with_wrong(WRONG[0])));
        for secret in [PLACES[0], SOCKS_PASSWORD, WRONG_MARK, &site.keys[0]] {
            assert_eq!(given.showing(secret), ["documents"], "{secret}");
        }
        assert!(self.showing("(redacted)").iter().any(|place| place.ends_with("/status")));
    }
}

fn log(lines: &[Value]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// A line of a private key that nothing else has.
fn mark_of(pair: &Pair) -> String {
    pair.key_pem().lines().nth(1).expect("a key in PEM").to_owned()
}

/// A pool that refuses the login and repeats it.
async fn repeating_pool(tasks: &mut JoinSet<()>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    tasks.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (from, mut to) = stream.into_split();
            let mut lines = BufReader::new(from).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                let request: Value = serde_json::from_str(&line).expect("a request");
                let (id, said) = (&request["id"], request["params"].to_string().replace('"', "'"));
                let answer = match request["method"].as_str() {
                    Some("mining.subscribe") => {
                        format!("{{\"id\":{id},\"result\":[[],\"08000002\",8]}}\n")
                    }
                    Some("mining.authorize") => format!(
                        "{{\"method\":\"client.show_message\",\"params\":[\"not {said}\"]}}\n\
                         {{\"id\":{id},\"error\":[24,\"no such login: {said}\",null]}}\n"
                    ),
                    _ => format!("{{\"id\":{id},\"error\":[20,\"no\",null]}}\n"),
                };
                if to.write_all(answer.as_bytes()).await.is_err() {
                    break;
                }
            }
        }
    });
    address
}

/// A proxy with a secret in each place, and what stands around it.
struct Site {
    pools: Pools,
    documents: Documents,
    /// The documents of its Secrets.
    secrets: String,
    authority: Authority,
    /// The port of the listener that has a list of logins.
    listed: u16,
    /// Marks of private keys, and of hashes.
    keys: Vec<String>,
    _hook: Hook,
    _terminator: Terminator,
    _socks: SocksServer,
    _tasks: JoinSet<()>,
}

impl Site {
    async fn new() -> Self {
        let (pools, authority) = (Pools::start().await, Authority::new("a"));
        let (shown, ours) = (authority.issue(&["proxy.test"]), authority.issue(&["us"]));
        let speech = Speech::asking(&authority.issue(&["127.0.0.1"]), &[&authority]);
        let terminator = Terminator::start(pools.addresses[0], speech).await;
        let login = Some(("us", SOCKS_PASSWORD));
        let answer = Answer::Connected(pools.addresses[1]);
        let socks = SocksServer::start(Manners { login, answer }).await;
        let mut tasks = JoinSet::new();
        let mut documents = pools.documents().await;
        let (hook, listed) = (Hook::start(Mood::Broken).await, free_port());
        documents.listener = format!(
            "      tls: {{ secretRef: {{ name: miners }} }}\n\
             \x20     authentication: {{ type: Webhook, webhook: {{ url: '{}', tokenSecretRef: {{ name: hook }} }} }}\n\
             \x20   - name: listed\n\
             \x20     port: {listed}\n\
             \x20     authentication: {{ type: List, list: {{ secretRef: {{ name: list }} }} }}\n",
            hook.url()
        );
        let [alpha, beta] = &mut documents.pools[..] else { panic!("two pools") };
        alpha.address = terminator.address.to_string();
        alpha.scheme = "ssl";
        ACCOUNT.clone_into(&mut alpha.account);
        alpha.spec =
            "  passwordSecretRef: { name: login }\n  tls: { caSecretRef: { name: authority }, \
                      clientCertificateSecretRef: { name: us } }\n"
                .to_owned();
        beta.spec = format!(
            "  passwordSecretRef: {{ name: outside }}\n  proxy: {{ socks5: '{}', credentialsSecretRef: \
             {{ name: socks }} }}\n",
            socks.address
        );
        let mut repeating =
            PoolDocument::new("repeating", repeating_pool(&mut tasks).await, "acct");
        repeating.spec = "  passwordSecretRef: { name: repeated }\n".to_owned();
        documents.pools.push(repeating);
        let pem = |name, pair: &Pair| {
            secret(name, &[("tls.crt", &pair.pem()), ("tls.key", &pair.key_pem())])
        };
        let listed_login = entry("acct.listed", LISTED_PASSWORD);
        let secrets = [
            pem("miners", &shown),
            pem("us", &ours),
            ca(&authority),
            secret("hook", &[("token", HOOK_TOKEN)]),
            secret("list", &[("logins", &listed_login)]),
            secret("login", &[("password", PLACES[0])]),
            secret("repeated", &[("password", PLACES[1])]),
            secret("socks", &[("username", "us"), ("password", SOCKS_PASSWORD)]),
        ]
        .concat();
        let hash = listed_login.rsplit('$').next().expect("a hash").to_owned();
        let keys = vec![mark_of(&shown), mark_of(&ours), hash];
        Self {
            pools,
            documents,
            secrets,
            authority,
            listed,
            keys,
            _hook: hook,
            _terminator: terminator,
            _socks: socks,
            _tasks: tasks,
        }
    }

    fn text(&self) -> String {
        format!("{}{}", self.documents.text(), self.secrets)
    }

    /// Miners that log in by each form.
    async fn miners_log_in(&self) {
        let dial = TlsDial::new(self.documents.port, &self.authority.pem(), FROM_1_2);
        for params in LOGINS {
            let params = params.replace("WORKER", WORKER);
            let mut client = dial.connected().await;
            client.send("{\"id\":1,\"method\":\"mining.subscribe\",\"params\":[\"it/1\"]}\n").await;
            let line =
                format!("{{\"id\":2,\"method\":\"mining.authorize\",\"params\":{params}}}\n");
            client.send(&line).await;
            // An answer to it: the second, whatever its id.
            client.until(|line| line.get("method").is_none() && line["id"] == 1).await;
            client.until(|line| line.get("method").is_none()).await;
        }
        for (password, is_right) in [(GUESSED_PASSWORD, false), (LISTED_PASSWORD, true)] {
            let mut client = Client::connect(self.listed).await;
            let login = json!(["acct.listed", password]);
            let reply = client.call("mining.authorize", login).await;
            assert_eq!(reply["result"] == true, is_right, "{reply}");
        }
    }

    /// The documents with a Secret `login` that cannot be used.
    fn with_wrong(&self, wrong: &str) -> String {
        let wrong = wrong.replace("MARK", WRONG_MARK);
        let good = secret("login", &[("password", PLACES[0])]);
        let bad = format!(
            "---\napiVersion: v1\nkind: Secret\nmetadata: {{ name: login, namespace: test }}\n\
             stringData: {{ {wrong} }}\n"
        );
        self.text().replace(&good, &bad)
    }

    /// The documents with texts that are no PEM, where PEM belongs.
    fn with_wrong_pem(&self) -> [String; 3] {
        let bad = format!("-----BEGIN PRIVATE KEY-----\n{WRONG_MARK}\n-----END PRIVATE KEY-----\n");
        let entries = [("tls.crt", bad.as_str()), ("tls.key", &bad)];
        ["miners", "us", "authority"].map(|name| {
            let entry = [("ca.crt", WRONG_MARK)];
            let bad = secret(name, if name == "authority" { &entry } else { &entries });
            // The last of a name counts for nothing: it is refused as a second, so the first is renamed.
            let first = format!("name: {name}, namespace: test }}\nstringData");
            let other = format!("name: other-{name}, namespace: test }}\nstringData");
            format!("{}{bad}", self.text().replace(&first, &other))
        })
    }
}

/// `check` in both forms, and `run` where it ends by itself.
async fn told_of(
    written: &mut Written,
    what: &str,
    text: &str,
    (environment, refused): (&[(&str, &str)], bool),
) {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("farm.yaml");
    fs::write(&file, text).expect("a file");
    let file = file.to_str().expect("a plain path");
    let mut lines = vec![vec!["check", "-f", file], vec!["check", "-f", file, "--output", "json"]];
    if refused {
        lines.push(vec!["run", "-f", file, "--admin", "127.0.0.1:0"]);
    }
    for line in lines {
        let ended = run_to_end(&line, environment).await;
        assert_eq!(ended.code, Some(i32::from(refused)), "{what}: {}", ended.text);
        written.take(format!("{what}: {}", line.join(" ")), ended.text);
    }
}

/// Every wrong secret, applied to a proxy that runs, and shown to `check`.
async fn all_mistakes(site: &Site, proxy: &Process, written: &mut Written) {
    for (case, wrong) in WRONG.into_iter().map(|wrong| site.with_wrong(wrong)).enumerate() {
        let skip = proxy.log().len();
        proxy.write(&wrong);
        proxy.logged_after(skip, "configuration refused").await;
        written.take_all_of(&format!("wrong secret {case}"), proxy).await;
        let outside = [("STRATUM_SECRET_OUTSIDE_PASSWORD", PLACES[3])];
        told_of(written, &format!("wrong secret {case}"), &wrong, (&outside, true)).await;
    }
    for (case, wrong) in site.with_wrong_pem().into_iter().enumerate() {
        let skip = proxy.log().len();
        proxy.write(&wrong);
        proxy.logged_after(skip, "configuration refused").await;
        written.take_all_of(&format!("wrong PEM {case}"), proxy).await;
    }
}

#[tokio::test]
async fn no_secret_is_in_anything_that_is_written() {
    let site = Site::new().await;
    let mut written = Written::default();
    let disk = tempfile::tempdir().expect("a directory");
    let collector = Collector::start(disk.path()).await;
    let state = disk.path().join("state");
    let aside = disk.path().join("secrets");
    fs::create_dir_all(aside.join("outside")).expect("a directory");
    fs::write(aside.join("outside/password"), PLACES[4]).expect("a file");
    let (token, audit) = (disk.path().join("token"), disk.path().join("audit/audit.jsonl"));
    fs::write(&token, ADMIN_TOKEN).expect("a file");
    fs::create_dir(disk.path().join("audit")).expect("a directory");
    let endpoint = collector.as_ref().map_or("http://127.0.0.1:1", |it| &it.endpoint);
    let environment = [
        ("STRATUM_LOG_LEVEL", "trace"),
        ("RUST_LOG", "trace"),
        ("RUST_BACKTRACE", "full"),
        ("STRATUM_ADMIN_TOKEN_FILE", token.to_str().expect("a path")),
        ("STRATUM_AUDIT", audit.to_str().expect("a path")),
        ("STRATUM_STATE_DIR", state.to_str().expect("a path")),
        ("STRATUM_SECRETS_DIR", aside.to_str().expect("a path")),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint),
        ("OTEL_TRACES_SAMPLER", "always_on"),
        ("OTEL_BSP_SCHEDULE_DELAY", "100"),
    ];
    let proxy = Process::start_with(&site.text(), &environment).await;
    proxy.active("alpha").await;
    site.miners_log_in().await;
    // By way of SOCKS, and refused by the one that repeats.
    eventually("beta is logged in to", || site.pools.pools[1].counts().authorizations > 0).await;
    proxy.says("/status", "the words of the pool", |page| page.contains("no such login")).await;
    all_mistakes(&site, &proxy, &mut written).await;
    let outside = [("STRATUM_SECRET_OUTSIDE_PASSWORD", PLACES[3])];
    told_of(&mut written, "good", &site.text(), (&outside, false)).await;
    let control = [("STRATUM_SECRET_OUTSIDE_PASSWORD", "zq7-wrong-secret-7qz\u{7}")];
    told_of(&mut written, "control", &site.text(), (&control, true)).await;
    proxy.apply(&site.text().replace("after: 1s", "after: 2s")).await;
    written.take_all_of("at the end", &proxy).await;
    proxy.signal("TERM").await;
    let (_, lines) = proxy.ended().await;
    written.take("drained: log", log(&lines));
    written.take_directory("kept", &state);
    written.take_directory("audit log", &disk.path().join("audit"));
    if let Some(collector) = &collector {
        let spans = serde_json::to_string(&collector.spans()).expect("JSON");
        assert!(spans.contains("config.apply"), "{spans}");
        written.take("spans", spans);
    }
    written.take("crashed: log", log(&crashed(&site, &environment).await));
    for secret in PLACES.into_iter().chain(site.keys.iter().map(String::as_str)) {
        written.assert_without(secret);
    }
    written.assert_searched(&site);
}

/// What a process says that is ended in the middle of its work by a signal that means a crash.
async fn crashed(site: &Site, environment: &[(&str, &str)]) -> Vec<Value> {
    let proxy = Process::start_with(&site.text(), environment).await;
    proxy.active("alpha").await;
    site.miners_log_in().await;
    proxy.signal("ABRT").await;
    let (status, lines) = proxy.ended().await;
    assert_eq!(status.code(), None, "a signal");
    lines
}

/// A snapshot must bear the secrets: it is what a pod starts from. Nobody but the process itself may read it, and nothing
/// else of a pod shows them.
#[tokio::test]
async fn a_snapshot_bears_the_secrets_for_its_process_alone_and_nothing_else_shows_them() {
    let site = Site::new().await;
    let outside = secret("outside", &[("password", PLACES[4])]);
    let text = format!("{}{outside}", site.text());
    let resources = Resources::load([(PROXY, text.as_str())]).expect("good documents");
    let proxy = resources.proxy(None).expect("one proxy");
    let rendered = render(&resources, proxy, &Layered(vec![&resources.secrets]));
    let snapshot = Snapshot::new("b3b1", 1, rendered.expect("good documents").config);
    let pod = Process::start_pod(Some(&snapshot.to_file()), None, &[]).await;
    pod.active("alpha").await;
    site.miners_log_in().await;
    eventually("it is kept", || pod.kept().is_some()).await;
    let kept = pod.kept().expect("a snapshot");
    let state = pod.file().with_file_name("state");
    let file = state.join("last-good.json");
    let mode = |path: &Path| fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
    assert_eq!(mode(&file), 0o600);
    let mut written = Written::default();
    written.take_all_of("pod", &pod).await;
    written.take("debug", format!("{snapshot:?}"));
    // A part of it that is damaged is told of without it.
    let skip = pod.log().len();
    pod.mount(&snapshot.to_file().replace("acct", "evil"));
    pod.logged_after(skip, "configuration refused").await;
    pod.mount(kept.split_at(kept.len() / 2).0);
    written.take_all_of("damaged", &pod).await;
    let mut bearing = Written::default();
    bearing.take("kept", kept);
    for secret in [PLACES[0], PLACES[1], SOCKS_PASSWORD, PLACES[4]] {
        assert_eq!(bearing.showing(secret), ["kept"], "{secret}");
        written.assert_without(secret);
    }
    for secret in
        LOGINS.iter().filter_map(|login| login.split('"').find(|it| it.starts_with("zq7-password")))
    {
        written.assert_without(secret);
    }
    site.keys.iter().for_each(|key| written.assert_without(key));
    assert!(!written.showing(ACCOUNT).is_empty(), "the search finds what is there");
}
