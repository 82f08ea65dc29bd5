use super::*;
use crate::{resources::Resources, validate::Resource};

const SECRET: &str = "
apiVersion: v1
kind: Secret
metadata: {name: credentials, namespace: mining}
type: Opaque
data: {password: aHVudGVyMg==, both: ZnJvbS1kYXRh}
stringData: {plain: in the open, both: from-string-data}
";

fn wanted(namespace: &str, name: &str, key: &str) -> SecretRef {
    SecretRef { namespace: namespace.into(), name: name.into(), key: key.into() }
}

fn found(source: &dyn SecretSource, key: &str) -> Result<String, SecretMiss> {
    source.find(&wanted("mining", "credentials", key)).map(|it| it.expose().to_owned())
}

fn read(text: &str) -> Result<Resource, Vec<Problem>> {
    let (documents, _) = crate::documents::read("s.yaml", text);
    crate::validate::validate(&documents[0])
}

#[test]
fn a_secret_document_is_decoded_and_string_data_wins() {
    let secrets = Resources::load([("s.yaml", SECRET)]).unwrap().secrets;
    assert_eq!(found(&secrets, "password").as_deref(), Ok("hunter2"));
    assert_eq!(found(&secrets, "plain").as_deref(), Ok("in the open"));
    assert_eq!(found(&secrets, "both").as_deref(), Ok("from-string-data"));
}

#[test]
fn a_miss_says_whether_the_secret_or_the_key_is_missing() {
    let secrets = Resources::load([("s.yaml", SECRET)]).unwrap().secrets;
    let known = ["both", "password", "plain"].map(String::from).to_vec();
    assert_eq!(found(&secrets, "other"), Err(SecretMiss::NoKey { known }));
    let other = secrets.find(&wanted("default", "credentials", "password"));
    assert_eq!(other, Err(SecretMiss::NoSecret));
}

#[test]
fn entries_that_are_no_text_are_refused_without_showing_them() {
    for (field, path, part) in [
        ("data: {password: '%%hunter2'}", "data.password", "is not base64"),
        ("data: {password: /w==}", "data.password", "is not text once decoded"),
        ("data: {password: 424242}", "data.password", "put the value in quotes"),
        ("stringData: {password: [hunter2]}", "stringData.password", "must be a text"),
        ("stringData: hunter2", "stringData", "must be an object"),
    ] {
        let text = format!("{{apiVersion: v1, kind: Secret, metadata: {{name: s}}, {field}}}");
        let problems = read(&text).unwrap_err();
        assert_eq!(problems.len(), 1, "{text}");
        let shown = problems[0].to_string();
        assert_eq!(problems[0].path, path, "{shown}");
        assert!(shown.contains(part), "{shown}");
        assert!(!shown.contains("hunter2") && !shown.contains("424242"), "{shown}");
    }
}

#[test]
fn the_first_source_that_has_the_key_wins_and_the_most_telling_miss_is_kept() {
    let one = Resources::load([("s.yaml", SECRET)]).unwrap().secrets;
    let text = SECRET.replace("aHVudGVyMg==", "b3RoZXI=").replace("plain: in", "more: in");
    let two = Resources::load([("s.yaml", text.as_str())]).unwrap().secrets;
    let layered = Layered(vec![&one, &two]);
    assert_eq!(found(&layered, "password").as_deref(), Ok("hunter2"));
    assert_eq!(found(&layered, "more").as_deref(), Ok("in the open"));

    let none = DocumentSecrets::default();
    let layered = Layered(vec![&none, &one]);
    assert!(matches!(found(&layered, "absent"), Err(SecretMiss::NoKey { .. })));
    assert_eq!(layered.place(), "the documents or the documents");
}

#[test]
fn no_debug_text_shows_a_secret() {
    let resources = Resources::load([("s.yaml", SECRET)]).unwrap();
    let shown = format!("{resources:?} {:?} {:?}", read(SECRET), Secret::new("hunter2"));
    assert!(!shown.contains("hunter2") && !shown.contains("in the open"), "{shown}");
    assert!(shown.contains("Secret(redacted)"), "{shown}");
}
