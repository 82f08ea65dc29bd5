use proptest::prelude::*;

use super::*;
use crate::difficulty::Difficulty;
use crate::fixtures::{known_shares, notify};
use crate::types::{Extranonce, UnixTime, VersionMask};

const OURS: &str = "76a9147c154ed1dc59609e3d26abb2df2ea3d587cd8c4188ac";
const OTHERS: &str = "0014d23fcdf86f7e756a64a7a9688ef9903327048ed9";

/// A coinbase that can be taken apart before it is sent.
#[derive(Clone)]
struct Coinbase {
    version: &'static str,
    input: String,
    /// The input's script before and after the extranonce of 4 + 8 bytes.
    script: (String, String),
    sequence: &'static str,
    outputs: Vec<(u64, String)>,
    rest: &'static str,
}

impl Coinbase {
    fn paying(outputs: &[(u64, &str)]) -> Self {
        Self {
            version: "01000000",
            input: format!("01{}ffffffff", "00".repeat(32)),
            script: ("0360cf0c".to_owned(), "2f782f".to_owned()),
            sequence: "ffffffff",
            outputs: outputs.iter().map(|(value, script)| (*value, (*script).to_owned())).collect(),
            rest: "00000000",
        }
    }

    fn outputs(&self) -> String {
        let outputs = self.outputs.iter().map(|(value, script)| {
            format!("{}{:02x}{script}", hex::encode(&value.to_le_bytes()), script.len() / 2)
        });
        format!("{:02x}{}", self.outputs.len(), outputs.collect::<String>())
    }

    fn halves(&self) -> (String, String) {
        let Self { version, input, script: (before, after), sequence, outputs: _, rest } = self;
        let length = (before.len() + after.len()) / 2 + 12;
        (
            format!("{version}{input}{length:02x}{before}"),
            format!("{after}{sequence}{}{rest}", self.outputs()),
        )
    }

    fn check(&self, min_percent: u8) -> Result<(), PayoutError> {
        let (coinb1, coinb2) = self.halves();
        check(&coinb1, &coinb2, min_percent)
    }
}

fn context() -> PoolContext {
    PoolContext {
        extranonce1: Extranonce::from_hex("08000002").unwrap(),
        extranonce2_size: 8,
        difficulty: Difficulty::ONE,
        version_mask: VersionMask::NONE,
        received_at: UnixTime(0),
    }
}

fn check(coinb1: &str, coinb2: &str, min_percent: u8) -> Result<(), PayoutError> {
    let hash = "00".repeat(32);
    let job = serde_json::json!([
        "1",
        hash,
        coinb1,
        coinb2,
        [],
        "20000000",
        "1d00ffff",
        "00000000",
        true
    ]);
    Payout::new(OURS, min_percent).unwrap().check(&notify(&job), &context())
}

#[test]
fn a_real_coinbase_is_read() {
    let share = known_shares().into_iter().find(|share| share.name.starts_with('B')).unwrap();
    let (extranonce1, extranonce2) = share.pool_extranonces();
    let context = PoolContext {
        extranonce1: Extranonce::from_hex(extranonce1).unwrap(),
        extranonce2_size: u8::try_from(extranonce2.len() / 2).unwrap(),
        ..context()
    };
    let job = notify(&share.notify);
    assert_eq!(Payout::new(OURS, 100).unwrap().check(&job, &context), Ok(()));
    let error = Payout::new(OTHERS, 1).unwrap().check(&job, &context).unwrap_err();
    assert_eq!(error, PayoutError::Short { paid: 0, total: 0x2628_d083, min_percent: 1 });
}

#[test]
fn the_part_that_goes_to_the_script_decides() {
    for (outputs, min_percent, paid) in [
        (&[(100, OURS)][..], 100, true),
        (&[(98, OURS), (2, OTHERS)], 98, true),
        (&[(98, OURS), (2, OTHERS)], 99, false),
        (&[(2, OTHERS), (49, OURS), (49, OURS), (0, OTHERS)], 98, true),
        (&[(100, OTHERS)], 1, false),
        (&[(0, OURS)], 1, false),
        (&[], 1, false),
        // A script that only begins or ends as ours is another.
        (&[(100, "76a9147c154ed1dc59609e3d26abb2df2ea3d587cd8c4188")], 1, false),
        (&[(100, "0076a9147c154ed1dc59609e3d26abb2df2ea3d587cd8c4188ac")], 1, false),
        (&[(MONEY_MAX, OURS)], 100, true),
    ] {
        let result = Coinbase::paying(outputs).check(min_percent);
        assert_eq!(result.is_ok(), paid, "{outputs:?} at {min_percent} %: {result:?}");
        assert!(result.is_ok() || matches!(result, Err(PayoutError::Short { .. })));
    }
}

