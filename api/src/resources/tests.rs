use super::*;

fn proxy(name: &str) -> String {
    format!(
        "---\napiVersion: stratum.loka.dev/v1alpha1\nkind: StratumProxy\nmetadata: {{name: {name}}}\nspec:\n  \
         listeners: [{{name: v1, port: 3333}}]\n  routes: [{{name: main, pools: [{{poolRef: {{name: a}}}}]}}]\n"
    )
}

fn refusal<T: std::fmt::Debug>(outcome: Result<T, Vec<Problem>>) -> String {
    outcome.unwrap_err().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_document_without_a_namespace_is_in_default() {
    let resources = Resources::load([("a.yaml", proxy("east").as_str())]).unwrap();
    assert_eq!(resources.proxies[0].namespace, "default");
}

#[test]
fn problems_of_all_texts_are_reported_together() {
    let all = refusal(Resources::load([
        ("a.yaml", "a: b: c"),
        ("b.yaml", "{apiVersion: v1, kind: Pod}"),
        ("c.yaml", &proxy("East")),
    ]));
    for part in ["a.yaml: malformed YAML", "b.yaml:1 Pod: kind", "c.yaml:2 StratumProxy/East"] {
        assert!(all.contains(part), "{part}\n{all}");
    }
}

#[test]
fn the_same_object_twice_is_refused_with_both_places() {
    let text = proxy("east");
    let all = refusal(Resources::load([("a.yaml", text.as_str()), ("b.yaml", text.as_str())]));
    assert!(all.contains("b.yaml:2 StratumProxy/east: metadata.name: the StratumProxy default/east stands at a.yaml:2"), "{all}");
}

#[test]
fn the_one_proxy_is_found_and_a_choice_must_be_made_among_several() {
    let load = |text: &str| Resources::load([("a.yaml", text)]).unwrap();
    let one = load(&proxy("east"));
    assert_eq!(one.proxy(None).unwrap().name, "east");
    assert_eq!(one.proxy(Some("east")).unwrap().name, "east");
    let all = refusal(one.proxy(Some("west")));
    assert!(
        all.contains("no StratumProxy named west\n    remedy: choose one of a.yaml:2"),
        "{all}"
    );

    let two = load(&(proxy("east") + &proxy("west")));
    assert_eq!(two.proxy(Some("west")).unwrap().name, "west");
    let all = refusal(two.proxy(None));
    assert!(all.contains("have 2 StratumProxies"), "{all}");

    let all = refusal(load("# nothing\n").proxy(None));
    assert!(all.contains("add a document of `kind: StratumProxy`"), "{all}");
}
