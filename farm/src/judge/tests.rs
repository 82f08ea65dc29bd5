//! Known shares and every refusal. The known answers are public sessions: slush's documentation,
//! an Antminer S19 XP at Braiins Pool, and the genesis block.

use std::sync::Arc;

use bitcoin::BlockHash;
use bitcoin::consensus::encode::serialize;
use bitcoin::constants::genesis_block;
use bitcoin::hashes::Hash as _;

use super::*;

const SLUSH_COINB1: &str = "01000000010000000000000000000000000000000000000000000000000000000000000000ffffffff20020862062f503253482f04b8864e5008";
const SLUSH_COINB2: &str = "072f736c7573682f000000000100f2052a010000001976a914d23fcdf86f7e756a64a7a9688ef9903327048ed988ac00000000";
const SLUSH_PREV: &str = "4d16b6f85af6e2198f44ae2a6de67f78487ae5611b77c6c0440b921e00000000";
const BRAIINS_COINB1: &str = "01000000010000000000000000000000000000000000000000000000000000000000000000ffffffff4b03e1360cfabe6d6ddecabad1af6410018e1f62f26730ccb9c8a4a55c1c90fb96d7b124a68f126bcf0100000000000000";
const BRAIINS_COINB2: &str = "2e7c42c32d2f736c7573682f000000000383d02826000000001976a9147c154ed1dc59609e3d26abb2df2ea3d587cd8c4188ac00000000000000002c6a4c2952534b424c4f434b3aa126fd3abcfed0d9d2fdf56d5650fda514e1a35408b1b8445c907d21005402510000000000000000266a24aa21a9ed217bdf1fc8e2ca2f98f2f3dc804fa19609ad045e8761e3fcd6b60baf80d1f5bf00000000";
const BRAIINS_PREV: &str = "221a7d5aeda279d8b8455fe56c8dc7d05582575d00038fbf0000000000000000";
const BRAIINS_BRANCHES: [&str; 12] = [
    "fd90b0aa15698f631ae06aba1d688db974c899389c874f03b2c91784733ac50c",
    "278cbb17943d36be5e7eaa08b70b733edd2fc6e4143ee7c184d63c8dcb22c48e",
    "e02743f1b8d9050160c811cd8bec5af39c07a47ccade2a466e09409eeeb90b3b",
    "3e76f16fc336d11a98b2c438e7c47b0a6c478a0f8df7c340f57db6887aa05a17",
    "3d84d3378f3647157355aecf67c965f01729b3223f5a787aa7a3eb3de3a33e38",
    "356c1febe5995abebfe7b4476efbf2b83158ce37757e3045f601bb1007ef9602",
    "0064ab04971d60a5761ef07e7ff066a2ecfced7101e73a2d8cea07a730b50695",
    "29ef3189c3aef0da8c1b7204a91f2384b73bdafcc7c1f9123a68b15316f7c5f8",
    "bcc9dc862a6024d4f59ecb69f2adaa1911c6e4813d65a48ead8aa5e4151fb255",
    "7accfd2b86edba50aa41fba73248ea365deaabf12a71c6e4b663be7438d9c091",
    "4cc849c0f0d18f993634ba7563a6c68406e60e0ab1ac4f23bd18401b6e3ab7c4",
    "9a6c6c8936fa3b807e3fbfc107c7427691246aecb89dd8e22bde58b7f748d21b",
];
const BIP320_MASK: u32 = 0x1fff_e000;

fn bytes(hex: &str) -> Vec<u8> {
    Vec::from_hex(hex).expect("hex in a test")
}

fn difficulty(text: &str) -> Difficulty {
    text.parse().expect("a difficulty in a test")
}

/// A previous hash as a notify writes it.
fn prev(notify: &str) -> BlockHash {
    let mut hash: [u8; 32] = bytes(notify).try_into().expect("32 bytes");
    hash.as_chunks_mut::<4>().0.iter_mut().for_each(|word| word.reverse());
    BlockHash::from_byte_array(hash)
}

fn slush_work(version: u32, ntime: u32) -> Work {
    Work {
        coinb1: bytes(SLUSH_COINB1),
        coinb2: bytes(SLUSH_COINB2),
        branches: Vec::new(),
        prev_block: prev(SLUSH_PREV),
        version,
        nbits: 0x1c2a_c4af,
        ntime,
    }
}

