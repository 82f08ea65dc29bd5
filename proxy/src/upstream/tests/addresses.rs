//! Pools whose names stand for several addresses, or for others by and by.

use super::*;

const OLD: &str = "192.0.2.1:3333";
const NEW: &str = "192.0.2.9:3333";

fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
    texts.iter().map(|text| text.parse().expect("an address")).collect()
}

/// The next connection that is wanted, and whereto.
async fn dialled(bench: &mut Bench) -> (String, Dialled) {
    let dialled = bench.dialled().await;
    (format!("{}:{}", dialled.host, dialled.port), dialled)
}

#[test]
fn every_address_of_a_name_is_tried_and_after_a_failure_another_is_first() {
    play(pool(&json!({})), async |mut bench| {
        bench.addresses.send_replace(addresses(&["192.0.2.1:1", "192.0.2.2:2", "192.0.2.3:3"]));
        for expected in [
            // One round over all of them; the next begins one further.
            ["192.0.2.1:1", "192.0.2.2:2", "192.0.2.3:3"],
            ["192.0.2.2:2", "192.0.2.3:3", "192.0.2.1:1"],
        ] {
            for address in expected {
                let (to, dialled) = dialled(&mut bench).await;
                assert_eq!(to, address);
                dialled.refuse();
            }
        }
        let (to, dialled) = dialled(&mut bench).await;
        assert_eq!(to, "192.0.2.3:3");
        dialled.accept().log_in().await;
    });
}

#[test]
fn an_address_that_does_not_answer_leaves_time_for_the_next() {
    play(pool(&json!({})), async |mut bench| {
        bench.addresses.send_replace(addresses(&[OLD, NEW]));
        let start = tokio::time::Instant::now();
        let (to, _hangs) = dialled(&mut bench).await;
        assert_eq!(to, OLD);
        let (to, dialled) = dialled(&mut bench).await;
        assert_eq!((to.as_str(), start.elapsed()), (NEW, Duration::from_millis(2500)));
        dialled.accept().log_in().await;
    });
}

/// A try that hangs is a pause already.
#[test]
fn where_nobody_answers_a_pool_is_knocked_at_every_ten_seconds_at_least() {
    play(pool(&json!({})), async |mut bench| {
        bench.addresses.send_replace(addresses(&[OLD]));
        let mut last = tokio::time::Instant::now();
        // Dropped, a try would be refused instead.
        let mut hanging = Vec::new();
        for _ in 0..20 {
            hanging.push(dialled(&mut bench).await);
            assert!(last.elapsed() <= Duration::from_secs(10), "{:?}", last.elapsed());
            last = tokio::time::Instant::now();
        }
        // One that says no has not kept us waiting, and is not asked without a pause.
        let (_, refuses) = dialled(&mut bench).await;
        refuses.refuse();
        let refused = tokio::time::Instant::now();
        dialled(&mut bench).await;
        assert!(refused.elapsed() >= Duration::from_secs(5), "{:?}", refused.elapsed());
    });
}

/// Time until somebody knocks at the new address, and the knock.
async fn knock(bench: &mut Bench) -> (Duration, Dialled) {
    let start = tokio::time::Instant::now();
    let (to, knock) = dialled(bench).await;
    assert_eq!(to, NEW);
    (start.elapsed(), knock)
}

#[test]
fn a_stand_by_that_moves_is_gone_to_when_somebody_answers_there() {
    play(pool(&json!({})), async |mut bench| {
        bench.addresses.send_replace(addresses(&[OLD]));
        let mut old = bench.working().await;
        bench.addresses.send_replace(addresses(&[NEW]));
        let (after, knocked) = knock(&mut bench).await;
        assert_eq!(after, Duration::from_secs(180), "three answers in a row");
        knocked.refuse();
        let (_, knocked) = knock(&mut bench).await;
        drop(knocked.accept());
        old.closed().await;
        let (to, dialled) = dialled(&mut bench).await;
        assert_eq!(to, NEW);
        let mut peer = dialled.accept();
        peer.log_in().await;
        peer.job("9").await;
        let news = bench.news_until("job 9").await;
        assert!(news.iter().any(|news| news == "Quiet moved"), "{news:?}");
        assert_eq!(bench.downs(), 0, "nobody need hear of it");
    });
}

#[test]
fn a_pool_that_is_mined_on_stays_connected_until_its_route_has_another() {
    play(pool(&json!({})), async |mut bench| {
        bench.addresses.send_replace(addresses(&[OLD]));
        let mut old = bench.working().await;
        let job = bench.offered().await;
        bench.addresses.send_replace(addresses(&[NEW]));
        let mut knocked = None;
        for nonce in 0..8 {
            bench.submit(&job, nonce, "rig").await;
            let (id, ..) = old.submitted().await;
            old.answer(&id, json!(true), json!(null)).await;
            pass(Duration::from_secs(30)).await;
            knocked = knocked.or_else(|| bench.dials.try_recv().ok().map(Dialled::accept));
        }
        assert!(knocked.is_some(), "somebody answers there");
        assert_eq!(bench.news_until("moved").await, ["moved"]);
        assert_eq!(bench.counts().pool_accepted, 8);
    });
}

#[test]
fn an_address_that_is_named_now_and_then_is_not_left() {
    play(pool(&json!({})), async |mut bench| {
        bench.addresses.send_replace(addresses(&[OLD]));
        let mut peer = bench.working().await;
        // Between two looks, of which each minute has one.
        pass(Duration::from_secs(30)).await;
        for _ in 0..20 {
            bench.addresses.send_replace(addresses(&[NEW]));
            pass(Duration::from_secs(120)).await;
            bench.addresses.send_replace(addresses(&[NEW, OLD]));
            peer.job("2").await;
            pass(Duration::from_secs(60)).await;
        }
        bench.addresses.send_replace(Vec::new());
        pass(Duration::from_secs(300)).await;
        assert!(bench.dials.try_recv().is_err(), "nor where the name is not known any more");
    });
}
