use serde::Deserialize;

use super::*;
use crate::extranonce::Layout;
use crate::fixtures::{Case, known_share, origin, vectors, word};
use crate::hex;
use crate::message::{ServerMessage, parse_server};
use crate::types::{NBits, PrevHash};

#[derive(Deserialize)]
struct Cases<T> {
    cases: Vec<T>,
}

#[derive(Deserialize)]
struct MerkleCase {
    branches: Vec<String>,
    coinb1: String,
    coinb2: String,
    extranonce1: String,
    extranonce2: String,
    txid: String,
    root: String,
}

#[derive(Deserialize)]
struct HeaderCase {
    name: String,
    version: String,
    prev_hash: String,
    merkle_root: String,
    ntime: String,
    nbits: String,
    nonce: String,
    header: String,
    hash: String,
    difficulty: f64,
}

fn hash32(text: &str) -> [u8; 32] {
    hex::decode(text).unwrap().try_into().unwrap()
}

/// The miner of [`job_b`].
fn miner() -> MinerId {
    job_b().miner()
}

fn job_b() -> Case {
    known_share("B1").case(Layout::new(4, 4).unwrap()).unwrap()
}

fn sent(line: &[u8]) -> Notify {
    let line = line.strip_suffix(b"\n").unwrap();
    let message = parse_server(line).unwrap();
    let ServerMessage::Notify(notify) = message else { panic!("{message:?}") };
    notify
}

#[test]
fn merkle_trees_of_every_depth_fold_to_their_root() {
    let cases: Cases<MerkleCase> = vectors(include_str!("../../vectors/merkle.json"));
    let depths: Vec<usize> = cases.cases.iter().map(|case| case.branches.len()).collect();
    assert!((1..=16).all(|depth| depths.contains(&depth)), "{depths:?}");
    for case in cases.cases {
        let bytes = |text: &str| hex::decode(text).unwrap();
        let coinb1 = [bytes(&case.coinb1), bytes(&case.extranonce1)].concat();
        let extranonce2 = bytes(&case.extranonce2);
        let size = u8::try_from(extranonce2.len()).unwrap();
        let txid = Coinbase::new(&coinb1, size, &bytes(&case.coinb2)).txid(&extranonce2);
        assert_eq!(hex::encode(&txid), case.txid);
        let branches: Vec<[u8; 32]> = case.branches.iter().map(|branch| hash32(branch)).collect();
        assert_eq!(hex::encode(&merkle::root(txid, &branches)), case.root);
    }
}

#[test]
fn headers_of_blocks_hash_to_their_names() {
    let cases: Cases<HeaderCase> = vectors(include_str!("../../vectors/headers.json"));
    for case in cases.cases {
        let header = Header {
            version: Version(word(&case.version)),
            prev_hash: PrevHash::from_notify_hex(&case.prev_hash).unwrap(),
            merkle_root: hash32(&case.merkle_root),
            ntime: NTime(word(&case.ntime)),
            nbits: NBits(word(&case.nbits)),
            nonce: Nonce(word(&case.nonce)),
        };
        assert_eq!(hex::encode(&header.to_bytes()), case.header, "{}", case.name);
        assert_eq!(header.hash().to_string(), case.hash, "{}", case.name);
        let difficulty = header.hash().difficulty_f64();
        assert!((difficulty / case.difficulty - 1.0).abs() < 1e-12, "{}", case.name);
    }
}

#[test]
fn the_pools_extranonce1_and_padding_go_to_the_end_of_coinb1() {
    let mut case = job_b();
    case.pool.extranonce1 = Extranonce::from_hex("abcdef").unwrap();
    case.pool.extranonce2_size = 11;
    let job = case.job();
    let expected = [&case.notify.coinb1[..], &[0xab, 0xcd, 0xef]].concat();
    assert_eq!(&*job.notify.coinb1, expected);
    let line = |miner| sent(&job.notify_line(VersionMask::NONE, Clean::No, miner));
    assert_eq!(&*line(case.miner()).coinb1, [&expected[..], &[0, 0, 0]].concat());
    assert_eq!(line(case.miner()).coinb2, case.notify.coinb2);
    let other = MinerId::new(Layout::CONSERVATIVE, 1).in_bank(0x0203 & 0xfff);
    assert_eq!(&*line(other).coinb1, [&expected[..], &[0, 0, 0, 0, 0, 2, 3]].concat());
    assert_eq!(job.coinbase_len(), expected.len() + 11 + case.notify.coinb2.len());
}