#[test]
fn what_is_no_coinbase_is_not_mined_on() {
    let good = Coinbase::paying(&[(100, OURS)]);
    assert_eq!(good.check(100), Ok(()));
    for (what, bad) in [
        ("one input", Coinbase { input: format!("02{}ffffffff", "00".repeat(32)), ..good.clone() }),
        ("one input", Coinbase { input: format!("00{}ffffffff", "00".repeat(32)), ..good.clone() }),
        ("spends", Coinbase { input: format!("01{}00000000", "00".repeat(32)), ..good.clone() }),
        ("spends", Coinbase { input: format!("01{}ffffffff", "01".repeat(32)), ..good.clone() }),
        ("too early", Coinbase { rest: "000000", ..good.clone() }),
        ("follow", Coinbase { rest: "0000000000", ..good.clone() }),
        ("than there is", Coinbase::paying(&[(MONEY_MAX, OURS), (1, OURS)])),
        ("than there is", Coinbase::paying(&[(u64::MAX, OURS), (u64::MAX, OURS)])),
    ] {
        let error = bad.check(1).unwrap_err();
        assert!(error.to_string().contains(what), "{what}: {error}");
    }
}

#[test]
fn a_count_that_is_a_lie_ends_with_the_bytes() {
    let (coinb1, coinb2) = Coinbase::paying(&[(100, OURS)]).halves();
    let lie = coinb2.replacen("ffffffff01", "ffffffffffffffffffffffffff", 1);
    let error = check(&coinb1, &lie, 1).unwrap_err();
    assert!(error.to_string().contains("too early"), "{error}");
    let long_form = coinb2.replacen("ffffffff01", "fffffffffd0100", 1);
    assert!(check(&coinb1, &long_form, 1).is_err(), "a length that the network does not take");
}

/// The miner's bytes would be the value of an output, or the length of a script: what is read with zeros is not what is
/// mined.
#[test]
fn an_extranonce_that_can_change_what_is_paid_is_refused() {
    let good = Coinbase { script: ("03".repeat(16), String::new()), ..Coinbase::paying(&[]) };
    let Coinbase { version, input, sequence, rest, .. } = &good;
    let head = format!("{version}{input}04{}{sequence}", "03".repeat(4));
    // 12 bytes: four of E1 as the end of a script, eight of extranonce2 as a value.
    let coinb1 = format!("{head}02{}196a", hex::encode(&5_u64.to_le_bytes()));
    let across = format!("{}19{OURS}{rest}", "00".repeat(20));
    assert!(check(&coinb1, &across, 1).is_err());
    // Within the script of an output that is not ours it is harmless.
    let data = format!("{head}02{}0e6a0c", hex::encode(&0_u64.to_le_bytes()));
    let tail = format!("{}19{OURS}{rest}", hex::encode(&5_u64.to_le_bytes()));
    assert_eq!(check(&data, &tail, 100), Ok(()));
    // Within one that equals ours while the miner's bytes are zeros, it pays nobody.
    let script = format!("6a0c08000002{}", "00".repeat(8));
    let job = serde_json::json!([
        "1",
        "00".repeat(32),
        data,
        format!("{rest}"),
        [],
        "20000000",
        "1d00ffff",
        "00000000",
        true
    ]);
    let mut one = notify(&job);
    one.coinb1 = hex::decode(&format!("{head}01{}0e6a0c", hex::encode(&5_u64.to_le_bytes())))
        .unwrap()
        .into();
    let error = Payout::new(&script, 1).unwrap().check(&one, &context()).unwrap_err();
    assert_eq!(error, PayoutError::Short { paid: 0, total: 5, min_percent: 1 });
}

#[test]
fn only_scripts_and_parts_that_make_sense_can_be_asked_for() {
    for (script, min_percent) in [("", 50), ("7", 50), ("zz", 50), (OURS, 0), (OURS, 101)] {
        assert_eq!(Payout::new(script, min_percent), None, "{script} {min_percent}");
    }
    assert_eq!(Payout::new(&"00".repeat(129), 50), None);
}

proptest! {
    #[test]
    fn arbitrary_halves_never_panic(
        coinb1 in proptest::collection::vec(any::<u8>(), 0..200),
        coinb2 in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        drop(check(&hex::encode(&coinb1), &hex::encode(&coinb2), 50));
    }

    #[test]
    fn a_damaged_coinbase_never_panics_and_a_cut_one_is_refused(
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let (coinb1, coinb2) = Coinbase::paying(&[(60, OURS), (40, OTHERS)]).halves();
        let mut bytes = hex::decode(&coinb2).unwrap();
        let at = at.index(bytes.len());
        let cut = check(&coinb1, &hex::encode(&bytes[..at]), 1);
        prop_assert!(matches!(cut, Err(PayoutError::Unreadable(_))), "{:?}", cut);
        bytes[at] = byte;
        drop(check(&coinb1, &hex::encode(&bytes), 50));
    }

    #[test]
    fn sums_are_exact(values in proptest::collection::vec((0..1_u64 << 40, any::<bool>()), 1..40), percent in 1..=100_u8) {
        let outputs: Vec<(u64, &str)> =
            values.iter().map(|(value, ours)| (*value, if *ours { OURS } else { OTHERS })).collect();
        let total: u64 = values.iter().map(|(value, _)| value).sum();
        let paid: u64 = values.iter().filter(|(_, ours)| *ours).map(|(value, _)| value).sum();
        let enough = paid > 0 && u128::from(paid) * 100 >= u128::from(total) * u128::from(percent);
        let expected = match enough {
            true => Ok(()),
            false => Err(PayoutError::Short { paid, total, min_percent: percent }),
        };
        prop_assert_eq!(Coinbase::paying(&outputs).check(percent), expected);
    }
}
