//! Answers of the admin API for people: tables whose numbers stand in columns, times as ages. What miners say of themselves is
//! shown without anything that a terminal obeys.

use std::io::{self, Write};

use serde_json::Value;

use crate::admin::acts::{Ban, LogLevel, Session, Sessions, Shares, Worker};
use crate::table::Side::{Left, Right};
use crate::table::{columns, under};

/// In the place of what there is none of.
const NONE: &str = "-";

pub(super) fn done(said: &Value, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{}", clean(text(said, "done")))
}

pub(super) fn sessions(page: &Sessions, now: u64, out: &mut dyn Write) -> io::Result<()> {
    let Sessions { total, sessions, next } = page;
    if sessions.is_empty() {
        return writeln!(out, "no sessions");
    }
    connections(sessions, now, out)?;
    match next {
        None if *total == sessions.len() => Ok(()),
        None => writeln!(out, "\nthe last {} of {total}", sessions.len()),
        Some(next) => {
            writeln!(out, "\n{} of {total}; the next page: --after {next}", sessions.len())
        }
    }
}

pub(super) fn session(session: &Session, now: u64, out: &mut dyn Write) -> io::Result<()> {
    let Session { id, listener, address, worker, user_agent, route, pool, .. } = session;
    let rows = [
        ["session", &id.to_string()],
        ["worker", &or_none(worker.as_deref())],
        ["user agent", &or_none(user_agent.as_deref())],
        ["address", &clean(address)],
        ["listener", &clean(listener)],
        ["route", &or_none(route.as_deref())],
        ["pool", &or_none(pool.as_deref())],
        ["connected", &format!("{} ago", age(now, session.since))],
        ["last share", &last_share(session.last_share, now)],
        ["difficulty", &number(session.difficulty)],
        ["hashrate", &hashrate(session.hashrate)],
        ["accepted", &session.shares.accepted.to_string()],
        ["due to pools", &session.shares.due.to_string()],
        ["rejected", &session.shares.rejected.to_string()],
        ["accepted difficulty", &number(session.shares.accepted_difficulty)],
    ];
    columns("", &rows.map(|row| row.map(str::to_owned)), out)
}

pub(super) fn worker(worker: &Worker, now: u64, out: &mut dyn Write) -> io::Result<()> {
    let Worker { name, hashrate: rate, shares, connections: all } = worker;
    let Shares { accepted, due, rejected, accepted_difficulty } = shares;
    writeln!(
        out,
        "{}: {}; {accepted} accepted ({due} due to pools, difficulty {}), {rejected} rejected, since it connected\n",
        clean(name),
        hashrate(*rate),
        number(*accepted_difficulty),
    )?;
    connections(all, now, out)
}

pub(super) fn bans(bans: &[Ban], out: &mut dyn Write) -> io::Result<()> {
    if bans.is_empty() {
        return writeln!(out, "no address is banned");
    }
    let row = |ban: &Ban| {
        let Ban { listener, address, remaining_seconds, by } = ban;
        [clean(address), clean(listener), duration(*remaining_seconds), clean(by)]
    };
    let rows: Vec<_> = bans.iter().map(row).collect();
    under(["ADDRESS", "LISTENER", "FOR", "BY"], &rows, ("", [Left, Left, Right, Left]), out)
}

pub(super) fn log_level(level: &LogLevel, out: &mut dyn Write) -> io::Result<()> {
    let LogLevel { level, instead_of, remaining_seconds } = level;
    match instead_of {
        None => writeln!(out, "{}", clean(level)),
        Some(regular) => {
            let remaining = duration(remaining_seconds.unwrap_or_default());
            writeln!(out, "{} by hand, for {remaining}; then {}", clean(level), clean(regular))
        }
    }
}

pub(super) fn status(status: &Value, now: u64, out: &mut dyn Write) -> io::Result<()> {
    let config = field(status, "config");
    let applied = age(now, field(config, "appliedAt").as_u64().unwrap_or(now));
    let hash: String = text(config, "hash").chars().take(12).collect();
    let (name, origin) = (clean(text(status, "name")), clean(text(config, "origin")));
    writeln!(out, "{name}, configuration {hash} of {origin}, applied {applied} ago")?;
    let problems = list(field(config, "refused"), "problems");
    if !problems.is_empty() {
        writeln!(out, "A later change was refused:")?;
        for problem in problems.iter().filter_map(Value::as_str) {
            problem.lines().try_for_each(|line| writeln!(out, "  {}", clean(line)))?;
        }
    }
    if let Some(cause) = field(status, "draining").as_str() {
        writeln!(out, "DRAINING: {}", clean(cause))?;
    }
    listeners(status, out)?;
    list(status, "routes").iter().try_for_each(|of| route(of, now, out))
}

