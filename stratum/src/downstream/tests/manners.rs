//! What a miner may count on whatever it says: an answer to each request, and one reward for a share however it is spelt.

use super::*;

/// Silence makes some clients wait: cpuminer-opt for 13 seconds after `mining.extranonce.subscribe`.
#[test]
fn every_method_is_answered_if_an_answer_is_wanted() {
    for (method, answer) in [
        ("mining.extranonce.subscribe", "7: true"),
        ("mining.multi_version", "7: true"),
        ("mining.capabilities", "7: true"),
        ("mining.get_transactions", "7: []"),
        ("mining.ping", "7: \"pong\""),
        ("mining.nobody_knows", "7: error 20"),
        ("", "7: error 20"),
    ] {
        for mut bench in [Bench::new(), Bench::mining()] {
            let line = |id: &str| format!(r#"{{{id}"method":"{method}","params":[]}}"#);
            assert_eq!(bench.say(&line(r#""id":7,"#)), [answer], "{method}");
            assert_eq!(bench.say(&line(r#""id":null,"#)), [""; 0], "{method} as a notification");
            assert_eq!(bench.say(&line("")), [""; 0], "{method} without an id");
            assert_eq!(bench.closed, None);
        }
    }
}

/// A key made of what the miner writes would let it be paid twice.
#[test]
fn a_share_in_other_letters_is_the_same_share() {
    let mut bench = Bench::mining();
    let job = bench.current();
    let own = difficulty(INITIAL).target();
    let extranonce2 = [0xab, 0xcd, 0xef, 0xab];
    let id = bench.machine.miner_id().unwrap();
    let root = job.merkle_root(&pool_extranonce2(job.extranonce2_size, id, &extranonce2).unwrap());
    let header = |nonce| job.header(root, job.notify.version, job.notify.ntime, Nonce(nonce));
    let good = |nonce: &u32| {
        let hash = header(*nonce).hash();
        own.is_met_by(&hash) && !job.pool_target.is_met_by(&hash)
    };
    let nonce = (0xa_0000_u32..).find(good).unwrap();
    let share = |extranonce2: &str, ntime: &str, nonce: &str| {
        let serial = job.serial;
        format!(
            r#"{{"id":4,"method":"mining.submit","params":["acct.w","{serial}","{extranonce2}","{ntime}","{nonce}"]}}"#
        )
    };
    let (lower, ntime) = (crate::hex::encode(&extranonce2), job.notify.ntime.to_string());
    let (padded, bare) = (format!("{nonce:08x}"), format!("{nonce:x}"));
    assert_eq!(bench.say(&share(&lower, &ntime, &padded)), ["4: true"]);
    let upper = lower.to_uppercase();
    for again in [
        share(&upper, &ntime, &padded),
        share(&lower, &ntime.to_uppercase(), &padded),
        share(&lower, &ntime, &padded.to_uppercase()),
        share(&lower, &ntime, &bare),
    ] {
        assert_eq!(bench.say(&again), ["4: error 22"], "{again}");
    }
}
