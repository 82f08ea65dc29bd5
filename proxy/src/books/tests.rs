use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use loka_stratum::share::Reject;
use tempfile::TempDir;

use super::*;
use crate::sink::ledger::{Lost, RowKey, Unanswered};
use crate::workers::Tasks;

/// A directory of state, and what becomes of processes that have it.
struct Pod(TempDir);

impl Pod {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn start(&self) -> Result<(Books, KeepLedger), InUse> {
        open(self.0.path(), Clock::System, Telemetry::silent())
    }

    fn file(&self) -> PathBuf {
        self.0.path().join(LEDGER_FILE)
    }

    fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

fn key() -> RowKey {
    let [listener, route, pool, account, class] =
        ["v1", "main", "a", "acct", "other"].map(Arc::from);
    RowKey { listener, route, pool, account, class }
}

fn error(books: &Books) -> Option<String> {
    books.kept.as_ref().and_then(|kept| kept.borrow().error.clone())
}

#[tokio::test]
async fn a_killed_process_leaves_all_up_to_its_last_write_and_one_that_ends_all() {
    let pod = Pod::new();
    let (books, keep) = pod.start().unwrap();
    let mut share = books.ledger.row(&key()).due(1.0, 1.0);
    share.written();
    let held = books.ledger.row(&key()).due(1.0, 1.0);
    keep.keep(Life::Running).await;
    // Too late.
    books.ledger.row(&key()).rejected(Reject::Stale);
    drop((books, keep));

    // Killed again, before it has written: nothing is settled twice.
    for _life in 0..2 {
        let (books, keep) = pod.start().unwrap();
        let total = books.ledger.snapshot().total;
        total.balance().unwrap();
        assert_eq!((total.received, total.held, total.outstanding), (2, 0, 0));
        assert_eq!(total.unanswered.count(Unanswered::Killed), 1);
        assert_eq!(total.lost.count(Lost::Killed), 1);
        drop((books, keep));
    }

    let (books, keep) = pod.start().unwrap();
    books.ledger.row(&key()).rejected(Reject::Stale);
    let ended = CancellationToken::new();
    ended.cancel();
    keep.run(ended).await;
    let before = books.ledger.snapshot();
    let (books, _keep) = pod.start().unwrap();
    let after = books.ledger.snapshot();
    assert_eq!((&after.total, after.total.received), (&before.total, 3));
    assert_eq!(after.total.unanswered.count(Unanswered::Killed), 1, "no other was killed");
    drop((share, held));
}

#[tokio::test(start_paused = true)]
async fn it_is_written_once_a_second_if_anything_has_changed() {
    let pod = Pod::new();
    let (books, keep) = pod.start().unwrap();
    let stop = CancellationToken::new();
    let row = books.ledger.row(&key());
    let mut kept = books.kept.clone().unwrap();
    let tasks = Tasks::default();
    tasks.spawn(keep.run(stop.clone()));
    kept.changed().await.unwrap();
    let first = fs::metadata(pod.file()).unwrap().modified().unwrap();
    kept.changed().await.unwrap();
    assert_eq!(fs::metadata(pod.file()).unwrap().modified().unwrap(), first, "nothing is new");
    row.rejected(Reject::Stale);
    let at = tokio::time::Instant::now();
    kept.changed().await.unwrap();
    assert!(at.elapsed() <= KEEP_INTERVAL, "{:?}", at.elapsed());
    let text = fs::read_to_string(pod.file()).unwrap();
    assert!(text.contains("\"received\":1,") && text.contains("\"life\":\"running\""), "{text}");
    let mode = fs::metadata(pod.file()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    stop.cancel();
    tasks.join().await;
    let text = fs::read_to_string(pod.file()).unwrap();
    assert!(text.contains("\"life\":\"ended\""), "{text}");
    assert_eq!(pod.files(), ["ledger.json", "lock"]);
}

#[test]
fn a_directory_is_one_process_s() {
    let pod = Pod::new();
    let first = pod.start().unwrap();
    let error = pod.start().unwrap_err().to_string();
    assert!(error.contains("another stratum-proxy has it; wait for its end"), "{error}");
    drop(first);
    pod.start().unwrap();
}

#[tokio::test]
async fn what_is_no_ledger_is_set_aside_and_a_new_one_begins() {
    let pod = Pod::new();
    for text in ["", "{\"format\":7}", "no JSON"] {
        fs::write(pod.file(), text).unwrap();
        let (books, keep) = pod.start().unwrap();
        assert_eq!(books.ledger.snapshot().total.received, 0);
        assert_eq!(error(&books), None);
        let aside = fs::read_to_string(pod.0.path().join(SET_ASIDE_FILE)).unwrap();
        assert_eq!(aside, text);
        keep.keep(Life::Running).await;
        assert_eq!(pod.files(), ["ledger.json", "ledger.json.unreadable", "lock"]);
    }
    fs::write(pod.file(), " ".repeat(LEDGER_BYTES_MAX + 1)).unwrap();
    drop(pod.start().unwrap());
    assert_eq!(pod.files(), ["ledger.json.unreadable", "lock"]);
}

#[tokio::test]
async fn a_disk_that_cannot_be_written_to_stops_nothing_and_is_shown_until_it_can() {
    let pod = Pod::new();
    let (books, keep) = pod.start().unwrap();
    keep.keep(Life::Running).await;
    let kept = |books: &Books| books.kept.as_ref().unwrap().borrow().at;
    let at = kept(&books);
    // Whoever runs the tests may be root, whom no mode keeps out; a directory in its way does.
    let obstacle = pod.0.path().join("ledger.json.new");
    fs::create_dir(&obstacle).unwrap();
    books.ledger.row(&key()).rejected(Reject::Stale);
    for _attempt in 0..2 {
        keep.keep(Life::Running).await;
        assert!(error(&books).unwrap().starts_with("cannot write: "), "{:?}", error(&books));
        assert_eq!(kept(&books), at, "the file is as old as it is");
    }
    let mut metrics = String::new();
    keep.telemetry.metrics().encode(&mut metrics, &Default::default()).unwrap();
    assert!(metrics.contains("loka_ledger_keep_failures_total 2\n"), "{metrics}");
    fs::remove_dir(&obstacle).unwrap();
    keep.keep(Life::Running).await;
    assert_eq!(error(&books), None);
    assert!(kept(&books) > at);
}

#[tokio::test]
async fn a_directory_that_cannot_be_had_at_the_start_is_gone_on_from_when_it_can() {
    let pod = Pod::new();
    {
        let (books, keep) = pod.start().unwrap();
        books.ledger.row(&key()).rejected(Reject::Stale);
        keep.keep(Life::Running).await;
    }
    let lock = pod.0.path().join("lock");
    fs::remove_file(&lock).unwrap();
    fs::create_dir(&lock).unwrap();
    let (books, keep) = pod.start().unwrap();
    assert!(error(&books).unwrap().starts_with("cannot lock the directory: "));
    books.ledger.row(&key()).rejected(Reject::Stale);
    keep.keep(Life::Running).await;
    assert!(error(&books).is_some());
    fs::remove_dir(&lock).unwrap();
    keep.keep(Life::Running).await;
    assert_eq!((error(&books), books.ledger.snapshot().total.received), (None, 2));
    drop((books, keep));
    let (books, _keep) = pod.start().unwrap();
    assert_eq!(books.ledger.snapshot().total.received, 2);
}
