//! Which share of the traces is kept, as far as the standard variables say it.

use loka_ops::environment::Environment;
use loka_ops::otlp::OtlpError;

/// The ratio of `OTEL_TRACES_SAMPLER`, if that is set.
pub(super) fn ratio(environment: &Environment) -> Result<Option<f64>, OtlpError> {
    let Some(sampler) = environment.string("OTEL_TRACES_SAMPLER") else { return Ok(None) };
    match sampler {
        "always_on" | "parentbased_always_on" => Ok(Some(1.0)),
        "always_off" | "parentbased_always_off" => Ok(Some(0.0)),
        "traceidratio" | "parentbased_traceidratio" => argument(environment).map(Some),
        other => Err(OtlpError {
            variable: "OTEL_TRACES_SAMPLER",
            value: other.to_owned(),
            remedy: "known are always_on, always_off and traceidratio, each also with parentbased_ before it",
        }),
    }
}

fn argument(environment: &Environment) -> Result<f64, OtlpError> {
    // The specification's default.
    let Some(text) = environment.string("OTEL_TRACES_SAMPLER_ARG") else { return Ok(1.0) };
    text.parse::<f64>().ok().filter(|ratio| (0.0..=1.0).contains(ratio)).ok_or_else(|| OtlpError {
        variable: "OTEL_TRACES_SAMPLER_ARG",
        value: text.to_owned(),
        remedy: "give a number from 0 to 1, such as 0.01",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Option<f64>, OtlpError> {
        ratio(&variables.iter().copied().collect())
    }

    #[test]
    fn the_sampler_is_read_as_the_specification_has_it() {
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&[("OTEL_TRACES_SAMPLER", "always_off")]), Ok(Some(0.0)));
        assert_eq!(read(&[("OTEL_TRACES_SAMPLER", "parentbased_always_on")]), Ok(Some(1.0)));
        let by_ratio = ("OTEL_TRACES_SAMPLER", "parentbased_traceidratio");
        assert_eq!(read(&[by_ratio, ("OTEL_TRACES_SAMPLER_ARG", "0.25")]), Ok(Some(0.25)));
        assert_eq!(read(&[by_ratio]), Ok(Some(1.0)));
    }

    #[test]
    fn what_cannot_be_had_is_refused_with_the_variable_and_the_remedy() {
        let refused = |variables: &[(&str, &str)], variable: &str, value: &str| {
            let error = read(variables).unwrap_err();
            assert_eq!((error.variable, error.value.as_str()), (variable, value));
            assert!(error.to_string().starts_with(&format!("{variable}={value:?}: ")), "{error}");
        };
        refused(&[("OTEL_TRACES_SAMPLER", "xray")], "OTEL_TRACES_SAMPLER", "xray");
        let by_ratio = ("OTEL_TRACES_SAMPLER", "traceidratio");
        let half = ("OTEL_TRACES_SAMPLER_ARG", "50%");
        refused(&[by_ratio, half], "OTEL_TRACES_SAMPLER_ARG", "50%");
        let twice = ("OTEL_TRACES_SAMPLER_ARG", "2");
        refused(&[by_ratio, twice], "OTEL_TRACES_SAMPLER_ARG", "2");
    }
}