fn braiins_work(branches: usize) -> Work {
    let branch = |hex: &&str| bytes(hex).try_into().expect("32 bytes");
    Work {
        coinb1: bytes(BRAIINS_COINB1),
        coinb2: bytes(BRAIINS_COINB2),
        branches: BRAIINS_BRANCHES.iter().take(branches).map(branch).collect(),
        prev_block: prev(BRAIINS_PREV),
        version: 0x2000_0004,
        nbits: 0x1705_6102,
        ntime: 0x64c2_5820,
    }
}

fn issued(work: Work, extranonce1: &str, extranonce2_size: usize, at: &str) -> IssuedJob {
    let (work, extranonce1) = (Arc::new(work), bytes(extranonce1));
    IssuedJob { work, extranonce1, extranonce2_size, difficulty: difficulty(at) }
}

fn claim(
    extranonce2: &'static str,
    ntime: &'static str,
    nonce: &'static str,
    version_bits: Option<&'static str>,
) -> Claim<'static> {
    Claim { user: "account.worker", extranonce2, ntime, nonce, version_bits }
}

/// Judges one claim with everything in order but what the test changes.
fn verdict(job: &IssuedJob, claim: Claim<'_>, mask: Option<u32>) -> Verdict {
    let users = BTreeSet::from(["account.worker".to_owned()]);
    let case = Case {
        claim,
        standing: Standing::Subscribed(&users),
        job: JobOnRecord::Live(job),
        version_mask: mask,
        unix_time: job.work.ntime,
    };
    judge(&case, &mut AcceptedHashes::new())
}

fn assert_hash(verdict: Verdict, hash: &str, block: bool) {
    match verdict {
        Verdict::Accepted(accepted) => {
            assert_eq!((accepted.hash.to_string().as_str(), accepted.block), (hash, block));
        }
        Verdict::Rejected(reason) => panic!("{hash} was rejected: {reason:?}"),
    }
}

/// The cheap job G of the vectors: slush's coinbase at difficulty 0.00001.
fn cheap() -> IssuedJob {
    issued(slush_work(0x2000_0000, 0x504e_86ed), "08000002", 4, "0.00001")
}

const CHEAP_NONCE: &str = "00007000";

fn cheap_claim() -> Claim<'static> {
    claim("00000001", "504e86ed", CHEAP_NONCE, None)
}

#[test]
fn the_slush_share_is_a_block_at_its_network_difficulty() {
    let job = issued(slush_work(2, 0x504e_86b9), "08000002", 4, "7.88");
    let found = verdict(&job, claim("00000001", "504e86ed", "b2957c02", None), None);
    assert_hash(found, "000000002076870fe65a2b6eeed84fa892c0db924f1482243a6247d931dcab32", true);
    let txid = job.coinbase(&[0, 0, 0, 1]).expect("a transaction").compute_txid();
    let known = "32414daa9ddac879fd2c62839b9ba710a3546363a5f5e22915d90dc3b1699dec";
    assert_eq!(txid.to_raw_hash().to_byte_array().to_vec(), bytes(known));
    let harder = IssuedJob { difficulty: difficulty("7.89"), ..job };
    let missed = verdict(&harder, claim("00000001", "504e86ed", "b2957c02", None), None);
    assert_eq!(missed, Verdict::Rejected(Reason::LowDifficulty));
}

#[test]
fn the_antminer_shares_with_rolled_versions_are_good_at_699_and_one_is_not_at_700() {
    let job = issued(braiins_work(12), "11650804a6c84c", 8, "699");
    let first = claim("0a00000000000000", "64c25820", "591d28da", Some("00092000"));
    let second = claim("0a00000000000000", "64c25820", "b6fda90f", Some("000B6000"));
    let mask = Some(BIP320_MASK);
    let first_hash = "00000000005dae2e0ac4e4fddccb5213a19c2ed6ec38410f66db6e5d11c1cd10";
    assert_hash(verdict(&job, first, mask), first_hash, false);
    let second_hash = "00000000000cbcd92ac94d51df0e33f87e9e8af1510bcfe78cb982b5ea784e4e";
    assert_hash(verdict(&job, second, mask), second_hash, false);
    let harder = IssuedJob { difficulty: difficulty("700"), ..job };
    assert_eq!(verdict(&harder, first, mask), Verdict::Rejected(Reason::LowDifficulty));
}

/// A captured job whose script length does not fit its extranonce: hashing the bytes would do for
/// a share, but no node would take the block, so it is nothing to be paid for.
#[test]
fn a_coinbase_that_is_no_transaction_is_malformed() {
    let job = issued(braiins_work(2), "1165080401", 4, "0.002");
    let judged = verdict(&job, claim("00000000", "64c25820", "b8b15a01", None), None);
    assert_eq!(judged, Verdict::Rejected(Reason::Malformed));
}

