//! One line, read as a miner's and as a pool's: never a panic, every field within its bound, and what we write of it is read
//! back as the same.

use loka_stratum::difficulty::Difficulty;
use loka_stratum::extranonce::{Bank, Layout, MinerId};
use loka_stratum::job::{Clean, Job, Payout, PoolContext};
use loka_stratum::message::{
    ClientMessage, ConfigureReply, Notify, Outcome, ServerMessage, SubscribeReply, parse_client,
    parse_server,
};
use loka_stratum::rpc::RequestId;
use loka_stratum::types::{
    Extranonce, JobSerial, SourceId, UnixTime, Version, VersionMask, WorkerName,
};

/// Of what a peer says, the most that is kept for people, and quoted in an error with the words around it.
const TEXT_MAX: usize = 256;
const ERROR_MAX: usize = 1024;

pub(crate) fn run(data: &[u8]) {
    client(data);
    server(data);
}

fn client(line: &[u8]) {
    let request = match parse_client(line) {
        Ok(request) => request,
        Err(fault) => {
            assert!(fault.message.len() <= ERROR_MAX, "{} bytes of error", fault.message.len());
            assert!(!fault.message.contains(char::is_control), "{:?}", fault.message);
            assert!(fault.id.is_none_or(|id| id.as_bytes().len() <= RequestId::MAX_BYTES));
            return;
        }
    };
    assert!(request.id.as_ref().is_none_or(|id| id.as_bytes().len() <= RequestId::MAX_BYTES));
    assert!(request.reply_id().is_none_or(|id| !id.is_null()));
    match request.message {
        ClientMessage::Authorize { worker, password } => {
            assert!(!worker.as_str().is_empty() && worker.as_str().len() <= WorkerName::MAX_BYTES);
            assert!(!worker.as_str().contains(char::is_control), "{worker:?}");
            assert!(worker.matches(worker.as_str()));
            [password.difficulty(), password.minimum()].into_iter().flatten().for_each(difficulty);
        }
        ClientMessage::Configure(configure) => {
            assert!(configure.unknown.len() <= 8);
            let result = configure.result_json(VersionMask(0x1fff_e000));
            serde_json::from_str::<serde_json::Value>(&result).expect("what we write is JSON");
        }
        ClientMessage::Subscribe(subscribe) => {
            let texts = [subscribe.user_agent.as_deref(), subscribe.session.as_deref()];
            texts.into_iter().flatten().for_each(text);
        }
        ClientMessage::SuggestDifficulty(wanted) => difficulty(wanted),
        ClientMessage::SuggestTarget(target) => {
            if let Ok(wanted) = Difficulty::near(target) {
                difficulty(wanted);
            }
        }
        ClientMessage::Unknown { method } => text(&method),
        ClientMessage::Capabilities
        | ClientMessage::ExtranonceSubscribe
        | ClientMessage::GetTransactions
        | ClientMessage::MultiVersion
        | ClientMessage::Ping
        | ClientMessage::Pong
        | ClientMessage::Response
        | ClientMessage::Submit(_) => {}
    }
}

fn server(line: &[u8]) {
    let message = match parse_server(line) {
        Ok(message) => message,
        Err(fault) => {
            let fault = fault.to_string();
            assert!(fault.len() <= ERROR_MAX, "{} bytes of error", fault.len());
            assert!(!fault.contains(char::is_control), "{fault:?}");
            return;
        }
    };
    match message {
        ServerMessage::Notify(notify) => job(notify),
        ServerMessage::Reconnect { host, wait_seconds, .. } => {
            assert!(wait_seconds <= 600);
            assert!(host.is_none_or(|host| !host.is_empty() && host.len() <= 253));
        }
        ServerMessage::Reply(reply) => match reply.outcome {
            Outcome::Ok(result) => {
                assert!(
                    SubscribeReply::parse(result).is_ok_and(|it| it.extranonce2_size <= 32)
                        || SubscribeReply::parse(result).is_err()
                );
                ConfigureReply::parse(result).ok();
            }
            Outcome::Error { message, .. } => text(&message),
        },
        ServerMessage::SetDifficulty(sent) => difficulty(sent),
        ServerMessage::SetExtranonce { extranonce2_size, .. } => assert!(extranonce2_size <= 32),
        ServerMessage::ShowMessage(said) | ServerMessage::StrayReply { text: said } => text(&said),
        ServerMessage::Unknown { method } => text(&method),
        ServerMessage::GetVersion { .. }
        | ServerMessage::Ping { .. }
        | ServerMessage::SetVersionMask(_) => {}
    }
}

/// A job as a miner is sent it says what the pool said, with the pool's extranonce1 in the coinbase.
fn job(notify: Notify) {
    assert!(notify.job_id.len() <= 64 && notify.branches.len() <= 24);
    assert!(notify.coinb1.len() <= 32 * 1024 && notify.coinb2.len() <= 32 * 1024);
    let context = PoolContext {
        extranonce1: Extranonce::from_bytes(&[0xab; 4]).expect("four bytes"),
        extranonce2_size: 8,
        difficulty: Difficulty::ONE,
        version_mask: VersionMask(0x1fff_e000),
        received_at: UnixTime(notify.ntime.0),
    };
    let payout = Payout::new("76a914d23fcdf86f7e756a64a7a9688ef9903327048ed988ac", 50);
    if let Err(error) = payout.expect("a script").check(&notify, &context) {
        assert!(error.to_string().len() <= ERROR_MAX);
    }
    let layout = Layout::for_pool_size(8).expect("a layout");
    let job = Job::new(JobSerial(7), SourceId(1), notify.clone(), &context, Bank(0));
    let line =
        job.notify_line(VersionMask::NONE, Clean::from(notify.clean), MinerId::new(layout, 9));
    let told = parse_server(line.trim_ascii()).expect("our own line");
    let ServerMessage::Notify(told) = told else { panic!("{told:?}") };
    let coinb1 = [&*notify.coinb1, &[0xab; 4]].concat().into_boxed_slice();
    let job_id = told.job_id.clone();
    assert_eq!(JobSerial::parse(&job_id), Some(JobSerial(7)));
    assert_eq!(told, Notify { job_id, coinb1, ..notify });
    let _: Version = told.version;
}

fn difficulty(difficulty: Difficulty) {
    let value = difficulty.as_f64();
    assert!(value.is_finite() && value > 0.0, "{value}");
    let written = Difficulty::parse(&difficulty.to_string()).expect("what we write is read");
    assert_eq!(written, difficulty);
}

fn text(text: &str) {
    assert!(text.len() <= TEXT_MAX, "{} bytes are kept", text.len());
    assert!(!text.contains(char::is_control), "{text:?}");
}
