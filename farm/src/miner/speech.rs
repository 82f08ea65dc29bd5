//! Writing requests in a firmware's own JSON: blanks, order of keys, escapes, number texts.
//!
//! Owns the bytes of outgoing lines. It deliberately does not use `serde_json` for writing: the
//! look of a line is the point here, and numbers must come out as the firmware writes them.

use crate::profile::{
    Call, ConfigureForm, Dialect, Extension, KeyOrder, Method, Profile, Slashes, Spacing,
    SubscribeForm,
};

/// What a request may say of the miner that sends it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Speaker<'a> {
    pub(crate) profile: &'static Profile,
    pub(crate) worker: &'a str,
    pub(crate) password: &'a str,
    /// "host:port" as typed into the miner.
    pub(crate) pool_url: &'a str,
    /// Given by an earlier subscribe.
    pub(crate) session: Option<&'a str>,
    /// The job at hand.
    pub(crate) job_id: Option<&'a str>,
    /// Seconds of the clock, and whatever passes for a signature.
    pub(crate) unix_time: u32,
    pub(crate) seed: u64,
}

/// A JSON value on its way out.
#[derive(Debug, Clone)]
pub(crate) enum Json {
    List(Vec<Self>),
    Map(Vec<(&'static str, Self)>),
    Null,
    /// A number as the firmware writes it.
    Raw(String),
    Text(String),
}

/// One line, with its end.
pub(crate) fn request(dialect: Dialect, id: u64, method: Method, params: &Json) -> String {
    let order = if method == Method::Submit { dialect.submit_keys } else { dialect.keys };
    let id = ("id", Json::Raw(id.to_string()));
    let name = ("method", text(method.name()));
    let params = ("params", params.clone());
    let keys = match order {
        KeyOrder::IdFirst => vec![id, name, params],
        KeyOrder::IdLast => vec![name, params, id],
        KeyOrder::ParamsFirst => vec![params, id, name],
    };
    line(dialect, &Json::Map(keys))
}

/// Any value as one line.
pub(crate) fn line(dialect: Dialect, value: &Json) -> String {
    let mut out = String::new();
    render(dialect, value, &mut out);
    out.push('\n');
    out
}

/// The parameters of a call.
pub(crate) fn params(call: Call, speaker: Speaker<'_>) -> Json {
    match call {
        Call::Authorize => Json::List(vec![text(speaker.worker), text(speaker.password)]),
        Call::Configure(form) => configure(form),
        Call::ExtranonceSubscribe => Json::List(Vec::new()),
        Call::GetTransactions => Json::List(speaker.job_id.map(text).into_iter().collect()),
        Call::MultiVersion => Json::List(vec![Json::Raw("1".to_owned())]),
        Call::Subscribe(form) => subscribe(form, speaker),
        Call::SuggestDifficulty(number) => Json::List(vec![Json::Raw(number.to_owned())]),
    }
}

pub(crate) fn text(text: &str) -> Json {
    Json::Text(text.to_owned())
}

fn configure(form: ConfigureForm) -> Json {
    let codes = form.extensions.iter().map(|extension| text(extension.code())).collect();
    let mut values = Vec::new();
    for extension in form.extensions {
        match extension {
            Extension::VersionRolling => {
                values.push(("version-rolling.mask", text(form.mask)));
                if let Some(bits) = form.min_bit_count {
                    values.push(("version-rolling.min-bit-count", Json::Raw(bits.to_string())));
                }
            }
            Extension::MinimumDifficulty(number) => {
                values.push(("minimum-difficulty.value", Json::Raw((*number).to_owned())));
            }
            Extension::SubscribeExtranonce => {}
        }
    }
    Json::List(vec![Json::List(codes), Json::Map(values)])
}

fn subscribe(form: SubscribeForm, speaker: Speaker<'_>) -> Json {
    let agent = text(speaker.profile.user_agent);
    let session = speaker.session.map(text);
    Json::List(match form {
        SubscribeForm::AgentSession => [Some(agent), session].into_iter().flatten().collect(),
        SubscribeForm::AgentSessionOrNull => vec![agent, session.unwrap_or(Json::Null)],
        SubscribeForm::AgentNullAddressNull => {
            vec![agent, Json::Null, text(speaker.pool_url), Json::Null]
        }
        SubscribeForm::Bare => Vec::new(),
        SubscribeForm::Constant(session) => vec![agent, text(session)],
        SubscribeForm::Signed => vec![
            agent,
            Json::Text(speaker.unix_time.to_string()),
            Json::Text(format!("{:064x}", speaker.seed)),
        ],
    })
}

fn render(dialect: Dialect, value: &Json, out: &mut String) {
    let blank = if dialect.spacing == Spacing::Spaced { " " } else { "" };
    match value {
        Json::Null => out.push_str("null"),
        Json::Raw(raw) => out.push_str(raw),
        Json::Text(text) => quote(dialect, text, out),
        Json::List(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                separate(index, blank, out);
                render(dialect, item, out);
            }
            out.push(']');
        }
        Json::Map(entries) => {
            out.push('{');
            for (index, (key, value)) in entries.iter().enumerate() {
                separate(index, blank, out);
                quote(dialect, key, out);
                out.push(':');
                out.push_str(blank);
                render(dialect, value, out);
            }
            out.push('}');
        }
    }
}

fn separate(index: usize, blank: &str, out: &mut String) {
    if index > 0 {
        out.push(',');
        out.push_str(blank);
    }
}

fn quote(dialect: Dialect, text: &str, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '/' if dialect.slashes == Slashes::Escaped => out.push_str("\\/"),
            control if control.is_control() => {
                out.push_str(&format!("\\u{:04x}", u32::from(control)));
            }
            plain => out.push(plain),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn speaker(profile: &str) -> Speaker<'static> {
        Speaker {
            profile: Profile::named(profile).unwrap(),
            worker: "acct.worker1",
            password: "x",
            pool_url: "pool.example:3333",
            session: None,
            job_id: None,
            unix_time: 1_347_323_629,
            seed: 7,
        }
    }