fn listeners(status: &Value, out: &mut dyn Write) -> io::Result<()> {
    let header = ["LISTENER", "ADDRESS", "MINERS", "HANDSHAKES", "BANNED", ""];
    let row = |of: &Value| {
        let count = |name: &str| field(of, name).as_u64().unwrap_or_default().to_string();
        let address = or_none(field(of, "address").as_str());
        let (name, error) = (clean(text(of, "name")), clean(text(of, "error")));
        [name, address, count("miners"), count("handshakes"), count("bannedAddresses"), error]
    };
    let rows: Vec<_> = list(status, "listeners").iter().map(row).collect();
    writeln!(out)?;
    under(header, &rows, ("", [Left, Left, Right, Right, Right, Left]), out)
}

fn route(route: &Value, now: u64, out: &mut dyn Write) -> io::Result<()> {
    write!(out, "\nroute {}", clean(text(route, "name")))?;
    if let Some(pin) = route.get("pinnedByHand") {
        let since = age(now, field(pin, "since").as_u64().unwrap_or(now));
        write!(out, ", pinned to {} by hand {since} ago", clean(text(pin, "pool")))?;
        if *field(pin, "missing") == true {
            write!(out, ", which the configuration has no more")?;
        }
    }
    writeln!(out)?;
    let header = ["", "POOL", "ENDPOINT", "ACCOUNT", "STATE", "PART", "DIFFICULTY", "LAST JOB", ""];
    let row = |pool: &Value| {
        let seconds = field(pool, "jobAgeSeconds").as_f64();
        let mut note = text(pool, "suspicion").to_owned();
        if *field(pool, "pinned") == true {
            note = format!("pinned {note}");
        }
        if *field(pool, "active") != true {
            note = format!("{note} {}", text(pool, "lastError"));
        }
        [
            if *field(pool, "active") == true { "*".to_owned() } else { String::new() },
            clean(text(pool, "name")),
            clean(text(pool, "endpoint")),
            clean(text(pool, "account")),
            clean(text(pool, "state")),
            format!("{:.0} %", field(pool, "hashratePart").as_f64().unwrap_or_default() * 100.0),
            field(pool, "difficulty").as_f64().map_or_else(|| NONE.to_owned(), number),
            seconds.map_or_else(|| NONE.to_owned(), |seconds| format!("{seconds:.0}s ago")),
            clean(note.trim()),
        ]
    };
    let rows: Vec<_> = list(route, "pools").iter().map(row).collect();
    under(header, &rows, ("", [Left, Left, Left, Left, Left, Right, Right, Right, Left]), out)
}

fn connections(sessions: &[Session], now: u64, out: &mut dyn Write) -> io::Result<()> {
    let header = [
        "ID",
        "WORKER",
        "ADDRESS",
        "USER AGENT",
        "ROUTE",
        "POOL",
        "DIFFICULTY",
        "HASHRATE",
        "ACCEPTED",
        "REJECTED",
        "CONNECTED",
        "LAST SHARE",
    ];
    let row = |it: &Session| {
        [
            it.id.to_string(),
            or_none(it.worker.as_deref()),
            clean(&it.address),
            or_none(it.user_agent.as_deref()),
            or_none(it.route.as_deref()),
            or_none(it.pool.as_deref()),
            number(it.difficulty),
            hashrate(it.hashrate),
            it.shares.accepted.to_string(),
            it.shares.rejected.to_string(),
            age(now, it.since),
            last_share(it.last_share, now),
        ]
    };
    let rows: Vec<_> = sessions.iter().map(row).collect();
    let sides = [Right, Left, Left, Left, Left, Left, Right, Right, Right, Right, Right, Right];
    under(header, &rows, ("", sides), out)
}

fn or_none(text: Option<&str>) -> String {
    text.map_or_else(|| NONE.to_owned(), clean)
}

/// Without anything that a terminal obeys, or that turns its text around.
pub(super) fn clean(text: &str) -> String {
    let is_harmful = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|c| if is_harmful(c) { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

fn field<'a>(value: &'a Value, name: &str) -> &'a Value {
    value.get(name).unwrap_or(&Value::Null)
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn age(now: u64, since: u64) -> String {
    duration(now.saturating_sub(since))
}

fn last_share(at: Option<u64>, now: u64) -> String {
    at.map_or_else(|| NONE.to_owned(), |at| format!("{} ago", age(now, at)))
}

/// The two largest units: nobody reads the seconds of a day.
fn duration(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{}h{:02}m", seconds / 3600, seconds / 60 % 60),
        _ => format!("{}d{:02}h", seconds / 86_400, seconds / 3600 % 24),
    }
}