#[test]
fn a_job_serves_the_miners_of_its_bank_that_fit() {
    let mut case = job_b();
    case.pool.extranonce2_size = 5;
    let of_bank =
        |bank| Job::new(JobSerial(1), SourceId(1), case.notify.clone(), &case.pool, Bank(bank));
    let miner = |id_len, bank| MinerId::new(Layout::new(id_len, 2).unwrap(), 7).in_bank(bank);
    for (bank, miner, served) in [
        (0, miner(3, 0), true),
        (0, miner(3, 1), false),
        (1, miner(3, 1), true),
        (0, miner(2, 255), true),
        (0, miner(2, 256), false),
        (1, miner(2, 256), true),
        (0, miner(4, 0), false),
    ] {
        assert_eq!(of_bank(bank).serves(miner), served, "{bank} {miner:?}");
    }
}

#[test]
fn a_miner_is_sent_the_job_under_our_id() {
    let case = job_b();
    let mut job = case.job();
    Arc::get_mut(&mut job).unwrap().serial = JobSerial(0xabc);
    let notify = sent(&job.notify_line(VersionMask::NONE, Clean::Yes, miner()));
    assert_eq!(notify, Notify { job_id: "abc".into(), clean: true, ..job.notify.clone() });
    let notify = sent(&job.notify_line(VersionMask::NONE, Clean::No, miner()));
    assert_eq!(notify, Notify { job_id: "abc".into(), clean: false, ..job.notify.clone() });
}

#[test]
fn a_miner_that_rolls_is_sent_the_version_without_its_bits() {
    let case = job_b().with_version(0x2000_e004);
    let job = case.job();
    for (mask, version) in [
        (VersionMask::NONE, 0x2000_e004),
        (VersionMask::ALL, 0x2000_0004),
        (VersionMask(0x0000_2000), 0x2000_c004),
        // Bits that the pool does not let roll stay as they are, whatever the miner's mask.
        (VersionMask(u32::MAX), 0x2000_0004),
    ] {
        let notify = sent(&job.notify_line(mask, Clean::No, miner()));
        assert_eq!(notify.version, Version(version), "{mask}");
    }
}

#[test]
fn miners_of_a_class_share_one_line() {
    let job = job_b().job();
    for mask in [VersionMask::NONE, VersionMask::ALL] {
        for clean in [Clean::No, Clean::Yes] {
            let line = job.notify_line(mask, clean, miner());
            assert!(Arc::ptr_eq(&line, &job.notify_line(mask, clean, miner())));
        }
    }
    let lines = [VersionMask::NONE, VersionMask::ALL]
        .map(|mask| [Clean::No, Clean::Yes].map(|clean| job.notify_line(mask, clean, miner())));
    assert!(!Arc::ptr_eq(&lines[0][0], &lines[0][1]));
    assert!(!Arc::ptr_eq(&lines[0][0], &lines[1][0]));
}

#[test]
fn a_repeat_differs_in_id_and_time_only() {
    let mut case = job_b();
    case.notify.clean = true;
    let job = case.job();
    let repeat = job.keep_alive(JobSerial(2), NTime(0x64c2_5830));
    let notify =
        sent(&repeat.notify_line(VersionMask::NONE, Clean::from(repeat.notify.clean), miner()));
    let expected = Notify {
        job_id: "2".into(),
        ntime: NTime(0x64c2_5830),
        clean: false,
        ..job.notify.clone()
    };
    assert_eq!(notify, expected);
    assert_eq!(repeat.notify.job_id, job.notify.job_id);
    assert_eq!(repeat.pool_ntime, job.pool_ntime);
    assert_eq!(
        (repeat.source, repeat.pool_difficulty, repeat.version_mask, repeat.extranonce2_size),
        (job.source, job.pool_difficulty, job.version_mask, job.extranonce2_size)
    );
    let extranonce2 = Extranonce::from_bytes(&[1, 2, 3, 4, 5, 6, 7, 8]).unwrap();
    assert_eq!(repeat.merkle_root(&extranonce2), job.merkle_root(&extranonce2));
}

