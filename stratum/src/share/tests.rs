use serde::Deserialize;

use super::*;
use crate::difficulty::ShareHash;
use crate::extranonce::Layout;
use crate::fixtures::{Case, KnownShare, difficulty, known_share, known_shares, vectors, word};
use crate::job::{JobTable, Lookup};
use crate::types::JobSerial;

/// Every layout in which the share can have been found.
fn cases(share: &KnownShare) -> Vec<Case> {
    let layouts = (1..=4).flat_map(|id| (2..=8).map(move |miner| Layout::new(id, miner).unwrap()));
    layouts.filter_map(|layout| share.case(layout)).collect()
}

fn judge(case: &Case) -> Result<VerifiedShare, Refusal> {
    verify(&case.job(), &case.claim())
}

fn refused(case: &Case) -> Reject {
    judge(case).unwrap_err().reject
}

#[test]
fn known_shares_have_their_header_and_hash() {
    for share in known_shares() {
        let cases = cases(&share);
        assert!(!cases.is_empty(), "{}", share.name);
        for case in cases {
            let verified =
                judge(&case).unwrap_or_else(|refusal| panic!("{}: {refusal:?}", share.name));
            assert_eq!(verified.hash(), share.hash(), "{}", share.name);
            let job = verified.job();
            let root = job.merkle_root(verified.extranonce2_for_pool());
            let header =
                job.header(root, verified.header_version(), verified.ntime(), verified.nonce());
            assert_eq!(hex::encode(&header.to_bytes()), share.header, "{}", share.name);
            assert_eq!(
                verified.extranonce2_for_pool().to_hex(),
                share.pool_extranonces().1,
                "{}",
                share.name
            );
        }
    }
}

#[test]
fn known_shares_are_accepted_at_their_difficulty_and_refused_above() {
    for share in known_shares() {
        for mut case in cases(&share) {
            case.pool.difficulty = difficulty("1e15");
            assert!((share.hash().difficulty_f64() / share.difficulty - 1.0).abs() < 1e-12);
            case.assigned = Difficulty::from_f64(share.difficulty * (1.0 - 1e-12)).unwrap();
            assert_eq!(judge(&case).unwrap().credited(), case.assigned, "{}", share.name);
            case.assigned = Difficulty::from_f64(share.difficulty * (1.0 + 1e-12)).unwrap();
            assert_eq!(refused(&case), Reject::LowDifficulty, "{}", share.name);
            if let Some(pool_difficulty) = &share.pool_difficulty {
                case.assigned = difficulty(pool_difficulty.to_string().trim_matches('"'));
                assert!(judge(&case).is_ok(), "{}", share.name);
            }
        }
    }
}

#[test]
fn the_real_antminer_share_is_good_for_699_and_not_for_700() {
    let mut case = known_share("B1").case(Layout::new(4, 4).unwrap()).unwrap();
    case.pool.difficulty = difficulty("700");
    case.assigned = difficulty("699");
    assert!(!judge(&case).unwrap().meets_pool());
    case.assigned = difficulty("700");
    assert_eq!(refused(&case), Reject::LowDifficulty);
}

#[test]
fn a_share_found_behind_a_split_extranonce_is_the_pools_own_share() {
    for name in ["B3", "G3"] {
        let share = known_share(name);
        let (extranonce1, extranonce2) = share.pool_extranonces();
        assert_eq!(share.extranonce(), format!("{extranonce1}{extranonce2}"));
        for case in cases(&share) {
            let verified = judge(&case).unwrap();
            assert_eq!(verified.hash(), share.hash());
            let sent = verified.extranonce2_for_pool().to_hex();
            assert_eq!(sent, extranonce2);
            assert!(sent.ends_with(&*case.submit.extranonce2));
        }
    }
}