/// Four digits, and a prefix of the SI.
fn hashrate(hashes: f64) -> String {
    if hashes <= 0.0 {
        return NONE.to_owned();
    }
    let mut value = hashes;
    let mut prefixes = ["", "k", "M", "G", "T", "P", "E"].into_iter();
    let mut prefix = prefixes.next().unwrap_or_default();
    while value >= 1000.0
        && let Some(next) = prefixes.next()
    {
        (value, prefix) = (value / 1000.0, next);
    }
    format!("{} {prefix}H/s", short(value))
}

/// A difficulty: practice work is far below one, and real work far above.
fn number(value: f64) -> String {
    match value {
        _ if value == 0.0 => NONE.to_owned(),
        _ if value.abs() < 0.01 => format!("{value:.2e}"),
        _ if value < 1000.0 => short(value),
        _ => format!("{value:.0}"),
    }
}

fn short(value: f64) -> String {
    match value {
        _ if value < 10.0 => format!("{value:.2}"),
        _ if value < 100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn text_of(write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> String {
        let mut out = Vec::new();
        write(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn one() -> Session {
        Session {
            id: 7,
            listener: "v1".into(),
            address: "10.0.0.7:4028".into(),
            worker: Some("acme.rig\u{1b}[2J".into()),
            user_agent: None,
            route: Some("main".into()),
            pool: Some("primary".into()),
            difficulty: 65_536.0,
            hashrate: 101.5e12,
            since: 1000,
            last_share: Some(1090),
            shares: Shares { accepted: 12, due: 3, rejected: 1, accepted_difficulty: 9.0 },
        }
    }

    #[test]
    fn sessions_stand_in_columns_and_obey_no_miner() {
        let page = Sessions { total: 2, sessions: vec![one()], next: Some(7) };
        let expected = "\
ID  WORKER        ADDRESS        USER AGENT  ROUTE  POOL     DIFFICULTY  HASHRATE  ACCEPTED  REJECTED  CONNECTED  LAST SHARE
 7  acme.rig\u{fffd}[2J  10.0.0.7:4028  -           main   primary       65536  102 TH/s        12         1      1m40s     10s ago

1 of 2; the next page: --after 7
";
        assert_eq!(text_of(|out| sessions(&page, 1100, out)), expected);
        let none = Sessions::default();
        assert_eq!(text_of(|out| sessions(&none, 0, out)), "no sessions\n");
    }

    #[test]
    fn what_a_status_says_by_hand_is_shown() {
        let page = json!({
            "name": "test/farm",
            "config": {"hash": "0123456789abcdef", "origin": "farm.yaml", "appliedAt": 100},
            "listeners": [{"name": "v1", "error": "drained by hand", "miners": 0, "handshakes": 0, "bannedAddresses": 1}],
            "routes": [{"name": "main", "pinnedByHand": {"pool": "b", "since": 130}, "pools": [
                {"name": "a", "endpoint": "a:1", "account": "x", "state": "down", "active": false, "hashratePart": 0.0,
                 "lastError": "refused"},
                {"name": "b", "endpoint": "b:1", "account": "x", "state": "up", "active": true, "hashratePart": 1.0,
                 "difficulty": 512.0, "jobAgeSeconds": 3.2, "pinned": true},
            ]}],
        });
        let expected = "\
test/farm, configuration 0123456789ab of farm.yaml, applied 1m00s ago

LISTENER  ADDRESS  MINERS  HANDSHAKES  BANNED
v1        -             0           0       1  drained by hand

route main, pinned to b by hand 30s ago
   POOL  ENDPOINT  ACCOUNT  STATE   PART  DIFFICULTY  LAST JOB
   a     a:1       x        down     0 %           -         -  refused
*  b     b:1       x        up     100 %         512    3s ago  pinned
";
        assert_eq!(text_of(|out| status(&page, 160, out)), expected);
    }

    #[test]
    fn numbers_are_as_people_read_them() {
        for (seconds, expected) in
            [(0, "0s"), (61, "1m01s"), (3 * 3600 + 60, "3h01m"), (90_000, "1d01h")]
        {
            assert_eq!(duration(seconds), expected);
        }
        for (hashes, expected) in
            [(0.0, "-"), (950.0, "950 H/s"), (3_000.0, "3.00 kH/s"), (1.2e21, "1200 EH/s")]
        {
            assert_eq!(hashrate(hashes), expected);
        }
        for (value, expected) in [(0.0, "-"), (4e-7, "4.00e-7"), (0.5, "0.50"), (8192.0, "8192")] {
            assert_eq!(number(value), expected);
        }
    }
}
