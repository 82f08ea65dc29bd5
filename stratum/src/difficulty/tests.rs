use proptest::prelude::*;
use serde::Deserialize;

use super::*;
use crate::fixtures::{difficulty, vectors, word};
use crate::types::NBits;

#[derive(Deserialize)]
struct Targets {
    targets: Vec<DifficultyTarget>,
    nbits: Vec<NBitsTarget>,
    not_a_number: Vec<String>,
    not_positive: Vec<String>,
    too_large: Vec<String>,
    too_precise: Vec<String>,
}

#[derive(Deserialize)]
struct DifficultyTarget {
    difficulty: String,
    target: String,
}

#[derive(Deserialize)]
struct NBitsTarget {
    nbits: String,
    target: String,
    difficulty: Option<f64>,
}

fn table() -> Targets {
    vectors(include_str!("../../vectors/targets.json"))
}

fn close(left: f64, right: f64) -> bool {
    (left / right - 1.0).abs() < 1e-14
}

#[test]
fn targets_are_exact() {
    for DifficultyTarget { difficulty: text, target } in table().targets {
        assert_eq!(difficulty(&text).target().to_string(), target, "{text}");
    }
}

#[test]
fn targets_of_the_network_follow_consensus() {
    for NBitsTarget { nbits, target, difficulty } in table().nbits {
        let parsed = Target::from_nbits(NBits(word(&nbits)));
        assert_eq!(parsed.to_string(), target, "{nbits}");
        if let Some(difficulty) = difficulty {
            assert!((parsed.difficulty_f64() / difficulty - 1.0).abs() < 1e-9, "{nbits}");
        }
    }
}

#[test]
fn what_is_no_difficulty_is_refused_with_its_reason() {
    let table = table();
    for (texts, error) in [
        (table.not_a_number, DifficultyError::NotANumber),
        (table.not_positive, DifficultyError::NotPositive),
        (table.too_large, DifficultyError::TooLarge),
        (table.too_precise, DifficultyError::TooPrecise),
    ] {
        for text in texts {
            assert_eq!(Difficulty::parse(&text), Err(error), "{text:?}");
        }
    }
}

#[test]
fn integers_are_shown_without_a_point_and_nothing_with_an_exponent() {
    for (text, shown) in [
        ("1024.0", "1024"),
        ("1e5", "100000"),
        ("1e-05", "0.00001"),
        ("016383.7500", "16383.75"),
        ("18446744073709551615", "18446744073709551615"),
        ("1e-36", "0.000000000000000000000000000000000001"),
        ("12.5E1", "125"),
        ("1000000000000000000000e-20", "10"),
    ] {
        assert_eq!(difficulty(text).to_string(), shown);
    }
}

#[test]
fn equal_values_are_equal_however_they_are_written() {
    assert_eq!(difficulty("1024.0"), difficulty("1.024e3"));
    assert_eq!(difficulty("0.5"), difficulty("500e-3"));
}

#[test]
fn order_is_exact_across_scales() {
    let ascending = [
        "1e-36",
        "0.000009999999999999999",
        "0.00001",
        "0.5",
        "0.5000000000000000001",
        "1",
        "1.000000000000000001",
        "1844674407370955161.5",
        "18446744073709551614",
        "18446744073709551615",
    ]
    .map(difficulty);
    for (index, left) in ascending.iter().enumerate() {
        for (other, right) in ascending.iter().enumerate() {
            assert_eq!(left.cmp(right), index.cmp(&other), "{left} {right}");
        }
    }
}

#[test]
fn floats_become_the_text_that_they_print_as() {
    assert_eq!(Difficulty::from_f64(0.1), Ok(difficulty("0.1")));
    assert_eq!(Difficulty::from_f64(1e19), Ok(difficulty("10000000000000000000")));
    assert_eq!(Difficulty::from_f64(0.0), Err(DifficultyError::NotPositive));
    assert_eq!(Difficulty::from_f64(-0.5), Err(DifficultyError::NotPositive));
    assert_eq!(Difficulty::from_f64(1e300), Err(DifficultyError::TooLarge));
    for none in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert_eq!(Difficulty::from_f64(none), Err(DifficultyError::NotANumber));
    }
}

#[test]
fn rounding_keeps_three_digits_and_never_rises() {
    for (text, rounded) in [
        ("123456", "123000"),
        ("999999", "999000"),
        ("0.00012345", "0.000123"),
        ("1.5", "1.5"),
        ("1.005", "1"),
        ("16383.75", "16300"),
        ("7", "7"),
    ] {
        assert_eq!(difficulty(text).rounded_down().to_string(), rounded);
    }
}

#[test]
fn the_difficulty_of_a_target_is_near() {
    let near = Difficulty::near(difficulty("16384").target()).unwrap();
    assert_eq!(near, difficulty("16384"));
    assert_eq!(Difficulty::near(Target::ZERO), Err(DifficultyError::NotANumber));
}

