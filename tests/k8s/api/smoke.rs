//! The harness itself: an API server that answers, takes our resource types, and can be stopped.

use std::fs;
use std::path::Path;
use std::time::Duration;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, ListParams};
use loka_tests::cluster::{ApiServer, eventually};

const SOON: Duration = Duration::from_secs(30);

#[tokio::test]
async fn the_api_server_is_the_pinned_one() {
    let Some(api) = ApiServer::shared().await else { return };
    let version = api.client().await.apiserver_version().await.expect("an answer");
    assert_eq!((version.major.as_str(), version.minor.as_str()), ("1", "36"), "{version:?}");
}

#[tokio::test]
async fn our_resource_types_are_established() {
    let Some(api) = ApiServer::shared().await else { return };
    establish(api).await;
}

/// Applies crds/ and waits until the API server serves them.
pub(crate) async fn establish(api: &ApiServer) {
    let crds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crds");
    let mut names = Vec::new();
    for file in fs::read_dir(crds).expect("crds/") {
        let path = file.expect("a file").path();
        api.apply(&fs::read_to_string(&path).expect("a document")).await;
        names.push(path.file_stem().expect("a name").to_string_lossy().into_owned());
    }
    assert!(!names.is_empty());
    let types: Api<CustomResourceDefinition> = Api::all(api.client().await);
    for name in names {
        eventually(&format!("{name} is Established"), SOON, async || {
            let found = types.get(&name).await.map_err(|error| error.to_string())?;
            let conditions = found.status.and_then(|status| status.conditions).unwrap_or_default();
            let told =
                |kind: &str| conditions.iter().any(|c| c.type_ == kind && c.status == "True");
            if told("Established") && told("NamesAccepted") {
                return Ok(());
            }
            Err(format!("{conditions:?}"))
        })
        .await;
    }
}

#[tokio::test]
async fn pods_that_want_too_much_are_refused() {
    let Some(api) = ApiServer::shared().await else { return };
    let namespace = api.namespace("security").await;
    let arguments = ["run", "x", "-n", &namespace, "--image=x", "--privileged", "--dry-run=server"];
    // Without the namespace's account, for which there is no controller here, the same answer would have another reason.
    api.kubectl(&["create", "serviceaccount", "default", "-n", &namespace]).await;
    let refused = api.try_kubectl(&arguments).await.expect_err("a refusal");
    assert!(refused.contains("violates PodSecurity \"restricted:latest\""), "{refused}");
}

#[tokio::test]
async fn an_api_server_that_was_stopped_comes_back_with_what_it_had() {
    let Some(mut api) = ApiServer::start("stopped").await else { return };
    let namespace = api.namespace("kept").await;
    let client = api.client().await;
    api.stop();
    let error = client.apiserver_version().await;
    assert!(error.is_err(), "{error:?}");
    api.resume().await;
    let all: Api<k8s_openapi::api::core::v1::Namespace> = Api::all(client);
    let found = all.list(&ListParams::default()).await.expect("a list");
    assert!(found.iter().any(|one| one.metadata.name.as_deref() == Some(&*namespace)));
}

#[tokio::test]
async fn what_is_owned_goes_with_its_owner() {
    let Some(api) = ApiServer::start_with_controllers("controllers").await else { return };
    let namespace = api.namespace("owned").await;
    let create = ["create", "deployment", "d", "-n", &namespace, "--image=x"];
    api.kubectl(&create).await;
    let sets = ["get", "replicasets", "-n", &namespace, "-o", "name"];
    let look = async || api.try_kubectl(&sets).await;
    eventually("a ReplicaSet", SOON, async || {
        look().await.and_then(|sets| if sets.is_empty() { Err(sets) } else { Ok(()) })
    })
    .await;
    api.kubectl(&["delete", "deployment", "d", "-n", &namespace]).await;
    eventually("no ReplicaSet", SOON, async || {
        look().await.and_then(|sets| if sets.is_empty() { Ok(()) } else { Err(sets) })
    })
    .await;
}
