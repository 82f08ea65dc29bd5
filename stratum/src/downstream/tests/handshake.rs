//! Every order in which firmware shakes hands, and what may go wrong on the way.

use super::*;

/// What the miner says, and exactly what it hears before it says the next.
type Dialogue = &'static [(&'static str, &'static [&'static str])];

/// The miner's extranonce1 is an id of ours, four bytes long with a pool that leaves eight.
const SUBSCRIBED: &str = "1: 0a0b0c09 4";
const WORK: [&str; 2] = ["set_difficulty 1e-9", "notify clean"];

const ORDERS: [(&str, Dialogue); 14] = [
    (
        "pooler/cpuminer",
        &[
            (
                r#"{"id": 1, "method": "mining.subscribe", "params": ["cpuminer/2.5.1"]}"#,
                &[SUBSCRIBED],
            ),
            (
                r#"{"id": 2, "method": "mining.authorize", "params": ["acct.w", "x"]}"#,
                &["2: true", WORK[0], WORK[1]],
            ),
        ],
    ),
    (
        "cgminer: configure first",
        &[
            (
                r#"{"id":0,"method":"mining.configure","params":[["version-rolling"],{"version-rolling.mask":"ffffffff"}]}"#,
                &["0: mask 1fffe000"],
            ),
            (r#"{"id":1,"method":"mining.subscribe","params":["cgminer/4.11.1"]}"#, &[SUBSCRIBED]),
            (
                r#"{"id":2,"method":"mining.authorize","params":["acct.w","x"]}"#,
                &["2: true", WORK[0], WORK[1]],
            ),
            (
                r#"{"id":3,"method":"mining.suggest_difficulty","params":[5e-9]}"#,
                &["3: true", "set_difficulty 5e-9"],
            ),
        ],
    ),
    (
        "bmminer: id 0, null session, multi_version",
        &[
            (
                r#"{"id":0,"method":"mining.subscribe","params":["bmminer/2.0.0/S19",null]}"#,
                &["0: 0a0b0c09 4"],
            ),
            (
                r#"{"id":1,"method":"mining.authorize","params":["acct.w","x"]}"#,
                &["1: true", WORK[0], WORK[1]],
            ),
            (r#"{"id":2,"method":"mining.multi_version","params":[1]}"#, &["2: true"]),
            (r#"{"id":3,"method":"mining.extranonce.subscribe","params":[]}"#, &["3: true"]),
        ],
    ),
    (
        "Whatsminer: an odd session id",
        &[
            (
                r#"{"id":0,"method":"mining.configure","params":[["version-rolling"],{"version-rolling.mask":"1fffe000"}]}"#,
                &["0: mask 1fffe000"],
            ),
            (
                r#"{"id":1,"method":"mining.subscribe","params":["whatsminer/v1.0","b08cf00d1"]}"#,
                &[SUBSCRIBED],
            ),
            (
                r#"{"id":2,"method":"mining.authorize","params":["acct.w","x"]}"#,
                &["2: true", WORK[0], WORK[1]],
            ),
        ],
    ),
    (
        "BOSminer: four parameters",
        &[
            (
                r#"{"id":0,"method":"mining.configure","params":[["version-rolling"],{"version-rolling.mask":"1fffe000","version-rolling.min-bit-count":16}]}"#,
                &["0: mask 1fffe000"],
            ),
            (
                r#"{"id":1,"method":"mining.subscribe","params":["bosminer",null,"host:3333",null]}"#,
                &[SUBSCRIBED],
            ),
            (
                r#"{"id":2,"method":"mining.authorize","params":["acct.w",null]}"#,
                &["2: true", WORK[0], WORK[1]],
            ),
        ],
    ),
    (
        "VNISH: everything asked for, nothing told",
        &[
            (
                r#"{"id":0,"method":"mining.configure","params":[["version-rolling","minimum-difficulty","subscribe-extranonce"],{"version-rolling.mask":"1fffe000","minimum-difficulty.value":2048}]}"#,
                &["0: mask 1fffe000"],
            ),
            (r#"{"id":1,"method":"mining.subscribe","params":[]}"#, &[SUBSCRIBED]),
            // The pool's difficulty wins over what the miner calls its minimum: above it, paid work would be hidden.
            (
                r#"{"id":2,"method":"mining.authorize","params":["acct.w","x"]}"#,
                &["2: true", "set_difficulty 1e-8", WORK[1]],
            ),
        ],
    ),
    (
        "ESP-Miner: numeric ids, wishes after",
        &[
            (
                r#"{"id":1,"method":"mining.configure","params":[["version-rolling"],{"version-rolling.mask":"ffffffff"}]}"#,
                &["1: mask 1fffe000"],
            ),
            (
                r#"{"id":2,"method":"mining.subscribe","params":["bitaxe/BM1366/v2.4.0"]}"#,
                &["2: 0a0b0c09 4"],
            ),
            (
                r#"{"id":3,"method":"mining.authorize","params":["acct.w","x"]}"#,
                &["3: true", WORK[0], WORK[1]],
            ),
            (
                r#"{"id":4,"method":"mining.suggest_difficulty","params":[1000]}"#,
                &["4: true", "set_difficulty 1e-8"],
            ),
            (r#"{"id":5,"method":"mining.extranonce.subscribe","params":[]}"#, &["5: true"]),
        ],
    ),
    (
        "NerdMiner: exactly one line after subscribe",
        &[
            (r#"{"id":1,"method":"mining.subscribe","params":["NerdMinerV2"]}"#, &[SUBSCRIBED]),
            (
                r#"{"id":2,"method":"mining.authorize","params":["acct.w","x"]}"#,
                &["2: true", WORK[0], WORK[1]],
            ),
            (
                r#"{"id":3,"method":"mining.suggest_difficulty","params":[2e-9]}"#,
                &["3: true", "set_difficulty 2e-9"],
            ),
            (r#"{"id":4,"method":"mining.suggest_difficulty","params":[2e-9]}"#, &["4: true"]),
        ],
    ),
    (
        "NiceHash: three parameters, extranonce.subscribe last",
        &[
            (
                r#"{"id":1,"method":"mining.subscribe","params":["NiceHash/1.0.0","1690461216","9c5a3f"]}"#,
                &[SUBSCRIBED],
            ),
            // Its profile's minimum, as far as the pool's difficulty allows.
            (
                r#"{"id":2,"method":"mining.authorize","params":["acct.w","x"]}"#,
                &["2: true", "set_difficulty 1e-8", WORK[1]],
            ),
            (r#"{"id":3,"method":"mining.extranonce.subscribe","params":[]}"#, &["3: true"]),
        ],
    ),
    (
        "authorize before subscribe",
        &[
            (r#"{"id":7,"method":"mining.authorize","params":["acct.w"]}"#, &["7: true"]),
            (
                r#"{"id":1,"method":"mining.subscribe","params":[]}"#,
                &[SUBSCRIBED, WORK[0], WORK[1]],
            ),
        ],
    ),
    (
        "suggest_difficulty before anything",
        &[
            (
                r#"{"id":9,"method":"mining.suggest_difficulty","params":["0.000000002"]}"#,
                &["9: true"],
            ),
            (r#"{"id":1,"method":"mining.subscribe","params":[]}"#, &[SUBSCRIBED]),
            (
                r#"{"id":2,"method":"mining.authorize","params":["acct.w"]}"#,
                &["2: true", "set_difficulty 2e-9", WORK[1]],
            ),
        ],
    ),
    (
        "difficulty by password",
        &[
            (r#"{"id":1,"method":"mining.subscribe","params":[]}"#, &[SUBSCRIBED]),
            (
                r#"{"id":2,"method":"mining.authorize","params":["acct.w","x,d=3e-9"]}"#,
                &["2: true", "set_difficulty 3e-9", WORK[1]],
            ),
        ],
    ),
    (
        "configure after subscribe, with few bits",
        &[
            (r#"{"id":1,"method":"mining.subscribe","params":[]}"#, &[SUBSCRIBED]),
            (
                r#"{"id":0,"method":"mining.configure","params":[["version-rolling"],{"version-rolling.mask":"e000"}]}"#,
                &["0: mask 0000e000"],
            ),
            (
                r#"{"id":2,"method":"mining.authorize","params":["acct.w"]}"#,
                &["2: true", WORK[0], WORK[1]],
            ),
        ],
    ),
    (
        "a second subscribe, a second name, and notifications without a reply",
        &[
            (r#"{"id":1,"method":"mining.subscribe","params":["t/1"]}"#, &[SUBSCRIBED]),
            (r#"{"id":1,"method":"mining.subscribe","params":[]}"#, &[SUBSCRIBED]),
            (r#"{"id":null,"method":"mining.authorize","params":["acct.w"]}"#, &[WORK[0], WORK[1]]),
            (r#"{"id":3,"method":"mining.authorize","params":["acct.v"]}"#, &["3: true"]),
            (r#"{"id":1,"method":"mining.subscribe","params":[]}"#, &[SUBSCRIBED]),
            (r#"{"method":"mining.extranonce.subscribe","params":[]}"#, &[]),
            (r#"{"id":42,"method":"pong","params":[]}"#, &[]),
        ],
    ),
];

#[test]
fn every_order_of_the_handshake_ends_in_work() {
    for (firmware, dialogue) in ORDERS {
        let mut bench = Bench::new();
        for (line, expected) in dialogue {
            assert_eq!(bench.say(line), *expected, "{firmware}: {line}");
        }
        assert!(bench.drain_events().contains(&"mining".to_owned()), "{firmware}");
        assert_eq!(bench.closed, None, "{firmware}");
    }
}

#[test]
fn who_the_miner_is_can_be_asked() {
    let bench = Bench::mining();
    assert_eq!(bench.machine.user_agent(), Some("t/1"));
    assert_eq!(bench.machine.worker().unwrap().as_str(), "acct.w");
    let id = bench.machine.miner_id().unwrap();
    assert_eq!((id.layout(), id.to_string().as_str()), (Layout::new(4, 4).unwrap(), "0a0b0c09"));
}

#[test]
fn a_miner_that_does_not_authorize_is_given_work_after_two_seconds() {
    let mut bench = Bench::new();
    bench.say(r#"{"id":1,"method":"mining.subscribe","params":[]}"#);
    assert_eq!(bench.wait(Duration::from_millis(1999)), Vec::<String>::new());
    assert_eq!(bench.wait(Duration::from_millis(1)), ["set_difficulty 1e-9", "notify clean"]);
    let said = bench.say(r#"{"id":2,"method":"mining.authorize","params":["acct.w","d=4e-9"]}"#);
    assert_eq!(said, ["2: true", "set_difficulty 4e-9"], "its wish counts all the same");
    assert_eq!(bench.wait(Duration::from_secs(20)), Vec::<String>::new());
    assert_eq!(bench.closed, None);
}

#[test]
fn a_miner_that_never_authorizes_is_let_go() {
    let mut bench = Bench::new();
    bench.say(r#"{"id":1,"method":"mining.subscribe","params":[]}"#);
    bench.wait(Duration::from_millis(29_999));
    assert_eq!(bench.closed, None);
    bench.wait(Duration::from_millis(1));
    assert_eq!(bench.closed, Some(Close::HandshakeTimeout));
}

#[test]
fn a_miner_that_says_nothing_is_let_go() {
    let mut bench = Bench::new();
    bench.wait(Duration::from_secs(31));
    assert_eq!(bench.closed, Some(Close::HandshakeTimeout));
}

#[test]
fn subscribe_waits_until_a_pool_has_told_its_extranonce2_size() {
    let mut bench = Bench::without_pool();
    assert_eq!(bench.say(r#"{"id":1,"method":"mining.subscribe","params":[]}"#), [""; 0]);
    assert!(!bench.machine.accepts_lines(), "a later reply would overtake");
    assert_eq!(bench.wait(Duration::from_secs(300)), [""; 0]);
    assert_eq!(bench.closed, None, "the terms are to hold");
    bench.job_of(POOL, Clean::Yes);
    assert_eq!(bench.give(Input::Work), [SUBSCRIBED]);
    assert_eq!(bench.closed, None, "the wait was not the miner's");
    let said = bench.say(r#"{"id":2,"method":"mining.authorize","params":["acct.w"]}"#);
    assert_eq!(said, ["2: true", "set_difficulty 1e-9", "notify clean"]);
}

#[test]
fn subscribe_that_waits_is_let_go_when_the_terms_say_so() {
    let mut bench = Bench::without_pool();
    bench.terms.no_pool = NoPool::Close { after: Duration::from_secs(7), since: None };
    bench.say(r#"{"id":1,"method":"mining.subscribe","params":[]}"#);
    bench.wait(Duration::from_millis(6999));
    assert_eq!(bench.closed, None);
    bench.wait(Duration::from_millis(1));
    assert_eq!(bench.closed, Some(Close::NoPool));
}

#[test]
fn an_assumed_layout_is_enough_to_subscribe() {
    let mut bench = Bench::without_pool();
    bench.board.assume_layout(Layout::CONSERVATIVE);
    assert_eq!(bench.say(r#"{"id":1,"method":"mining.subscribe","params":[]}"#), ["1: 0c09 2"]);
    let said = bench.say(r#"{"id":2,"method":"mining.authorize","params":["acct.w"]}"#);
    assert_eq!(said, ["2: true", "client.show_message"], "held, and told so");
    bench.job_of(POOL, Clean::Yes);
    assert_eq!(bench.give(Input::Work), ["set_difficulty 1e-9", "notify clean"]);
    let id = bench.machine.miner_id().unwrap();
    assert_eq!(id.layout(), Layout::CONSERVATIVE, "whatever the others are given from now on");
}

#[test]
fn without_an_id_left_the_miner_is_told_and_let_go() {
    let mut bench = Bench::new();
    bench.registry.ids_left.set(0);
    let said = bench.say(r#"{"id":1,"method":"mining.subscribe","params":[]}"#);
    assert_eq!(said, ["1: error 20"]);
    assert_eq!(bench.closed, Some(Close::ExtranonceExhausted));
    assert_eq!(bench.machine.miner_id(), None);
}

#[test]
fn a_connection_has_sixteen_names_at_most() {
    let mut bench = Bench::mining();
    for extra in 1..WORKERS_MAX {
        let line =
            format!(r#"{{"id":3,"method":"mining.authorize","params":["acct.{extra}","x"]}}"#);
        assert_eq!(bench.say(&line), ["3: true"]);
    }
    let said = bench.say(r#"{"id":3,"method":"mining.authorize","params":["one.more","x"]}"#);
    assert_eq!(said, ["3: error 24"]);
    let said = bench.say(r#"{"id":3,"method":"mining.authorize","params":["acct.1","x"]}"#);
    assert_eq!(said, ["3: true"], "a known one is no further one");
}

#[test]
fn the_mask_is_what_miner_terms_and_pool_allow() {
    for (asked, terms, pool, granted) in [
        ("ffffffff", 0x1fff_e000, 0x1fff_e000, "1fffe000"),
        ("0000e000", 0x1fff_e000, 0x1fff_e000, "0000e000"),
        ("ffffffff", 0x0000_ffff, 0x1fff_e000, "0000e000"),
        ("ffffffff", 0x1fff_e000, 0x00c0_0000, "00c00000"),
        // A pool that rolls nothing may be left for one that does: the bits are granted and taken back.
        ("ffffffff", 0x1fff_e000, 0, "1fffe000"),
        ("00000001", 0x1fff_e000, 0x1fff_e000, "00000000"),
    ] {
        let mut bench = Bench::without_pool();
        bench.terms.version_mask = VersionMask(terms);
        bench.context.version_mask = VersionMask(pool);
        bench.job_of(POOL, Clean::Yes);
        assert_eq!(bench.say(&configure(asked)), [format!("0: mask {granted}")]);
        bench.say(r#"{"id":1,"method":"mining.subscribe","params":[]}"#);
        let said = bench.say(r#"{"id":2,"method":"mining.authorize","params":["acct.w"]}"#);
        let taken_back = pool == 0;
        let told = said.contains(&"set_version_mask 00000000".to_owned());
        assert_eq!(told, taken_back, "{asked} {pool:08x}: {said:?}");
        assert_eq!(said.len(), if taken_back { 4 } else { 3 }, "{said:?}");
        if taken_back {
            assert_eq!(said[1], "set_version_mask 00000000", "before difficulty and job");
        }
    }
}

#[test]
fn what_is_no_stratum_ends_the_connection_at_the_third_line() {
    let mut bench = Bench::mining();
    assert_eq!(bench.say("GET / HTTP/1.1"), ["null: error 20"]);
    assert_eq!(bench.say(r#"[{"id":1,"method":"mining.ping"}]"#), ["null: error 20"]);
    assert_eq!(bench.closed, None);
    assert_eq!(bench.say(r#"{"id":1,"method""#), ["null: error 20"]);
    assert_eq!(bench.closed, Some(Close::Malformed));
    assert_eq!(bench.drain_events(), ["malformed"; 3]);
}

#[test]
fn a_wrong_parameter_is_refused_and_costs_no_connection() {
    let mut bench = Bench::mining();
    for _ in 0..20 {
        let said = bench.say(r#"{"id":3,"method":"mining.suggest_difficulty","params":[0]}"#);
        assert_eq!(said, ["3: error 20"]);
        let said = bench.say(r#"{"id":4,"method":"mining.submit","params":["acct.w"]}"#);
        assert_eq!(said, ["4: error 20"]);
        let said = bench.say(r#"{"id":5,"method":"mining.hello"}"#);
        assert_eq!(said, ["5: error 20"]);
    }
    assert_eq!(bench.closed, None);
    let refused = "refused malformed of nobody".to_owned();
    assert_eq!(bench.drain_events().iter().filter(|event| **event == refused).count(), 20);
}

#[test]
fn a_suggested_target_is_a_suggested_difficulty() {
    let mut bench = Bench::mining();
    let target = difficulty("2e-9").target();
    let line = format!(r#"{{"id":3,"method":"mining.suggest_target","params":["{target}"]}}"#);
    let said = bench.say(&line);
    assert_eq!(said[0], "3: true");
    assert!(said[1].starts_with("set_difficulty 2"), "{said:?}");
}

#[test]
fn bits_that_were_granted_late_count_for_the_job_at_hand() {
    let mut bench = Bench::mining();
    let job = bench.current();
    let due =
        |bench: &Bench| bench.mine(&job, Some(0x0000_a000), |hash| job.pool_target.is_met_by(hash));
    let before = due(&bench);
    assert_eq!(bench.say(&before), ["4: error 20"], "nobody granted them");
    assert_eq!(bench.say(&configure("ffffffff")), ["0: mask 1fffe000"]);
    let after = due(&bench);
    assert_eq!(bench.say(&after), [""; 0]);
    assert!(bench.forward.is_some());
}