#[test]
fn a_hash_equal_to_the_target_meets_it() {
    let target = difficulty("699").target();
    let mut bytes = target.to_le_bytes();
    assert!(target.is_met_by(&ShareHash::from_bytes(bytes)));
    bytes[0] += 1;
    assert!(!target.is_met_by(&ShareHash::from_bytes(bytes)));
    assert!(Target::MAX.is_met_by(&ShareHash::from_bytes([0xff; 32])));
    assert!(!Target::ZERO.is_met_by(&ShareHash::from_bytes([1; 32])));
}

#[test]
fn a_target_is_read_as_it_is_shown() {
    let shown = difficulty("42").target().to_string();
    assert_eq!(Target::from_be_hex(&shown).unwrap().to_string(), shown);
    assert!(Target::from_be_hex("00").is_err());
}

#[test]
fn the_easier_assignment_is_the_one_with_the_lower_difficulty() {
    let (easy, hard) = (Assignment::new(difficulty("0.5")), Assignment::new(difficulty("512")));
    assert_eq!(easy.easier(hard), easy);
    assert_eq!(hard.easier(easy), easy);
    assert!(easy.target() > hard.target());
}

fn any_difficulty() -> impl Strategy<Value = Difficulty> {
    (1_u64.., 0..=Difficulty::SCALE_MAX)
        .prop_map(|(mantissa, scale)| Difficulty::normalised(mantissa, scale))
}

/// Numbers of bytes, least significant first, with room at the top.
fn times(number: &[u8], factor: u64) -> Vec<u8> {
    let mut carry = 0_u128;
    let padded = number.iter().copied().chain([0; 9]);
    padded
        .map(|byte| {
            carry += u128::from(byte) * u128::from(factor);
            let [low, ..] = carry.to_le_bytes();
            carry >>= 8;
            low
        })
        .collect()
}

fn plus(left: &[u8], right: &[u8]) -> Vec<u8> {
    let mut carry = 0_u16;
    let right = right.iter().copied().chain(std::iter::repeat(0));
    left.iter()
        .zip(right)
        .map(|(left, right)| {
            carry += u16::from(*left) + u16::from(right);
            let [low, high] = carry.to_le_bytes();
            carry = high.into();
            low
        })
        .collect()
}

fn at_most(left: &[u8], right: &[u8]) -> bool {
    let width = left.len().max(right.len());
    let at = |number: &[u8], place: usize| number.get(place).copied().unwrap_or(0);
    let digits = (0..width).rev().map(|place| (at(left, place), at(right, place)));
    digits.map(|(left, right)| left.cmp(&right)).find(|order| order.is_ne())
        != Some(Ordering::Greater)
}

proptest! {
    #[test]
    fn a_harder_difficulty_never_has_a_larger_target(a in any_difficulty(), b in any_difficulty()) {
        let (easier, harder) = (a.min(b), a.max(b));
        prop_assert!(easier.target() >= harder.target());
    }

    /// target = ⌊0xFFFF·2²⁰⁸·10^scale / mantissa⌋, checked by multiplying back in numbers of bytes.
    #[test]
    fn a_target_is_exact(mantissa in 1_u64.., scale in 0..=Difficulty::SCALE_MAX) {
        let target = Difficulty::normalised(mantissa, scale).target();
        prop_assume!(target < Target::MAX);
        let one = [vec![0; 26], vec![0xff, 0xff]].concat();
        let numerator = (0..scale).fold(one, |number, _| times(&number, 10));
        let product = times(&target.to_le_bytes(), mantissa);
        prop_assert!(at_most(&product, &numerator));
        let next = plus(&product, &mantissa.to_le_bytes());
        prop_assert!(!at_most(&next, &numerator), "one more would still fit");
    }

    #[test]
    fn neighbours_keep_their_order(mantissa in 1..u64::MAX, scale in 0..=Difficulty::SCALE_MAX) {
        let lower = Difficulty::normalised(mantissa, scale);
        let upper = Difficulty::normalised(mantissa + 1, scale);
        prop_assert!(lower < upper);
        prop_assert!(lower.target() >= upper.target());
    }

    #[test]
    fn what_is_shown_is_read_back(difficulty in any_difficulty()) {
        prop_assert_eq!(Difficulty::parse(&difficulty.to_string()), Ok(difficulty));
    }

    #[test]
    fn target_and_difficulty_agree_to_the_precision_of_a_float(mantissa in 1_u64.., scale in 0..10_u8) {
        let difficulty = Difficulty::normalised(mantissa, scale);
        prop_assume!(difficulty.target() < Target::MAX);
        prop_assert!(close(difficulty.target().difficulty_f64(), difficulty.as_f64()));
    }

    #[test]
    fn rounding_down_stays_within_a_hundredth(difficulty in any_difficulty()) {
        let rounded = difficulty.rounded_down();
        prop_assert!(rounded <= difficulty);
        prop_assert!(rounded.as_f64() > difficulty.as_f64() * 0.99);
    }

    #[test]
    fn reading_never_panics(text in "\\PC{0,40}|[-+0-9.eE]{0,60}") {
        if let Ok(difficulty) = Difficulty::parse(&text) {
            prop_assert_eq!(Difficulty::parse(&difficulty.to_string()), Ok(difficulty));
        }
    }
}
