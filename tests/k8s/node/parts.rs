//! The harness itself: a collector that listens, and images that are the same each time.

use std::fs;

use loka_tests::cluster::{Collector, Image};
use loka_tests::process::free_port;

#[tokio::test]
async fn a_collector_listens_and_has_seen_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    let address = ([127, 0, 0, 1], free_port()).into();
    let Some(collector) = Collector::start(address, directory.path()).await else { return };
    assert_eq!(collector.endpoint(), format!("http://{address}"));
    assert!(collector.spans().is_empty());
}

#[test]
fn the_same_binary_makes_the_same_image_and_its_environment_another() {
    let directory = tempfile::tempdir().expect("a directory");
    let bytes = |name: &str, image: &Image| {
        let archive = directory.path().join(name);
        image.write(&archive);
        fs::read(archive).expect("an archive")
    };
    let image = Image::pod();
    assert_eq!(bytes("a", &image), bytes("b", &image));
    assert_ne!(bytes("a", &image), bytes("c", &image.clone().env("A", "b")));
    assert_eq!(image.tagged("old").reference(), "loka.test/loka-pod:old");
}

#[test]
#[should_panic(expected = "is not static")]
fn an_image_of_a_binary_that_needs_a_loader_is_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let this = std::env::current_exe().expect("this test binary");
    Image::new("test", &this).write(&directory.path().join("archive"));
}