#[test]
fn the_cheap_shares_are_good_and_their_bits_reach_the_hash() {
    let mask = Some(BIP320_MASK);
    let plain = "000153fa141ea1bf020cd272245c7ca18da916b00843055a95fd17296871c1ad";
    assert_hash(verdict(&cheap(), cheap_claim(), mask), plain, false);
    let rolled = claim("00000001", "504e86ed", "00000fe7", Some("00c0a000"));
    let hash = "0001570d6d8f35a0411a44b6d9d354dcf9411bed996628f22c0a9443b4020163";
    assert_hash(verdict(&cheap(), rolled, mask), hash, false);
    let without = Claim { version_bits: None, ..rolled };
    let lost = Verdict::Rejected(Reason::LowDifficulty);
    assert_eq!(verdict(&cheap(), without, mask), lost);
    // G3 as the proxy passes it on: id 7f01 and the miner's 0001 in one extranonce2.
    let whole = claim("7f010001", "504e86ed", "00005f08", Some("1fffe000"));
    let hash = "000121b764e3e10f738362f7c9a37b6984f61c8d49d50974d4672d90aca2897b";
    assert_hash(verdict(&cheap(), whole, mask), hash, false);
}

#[test]
fn the_genesis_block_is_a_share_of_its_own_coinbase() {
    let block = genesis_block(bitcoin::Network::Bitcoin);
    let coinbase = serialize(&block.txdata[0]);
    // Up to the script: version 4, input count 1, outpoint 36, script length 1.
    let (coinb1, rest) = coinbase.split_at(42);
    let (extranonce, coinb2) = rest.split_at(8);
    let work = Work {
        coinb1: coinb1.to_vec(),
        coinb2: coinb2.to_vec(),
        branches: Vec::new(),
        prev_block: BlockHash::all_zeros(),
        version: 1,
        nbits: 0x1d00_ffff,
        ntime: 1_231_006_505,
    };
    let job = IssuedJob {
        work: Arc::new(work),
        extranonce1: extranonce[..4].to_vec(),
        extranonce2_size: 4,
        difficulty: Difficulty::ONE,
    };
    assert_eq!(extranonce[4..], [0x1d, 0x01, 0x04, 0x45]);
    let found = verdict(&job, claim("1d010445", "495fab29", "7c2bac1d", None), None);
    assert_hash(found, "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f", true);
}

#[test]
fn targets_equal_the_table() {
    for (text, target) in [
        ("0.00001", "0001869e79600000000000000000000000000000000000000000000000000000"),
        ("1e-05", "0001869e79600000000000000000000000000000000000000000000000000000"),
        ("0.0001", "0000270fd8f00000000000000000000000000000000000000000000000000000"),
        ("0.001", "000003e7fc180000000000000000000000000000000000000000000000000000"),
        ("0.002", "000001f3fe0c0000000000000000000000000000000000000000000000000000"),
        ("0.5", "00000001fffe0000000000000000000000000000000000000000000000000000"),
        ("1", "00000000ffff0000000000000000000000000000000000000000000000000000"),
        ("2", "000000007fff8000000000000000000000000000000000000000000000000000"),
        ("3", "0000000055550000000000000000000000000000000000000000000000000000"),
        ("42", "0000000006185b6db6db6db6db6db6db6db6db6db6db6db6db6db6db6db6db6d"),
        ("512", "00000000007fff80000000000000000000000000000000000000000000000000"),
        ("699", "00000000005dc15f96860afcb43057e5a182bf2d0c15f96860afcb43057e5a18"),
        ("1638", "0000000000280258258258258258258258258258258258258258258258258258"),
        ("16383.75", "0000000000040000000000000000000000000000000000000000000000000000"),
        ("16384", "000000000003fffc000000000000000000000000000000000000000000000000"),
        ("65536", "000000000000ffff000000000000000000000000000000000000000000000000"),
        ("131072", "0000000000007fff800000000000000000000000000000000000000000000000"),
        ("524288", "0000000000001fffe00000000000000000000000000000000000000000000000"),
        ("1000000", "00000000000010c6e6d9be4cd74927913e81450efdc9c4da9003eea209aaa3ad"),
        ("1E6", "00000000000010c6e6d9be4cd74927913e81450efdc9c4da9003eea209aaa3ad"),
        ("4294967296", "0000000000000000ffff00000000000000000000000000000000000000000000"),
        ("0.0000000001", "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"),
    ] {
        assert_eq!(format!("{:x}", difficulty(text).target()), target, "{text}");
    }
}

