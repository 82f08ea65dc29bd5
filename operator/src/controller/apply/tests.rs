use super::*;

fn deployment(managers: &[(&str, bool)]) -> Deployment {
    let entry = |(manager, replicas): &(&str, bool)| {
        let spec = if *replicas { json!({"f:replicas": {}}) } else { json!({"f:template": {}}) };
        json!({"manager": manager, "operation": "Apply", "fieldsV1": {"f:spec": spec}})
    };
    let managers: Vec<_> = managers.iter().map(entry).collect();
    serde_json::from_value(json!({
        "metadata": {"managedFields": managers},
        "spec": {"replicas": 4, "selector": {}, "template": {}},
    }))
    .unwrap()
}

/// A field manager that no longer names the replicas sets them to one, unless another holds them.
#[test]
fn replicas_are_handed_on_before_they_are_left_out() {
    assert_eq!(held_replicas(&deployment(&[(names::FIELD_MANAGER, true)])), Some(4));
    assert_eq!(held_replicas(&deployment(&[(names::FIELD_MANAGER, false)])), None);
    assert_eq!(held_replicas(&deployment(&[("horizontal-pod-autoscaler", true)])), None);
}

#[test]
fn the_default_is_set_once_and_never_over_an_autoscaler() {
    assert_eq!(
        first_replicas(&deployment(&[(names::FIELD_MANAGER, false)])),
        Some(REPLICAS_DEFAULT)
    );
    assert_eq!(first_replicas(&deployment(&[("kubectl", true)])), None);
    assert_eq!(first_replicas(&deployment(&[(names::REPLICAS_FIELD_MANAGER, true)])), None);
}

#[test]
fn equal_objects_have_equal_hashes() {
    let hash = |object: &Deployment| content_hash(object).unwrap();
    assert_eq!(hash(&deployment(&[])), hash(&deployment(&[])));
    assert_ne!(hash(&deployment(&[])), hash(&deployment(&[("a", true)])));
    assert_eq!(kind_of::<Deployment>(), "Deployment");
}
