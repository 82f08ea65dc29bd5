use super::*;

fn key(pool: &str) -> RowKey {
    RowKey {
        listener: "v1".into(),
        route: "main".into(),
        pool: pool.into(),
        account: "acct".into(),
        class: CLASS_OTHER.into(),
    }
}

#[test]
fn every_end_of_a_due_share_keeps_the_identity() {
    let ledger = Ledger::default();
    let row = ledger.row(&key("a"));
    row.rejected(Reject::Duplicate);
    row.below_pool_difficulty(2.0);
    let balanced =
        |line: &str| ledger.snapshot().total.balance().unwrap_or_else(|e| panic!("{line}: {e}"));
    let mut share = row.due(4.0, 8.0);
    balanced("held");
    share.written();
    balanced("outstanding");
    share.pool_accepted();
    let mut refused = row.due(4.0, 8.0);
    refused.written();
    refused.pool_rejected(PoolReject::Stale);
    let mut cut = row.due(4.0, 8.0);
    cut.written();
    cut.abandoned(Unanswered::TimedOut, Lost::Backlog);
    row.due(4.0, 8.0).abandoned(Unanswered::TimedOut, Lost::SessionLost);
    balanced("settled");

    let total = ledger.snapshot().total;
    assert_eq!((total.received, total.accepted, total.due), (6, 5, 4));
    assert_eq!((total.held, total.outstanding, total.pool_accepted), (0, 0, 1));
    assert_eq!(total.pool_rejected.count(PoolReject::Stale), 1);
    assert_eq!(total.unanswered.count(Unanswered::TimedOut), 1);
    assert_eq!(total.lost.count(Lost::SessionLost), 1);
    assert_eq!(total.rejected.count(Reject::Duplicate), 1);
    assert!((total.pool_accepted_difficulty - 8.0).abs() < 1e-9);
    assert!((total.accepted_difficulty - 18.0).abs() < 1e-9);
}

#[test]
fn a_dropped_share_books_itself() {
    let ledger = Ledger::default();
    let row = ledger.row(&key("a"));
    drop(row.due(1.0, 1.0));
    let mut written = row.due(1.0, 1.0);
    written.written();
    drop(written);
    let total = ledger.snapshot().total;
    assert_eq!(total.lost.count(Lost::Dropped), 1);
    assert_eq!(total.unanswered.count(Unanswered::ConnectionLost), 1);
    assert_eq!((total.held, total.outstanding), (0, 0));
    total.balance().expect("balanced");
}

#[test]
fn an_imbalance_names_the_line() {
    let counts = Counts { received: 3, accepted: 2, due: 2, held: 2, ..Counts::default() };
    let error = counts.balance().expect_err("one share vanished");
    assert_eq!(
        error.to_string(),
        "ledger out of balance: received = rejected + accepted: 3 on the left, 2 on the right"
    );
}

#[test]
fn rows_are_bounded() {
    let ledger = Ledger::default();
    for n in 0..ROWS_MAX + 10 {
        ledger.row(&key(&n.to_string())).rejected(Reject::Stale);
    }
    let snapshot = ledger.snapshot();
    assert_eq!(snapshot.rows.len(), ROWS_MAX + 1);
    assert_eq!(snapshot.total.received, (ROWS_MAX + 10) as u64);
}

#[test]
fn the_ledger_reads_as_json_with_reasons_by_label() {
    let ledger = Ledger::default();
    ledger.row(&key("a")).rejected(Reject::LowDifficulty);
    let json = serde_json::to_value(ledger.snapshot()).expect("serialises");
    assert_eq!(json["rows"][0]["pool"], "a");
    assert_eq!(json["rows"][0]["rejected"]["low_difficulty"], 1);
    assert_eq!(json["total"]["received"], 1);
}

#[test]
fn each_class_has_a_row_and_the_sum_is_the_pools() {
    let ledger = Ledger::default();
    let rows = ledger.rows(&key("a"));
    for class in ["antminer", CLASS_OTHER, "antminer", "whatsminer"] {
        rows.of(class).below_pool_difficulty(2.0);
    }
    ledger.row(&key("b")).rejected(Reject::Stale);
    let snapshot = ledger.snapshot();
    let classes: Vec<(&str, u64)> =
        snapshot.rows.iter().map(|row| (&*row.key.class, row.counts.received)).collect();
    assert_eq!(classes, [("antminer", 2), (CLASS_OTHER, 1), ("whatsminer", 1), (CLASS_OTHER, 1)]);
    let merged = snapshot.without_classes();
    let pools: Vec<(&str, u64)> =
        merged.iter().map(|row| (&*row.key.pool, row.counts.received)).collect();
    assert_eq!(pools, [("a", 4), ("b", 1)]);
    let by_class = snapshot.by_class();
    let other = &by_class[&("v1".into(), CLASS_OTHER.into())];
    assert_eq!((other.received, other.rejected.total()), (2, 1));
}

#[test]
fn classes_beyond_the_bound_are_one() {
    let ledger = Ledger::default();
    let rows = ledger.rows(&key("a"));
    for n in 0..ROWS_MAX + 10 {
        rows.of(&n.to_string()).rejected(Reject::Stale);
    }
    let snapshot = ledger.snapshot();
    assert_eq!(snapshot.rows.len(), ROWS_MAX);
    assert_eq!(snapshot.total.received, (ROWS_MAX + 10) as u64);
    assert_eq!(rows.of(CLASS_OTHER).key().class, CLASS_OTHER.into());
}
