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
fn debug_of_a_raw_document_shows_nothing_of_its_content() {
    let documents = read_ok("kind: Secret\nstringData: {password: hunter2}\n");
    assert!(!format!("{:?}", documents[0]).contains("hunter2"));
}