    fn said(profile: &str, method: Method, speaker: Speaker<'_>) -> String {
        let found = Profile::named(profile).unwrap();
        let step = found.handshake.iter().find(|step| step.call.method() == method).unwrap();
        request(found.dialect, 1, method, &params(step.call, speaker))
    }

    fn check(profile: &str, method: Method, line: &str) {
        assert_eq!(said(profile, method, speaker(profile)).trim_end(), line);
    }

    #[test]
    fn lines_look_as_captured_from_the_firmware() {
        check(
            "cpuminer",
            Method::Subscribe,
            r#"{"id": 1, "method": "mining.subscribe", "params": ["cpuminer/2.5.1"]}"#,
        );
        check(
            "bmminer",
            Method::Configure,
            r#"{"id":1,"method":"mining.configure","params":[["version-rolling","subscribe-extranonce"],{"version-rolling.mask":"1fffe000","version-rolling.min-bit-count":16}]}"#,
        );
        check(
            "bmminer",
            Method::Subscribe,
            r#"{"id":1,"method":"mining.subscribe","params":["bmminer/2.0.0/Antminer S19/13000",null]}"#,
        );
        check(
            "bosminer",
            Method::Subscribe,
            r#"{"id":1,"method":"mining.subscribe","params":["bosminer-plus-tuner/22.08.1",null,"pool.example:3333",null]}"#,
        );
        check(
            "whatsminer",
            Method::Subscribe,
            r#"{"id":1,"method":"mining.subscribe","params":["whatsminer/v1.0","b08cf00d1"]}"#,
        );
        check("vnish", Method::Subscribe, r#"{"id":1,"method":"mining.subscribe","params":[]}"#);
        check(
            "xminer",
            Method::Subscribe,
            r#"{"id":1,"method":"mining.subscribe","params":["xminer-1.0|LuxOS\/2026.1|Antminer S21\/a lab"]}"#,
        );
    }

    #[test]
    fn minerds_submit_ends_with_its_id() {
        let minerd = Profile::named("cpuminer").unwrap();
        let params = Json::List(["acct.worker1", "bf"].map(text).to_vec());
        assert_eq!(
            request(minerd.dialect, 4, Method::Submit, &params),
            "{\"method\": \"mining.submit\", \"params\": [\"acct.worker1\", \"bf\"], \"id\": 4}\n"
        );
    }

    #[test]
    fn a_known_session_is_sent_back_by_those_that_do() {
        let with = Speaker { session: Some("a2"), ..speaker("cgminer") };
        assert!(said("cgminer", Method::Subscribe, with).contains(r#"["cgminer/4.11.1", "a2"]"#));
    }

    #[test]
    fn what_json_cannot_hold_is_escaped() {
        let mut out = String::new();
        quote(Dialect::COMPACT, "a\"b\\c\nd/e", &mut out);
        assert_eq!(out, r#""a\"b\\c\u000ad/e""#);
    }
}
