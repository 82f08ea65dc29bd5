use serde_json::json;

use super::*;

fn read_ok(text: &str) -> Vec<RawDocument> {
    let (documents, problems) = read("t.yaml", text);
    assert_eq!(problems, []);
    documents
}

fn read_bad(text: &str) -> Problem {
    let (_, mut problems) = read("t.yaml", text);
    assert_eq!(problems.len(), 1, "{problems:?}");
    problems.remove(0)
}

#[test]
fn documents_are_split_and_know_their_line_and_name() {
    let documents = read_ok(
        "# comment\n---\n# another\nkind: A\nmetadata: {name: one}\n---\n---\nkind: B\n...\n---\n# end\n",
    );
    let ids: Vec<_> = documents.iter().map(|d| (d.id.to_string(), d.id.index)).collect();
    assert_eq!(ids, [("t.yaml:4 A/one".to_owned(), 1), ("t.yaml:8 B".to_owned(), 2)]);
}

#[test]
fn a_marker_inside_a_block_text_at_its_indent_is_text() {
    let documents = read_ok("kind: A\ntext: |\n  ---\n  x\n");
    assert_eq!(documents[0].value["text"], json!("---\nx\n"));
}

#[test]
fn a_document_may_begin_on_its_markers_line() {
    let documents = read_ok("--- {kind: A}\n--- {kind: B}\n");
    assert_eq!(documents.len(), 2);
    assert_eq!(documents[1].id.line, 2);
}

#[test]
fn malformed_yaml_is_reported_with_line_and_column_and_hides_no_other_document() {
    let (documents, problems) = read("t.yaml", "kind: A\n---\nkind: B\nx: a: b\n---\nkind: C\n");
    assert_eq!(documents.len(), 2);
    assert_eq!(problems.len(), 1);
    assert!(problems[0].message.contains("at line 4 column 5"), "{}", problems[0]);
    assert!(problems[0].remedy.contains("quotes"), "{}", problems[0]);
}

#[test]
fn a_key_that_stands_twice_is_refused() {
    let problem = read_bad("kind: A\nspec:\n  port: 1\n  port: 2\n");
    assert!(problem.message.contains("duplicate entry with key \"port\""), "{problem}");
    assert!(problem.message.contains("line 3"), "{problem}");
}

#[test]
fn what_json_cannot_hold_is_refused_with_its_path() {
    for (text, path) in
        [("a:\n- {1: x}\n", "a[0]"), ("a: {b: !tag x}\n", "a.b"), ("? [list]\n: x\n", "")]
    {
        assert_eq!(read_bad(text).path, path, "{text}");
    }
}

#[test]
fn too_much_text_and_too_many_documents_are_refused() {
    let problem = read_bad(&" ".repeat(SOURCE_BYTES_MAX + 1));
    assert!(problem.message.contains("at most 1048576"), "{problem}");

    let (documents, problems) = read("t.yaml", &"--- {a: 1}\n".repeat(DOCUMENTS_MAX + 1));
    assert_eq!(documents.len(), DOCUMENTS_MAX);
    assert!(problems[0].message.contains("more than 256 documents"), "{}", problems[0]);
}

#[test]
fn files_of_all_kinds_of_editors_and_programs_are_read() {
    for text in ["", "\n\n", "# only this\n", "---\n", "---\n...\n", "null\n", "~", "\u{feff}"] {
        assert_eq!(read_ok(text), [], "{text:?}");
    }
    for text in [
        "{\"kind\": \"A\", \"metadata\": {\"name\": \"one\"}}",
        "{\n\t\"kind\": \"A\",\n\t\"metadata\": {\"name\": \"one\"}\n}\n",
        "kind: A\r\nmetadata:\r\n  name: one\r\n---\r\n",
        "\u{feff}---\nkind: A\nmetadata: {name: one}",
        "kind: A\nmetadata: &m {name: one}\ncopy: *m\n",
    ] {
        let documents = read_ok(text);
        let names: Vec<_> = documents.iter().map(|it| (&*it.id.kind, &*it.id.name)).collect();
        assert_eq!(names, [("A", "one")], "{text:?}");
    }
}

