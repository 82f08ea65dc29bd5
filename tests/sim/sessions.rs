//! Miners' sessions that outlive their connection, as a miner sees them on its socket.

use std::time::Duration;

use loka_farm::network::{Conditions, NetStream};
use loka_farm::wire::LineStream;
use loka_tests::books::MinerLinks;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::farm::{Farm, in_virtual_time};
use super::named::unlike_pools;

/// One connection of a miner that says what it is told to say.
struct Stranger(LineStream<NetStream>);

/// What the subscribe reply says.
#[derive(Clone, Debug, PartialEq)]
struct Granted {
    session: String,
    extranonce1: String,
}

impl Stranger {
    async fn at(farm: &Farm) -> Self {
        Self(LineStream::new(farm.connect().await))
    }

    /// The next line; none at the end of the connection.
    async fn hear(&mut self) -> Option<Value> {
        let line = timeout(Duration::from_secs(60), self.0.next_line()).await;
        let line = line.expect("a line, or the end").ok().flatten()?;
        Some(serde_json::from_str(&line).expect("JSON"))
    }

    async fn say(&mut self, line: &Value) {
        self.0.send(format!("{line}\n").as_bytes()).await.expect("connected");
    }

    async fn subscribe(&mut self, session: Value) -> Granted {
        self.say(&json!({"id": 1, "method": "mining.subscribe", "params": ["t/1", session]})).await;
        let reply = self.hear().await.expect("a reply");
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let result = &reply["result"];
        Granted { session: text(&result[0][1][1]), extranonce1: text(&result[1]) }
    }

    /// Until it has a job.
    async fn authorize(&mut self) {
        self.say(&json!({"id": 2, "method": "mining.authorize", "params": ["acct.stranger", "x"]}))
            .await;
        while self.hear().await.expect("a job")["method"] != "mining.notify" {}
    }
}

#[test]
fn a_miner_that_comes_back_has_its_session_and_its_half_open_connection_gives_way() {
    in_virtual_time(17, async {
        let mut farm = Farm::with(17, Conditions::ORDINARY, unlike_pools(), 2).await;
        farm.mine_until(Duration::from_secs(10)).await;

        let mut first = Stranger::at(&farm).await;
        let granted = first.subscribe(Value::Null).await;
        first.authorize().await;

        // The first connection is still up, as far as the proxy can tell.
        let mut second = Stranger::at(&farm).await;
        assert_eq!(second.subscribe(json!(granted.session)).await, granted);
        second.authorize().await;
        while first.hear().await.is_some() {}

        drop(second);
        farm.mine_until(Duration::from_secs(80)).await;
        let mut third = Stranger::at(&farm).await;
        assert_eq!(third.subscribe(json!(granted.session)).await, granted);
        third.authorize().await;

        let mut other = Stranger::at(&farm).await;
        let strange = other.subscribe(json!("00000000deadbeef")).await;
        assert_ne!(strange.extranonce1, granted.extranonce1);
        assert_ne!(strange.session, granted.session);

        drop((third, other));
        farm.mine_until(Duration::from_secs(700)).await;
        let mut late = Stranger::at(&farm).await;
        let fresh = late.subscribe(json!(granted.session)).await;
        assert_ne!(fresh.session, granted.session, "ten minutes are over");
        drop(late);
        farm.finish(MinerLinks::Whole).await.assert_books_agree_but_for_strangers();
    });
}