#[test]
fn difficulties_are_plain_decimals() {
    for (text, shown) in [
        ("1024", "1024"),
        ("1024.0", "1024"),
        ("1e-05", "0.00001"),
        ("016383.750", "16383.75"),
        ("2.5e3", "2500"),
        ("18446744073709551615", "18446744073709551615"),
        ("0.000000000000000001", "0.000000000000000001"),
    ] {
        assert_eq!(difficulty(text).to_string(), shown);
    }
    for (bad, error) in [
        ("", DifficultyError::NotDecimal),
        (".", DifficultyError::NotDecimal),
        ("-1", DifficultyError::NotDecimal),
        ("+1", DifficultyError::NotDecimal),
        ("NaN", DifficultyError::NotDecimal),
        ("inf", DifficultyError::NotDecimal),
        ("1e", DifficultyError::NotDecimal),
        ("0.000", DifficultyError::Zero),
        ("18446744073709551616", DifficultyError::TooPrecise),
        ("1e400", DifficultyError::TooPrecise),
        ("1e-19", DifficultyError::TooPrecise),
        ("1e-2147483648", DifficultyError::TooPrecise),
    ] {
        assert_eq!(Difficulty::parse(bad), Err(error), "{bad}");
    }
    assert!(difficulty("0.1") < difficulty("0.11"));
    assert!(difficulty("2") < difficulty("10"));
    assert_eq!(Difficulty::rounded(0.000_123_456), Some(difficulty("0.000123")));
    assert_eq!(Difficulty::rounded(123_456.0), Some(difficulty("123000")));
    assert_eq!(Difficulty::rounded(f64::NAN), None);
    assert_eq!(Difficulty::rounded(0.0), None);
}

#[test]
fn credit_is_an_exact_sum() {
    let mut credit = Credit::default();
    for _ in 0..10 {
        credit.add(difficulty("0.1"));
    }
    assert_eq!(credit.to_string(), "1");
    credit.add(difficulty("0.00001"));
    assert_eq!(credit.to_string(), "1.00001");
}

#[test]
fn every_refusal_has_its_reason() {
    let good = cheap_claim();
    for (bad, reason) in [
        (Claim { nonce: "+0007000", ..good }, Reason::Malformed),
        (Claim { nonce: "000007000", ..good }, Reason::Malformed),
        (Claim { ntime: "", ..good }, Reason::Malformed),
        (Claim { extranonce2: "0000000", ..good }, Reason::Malformed),
        (Claim { version_bits: Some("zz"), ..good }, Reason::Malformed),
        (Claim { user: "account.other", ..good }, Reason::Unauthorized),
        (Claim { extranonce2: "000001", ..good }, Reason::Extranonce2Size),
        (Claim { extranonce2: "0000000001", ..good }, Reason::Extranonce2Size),
        (Claim { ntime: "504e86ec", ..good }, Reason::NTime),
        (Claim { ntime: "504ea246", ..good }, Reason::NTime),
        (Claim { version_bits: Some("20000000"), ..good }, Reason::VersionBits),
        (Claim { version_bits: Some("00001000"), ..good }, Reason::VersionBits),
        (Claim { nonce: "00007001", ..good }, Reason::LowDifficulty),
    ] {
        let judged = verdict(&cheap(), bad, Some(BIP320_MASK));
        assert_eq!(judged, Verdict::Rejected(reason), "{bad:?}");
    }
}

#[test]
fn the_last_second_of_the_ntime_window_is_in_it() {
    let job_time = 0x504e_86ed;
    assert_eq!(check_time(job_time + 7000, job_time, job_time), Ok(()));
    assert_eq!(check_time(job_time + 7001, job_time, job_time), Err(Reason::NTime));
    // A job whose time runs ahead of the clock is bounded by the clock.
    assert_eq!(check_time(job_time + 1200, job_time, job_time - 6000), Ok(()));
    assert_eq!(check_time(job_time + 1201, job_time, job_time - 6000), Err(Reason::NTime));
}

#[test]
fn version_bits_replace_the_masked_bits_of_the_job() {
    let mask = Some(0x00ff_e000);
    let job = 0x2040_2004;
    assert_eq!(rolled_version(job, None, mask), Ok(job));
    assert_eq!(rolled_version(job, Some(0), mask), Ok(0x2000_0004));
    assert_eq!(rolled_version(job, Some(0x0001_0000), mask), Ok(0x2001_0004));
    assert_eq!(rolled_version(job, Some(0x0100_0000), mask), Err(Reason::VersionBits));
    assert_eq!(rolled_version(job, Some(0), None), Ok(job));
    assert_eq!(rolled_version(job, Some(0x0001_0000), None), Err(Reason::VersionBits));
}

