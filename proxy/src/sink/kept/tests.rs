use std::time::Duration;

use loka_stratum::share::Reject;
use loka_stratum::upstream::PoolReject;

use super::super::blocks::Refusal;
use super::super::blocks::tests::found;
use super::super::ledger::{DueShare, Lost, Unanswered};
use super::super::time::WorkState;
use super::*;

fn key(pool: &str, class: &str) -> RowKey {
    let [listener, route, account] = ["v1", "main", "acct"].map(Arc::from);
    RowKey { listener, route, pool: pool.into(), account, class: class.into() }
}

/// A share of every outcome, and of those on their way two that are written and one that is held.
fn busy() -> (Ledger, Vec<DueShare>) {
    let ledger = Ledger::default();
    let row = ledger.row(&key("a", "antminer"));
    row.rejected(Reject::Duplicate);
    row.below_pool_difficulty(0.1);
    let written = || {
        let mut share = row.due(0.1, 0.3);
        share.written();
        share
    };
    written().pool_accepted();
    written().pool_rejected(PoolReject::Stale);
    written().abandoned(Unanswered::TimedOut, Lost::Backlog);
    row.due(0.1, 0.3).abandoned(Unanswered::TimedOut, Lost::SessionLost);
    let open = vec![written(), written(), row.due(0.1, 0.3)];
    ledger.row(&key("b", "other")).block_candidate();
    ledger.row(&key("c", "other"));
    let time = ledger.time().row(&"v1".into(), &"main".into());
    time.spent(WorkState::Paid, 0.1, Duration::from_secs(3));
    (ledger, open)
}

fn of(ledger: &Ledger) -> KeptLedger {
    KeptLedger::of(ledger, Instant::now(), 5).written(9, Life::Running)
}

/// What the next process makes of it.
fn next(kept: &KeptLedger) -> (Ledger, Restored) {
    let ledger = Ledger::default();
    let restored = KeptLedger::parse(&kept.to_text()).unwrap().restore(&ledger);
    (ledger, restored)
}

#[test]
fn what_was_on_its_way_when_the_process_was_killed_is_settled_and_the_ledger_adds_up() {
    let (before, open) = busy();
    let (after, restored) = next(&of(&before));
    let life = Life::Running;
    assert_eq!(restored, Restored { begun: 5, life, received: 9, unanswered: 2, lost: 1 });
    let (before, after) = (before.snapshot().total, after.snapshot().total);
    after.balance().unwrap();
    assert_eq!((after.held, after.outstanding), (0, 0));
    assert_eq!((after.received, after.accepted, after.due), (9, 8, 7));
    let unanswered = [Unanswered::Killed, Unanswered::TimedOut].map(|w| after.unanswered.count(w));
    let lost = [Lost::Killed, Lost::SessionLost].map(|why| after.lost.count(why));
    assert_eq!((unanswered, lost), ([2, 1], [1, 1]));
    let kept = |counts: &Counts| (counts.rejected.clone(), counts.pool_rejected.clone());
    assert_eq!(kept(&after), kept(&before));
    drop(open);
}

#[test]
fn once_nothing_is_on_its_way_a_ledger_goes_on_exactly_however_often() {
    let (first, open) = busy();
    drop(open);
    let mut ledger = first;
    assert_eq!(of(&ledger).rows.len(), 2, "a row without a share is not kept");
    // Sums of all kinds of digits, which a reader that rounds would change.
    for n in 1..=200_u32 {
        ledger.row(&key(&n.to_string(), "other")).below_pool_difficulty(f64::from(n).sqrt() / 7e3);
    }
    let wanted = of(&ledger);
    for _start in 0..20 {
        ledger = next(&of(&ledger)).0;
    }
    assert_eq!(of(&ledger), wanted);
    let total = ledger.snapshot().total;
    assert_eq!(
        (total.unanswered.count(Unanswered::Killed), total.lost.count(Lost::Killed)),
        (0, 0)
    );
    // The same row goes on.
    ledger.row(&key("a", "antminer")).rejected(Reject::Stale);
    let rows = wanted.rows.len() + 1;
    assert_eq!(ledger.snapshot().rows.len(), rows, "and one for the class of all others");
    assert_eq!(ledger.snapshot().total.received, total.received + 1);
}