// --- the table

fn table_job(serial: u64, source: u64, clean: Clean) -> Arc<Job> {
    let mut case = job_b();
    case.notify.clean = clean == Clean::Yes;
    Arc::new(Job::new(JobSerial(serial), SourceId(source), case.notify, &case.pool, Bank(0)))
}

/// The serials that are live and those that are stale, of 0 to 299.
fn standing(table: &JobTable) -> (Vec<u64>, Vec<u64>) {
    let (mut live, mut stale) = (Vec::new(), Vec::new());
    for serial in 0..300 {
        match table.lookup(JobSerial(serial), origin() + LATE) {
            Lookup::Live(job) => live.push(job.serial.0),
            Lookup::Late(job) | Lookup::Stale(job) => stale.push(job.serial.0),
            Lookup::Unknown => {}
        }
    }
    assert_eq!(table.live_count(), live.len());
    (live, stale)
}

#[test]
fn a_clean_job_makes_earlier_ones_of_its_source_stale() {
    let table = JobTable::default()
        .with_job(table_job(1, 1, Clean::Yes))
        .with_job(table_job(2, 2, Clean::No))
        .with_job(table_job(3, 1, Clean::No));
    assert_eq!(standing(&table), (vec![1, 2, 3], vec![]));
    let table = table.outdate(SourceId(1), origin()).with_job(table_job(4, 1, Clean::Yes));
    assert_eq!(standing(&table), (vec![2, 4], vec![1, 3]));
    assert_eq!(table.newest().unwrap().serial, JobSerial(4));
}

#[test]
fn a_source_that_is_gone_takes_the_worth_of_its_jobs_along() {
    let table = JobTable::default().with_job(table_job(1, 1, Clean::No)).with_job(table_job(
        2,
        2,
        Clean::No,
    ));
    let retired = table.retire(SourceId(2));
    assert_eq!(standing(&retired), (vec![1], vec![2]));
    assert!(retired.newest().is_none());
    assert_eq!(standing(&table), (vec![1, 2], vec![]), "a table is a value");
}

#[test]
fn the_table_forgets_the_oldest_of_a_source_beyond_its_bound() {
    let mut table = JobTable::default();
    assert!(table.newest().is_none());
    for serial in 0..300 {
        table = table.with_job(table_job(serial, 1, Clean::No));
    }
    assert_eq!(standing(&table), ((172..300).collect(), vec![]));
}

#[test]
fn no_source_pushes_out_what_another_sent() {
    let mut table = JobTable::default().with_job(table_job(0, 1, Clean::No));
    for serial in 1..300 {
        table = table.with_job(table_job(serial, 2, Clean::No));
    }
    assert_eq!(standing(&table), ([0].into_iter().chain(172..300).collect(), vec![]));
    assert_eq!((table.oldest_live(), table.newest_serial()), (Some(JobSerial(0)), JobSerial(299)));
}

#[test]
fn of_sources_beyond_all_bounds_those_that_are_gone_are_forgotten_first() {
    let mut table = JobTable::default().with_job(table_job(0, 0, Clean::No));
    for source in 1..2000 {
        table = table.with_job(table_job(source, source, Clean::No)).retire(SourceId(source));
        assert!(table.entries.len() <= 1024);
    }
    assert_eq!(standing(&table).0, [0], "the one that is alive is kept");
    for source in 1..2000 {
        table = table.with_job(table_job(source, source, Clean::No));
        assert!(table.entries.len() <= 1024);
    }
}

#[test]
fn lines_of_pads_beyond_the_bound_are_made_each_time_and_are_right() {
    let mut case = job_b();
    case.pool.extranonce2_size = 12;
    let job = case.job();
    for _ in 0..2 {
        for bank in 0..20 {
            let miner = case.miner().in_bank(bank);
            let line = job.notify_line(VersionMask::ALL, Clean::No, miner);
            let pad = miner.pad(12).unwrap();
            assert!(sent(&line).coinb1.ends_with(pad.as_bytes()));
            let again = job.notify_line(VersionMask::ALL, Clean::No, miner);
            assert_eq!(Arc::ptr_eq(&line, &again), bank < 8, "{bank}");
        }
    }
}