#[test]
fn upper_case_is_the_same_share() {
    let mut case = known_share("G3").case(Layout::CONSERVATIVE).unwrap();
    case.id = 0xab;
    case.submit.extranonce2 = "abcd".into();
    let mut seen = SeenShares::new();
    assert_eq!(seen.insert(&judge(&case).unwrap()), Novelty::New);
    case.submit.extranonce2 = "ABCD".into();
    assert_eq!(seen.insert(&judge(&case).unwrap()), Novelty::Seen);
    case.submit.extranonce2 = "ABCE".into();
    assert_eq!(seen.insert(&judge(&case).unwrap()), Novelty::New);
}

// --- versions

#[derive(Deserialize)]
struct VersionCases {
    cases: Vec<VersionCase>,
}

#[derive(Deserialize)]
struct VersionCase {
    job: String,
    version: String,
    pool_mask: String,
    miner_mask: String,
    version_bits: Option<String>,
    version_sent: String,
    extranonce1: String,
    pool_extranonce2_size: u8,
    id: String,
    extranonce2: String,
    ntime: String,
    nonce: String,
    header: String,
    hash: String,
    pool_extranonce2: String,
    pool_version_bits: Option<String>,
}

impl VersionCase {
    fn case(&self) -> Case {
        let base = known_share(&self.job);
        let share = KnownShare {
            extranonce1: self.extranonce1.clone(),
            extranonce2: self.pool_extranonce2.clone(),
            ntime: self.ntime.clone(),
            nonce: self.nonce.clone(),
            version_bits: self.version_bits.clone(),
            version_mask: Some(self.pool_mask.clone()),
            ..base
        };
        let mut case = share.case(Layout::CONSERVATIVE).unwrap().with_version(word(&self.version));
        case.mask = VersionMask(word(&self.miner_mask));
        case
    }
}

#[test]
fn versions_with_bits_inside_the_mask_reach_miner_and_pool_as_they_must() {
    let vectors: VersionCases = vectors(include_str!("../../vectors/versions.json"));
    for vector in vectors.cases {
        let case = vector.case();
        let name = format!("{} {} {}", vector.version, vector.pool_mask, vector.miner_mask);
        assert_eq!(case.pool.extranonce2_size, vector.pool_extranonce2_size);
        assert_eq!(
            (hex::encode(&case.id.to_be_bytes()[2..]), &*case.submit.extranonce2),
            (vector.id, &*vector.extranonce2)
        );
        let job = case.job();
        let line = job.notify_line(case.mask, crate::job::Clean::No, case.miner());
        let line = String::from_utf8(line.to_vec()).unwrap();
        assert!(
            line.contains(&format!("\"{}\",\"{}\"", vector.version_sent, job.notify.nbits)),
            "{name}"
        );
        let share = judge(&case).unwrap_or_else(|refusal| panic!("{name}: {refusal:?}"));
        assert_eq!(share.hash().to_string(), vector.hash, "{name}");
        assert_eq!(
            vector.header.get(..8),
            Some(hex::encode(&share.header_version().0.to_le_bytes()).as_str()),
            "{name}"
        );
        assert_eq!(
            share.version_bits_for_pool(),
            vector.pool_version_bits.as_deref().map(word),
            "{name}"
        );
        assert_eq!(share.extranonce2_for_pool().to_hex(), vector.pool_extranonce2, "{name}");
    }
}

#[test]
fn rolled_bits_reach_the_hash() {
    let mut case = known_share("G2").case(Layout::CONSERVATIVE).unwrap();
    case.assigned = difficulty("0.00001");
    case.pool.difficulty = difficulty("0.00001");
    assert!(judge(&case).is_ok());
    case.submit.version_bits = None;
    assert_eq!(refused(&case), Reject::LowDifficulty);
}

#[test]
fn bits_of_zero_without_negotiation_are_no_bits() {
    let mut case = known_share("G1").case(Layout::CONSERVATIVE).unwrap();
    case.submit.version_bits = Some(0);
    let share = judge(&case).unwrap();
    assert_eq!(share.hash(), known_share("G1").hash());
    assert_eq!(share.version_bits_for_pool(), None);
    case.submit.version_bits = Some(0x2000);
    assert_eq!(refused(&case), Reject::VersionBits);
}