#[test]
fn blocks_are_remembered_and_who_asked_about_one_is_not_kept_waiting() {
    let ledger = Ledger::default();
    ledger.blocks().found(found("1")).judged(Ok(()));
    ledger.blocks().found(found("2")).judged(Err(PoolReject::Stale));
    let awaited = ledger.blocks().found(found("3"));
    let (after, _) = next(&of(&ledger));
    drop(after.blocks().found(found("4")));
    let fates = |ledger: &Ledger| -> Vec<(String, Fate)> {
        ledger.blocks().last().into_iter().map(|block| (block.found.hash, block.fate)).collect()
    };
    let wanted = [
        ("4", Fate::Unanswered),
        ("3", Fate::Unanswered),
        ("2", Fate::Rejected(Refusal(PoolReject::Stale))),
        ("1", Fate::Accepted),
    ];
    assert_eq!(fates(&after), wanted.map(|(hash, fate)| (hash.to_owned(), fate)));
    drop(awaited);
}

#[test]
fn what_does_not_add_up_is_no_ledger() {
    let (ledger, _open) = busy();
    let good = of(&ledger).to_text();
    KeptLedger::parse(&good).unwrap();
    let refused = |from: &str, to: &str, said: &str| {
        assert!(good.contains(from), "no {from} in {good}");
        let error = KeptLedger::parse(&good.replacen(from, to, 1)).unwrap_err().to_string();
        assert!(error.contains(said), "{from} as {to}: {error}");
    };
    refused("\"format\":1", "\"format\":2", "format 2, and this version reads 1");
    refused("\"format\":1", "\"forma\":1", "missing field `format`");
    refused(":9,\"rejected\"", ":8,\"rejected\"", "row v1/main/a/acct/antminer: ledger out of bal");
    refused("\"due\":7", "\"due\":8", "accepted = below + due");
    refused("\"held\":1", "\"held\":0", "due = held + outstanding + settled");
    refused("\"held\":1,", "", "missing field `held`");
    refused("\"held\":1", "\"held\":-1", "invalid value");
    refused("\"held\":1", "\"hold\":1", "unknown field `hold`");
    refused("\"duplicate\":1", "\"dublicate\":1", "no reason is called \"dublicate\"");
    refused("\"due\":7", "\"due\":18446744073709551615", "due is beyond 9007199254740992");
    refused("\"timed_out\":1", "\"killed\":18446744073709551615", "unanswered is beyond");
    let overflow = "\"timed_out\":18446744073709551615,\"killed\":18446744073709551615";
    refused("\"timed_out\":1", overflow, "unanswered is beyond");
    refused("\"block_candidates\":1", "\"block_candidates\":9e99", "invalid type");
    refused("\"paid\":0.30000000000000004", "\"paid\":-1.0", "-1.0 is no sum of work");
    refused("\"paid\":0.30000000000000004", "\"paid\":1e999", "1e999 is no sum of work");
    refused("\"life\":\"running\"", "\"life\":\"lost\"", "unknown variant `lost`");
    for cut in [0, 1, good.len() / 2, good.len() - 1] {
        KeptLedger::parse(good.get(..cut).unwrap()).unwrap_err();
    }
}

#[test]
fn no_row_is_there_twice_and_no_sum_runs_over() {
    let (ledger, _open) = busy();
    let mut twice = of(&ledger);
    twice.rows.push(twice.rows[0].clone());
    let error = KeptLedger::parse(&twice.to_text()).unwrap_err();
    assert!(matches!(error, NoLedger::Twice(_)), "{error}");
    let mut many = of(&ledger);
    many.rows.clear();
    for pool in ["a", "b"] {
        let counts = Counts { block_candidates: COUNT_MAX, ..Counts::default() };
        many.rows.push(KeptRow { key: key(pool, "other"), counts });
    }
    let error = KeptLedger::parse(&many.to_text()).unwrap_err();
    assert!(matches!(error, NoLedger::TooMany { .. }), "{error}");
}
