use super::*;

fn read(variables: &[(&str, &str)]) -> Result<Option<Otlp>, OtlpError> {
    let service = Service {
        name: "loka-test",
        version: "1.2.3",
        attributes: &[("k8s.pod.name", "POD_NAME"), ("k8s.node.name", "NODE_NAME")],
    };
    Otlp::read(&variables.iter().copied().collect(), &service)
}

const COLLECTOR: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4317");

#[test]
fn without_an_endpoint_nothing_is_exported() {
    assert_eq!(read(&[]), Ok(None));
    assert_eq!(read(&[("POD_NAME", "op-1")]), Ok(None));
    assert_eq!(read(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "")]), Ok(None));
}

#[test]
fn the_endpoint_for_traces_wins_over_the_general_one() {
    let traces = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://traces:4317");
    assert_eq!(read(&[COLLECTOR, traces]).unwrap().unwrap().endpoint, "http://traces:4317");
    assert_eq!(read(&[COLLECTOR]).unwrap().unwrap().endpoint, "http://collector:4317");
}

#[test]
fn traces_can_be_switched_off_beside_an_endpoint() {
    assert_eq!(read(&[COLLECTOR, ("OTEL_SDK_DISABLED", "True")]), Ok(None));
    assert_eq!(read(&[COLLECTOR, ("OTEL_TRACES_EXPORTER", "none")]), Ok(None));
}

#[test]
fn what_cannot_be_had_is_refused_with_the_variable_and_the_remedy() {
    let refused = |variables: &[(&str, &str)], variable: &str, value: &str| {
        let error = read(variables).unwrap_err();
        assert_eq!((error.variable, error.value.as_str()), (variable, value));
        assert!(error.to_string().starts_with(&format!("{variable}={value:?}: ")), "{error}");
    };
    refused(
        &[("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317")],
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "collector:4317",
    );
    refused(
        &[COLLECTOR, ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")],
        "OTEL_EXPORTER_OTLP_PROTOCOL",
        "http/protobuf",
    );
    refused(&[COLLECTOR, ("OTEL_TRACES_EXPORTER", "zipkin")], "OTEL_TRACES_EXPORTER", "zipkin");
}

#[test]
fn the_service_is_named_unless_the_environment_names_it() {
    let names = |variables: &[(&str, &str)]| {
        let otlp = read(&[&[COLLECTOR], variables].concat()).unwrap().unwrap();
        otlp.resource.iter().map(|(key, _)| *key).collect::<Vec<_>>()
    };
    let own = ["service.namespace", "service.version", "service.instance.id", "service.name"];
    assert_eq!(names(&[]), own);
    assert_eq!(names(&[("OTEL_SERVICE_NAME", "mine")]), own[..3]);
    let attributes = ("OTEL_RESOURCE_ATTRIBUTES", "service.name=mine, service.instance.id=pod-1");
    assert_eq!(names(&[attributes]), own[..2]);
}

#[test]
fn the_service_says_who_it_is_and_what_its_variables_hold() {
    let otlp = read(&[COLLECTOR, ("POD_NAME", "op-1")]).unwrap().unwrap();
    let resource = otlp.resource();
    let value = |wanted: &'static str| resource.get(&wanted.into()).map(|value| value.to_string());
    assert_eq!(value("service.name").as_deref(), Some("loka-test"));
    assert_eq!(value("service.version").as_deref(), Some("1.2.3"));
    assert_eq!(value("k8s.pod.name").as_deref(), Some("op-1"));
    assert_eq!(value("k8s.node.name"), None);
}
