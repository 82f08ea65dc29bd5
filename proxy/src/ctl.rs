//! `stratum-proxy ctl`: asks a running proxy's admin API, and shows the answer to people, or as it is.

mod ask;
mod views;

use std::io::{self, Write};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use self::ask::{Answer, Api, Method};
use crate::admin::acts::{Ban, LogLevel, Session, Sessions, Worker};
use crate::args::{CtlArgs, CtlCommand, Exit};

/// A question, and how its answer is shown to people.
struct Question {
    method: Method,
    path: String,
    body: Option<Value>,
    view: View,
}

#[derive(Clone, Copy, Debug)]
enum View {
    Bans,
    Done,
    LogLevel,
    Session,
    Sessions,
    Status,
    Worker,
}

/// Asks, and tells `out`; what went wrong is told `err`.
///
/// # Errors
/// Only those of `out` and `err`.
pub fn ctl(args: &CtlArgs, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<Exit> {
    let Question { method, path, body, view } = question(&args.command);
    let api = Api { address: args.api, token_file: args.token_file.as_deref() };
    let Answer { code, text } = match api.ask(method, &path, body.as_ref()) {
        Ok(answer) => answer,
        Err(error) => {
            writeln!(err, "error: {error}")?;
            return Ok(Exit::Usage);
        }
    };
    if !(200..300).contains(&code) {
        return refused(args, &text, out, err);
    }
    if args.json {
        writeln!(out, "{}", text.trim_end())?;
    } else if shown(view, &text, out)?.is_none() {
        let what = "error: the answer is not that of this version's admin API";
        writeln!(
            err,
            "{what}\n  remedy: use the stratum-proxy of the version that runs, or --json"
        )?;
        return Ok(Exit::Usage);
    }
    Ok(Exit::Done)
}

fn refused(
    args: &CtlArgs,
    text: &str,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<Exit> {
    if args.json {
        writeln!(out, "{}", text.trim_end())?;
        return Ok(Exit::Failed);
    }
    let said: Value = serde_json::from_str(text).unwrap_or_default();
    let field = |name: &str| said.get(name).and_then(Value::as_str).map(views::clean);
    let error = field("error").unwrap_or_else(|| views::clean(text.trim()));
    writeln!(err, "error: {error}")?;
    if let Some(remedy) = field("remedy") {
        writeln!(err, "  remedy: {remedy}")?;
    }
    Ok(Exit::Failed)
}

/// None where the answer is of another form.
fn shown(view: View, text: &str, out: &mut dyn Write) -> io::Result<Option<()>> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    Ok(match view {
        View::Bans => {
            let bans = parsed::<Value>(text).and_then(|mut page| {
                serde_json::from_value::<Vec<Ban>>(page.get_mut("bans")?.take()).ok()
            });
            told(bans, |bans| views::bans(bans.as_slice(), out))?
        }
        View::Done => told(parsed::<Value>(text), |said| views::done(said, out))?,
        View::LogLevel => told(parsed::<LogLevel>(text), |level| views::log_level(level, out))?,
        View::Session => told(parsed::<Session>(text), |it| views::session(it, now, out))?,
        View::Sessions => told(parsed::<Sessions>(text), |page| views::sessions(page, now, out))?,
        View::Status => told(parsed::<Value>(text), |status| views::status(status, now, out))?,
        View::Worker => told(parsed::<Worker>(text), |worker| views::worker(worker, now, out))?,
    })
}

fn parsed<T: DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_str(text).ok()
}

fn told<T>(value: Option<T>, tell: impl FnOnce(&T) -> io::Result<()>) -> io::Result<Option<()>> {
    value.as_ref().map(tell).transpose()
}

fn question(command: &CtlCommand) -> Question {
    let see = |path: String, view| Question { method: Method::Get, path, body: None, view };
    let end =
        |path: String| Question { method: Method::Delete, path, body: None, view: View::Done };
    let act = |path: String, body: Value| Question {
        method: Method::Post,
        path,
        body: Some(body),
        view: View::Done,
    };
    match command {
        CtlCommand::Status => see("/v1/status".into(), View::Status),
        CtlCommand::Sessions { .. } => see(sessions(command), View::Sessions),
        CtlCommand::Session { id } => see(format!("/v1/sessions/{id}"), View::Session),
        CtlCommand::Worker { name } => see(format!("/v1/workers/{}", coded(name)), View::Worker),
        CtlCommand::Kick { id: Some(id), worker: _ } => end(format!("/v1/sessions/{id}")),
        CtlCommand::Kick { id: None, worker } => {
            end(format!("/v1/workers/{}", coded(worker.as_deref().unwrap_or_default())))
        }
        CtlCommand::Ban { address, lasts, listener } => {
            let body = json!({ "address": address, "for": lasts, "listener": listener });
            act("/v1/bans".into(), body)
        }
        CtlCommand::Unban { address } => end(format!("/v1/bans/{address}")),
        CtlCommand::Bans => see("/v1/bans".into(), View::Bans),
        CtlCommand::Pin { route, pool } => {
            act(format!("/v1/routes/{}/pin", coded(route)), json!({ "pool": pool }))
        }
        CtlCommand::Unpin { route } => end(format!("/v1/routes/{}/pin", coded(route))),
        CtlCommand::Drain { listener: Some(listener), all: _ } => {
            act(format!("/v1/listeners/{}/drain", coded(listener)), json!({}))
        }
        CtlCommand::Drain { listener: None, all: _ } => act("/v1/drain".into(), json!({})),
        CtlCommand::Resume { listener } => end(format!("/v1/listeners/{}/drain", coded(listener))),
        CtlCommand::LogLevel { level: Some(level), lasts, reset: _ } => {
            act("/v1/log-level".into(), json!({ "level": level, "for": lasts }))
        }
        CtlCommand::LogLevel { level: None, lasts: _, reset: true } => end("/v1/log-level".into()),
        CtlCommand::LogLevel { level: None, lasts: _, reset: false } => {
            see("/v1/log-level".into(), View::LogLevel)
        }
    }
}

fn sessions(command: &CtlCommand) -> String {
    let CtlCommand::Sessions { listener, worker, address, after, limit } = command else {
        return String::new();
    };
    let wanted = [
        ("listener", listener.clone()),
        ("worker", worker.clone()),
        ("address", address.map(|address| address.to_string())),
        ("after", after.map(|after| after.to_string())),
        ("limit", limit.map(|limit| limit.to_string())),
    ];
    let given = wanted
        .into_iter()
        .filter_map(|(name, value)| value.map(|value| format!("{name}={}", coded(&value))));
    let query: Vec<String> = given.collect();
    match query.is_empty() {
        true => "/v1/sessions".to_owned(),
        false => format!("/v1/sessions?{}", query.join("&")),
    }
}

/// As a part of a path or a query has it.
fn coded(text: &str) -> String {
    let code = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(code).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_coded_so_that_a_path_stays_one() {
        assert_eq!(coded("acme.rig-7_x~"), "acme.rig-7_x~");
        assert_eq!(coded("a/b c?d#e%"), "a%2Fb%20c%3Fd%23e%25");
        assert_eq!(coded("é"), "%C3%A9");
    }

    #[test]
    fn every_filter_of_sessions_is_asked_for() {
        let all = CtlCommand::Sessions {
            listener: Some("v1".into()),
            worker: Some("a b".into()),
            address: Some([10, 0, 0, 7].into()),
            after: Some(3),
            limit: Some(5),
        };
        let path = question(&all).path;
        assert_eq!(path, "/v1/sessions?listener=v1&worker=a%20b&address=10.0.0.7&after=3&limit=5");
    }
}