// --- refusals, in the order of PROTOCOL 3.1

/// Breaks one rule of an otherwise good share. Its order is that of the refusals.
#[derive(Debug, Clone, Copy)]
enum Rule {
    Extranonce2Size,
    Stale,
    NTime,
    VersionBits,
    Difficulty,
}

const RULES: [(Rule, Reject); 5] = [
    (Rule::Extranonce2Size, Reject::Extranonce2Size),
    (Rule::Stale, Reject::Stale),
    (Rule::NTime, Reject::NTimeOutOfRange),
    (Rule::VersionBits, Reject::VersionBits),
    (Rule::Difficulty, Reject::LowDifficulty),
];

/// B1: not a block, so no refusal has a candidate.
fn good() -> Case {
    let mut case = known_share("B1").case(Layout::new(4, 4).unwrap()).unwrap();
    case.pool.difficulty = difficulty("700");
    case.assigned = difficulty("699");
    case
}

fn breaking(mut case: Case, rule: Rule) -> Case {
    match rule {
        Rule::Extranonce2Size => case.submit.extranonce2 = "000000".into(),
        Rule::Stale => case.standing = Standing::Stale,
        Rule::NTime => case.submit.ntime = NTime(0),
        Rule::VersionBits => case.submit.version_bits = Some(0x2000_0000),
        Rule::Difficulty => case.assigned = difficulty("700"),
    }
    case
}

#[test]
fn each_rule_refuses_alone() {
    assert!(judge(&good()).is_ok());
    for (rule, reject) in RULES {
        let refusal = judge(&breaking(good(), rule)).unwrap_err();
        assert_eq!(refusal.reject, reject);
        assert!(refusal.candidate.is_none(), "{rule:?}");
    }
}

#[test]
fn of_two_broken_rules_the_first_refuses() {
    for (index, (first, reject)) in RULES.into_iter().enumerate() {
        for (second, _) in RULES.into_iter().skip(index + 1) {
            let case = breaking(breaking(good(), second), first);
            assert_eq!(refused(&case), reject, "{first:?} before {second:?}");
        }
    }
}

#[test]
fn a_job_of_nobodys_is_unknown_before_anything_is_worked_out() {
    let table = JobTable::default().with_job(good().job());
    for (job_id, known) in [("1", true), ("01", true), ("2", false), ("zz", false), ("+1", false)] {
        let lookup = JobSerial::parse(job_id)
            .map_or(Lookup::Unknown, |serial| table.lookup(serial, crate::fixtures::origin()));
        assert_eq!(matches!(lookup, Lookup::Live(_)), known, "{job_id}");
    }
}

#[test]
fn a_low_share_is_low_each_time_and_a_good_one_a_duplicate_the_second_time() {
    let low = breaking(good(), Rule::Difficulty);
    assert_eq!(refused(&low), Reject::LowDifficulty);
    assert_eq!(refused(&low), Reject::LowDifficulty);
    let mut seen = SeenShares::new();
    assert_eq!(seen.insert(&judge(&good()).unwrap()), Novelty::New);
    assert_eq!(seen.insert(&judge(&good()).unwrap()), Novelty::Seen);
}

#[test]
fn extranonce2_of_any_other_length_is_refused() {
    for wrong in ["", "0", "00", "000000", "0000000", "000000000", "0000000000", &"0".repeat(5000)]
    {
        let mut case = good();
        case.submit.extranonce2 = wrong.to_owned().into();
        assert_eq!(refused(&case), Reject::Extranonce2Size, "{wrong}");
    }
}

