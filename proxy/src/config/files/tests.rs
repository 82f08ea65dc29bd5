use std::os::unix::fs::symlink;

use super::*;
use crate::config::Blame;
use crate::config::fixture::OnDisk;

fn names(disk: &OnDisk, contents: &Contents) -> Vec<String> {
    let root = format!("{}/", disk.root().display());
    contents.documents.iter().map(|(name, _)| name.replace(&root, "")).collect()
}

fn refused(inputs: &Inputs) -> Problem {
    let error = inputs.read().expect_err("must be refused");
    assert_eq!(error.blame, Blame::Files);
    let [problem] = error.problems.try_into().expect("one problem");
    problem
}

#[test]
fn files_are_read_in_the_order_given_and_a_directory_in_the_order_of_its_names() {
    let disk = OnDisk::empty();
    for name in
        ["z.yaml", "dir/b.yml", "dir/a.json", "dir/notes.txt", "dir/.a.yaml", "dir/sub/c.yaml"]
    {
        disk.write(name, name);
    }
    let contents = disk.inputs(&["z.yaml", "dir"]).read().unwrap();
    assert_eq!(names(&disk, &contents), ["z.yaml", "dir/a.json", "dir/b.yml"]);
    assert_eq!(contents.documents[0].1, "z.yaml");
}

/// As the kubelet mounts ConfigMaps and Secrets: `key -> ..data/key`, `..data -> ..2026_…`.
fn mount(disk: &OnDisk, at: &str, key: &str, value: &str) {
    disk.write(&format!("{at}/..2026_11_24/{key}"), value);
    symlink("..2026_11_24", disk.path(&format!("{at}/..data"))).unwrap();
    symlink(format!("..data/{key}"), disk.path(&format!("{at}/{key}"))).unwrap();
}

#[test]
fn a_mounted_config_map_and_secret_are_each_read_once_through_their_links() {
    let disk = OnDisk::empty();
    mount(&disk, "config", "farm.yaml", "document");
    mount(&disk, "secrets/pool-a", "password", "hunter2\n");
    let secrets_dir = Some(disk.path("secrets"));
    let contents = Inputs { secrets_dir, ..disk.inputs(&["config"]) }.read().unwrap();
    assert_eq!(names(&disk, &contents), ["config/farm.yaml"]);
    assert_eq!(contents.secrets.keys().collect::<Vec<_>>(), ["pool-a"]);
    let keys = &contents.secrets["pool-a"];
    assert_eq!(keys.keys().collect::<Vec<_>>(), ["password"]);
    assert_eq!(keys["password"].expose(), "hunter2", "without the editor's line end");
}

#[test]
fn secrets_that_are_mounted_together_are_read_once_through_their_links() {
    let disk = OnDisk::farm();
    disk.write("s/..2026_11_24/pool-a/password", "hunter2");
    symlink("..2026_11_24", disk.path("s/..data")).unwrap();
    symlink("..data/pool-a", disk.path("s/pool-a")).unwrap();
    // What an editor leaves behind.
    disk.write("s/pool-a/.password.swp", "hunter1");
    let inputs = Inputs { secrets_dir: Some(disk.path("s")), ..disk.inputs(&["farm.yaml"]) };
    let contents = inputs.read().unwrap();
    assert_eq!(contents.secrets.keys().collect::<Vec<_>>(), ["pool-a"]);
    assert_eq!(contents.secrets["pool-a"].keys().collect::<Vec<_>>(), ["password"]);
}

#[test]
fn every_file_that_cannot_be_read_is_named_with_a_remedy() {
    let disk = OnDisk::empty();
    disk.write("latin1.yaml", b"name: M\xfcller");
    disk.write("empty/readme.txt", "");
    let error = disk.inputs(&["gone.yaml", "latin1.yaml", "empty"]).read().unwrap_err();
    let seen: Vec<_> = error.problems.iter().map(|p| (p.document.as_str(), &*p.remedy)).collect();
    let path = |name| disk.path(name).display().to_string();
    let (gone, latin1, empty) = (path("gone.yaml"), path("latin1.yaml"), path("empty"));
    let utf8 = "write the file as UTF-8 text";
    let check = "check the path";
    assert_eq!(seen, [(&*gone, check), (&*empty, check), (&*latin1, utf8)]);
}

#[test]
fn a_missing_secrets_directory_is_named() {
    let disk = OnDisk::farm();
    let secrets_dir = Some(disk.path("nowhere"));
    let problem = refused(&Inputs { secrets_dir, ..disk.inputs(&["farm.yaml"]) });
    assert_eq!(problem.document, disk.path("nowhere").display().to_string());
}

#[test]
fn a_file_of_the_largest_size_is_read_and_a_larger_one_is_refused() {
    let disk = OnDisk::empty();
    let largest = usize::try_from(FILE_BYTES_MAX).unwrap();
    disk.write("a.yaml", vec![b'#'; largest]);
    let contents = disk.inputs(&["a.yaml"]).read().unwrap();
    assert_eq!(contents.documents[0].1.len(), largest);
    disk.write("a.yaml", vec![b'#'; largest + 1]);
    let problem = refused(&disk.inputs(&["a.yaml"]));
    assert!(problem.message.contains("larger than 1048576 bytes"), "{problem}");
}

#[test]
fn the_number_of_files_is_bounded() {
    let disk = OnDisk::empty();
    for number in 0..=FILES_MAX {
        disk.write(&format!("dir/{number}.yaml"), "");
    }
    let problem = refused(&disk.inputs(&["dir"]));
    assert_eq!(problem.message, "257 files were found, more than 256");
    fs::remove_file(disk.path("dir/0.yaml")).unwrap();
    assert_eq!(disk.inputs(&["dir"]).read().unwrap().documents.len(), FILES_MAX);
}

#[test]
fn a_secret_is_bounded_in_size() {
    let disk = OnDisk::farm();
    let largest = usize::try_from(SECRET_BYTES_MAX).unwrap();
    let inputs = Inputs { secrets_dir: Some(disk.path("s")), ..disk.inputs(&["farm.yaml"]) };
    disk.write("s/pool-a/password", vec![b'x'; largest]);
    assert_eq!(inputs.read().unwrap().secrets["pool-a"]["password"].expose().len(), largest);
    disk.write("s/pool-a/password", vec![b'x'; largest + 1]);
    assert!(refused(&inputs).message.contains("larger than 65536 bytes"));
}

#[test]
fn the_number_of_secrets_is_bounded() {
    let disk = OnDisk::farm();
    for number in 0..=SECRETS_MAX {
        disk.write(&format!("s/pool-a/{number}"), "x");
    }
    let inputs = Inputs { secrets_dir: Some(disk.path("s")), ..disk.inputs(&["farm.yaml"]) };
    assert_eq!(refused(&inputs).message, "holds 1025 secrets, more than 1024");
    fs::remove_file(disk.path("s/pool-a/0")).unwrap();
    assert_eq!(inputs.read().unwrap().secrets["pool-a"].len(), SECRETS_MAX);
}

#[test]
fn debug_shows_the_names_of_files_and_nothing_of_what_they_hold() {
    let disk = OnDisk::empty();
    disk.write("secret.yaml", "stringData: {password: hunter2}");
    disk.write("s/pool-a/password", "hunter2");
    let inputs = Inputs { secrets_dir: Some(disk.path("s")), ..disk.inputs(&["secret.yaml"]) };
    let shown = format!("{:?}", inputs.read().unwrap());
    assert!(!shown.contains("hunter2"), "{shown}");
    assert!(shown.contains("secret.yaml") && shown.contains("pool-a"), "{shown}");
}
