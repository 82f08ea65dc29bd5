//! The machine towards a pool, judged by what it writes and what it says has happened.

use std::time::Duration;

use serde_json::Value;

use super::*;
use crate::fixtures::{difficulty, origin};
use crate::types::{NTime, Nonce, UnixTime};

mod handshake;
mod session;

const PREV_HASH: &str = "4d16b6f85af6e2198f44ae2a6de67f78487ae5611b77c6c0440b921e00000000";

/// One machine on one connection.
struct Bench {
    machine: Upstream<u32>,
    now: Now,
    written: Vec<u8>,
    events: Vec<Event<u32>>,
}

impl Bench {
    fn open(login: Login) -> Self {
        let now = Now { instant: origin(), unix: UnixTime(1000) };
        let mut out = Outbox::default();
        let machine = Upstream::new(now, login, timeouts(), &mut out);
        Self { machine, now, written: out.wire, events: out.events }
    }

    /// Logged in, with version rolling, and nothing said since. The next request has the id 5.
    fn working() -> Self {
        Self::working_as(login())
    }

    fn working_as(login: Login) -> Self {
        let mut bench = Self::open(login);
        bench.hear(GRANTED);
        bench.hear(SUBSCRIBED);
        bench.hear(r#"{"id":3,"result":true,"error":null}"#);
        bench.take_written();
        bench.events.clear();
        bench
    }

    fn try_hear(&mut self, line: &str) -> Result<(), PoolError> {
        let mut out = Outbox::default();
        let result = self.machine.handle_line(self.now, line.as_bytes(), &mut out);
        self.written.append(&mut out.wire);
        self.events.append(&mut out.events);
        result
    }

    fn hear(&mut self, line: &str) {
        self.try_hear(line).unwrap();
    }

    /// Lets time pass, and fires the timer at its very time.
    fn wait(&mut self, duration: Duration) -> Result<(), PoolError> {
        let end = self.now.instant + duration;
        for _ in 0..100 {
            let due = self.machine.poll_timeout();
            if due > end {
                self.now.instant = end;
                return Ok(());
            }
            self.now.instant = self.now.instant.max(due);
            let mut out = Outbox::default();
            let result = self.machine.handle_timeout(self.now, &mut out);
            self.written.append(&mut out.wire);
            self.events.append(&mut out.events);
            result?;
        }
        panic!("a timer that does not move on");
    }

    fn submit(&mut self, token: u32) -> Result<(), u32> {
        let extranonce2 = extranonce2();
        let submission = Submission {
            user: "acct.proxy",
            job_id: "j",
            extranonce2: &extranonce2,
            ntime: NTime(0x64c2_5820),
            nonce: Nonce(token),
            version_bits: Some(0x0009_2000),
        };
        self.machine.submit(self.now, &submission, token, &mut self.written)
    }

    /// What was written, a request or a reply per line: `2 mining.subscribe ["loka/0"]`.
    fn take_written(&mut self) -> Vec<String> {
        let text = String::from_utf8(std::mem::take(&mut self.written)).unwrap();
        assert!(text.is_empty() || text.ends_with('\n'));
        text.lines()
            .map(|line| {
                let line: Value = serde_json::from_str(line).unwrap();
                match line["method"].as_str() {
                    Some(method) => format!("{} {method} {}", line["id"], line["params"]),
                    None => format!("{} = {}", line["id"], line["result"]),
                }
            })
            .collect()
    }

    fn take_events(&mut self) -> Vec<String> {
        self.events.drain(..).map(|event| brief(&event)).collect()
    }
}

fn extranonce2() -> Extranonce {
    Extranonce::from_hex("0a00000000000000").unwrap()
}

fn login() -> Login {
    Login {
        user: "acct.proxy".into(),
        password: "hunter2".into(),
        user_agent: "loka/0".into(),
        version_mask: VersionMask::ALL,
        resume: None,
    }
}

fn timeouts() -> Timeouts {
    Timeouts {
        handshake: Duration::from_secs(20),
        first_job: Duration::from_secs(30),
        job_silence: Duration::from_secs(600),
        submit: Duration::from_secs(60),
    }
}

const GRANTED: &str =
    r#"{"id":1,"result":{"version-rolling":true,"version-rolling.mask":"1fffe000"},"error":null}"#;
const SUBSCRIBED: &str = r#"{"id":2,"result":[[["mining.set_difficulty","d1"],["mining.notify","s1"]],"08000002",8],"error":null}"#;

fn notify(id: &str, clean: bool) -> String {
    format!(
        r#"{{"id":null,"method":"mining.notify","params":["{id}","{PREV_HASH}","00","01",[],"20000000","1c2ac4af","504e86b9",{clean}]}}"#
    )
}

fn brief(event: &Event<u32>) -> String {
    match event {
        Event::Job { notify, context } => format!(
            "job {}{} {} {} diff {} mask {}",
            notify.job_id,
            if notify.clean { " clean" } else { "" },
            context.extranonce1,
            context.extranonce2_size,
            context.difficulty,
            context.version_mask
        ),
        Event::Login { user, of: _, outcome: Ok(()) } => format!("login {user}"),
        Event::Login { user, of: _, outcome: Err(message) } => {
            format!("no login {user}: {message}")
        }
        Event::Message(text) => format!("message {text}"),
        Event::Misbehaved(_) => "misbehaved".into(),
        Event::Ready(ready) => format!("ready {:?} mask {}", ready.resumed, ready.version_mask),
        Event::Reconnect { host, port, wait } => format!("reconnect {host:?} {port:?} {wait:?}"),
        Event::Verdict { token, verdict: Ok(()), after } => {
            format!("accepted {token} after {after:?}")
        }
        Event::Verdict { token, verdict: Err(reason), .. } => {
            format!("rejected {token}: {}", reason.label())
        }
    }
}