#[test]
fn ntime_may_be_from_the_jobs_to_its_bound() {
    let job_ntime = good().notify.ntime.0;
    for (ntime, accepted) in [
        (job_ntime, true),
        (job_ntime - 1, false),
        (job_ntime + 7000, true),
        (job_ntime + 7001, false),
        (u32::MAX, false),
    ] {
        let mut case = good();
        case.assigned = difficulty("1e-10");
        case.submit.ntime = NTime(ntime);
        let outcome = judge(&case).map(drop).map_err(|refusal| refusal.reject);
        let expected = if accepted { Ok(()) } else { Err(Reject::NTimeOutOfRange) };
        assert_eq!(outcome, expected, "{ntime}");
    }
}

#[test]
fn a_repeat_of_a_job_is_judged_by_the_pools_own_time() {
    let case = good();
    let repeat = Arc::new(case.job().keep_alive(JobSerial(2), case.notify.ntime.plus(60)));
    let share = verify(&repeat, &case.claim()).unwrap();
    assert_eq!(share.hash(), known_share("B1").hash());
    let mut late = good();
    late.submit.ntime = late.notify.ntime.plus(7001);
    assert_eq!(verify(&repeat, &late.claim()).unwrap_err().reject, Reject::NTimeOutOfRange);
}

#[test]
fn a_miner_that_was_given_too_wide_a_mask_is_held_to_the_jobs() {
    let mut case = known_share("G2").case(Layout::CONSERVATIVE).unwrap();
    case.pool.version_mask = VersionMask(0x0000_e000);
    assert_eq!(refused(&case), Reject::VersionBits);
    case.submit.version_bits = Some(0x0000_a000);
    assert_eq!(judge(&case).unwrap().version_bits_for_pool(), Some(0x0000_a000));
}

// --- money

#[test]
fn a_share_that_the_pool_pays_is_never_too_low() {
    let mut case = good();
    case.pool.difficulty = difficulty("699");
    case.assigned = difficulty("8192");
    let share = judge(&case).unwrap();
    assert!(share.meets_pool());
    assert_eq!(share.credited(), difficulty("699"));
}

#[test]
fn work_is_credited_as_assigned_and_not_as_found() {
    let mut case = known_share("B2").case(Layout::new(4, 4).unwrap()).unwrap();
    case.pool.difficulty = difficulty("5000");
    case.assigned = difficulty("16");
    let share = judge(&case).unwrap();
    assert!(share.meets_pool());
    assert_eq!(share.credited(), difficulty("16"));
}

/// A meets the network's target of its own job.
fn block() -> Case {
    let mut case = known_share("A").case(Layout::CONSERVATIVE).unwrap();
    case.pool.difficulty = difficulty("8");
    case.assigned = difficulty("7");
    case
}

#[test]
fn a_block_is_seen_as_one() {
    assert!(judge(&block()).unwrap().block_candidate());
    assert!(!judge(&good()).unwrap().block_candidate());
}

#[test]
fn a_block_is_handed_out_whatever_our_rules_say() {
    for (rule, candidate) in [
        (Rule::Stale, true),
        (Rule::NTime, false),
        (Rule::Difficulty, true),
        // Neither could be told to the pool.
        (Rule::VersionBits, false),
        (Rule::Extranonce2Size, false),
    ] {
        let mut case = breaking(block(), rule);
        if let Rule::Difficulty = rule {
            case.assigned = difficulty("7.9");
        }
        let refusal = judge(&case).unwrap_err();
        // Another time is another hash, so the broken time is no block here.
        assert_eq!(refusal.candidate.is_some(), candidate, "{rule:?}");
        if let Some(share) = refusal.candidate {
            assert_eq!(share.hash(), known_share("A").hash());
        }
    }
}

#[test]
fn a_share_and_its_refusal_stay_small() {
    assert!(size_of::<VerifiedShare>() <= 128, "{}", size_of::<VerifiedShare>());
    assert!(size_of::<Refusal>() <= 16);
    assert_eq!(size_of::<ShareHash>(), 32);
}
