//! The chart: what it renders is taken by a real API server, and its life cycle leaves the resources alone.

use loka_tests::cluster::{Cluster, Image, eventually};
use loka_tests::rig::miners_at;
use serde_json::Value;

use super::site::{CHART, FARM, PATIENCE, Site, image_settings, uid_of};

/// Values under which every template renders.
const VARIANTS: [&[&str]; 6] = [
    &[],
    &["dashboards.enabled=true", "dashboards.annotations.grafana_folder=Stratum"],
    &["watchNamespaces={chart}", "replicas=1"],
    &["proxy.allowList.configMap=stratum-allow-list"],
    &["networkPolicy.enabled=false", "rbac.aggregate=false", "crds.keep=false"],
    &[
        "image.digest=sha256:0000000000000000000000000000000000000000000000000000000000000000",
        "global.imageRegistry=registry.test",
    ],
];

#[tokio::test]
async fn every_rendered_object_is_taken_by_the_api_server() {
    let Some(cluster) = Cluster::shared().await else { return };
    println!("{}", cluster.helm(&["lint", "--strict", CHART]).await);
    let namespace = cluster.namespace("chart").await;
    for variant in VARIANTS {
        let mut arguments = vec!["template", "stratum", CHART, "--namespace", &*namespace];
        for setting in variant {
            arguments.extend(["--set", setting]);
        }
        let rendered = cluster.helm(&arguments).await;
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("rendered.yaml");
        std::fs::write(
            &file,
            rendered.replace("namespace: chart\n", &format!("namespace: {}\n", &*namespace)),
        )
        .expect("a file");
        let file = file.to_str().expect("UTF-8");
        cluster
            .kubectl(&[
                "apply",
                "--server-side",
                "--force-conflicts",
                "--dry-run=server",
                "--validate=strict",
                "--filename",
                file,
            ])
            .await;
    }
}

/// The definition of a PrometheusRule is somebody else's: what is compared is what it holds.
#[tokio::test]
async fn the_rules_of_the_chart_are_those_of_the_file_and_lead_to_the_runbooks_that_are_named() {
    let Some(cluster) = Cluster::shared().await else { return };
    let render = async |settings: &[&str]| {
        let show = "--show-only=templates/prometheusrule.yaml";
        let set = ["--set", "prometheusRule.enabled=true"];
        let arguments = [&["template", "stratum", CHART, show], &set[..], settings].concat();
        serde_yaml::from_str::<Value>(&cluster.helm(&arguments).await).expect("YAML")
    };
    let file = std::fs::read_to_string(format!("{CHART}/alerts/stratum.yaml")).expect("the rules");
    let rules: Value = serde_yaml::from_str(&file).expect("YAML");
    let rendered = render(&[]).await;
    assert_eq!(rendered["kind"], "PrometheusRule");
    assert_eq!(rendered["spec"], rules);
    let linked = render(&["--set", "prometheusRule.runbooks=https://git.test/runbooks/"]).await;
    let first = &linked["spec"]["groups"][0]["rules"][0];
    let expected =
        format!("https://git.test/runbooks/{}.md", first["alert"].as_str().expect("a name"));
    assert_eq!(first["annotations"]["runbook_url"], expected.as_str());
    assert_eq!(linked.to_string().matches("docs/runbooks").count(), 0);
}

#[tokio::test]
async fn a_value_that_the_schema_does_not_know_is_refused_by_its_name() {
    let Some(cluster) = Cluster::shared().await else { return };
    for (setting, name) in [
        ("replicaz=3", "replicaz"),
        ("image.pullPolicy=Sometimes", "pullPolicy"),
        ("replicas=-1", "replicas"),
    ] {
        let refused = cluster.try_helm(&["template", "stratum", CHART, "--set", setting]).await;
        let said = refused.expect_err(setting);
        assert!(said.contains(name), "{setting}: {said}");
    }
}

/// A Deployment as the operator makes it, as far as the policy looks.
fn deployment(allow_list: &str) -> String {
    let volume = format!("{{name: allow-list, configMap: {{name: {allow_list}}}}}");
    format!(
        "{{apiVersion: apps/v1, kind: Deployment, metadata: {{name: farm}}, spec: {{
        selector: {{matchLabels: {{a: b}}}},
        template: {{metadata: {{labels: {{a: b}}}}, spec: {{
        volumes: [{volume}],
        containers: [{{name: proxy, image: stratum-proxy:0.1.0,
        args: [run, --allow-list, /etc/stratum/allow-list/allow-list.yaml],
        volumeMounts: [{{name: allow-list, mountPath: /etc/stratum/allow-list}}]}}]}}}}}}}}"
    )
}