#[test]
fn an_alias_means_what_its_anchor_names() {
    let documents = read_ok("a: &a {x: [1, y]}\nb: *a\nc: [*a, *a]\n");
    let item = json!({"x": [1, "y"]});
    assert_eq!(documents[0].value, json!({"a": item, "b": item, "c": [item, item]}));
}

/// Aliases of aliases, an alias of a long text, one of a long list, one of a long key.
#[test]
fn a_document_that_aliases_expand_without_end_is_refused() {
    let laughs = (1..20).fold("a0: &a0 [lol, lol]\n".to_owned(), |text, level| {
        let below = vec![format!("*a{}", level - 1); 9].join(", ");
        format!("{text}a{level}: &a{level} [{below}]\n")
    });
    let long = "x".repeat(100_000);
    let list = vec!["0"; 100_000].join(", ");
    let many = vec!["*a"; 10_000].join(", ");
    for text in [
        laughs,
        format!("a: &a {long}\nb: [{many}]\n"),
        format!("a: &a [{list}]\nb: [{many}]\n"),
        format!("a: &a {{? {long} : 1}}\nb: [{many}]\n"),
        format!("a: &a {long}\nb: [{}]\n", vec!["{*a : 1}"; 4_000].join(", ")),
        format!("a: &a !{long} x\nb: [{many}]\n"),
    ] {
        let problem = read_bad(&text);
        assert!(problem.message.starts_with("malformed YAML: "), "{problem}");
        assert!(problem.remedy.starts_with("write out what the aliases"), "{problem}");
        assert!(problem.to_string().len() < 1000, "{problem}");
    }
}

#[test]
fn an_alias_of_itself_and_endless_nesting_are_refused() {
    for (text, part) in [
        ("a: &a [*a]\n".to_owned(), "recursion limit exceeded"),
        ("a: &a {b: *a}\n".to_owned(), "recursion limit exceeded"),
        ("- ".repeat(400_000), "recursion limit exceeded"),
        (format!("{}{}", "[".repeat(1_000), "]".repeat(1_000)), "recursion limit exceeded"),
        ("[".repeat(1_000), "malformed YAML: "),
        ("[".repeat(4_000) + &"0,".repeat(500_000), "malformed YAML: "),
        ("[".repeat(400_000), "has 400000 opening brackets, and at most 4096 are read"),
        ("{a: ".repeat(200_000), "has 200000 opening brackets"),
    ] {
        let problem = read_bad(&text);
        assert!(problem.message.contains(part), "{problem}");
    }
}

/// Without aliases nothing that may be written is refused for what it means.
#[test]
fn the_largest_texts_are_read() {
    let fill = |unit: &str| unit.repeat((SOURCE_BYTES_MAX - 4) / unit.len());
    for text in [
        format!("[{}]", fill("0,")),
        format!("a: \"{}\"", fill("\\P").split_at(SOURCE_BYTES_MAX - 8).0),
        format!("a: {}", fill("x")),
        fill("-\n"),
    ] {
        assert_eq!(read_ok(&text).len(), 1);
    }
}

#[test]
fn a_name_without_end_is_cut_where_it_is_shown() {
    let documents = read_ok(&format!("kind: A\nmetadata: {{name: {}}}", "n".repeat(100_000)));
    assert!(documents[0].id.to_string().len() < 100, "{}", documents[0].id);
    assert_eq!(documents[0].id.name.len(), 100_000);
}

#[test]
fn debug_of_a_raw_document_shows_nothing_of_its_content() {
    let documents = read_ok("kind: Secret\nstringData: {password: hunter2}\n");
    assert!(!format!("{:?}", documents[0]).contains("hunter2"));
}
