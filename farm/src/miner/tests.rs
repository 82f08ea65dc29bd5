//! Each profile mines with a correct server, and springs its own trap with a faulty one.

mod life;
mod tiny;

use std::time::Duration;

use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use self::tiny::{ADDRESS, Demand, Flaw, Log};
use super::counts::Disconnect;
use super::dial::NetDial;
use super::ticket::NoTickets;
use super::*;
use crate::network::{Conditions, Net};
use crate::trap::Fault;
use crate::wire::Request;

const RATE: u64 = 20_000;

fn setup(profile: &'static Profile) -> MinerSetup {
    MinerSetup {
        profile,
        worker: "acct.rig1".to_owned(),
        password: "x".to_owned(),
        hashes_per_second: RATE,
        seed: 7,
        unix_base: 1_700_000_000,
        pool_url: ADDRESS.to_owned(),
        tick: TICK,
    }
}

/// Runs the profile against the tiny server for so long of virtual time.
async fn play(profile: &str, flaw: Flaw, time: Duration) -> (MinerStatus, Log) {
    let net = Net::new(1, Conditions::PERFECT);
    let mut tasks = JoinSet::new();
    let log = tiny::serve(&mut tasks, &net, flaw);
    let dial = NetDial { net, from: "rig1".to_owned(), to: ADDRESS.to_owned() };
    let miner =
        Miner::new(setup(Profile::named(profile).unwrap()), dial, Arc::new(NoTickets)).unwrap();
    let power_off = CancellationToken::new();
    let switch = power_off.clone();
    tasks.spawn(async move {
        sleep(time).await;
        switch.cancel();
    });
    let status = miner.run(power_off).await;
    let log = std::mem::take(&mut *log.lock().unwrap());
    (status, log)
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

// === a correct server ===

#[tokio::test(start_paused = true)]
async fn every_profile_mines_with_a_correct_server() {
    for profile in Profile::all() {
        let (status, log) = play(profile.name, Flaw::None, seconds(4)).await;
        let counts = status.counts;
        assert_eq!(status.traps, [], "{}", profile.name);
        assert!(counts.accepted >= 10, "{}: {counts:?}", profile.name);
        assert!(log.verdicts.iter().all(Result::is_ok), "{}: {:?}", profile.name, log.verdicts);
        assert_eq!(counts.found, counts.submitted, "{}", profile.name);
        assert_eq!(counts.submitted, counts.accepted, "{}: {counts:?}", profile.name);
        assert_eq!(u64::try_from(log.verdicts.len()), Ok(counts.accepted), "{}", profile.name);
        assert_eq!((counts.connects, counts.reconnects), (1, 0), "{}", profile.name);
        assert_eq!(counts.disconnects.of(Disconnect::PoweredOff), 1, "{}", profile.name);
    }
}

#[tokio::test(start_paused = true)]
async fn handshakes_come_in_the_order_of_the_firmware() {
    for (profile, expected) in [
        ("cpuminer", "subscribe authorize"),
        ("cpuminer-opt", "subscribe authorize extranonce.subscribe"),
        ("old-miner", "authorize subscribe"),
        ("cgminer", "configure subscribe authorize suggest_difficulty"),
        ("bfgminer", "subscribe authorize get_transactions"),
        ("bmminer", "configure subscribe authorize multi_version extranonce.subscribe"),
        ("vnish", "configure subscribe authorize"),
        ("xminer", "configure subscribe authorize extranonce.subscribe"),
        ("whatsminer", "configure subscribe authorize"),
        ("bosminer", "configure subscribe authorize"),
        ("nicehash", "subscribe authorize extranonce.subscribe"),
        ("esp-miner", "configure subscribe authorize suggest_difficulty extranonce.subscribe"),
        ("nerdminer", "subscribe authorize suggest_difficulty"),
    ] {
        let (_, log) = play(profile, Flaw::None, seconds(1)).await;
        let called = log.methods.iter().map(|method| method.trim_start_matches("mining."));
        let called: Vec<_> = called.filter(|method| *method != "submit").collect();
        assert_eq!(called.join(" "), expected, "{profile}");
    }
}

// === faulty servers ===

/// The first trap that the flaw springs.
async fn trap(profile: &str, flaw: Flaw) -> Fault {
    let (status, _) = play(profile, flaw.clone(), seconds(700)).await;
    let first = status.traps.into_iter().next();
    let first = first.unwrap_or_else(|| panic!("{profile} survives {flaw:?}: {:?}", status.counts));
    assert_eq!(first.profile, profile);
    first.what
}

macro_rules! springs {
    ($name:ident, $profile:literal, $flaw:expr, $fault:pat) => {
        #[tokio::test(start_paused = true)]
        async fn $name() {
            let fault = trap($profile, $flaw).await;
            assert!(matches!(fault, $fault), "{fault}");
        }
    };
}

const SUBSCRIBE: &str = "mining.subscribe";
const CONFIGURE: &str = "mining.configure";
const AUTHORIZE: &str = "mining.authorize";
const EXTRANONCE: &str = "mining.extranonce.subscribe";

springs!(
    cpuminer_takes_its_first_line_for_the_subscribe_reply,
    "cpuminer",
    Flaw::NoticeBefore(SUBSCRIBE),
    Fault::NextLineNotReply { method: crate::profile::Method::Subscribe, .. }
);
springs!(
    cpuminer_takes_any_reply_for_a_verdict,
    "cpuminer",
    Flaw::ExtraReply,
    Fault::UnaskedReply { .. } | Fault::ReplyId { .. }
);
springs!(
    cpuminer_ignores_verdicts_with_a_null_id,
    "cpuminer",
    Flaw::NullIdsOnShares,
    Fault::ReplyIgnored { .. }
);
springs!(
    cpuminer_drops_a_server_silent_for_120_seconds,
    "cpuminer",
    Flaw::SilentAfterJob,
    Fault::Silence { limit: Duration { .. } }
);
springs!(
    cpuminer_loses_work_sent_under_a_repeated_job_id,
    "cpuminer",
    Flaw::RepeatedJobId,
    Fault::RepeatedJobId { .. }
);
springs!(
    cpuminer_opt_blocks_on_extranonce_subscribe,
    "cpuminer-opt",
    Flaw::NoReply(EXTRANONCE),
    Fault::NoReply { method: crate::profile::Method::ExtranonceSubscribe, .. }
);
springs!(
    old_miners_authorise_before_they_subscribe,
    "old-miner",
    Flaw::RefuseUnless(AUTHORIZE, Demand(|_| false)),
    Fault::Refused { method: crate::profile::Method::Authorize, .. }
);
springs!(
    cgminer_takes_the_line_after_configure_for_its_reply,
    "cgminer",
    Flaw::NoticeBefore(CONFIGURE),
    Fault::NextLineNotReply { method: crate::profile::Method::Configure, .. }
);
springs!(
    cgminer_drops_a_server_silent_for_90_seconds,
    "cgminer",
    Flaw::SilentAfterJob,
    Fault::Silence { .. }
);
springs!(
    cgminer_cannot_use_an_extranonce2_of_one_byte,
    "cgminer",
    Flaw::Extranonce2Size(1),
    Fault::Extranonce2Size { size: 1 }
);
springs!(
    cpuminer_cannot_use_an_extranonce2_of_seventeen_bytes,
    "cpuminer",
    Flaw::Extranonce2Size(17),
    Fault::Extranonce2Size { size: 17 }
);
springs!(
    esp_miner_cannot_use_an_extranonce2_of_33_bytes,
    "esp-miner",
    Flaw::Extranonce2Size(33),
    Fault::Extranonce2Size { size: 33 }
);
springs!(
    cgminer_ors_its_bits_into_the_jobs_version,
    "cgminer",
    Flaw::VersionBits,
    Fault::VersionBitsInJob { .. }
);
springs!(
    avalon_takes_the_line_after_configure_for_its_reply,
    "avalon",
    Flaw::MaskBeforeConfigured,
    Fault::NextLineNotReply { .. }
);
springs!(
    bfgminer_hangs_where_its_tls_is_neither_answered_nor_closed,
    "bfgminer",
    Flaw::HangOnTls,
    Fault::TlsHang { .. }
);
springs!(
    bfgminer_asks_for_transactions_and_must_not_be_dropped_for_it,
    "bfgminer",
    Flaw::CloseOn("mining.get_transactions"),
    Fault::ClosedWithoutReply { method: crate::profile::Method::GetTransactions }
);
springs!(bmminer_reconnects_for_ever_without_a_job, "bmminer", Flaw::NoJob, Fault::NoJob { .. });
springs!(
    bmminer_holds_a_coinbase_of_750_bytes,
    "bmminer",
    Flaw::CoinbaseBytes(751),
    Fault::CoinbaseTooLong { bytes: 751, limit: 750 }
);
springs!(
    bmminer_wants_its_numbers_back_as_numbers,
    "bmminer",
    Flaw::IdsAsText,
    Fault::ReplyId { .. }
);
springs!(
    bmminer_rolls_only_after_a_configure_reply,
    "bmminer",
    Flaw::MaskBeforeConfigured,
    Fault::UnaskedVersionMask
);
springs!(
    bmminer_waits_for_the_answer_to_multi_version,
    "bmminer",
    Flaw::NoReply("mining.multi_version"),
    Fault::NoReply { method: crate::profile::Method::MultiVersion, .. }
);
springs!(
    bmminer_subscribes_with_a_null_session,
    "bmminer",
    Flaw::RefuseUnless(SUBSCRIBE, Demand(|request| request.params.iter().all(Value::is_string))),
    Fault::Refused { method: crate::profile::Method::Subscribe, .. }
);
springs!(
    vnish_pipelines_and_wants_its_replies_in_order,
    "vnish",
    Flaw::ReversedReplies,
    Fault::ReplyId { .. }
);
springs!(
    vnish_wants_an_entry_for_each_extension,
    "vnish",
    Flaw::ConfigureWithout("minimum-difficulty"),
    Fault::ConfigureEntryMissing { entry: "minimum-difficulty" }
);
springs!(
    vnish_subscribes_without_parameters,
    "vnish",
    Flaw::RefuseUnless(SUBSCRIBE, Demand(|request| !request.params.is_empty())),
    Fault::Refused { method: crate::profile::Method::Subscribe, .. }
);
springs!(
    xminer_has_an_agent_full_of_separators,
    "xminer",
    Flaw::RefuseUnless(
        SUBSCRIBE,
        Demand(|request| { request.params[0].as_str().is_some_and(|agent| !agent.contains('|')) })
    ),
    Fault::Refused { method: crate::profile::Method::Subscribe, .. }
);
springs!(
    whatsminer_asks_for_a_mask_without_a_bit_count,
    "whatsminer",
    Flaw::RefuseUnless(CONFIGURE, Demand(has_bit_count)),
    Fault::Refused { method: crate::profile::Method::Configure, .. }
);
springs!(
    whatsminers_session_has_an_odd_number_of_digits,
    "whatsminer",
    Flaw::RefuseUnless(
        SUBSCRIBE,
        Demand(|request| {
            request.params[1].as_str().and_then(crate::wire::decode_hex).is_some()
        })
    ),
    Fault::Refused { method: crate::profile::Method::Subscribe, .. }
);
springs!(
    bosminer_subscribes_with_four_parameters,
    "bosminer",
    Flaw::RefuseUnless(SUBSCRIBE, Demand(|request| request.params.len() <= 2)),
    Fault::Refused { method: crate::profile::Method::Subscribe, .. }
);
springs!(
    nicehash_subscribes_with_three_parameters,
    "nicehash",
    Flaw::RefuseUnless(SUBSCRIBE, Demand(|request| request.params.len() <= 2)),
    Fault::Refused { method: crate::profile::Method::Subscribe, .. }
);
springs!(
    nicehash_holds_a_coinbase_of_500_bytes,
    "nicehash",
    Flaw::CoinbaseBytes(501),
    Fault::CoinbaseTooLong { .. }
);
springs!(
    nicehash_negotiated_no_version_mask,
    "nicehash",
    Flaw::MaskToAll,
    Fault::UnaskedVersionMask
);
springs!(
    esp_miner_wants_its_numbers_back_as_numbers,
    "esp-miner",
    Flaw::IdsAsText,
    Fault::ReplyId { .. }
);
springs!(
    esp_miner_takes_the_last_parameter_for_clean,
    "esp-miner",
    Flaw::TenthParameter,
    Fault::LastParameterNotClean { .. }
);
springs!(
    esp_miner_loses_work_sent_under_a_repeated_job_id,
    "esp-miner",
    Flaw::RepeatedJobId,
    Fault::RepeatedJobId { .. }
);
springs!(
    esp_miner_xors_its_bits_with_the_jobs_version,
    "esp-miner",
    Flaw::VersionBits,
    Fault::VersionBitsInJob { .. }
);
springs!(
    esp_miner_drops_a_server_silent_for_ten_minutes,
    "esp-miner",
    Flaw::SilentAfterJob,
    Fault::NoReply { .. } | Fault::Silence { .. }
);
springs!(
    esp_miner_has_no_extranonce1_before_the_subscribe_reply,
    "esp-miner",
    Flaw::JobBeforeSubscribed,
    Fault::NotifyBeforeSubscribed
);
springs!(
    nerdminer_reads_one_line_after_its_subscribe,
    "nerdminer",
    Flaw::NoticeBefore(SUBSCRIBE),
    Fault::NextLineNotReply { .. }
);
springs!(
    nerdminer_does_not_wait_for_a_late_reply,
    "nerdminer",
    Flaw::LateReply(SUBSCRIBE, Duration::from_secs(3)),
    Fault::NoReply { method: crate::profile::Method::Subscribe, .. }
);
springs!(
    nerdminer_cannot_use_an_extranonce2_of_three_bytes,
    "nerdminer",
    Flaw::Extranonce2Size(3),
    Fault::Extranonce2Size { size: 3 }
);
springs!(
    nerdminer_holds_a_coinbase_of_255_bytes,
    "nerdminer",
    Flaw::CoinbaseBytes(260),
    Fault::CoinbaseTooLong { bytes: 260, limit: 255 }
);
springs!(
    nerdminer_holds_a_line_of_4096_bytes,
    "nerdminer",
    Flaw::LongLine(5000),
    Fault::LineTooLong { limit: 4096 }
);
springs!(
    nerdminer_leaves_a_server_without_jobs_after_ten_minutes,
    "nerdminer",
    Flaw::NoJob,
    Fault::NoJob { .. }
);

fn has_bit_count(request: &Request) -> bool {
    request
        .params
        .get(1)
        .is_some_and(|values| values.get("version-rolling.min-bit-count").is_some())
}

#[tokio::test(start_paused = true)]
async fn every_profile_has_a_trap_of_its_own() {
    let source = include_str!("tests.rs");
    for profile in Profile::all() {
        assert!(source.contains(&format!("\"{}\",\n    Flaw::", profile.name)), "{}", profile.name);
    }
}