/// What rights alone cannot say: the operator makes ConfigMaps and Deployments, but not these.
#[tokio::test]
async fn the_operators_account_can_neither_change_the_allow_list_nor_leave_it_out() {
    let Some(cluster) = Cluster::shared().await else { return };
    let namespace = cluster.namespace("listed").await;
    let shown = ["allow-list-policy", "rbac", "serviceaccount"];
    let shown = shown.map(|it| format!("--show-only=templates/{it}.yaml"));
    let mut arguments = vec!["template", "listed", CHART, "--namespace", &*namespace];
    arguments.extend(["--set", "proxy.allowList.configMap=farm-list"]);
    arguments.extend(shown.iter().map(String::as_str));
    let rendered = cluster.helm(&arguments).await;
    let directory = tempfile::tempdir().expect("a directory");
    let write = |name: &str, text: &str| {
        let file = directory.path().join(name);
        std::fs::write(&file, text).expect("a file");
        file.to_str().expect("UTF-8").to_owned()
    };
    let policy = write("policy.yaml", &rendered);
    cluster.kubectl(&["apply", "--server-side", "--filename", &policy]).await;
    let list = ["create", "configmap", "farm-list", "--from-literal=allow-list.yaml=pools: []"];
    cluster.kubectl(&[&list[..], &["--namespace", &*namespace]].concat()).await;

    let operator = format!("--as=system:serviceaccount:{}:listed-operator", &*namespace);
    let as_operator = async |arguments: &[&str]| {
        let all = [arguments, &[operator.as_str(), "--namespace", &*namespace]].concat();
        cluster.try_kubectl(&all).await
    };
    let change = ["patch", "configmap", "farm-list", "--patch", r#"{"data":{"x":"y"}}"#];
    let refused = "may not change the allow-list";
    // A policy is in force a moment after it was made.
    eventually("a refusal", PATIENCE, async || match as_operator(&change).await {
        Err(said) if said.contains(refused) => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    let another = ["create", "configmap", "another", "--from-literal=a=b"];
    as_operator(&another).await.expect("the operator's own ConfigMaps are its to make");

    for (name, wanted) in [("farm-list", true), ("another", false)] {
        let file = write(name, &deployment(name));
        let applied =
            as_operator(&["create", "--dry-run=server", "--validate=false", "--filename", &file])
                .await;
        assert_eq!(applied.is_ok(), wanted, "{name}: {applied:?}");
        if let Err(said) = applied {
            assert!(said.contains("must run with the allow-list"), "{said}");
        }
    }
}

#[tokio::test]
async fn an_upgrade_and_an_uninstall_leave_the_farm_mining() {
    let Some(cluster) = Cluster::shared().await else { return };
    let Some(site) = Site::install(&cluster, "life", &[]).await else { return };
    site.farm(2).await;
    let before = site.ready_pods(2).await;
    site.ready().await;
    let rack = miners_at(8, site.service().await, 400);
    site.pays(0, 4).await;

    let next = Image::operator().tagged("next");
    cluster.load(&next).await;
    let settings = image_settings("image", &next);
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    site.helm("upgrade", &settings).await;
    site.ready().await;
    site.pays(0, 4).await;

    site.cluster.helm(&["uninstall", "stratum", "--namespace", &site.namespace, "--wait"]).await;
    eventually("no operator", PATIENCE, async || {
        let left = site.kubectl(&["get", "deployments", "--output", "name"]).await;
        if left.contains("stratum-operator") { Err(left) } else { Ok(()) }
    })
    .await;
    site.pays(0, 8).await;
    let after = site.ready_pods(2).await;
    assert_eq!(
        before.iter().map(uid_of).collect::<Vec<_>>(),
        after.iter().map(uid_of).collect::<Vec<_>>()
    );
    let kept: Value = serde_json::from_str(
        &site.kubectl(&["get", "stratumproxy", FARM, "--output", "json"]).await,
    )
    .expect("JSON");
    assert_eq!(kept["metadata"]["name"], FARM);
    for miner in rack.power_off().await {
        let counts = miner.counts;
        assert_eq!(counts.connects, 1, "{} lost it by {:?}", miner.profile, counts.disconnects);
    }
}
