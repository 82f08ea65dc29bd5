use std::collections::BTreeSet;

use super::*;

/// A file that nobody lists is a phase that no message goes through.
#[test]
fn each_file_of_the_pipeline_is_a_phase_of_the_list() {
    let files = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src/pipeline")).unwrap();
    let files: BTreeSet<String> = files
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .filter_map(|name| name.strip_suffix(".rs").map(str::to_owned))
        .filter(|name| name != "tests")
        .collect();
    let listed: BTreeSet<String> = Pipeline::NAMES.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(files, listed);
}