#[test]
fn an_empty_sixth_parameter_counts_as_absent() {
    let empty = Claim { version_bits: Some(""), ..cheap_claim() };
    assert!(matches!(verdict(&cheap(), empty, None), Verdict::Accepted(_)));
}

#[test]
fn refusals_come_in_the_order_of_the_law() {
    let job = cheap();
    let users = BTreeSet::from(["account.worker".to_owned()]);
    let wrong = Claim { nonce: "00007001", extranonce2: "01", ..cheap_claim() };
    let case = Case {
        claim: Claim { ntime: "x", user: "nobody", ..wrong },
        standing: Standing::NotSubscribed,
        job: JobOnRecord::Unknown,
        version_mask: None,
        unix_time: job.work.ntime,
    };
    let reason = |case: &Case<'_>| judge(case, &mut AcceptedHashes::new());
    assert_eq!(reason(&case), Verdict::Rejected(Reason::Malformed));
    let case = Case { claim: Claim { user: "nobody", ..wrong }, ..case };
    assert_eq!(reason(&case), Verdict::Rejected(Reason::NotSubscribed));
    let case = Case { standing: Standing::Subscribed(&users), ..case };
    assert_eq!(reason(&case), Verdict::Rejected(Reason::Unauthorized));
    let case = Case { claim: wrong, ..case };
    assert_eq!(reason(&case), Verdict::Rejected(Reason::UnknownJob));
    let case = Case { job: JobOnRecord::Stale(&job), ..case };
    assert_eq!(reason(&case), Verdict::Rejected(Reason::Extranonce2Size));
    let case = Case { claim: Claim { ntime: "00000000", ..cheap_claim() }, ..case };
    assert_eq!(reason(&case), Verdict::Rejected(Reason::Stale));
}

#[test]
fn a_share_is_paid_once_in_whatever_spelling() {
    let job = cheap();
    let users = BTreeSet::from(["account.worker".to_owned()]);
    let mut seen = AcceptedHashes::new();
    let mut again = |nonce, bits| {
        let claim = Claim { nonce, version_bits: bits, ..cheap_claim() };
        let standing = Standing::Subscribed(&users);
        let (job, unix_time) = (JobOnRecord::Live(&job), job.work.ntime);
        judge(&Case { claim, standing, job, version_mask: None, unix_time }, &mut seen)
    };
    assert!(matches!(again(CHEAP_NONCE, None), Verdict::Accepted(_)));
    for (nonce, bits) in [(CHEAP_NONCE, None), ("7000", None), ("07000", Some("0"))] {
        assert_eq!(again(nonce, bits), Verdict::Rejected(Reason::Duplicate), "{nonce}");
    }
    // A repeated low share is low each time.
    for _ in 0..2 {
        assert_eq!(again("00007001", None), Verdict::Rejected(Reason::LowDifficulty));
    }
    assert_eq!(seen.len(), 1);
}

#[test]
fn the_memory_of_hashes_is_bounded_and_forgets_the_oldest() {
    let hash = |byte: u8| BlockHash::from_byte_array([byte; 32]);
    let mut seen = AcceptedHashes::with_limit(2);
    assert!(
        seen.is_empty() && seen.insert(hash(1)) && seen.insert(hash(2)) && seen.insert(hash(3))
    );
    assert_eq!(seen.len(), 2);
    assert!(!seen.contains(&hash(1)) && !seen.insert(hash(2)) && seen.insert(hash(1)));
}

#[test]
fn reasons_have_codes_of_the_protocol() {
    let codes: Vec<i64> = Reason::ALL.iter().map(|reason| reason.code()).collect();
    assert_eq!(codes, [20, 25, 24, 21, 20, 21, 20, 20, 23, 22]);
    let labels: BTreeSet<&str> = Reason::ALL.iter().map(|reason| reason.label()).collect();
    assert_eq!(labels.len(), Reason::ALL.len());
    assert!(Reason::ALL.iter().all(|reason| !reason.message().is_empty()));
}

#[test]
fn a_withdrawn_hash_is_no_duplicate_and_no_other_is_withdrawn_with_it() {
    let hash = |byte: u8| BlockHash::from_byte_array([byte; 32]);
    let mut seen = AcceptedHashes::new();
    assert!(seen.insert(hash(1)) && seen.insert(hash(2)));
    seen.withdraw(&hash(2));
    assert!(seen.contains(&hash(1)) && !seen.contains(&hash(2)));
    assert!(seen.insert(hash(2)));
}
