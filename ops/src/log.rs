//! Log lines: which are wanted and how they look. They go to standard error, so that standard output
//! stays free for what a command prints. Setting them up for the process is the program's.

use std::io::{self, IsTerminal as _};

use tracing::Subscriber;
use tracing_subscriber::filter::{EnvFilter, LevelFilter};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::Layer;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::TryInitError;

/// Level when nothing gives one.
pub const LEVEL_DEFAULT: &str = "info";

/// This crate, whose lines are those of the program that uses it.
const SHARED: &str = "loka_ops";

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// One JSON object per line, for collectors.
    Json,
    /// For reading.
    Human,
}

/// How to log.
#[derive(Clone, Debug, Default)]
pub struct LogSettings {
    /// Default: human on a terminal, else JSON.
    pub format: Option<LogFormat>,
    /// A level, or directives such as `info,loka_proxy=debug`.
    pub filter: Option<String>,
}

/// Logs could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The filter does not parse.
    #[error(
        "--log-level {value:?}: {reason}; give a level (error, warn, info, debug, trace) or directives such as \
         info,{ours}=debug"
    )]
    Filter { value: String, reason: String, ours: &'static str },
    /// Somebody else has set up logs in this process.
    #[error("logs are set up already: {0}")]
    Taken(#[from] TryInitError),
}

// === impl LogSettings ===

impl LogSettings {
    /// Which lines are wanted of a program whose crate is `ours`.
    ///
    /// # Errors
    /// [`LogError::Filter`] names the value and the remedy.
    pub fn wanted(&self, ours: &'static str) -> Result<EnvFilter, LogError> {
        let wanted = self.filter.as_deref().unwrap_or(LEVEL_DEFAULT);
        parse(wanted, ours).map_err(|reason| LogError::Filter {
            value: wanted.to_owned(),
            reason,
            ours,
        })
    }

    /// Writes lines to standard error.
    pub fn lines<S>(&self) -> Box<dyn Layer<S> + Send + Sync>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let terminal = io::stderr().is_terminal();
        match self.format {
            Some(LogFormat::Human) => human_lines(terminal).boxed(),
            None if terminal => human_lines(terminal).boxed(),
            Some(LogFormat::Json) | None => json_lines(io::stderr).boxed(),
        }
    }
}

/// A bare level is one of our own lines: what libraries have to say below INFO would drown them.
/// Who wants it writes directives.
///
/// # Errors
/// What does not parse, in words.
pub fn parse(filter: &str, ours: &str) -> Result<EnvFilter, String> {
    let builder = EnvFilter::builder();
    let parsed = match filter.parse::<LevelFilter>() {
        Ok(level) if level > LevelFilter::INFO => {
            builder.parse(format!("info,{ours}={filter},{SHARED}={filter}"))
        }
        Ok(_) | Err(_) => builder.parse(filter),
    };
    parsed.map_err(|error| error.to_string())
}

/// One JSON object per line. The ids of a trace, where there is one, stand under `span`.
pub fn json_lines<S, W>(writer: W) -> impl Layer<S> + Send + Sync
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_span_list(false)
        .with_writer(writer)
}

fn human_lines<S>(colours: bool) -> impl Layer<S> + Send + Sync
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    tracing_subscriber::fmt::layer().with_ansi(colours).with_target(false).with_writer(io::stderr)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(given: &str, expected: &str) {
        assert_eq!(parse(given, "loka_proxy").unwrap().to_string(), expected, "{given}");
    }

    #[test]
    fn a_bare_level_is_for_our_own_lines_and_directives_are_taken_as_they_are() {
        check("warn", "warn");
        check("info", "info");
        check("debug", "loka_proxy=debug,loka_ops=debug,info");
        check("trace", "loka_proxy=trace,loka_ops=trace,info");
        check("h2=trace", "h2=trace");
    }

    #[test]
    fn a_filter_that_does_not_parse_is_told_with_the_value_and_the_remedy() {
        let settings = LogSettings { format: None, filter: Some("info,loka=loud".to_owned()) };
        let error = settings.wanted("loka_operator").unwrap_err().to_string();
        assert!(error.starts_with("--log-level \"info,loka=loud\": "), "{error}");
        let remedy = "; give a level (error, warn, info, debug, trace) or directives such as info,loka_operator=debug";
        assert!(error.ends_with(remedy), "{error}");
    }
}
