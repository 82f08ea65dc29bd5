//! Whom a listener lets in by a list, and what one name may do, in virtual time.

use loka_api::Secret;
use loka_api::runtime_config::{Authentication, RuntimeConfig};
use loka_farm::network::Conditions;
use loka_farm::wire::LineStream;
use loka_tests::books::MinerLinks;
use loka_tests::logins::entry;
use serde_json::{Value, json};

use super::farm::{self, Change, RATE, Site, seconds, shared};
use super::guarded::assert_low_pools_are_paid_every_share;
use super::named::unlike_pools;

#[test]
fn a_bound_of_one_name_costs_no_share_that_a_pool_pays() {
    assert_low_pools_are_paid_every_share(21, |config| {
        shared(config);
        for listener in &mut config.listeners {
            listener.limits.submits_per_minute_per_worker = Some(2);
        }
    });
}

#[test]
fn a_farm_that_is_in_the_list_mines_and_a_stranger_has_no_job() {
    let list = |config: &mut RuntimeConfig| {
        for listener in &mut config.listeners {
            let entries = Secret::new(entry("acct.rig*", "x"));
            listener.authentication = Some(Authentication::List { entries });
        }
    };
    let (seed, conditions, rates) = (22, Conditions::ORDINARY, vec![RATE; 3]);
    let site = Site { seed, conditions, settings: unlike_pools(), rates, change: Change(list) };
    let outcome = farm::play(site, MinerLinks::Whole, async |mut farm| {
        farm.mine_until(seconds(10)).await;
        let mut lines = LineStream::new(farm.connect().await);
        for line in [
            json!({"id": 1, "method": "mining.subscribe", "params": []}),
            json!({"id": 2, "method": "mining.authorize", "params": ["acct.stranger", "x"]}),
        ] {
            lines.send(format!("{line}\n").as_bytes()).await.expect("the proxy reads");
        }
        farm.mine_until(seconds(60)).await;
        let mut said = Vec::new();
        while let Ok(Some(line)) = lines.next_line().await {
            said.push(serde_json::from_str::<Value>(&line).expect("JSON"));
        }
        assert!(said.iter().any(|line| line["id"] == 2 && line["error"][0] == 24), "{said:?}");
        assert!(said.iter().all(|line| line["method"] != "mining.notify"), "{said:?}");
        farm
    });
    outcome.assert_nobody_noticed();
    assert!(outcome.ledger.total.pool_accepted > 0);
}
