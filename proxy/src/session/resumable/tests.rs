use std::ops::Range;
use std::pin::pin;
use std::task::Poll;

use loka_stratum::difficulty::Difficulty;
use loka_stratum::downstream::{
    Downstream, Input, Nameless, NoPool, Outbox, Registry, Remains, Terms, View,
};
use loka_stratum::extranonce::{Layout, MinerId};
use loka_stratum::firmware::Profiles;
use loka_stratum::types::{JobSerial, UnixTime, VersionMask};
use loka_stratum::vardiff::VardiffSettings;
use loka_stratum::work::{Now, WorkBoard};

use super::*;
use crate::clock::Clock;
use crate::session::card::{SessionId, Summons};

struct Ids;

impl Registry for Ids {
    fn allocate(&self, layout: Layout, _: Range<u32>) -> Option<MinerId> {
        Some(MinerId::new(layout, 7))
    }

    fn release(&self, _: MinerId) {}
}

fn now() -> Now {
    Clock::System.now()
}

/// What a miner that was at work has left.
fn left(token: SessionToken) -> Box<Resumable> {
    let now = now();
    let mut machine = Downstream::new(now, Duration::ZERO, token);
    let mut board = WorkBoard::new(JobSerial(1), None);
    board.assume_layout(Layout::CONSERVATIVE);
    let terms = Terms {
        vardiff: VardiffSettings {
            initial: Difficulty::ONE,
            min: Difficulty::ONE,
            max: Difficulty::ONE,
            share_interval: Duration::from_secs(1),
        },
        handshake_timeout: Duration::from_secs(1),
        idle_timeout: Duration::from_secs(1),
        nameless: Nameless::Served,
        no_pool: NoPool::Hold,
        version_mask: VersionMask::ALL,
        firmware: Profiles::shipped(),
    };
    let view =
        View { now, work: board.work(), lane: None, former: None, terms: &terms, registry: &Ids };
    for line in [
        r#"{"id":1,"method":"mining.subscribe","params":[]}"#,
        r#"{"id":2,"method":"mining.authorize","params":["a","x"]}"#,
    ] {
        machine.handle(&view, Input::Line(line.as_bytes()), &mut Outbox::default());
    }
    let Remains::Session(session) = machine.end(now.instant) else { panic!("it was at work") };
    session
}

fn card() -> Arc<Card> {
    let id = (SessionId(1), Arc::default());
    Arc::new(Card::new(id, "v1".into(), ([127, 0, 0, 1], 1).into(), UnixTime(0)))
}

fn name(token: SessionToken) -> String {
    token.to_string()
}

const TOKEN: SessionToken = SessionToken(0xabcd);

#[test]
fn what_a_session_left_is_had_once_and_in_time() {
    let (table, now) = (Resumables::default(), now().instant);
    table.keep(now, left(TOKEN));
    for unknown in ["", "000000000000abce", "abcd", "b08cf00d1", "00000000000000zz"] {
        assert!(matches!(table.resume(now, unknown), Resume::Unknown), "{unknown}");
    }
    assert!(matches!(table.resume(now, &name(TOKEN)), Resume::Ready(_)));
    assert!(matches!(table.resume(now, &name(TOKEN)), Resume::Unknown), "once");
    table.keep(now, left(TOKEN));
    assert!(table.given_up(now + KEPT_FOR - Duration::from_secs(1)).is_empty());
    assert!(matches!(table.resume(now + KEPT_FOR, &name(TOKEN)), Resume::Unknown), "too late");
    let given_up = table.given_up(now + KEPT_FOR);
    assert_eq!(given_up[0].ids().count(), 1);
    assert!(table.lock().known.is_empty());
}

#[test]
fn a_session_that_came_back_and_ended_again_is_kept_anew() {
    let (table, now) = (Resumables::default(), now().instant);
    table.keep(now, left(TOKEN));
    let Resume::Ready(session) = table.resume(now, &name(TOKEN)) else { panic!() };
    let later = now + Duration::from_secs(60);
    table.keep(later, session);
    assert!(table.given_up(now + KEPT_FOR).is_empty());
    assert!(matches!(table.resume(now + KEPT_FOR, &name(TOKEN)), Resume::Ready(_)));
}

#[test]
fn a_session_that_is_up_is_told_to_give_way() {
    let (table, now) = (Resumables::default(), now().instant);
    let card = card();
    table.began(TOKEN, &card);
    assert_eq!(card.summons(), None);
    assert!(matches!(table.resume(now, &name(TOKEN)), Resume::Busy));
    assert_eq!(card.summons(), Some(Summons::GiveWay));
    assert!(matches!(table.resume(now, &name(TOKEN)), Resume::Busy), "until it has");
    table.keep(now, left(TOKEN));
    assert!(matches!(table.resume(now, &name(TOKEN)), Resume::Ready(_)));
    table.began(TOKEN, &card);
    table.ended(TOKEN);
    assert!(matches!(table.resume(now, &name(TOKEN)), Resume::Unknown));
}

#[tokio::test]
async fn whoever_waits_for_a_claim_is_woken() {
    let (table, now) = (Resumables::default(), now().instant);
    let card = card();
    table.began(TOKEN, &card);
    let raised = pin!(std::future::poll_fn(|cx| {
        card.listens(cx.waker());
        card.summons().map_or(Poll::Pending, |_| Poll::Ready(()))
    }));
    let asked = async { matches!(table.resume(now, &name(TOKEN)), Resume::Busy) };
    let ((), busy) = tokio::join!(raised, asked);
    assert!(busy);
}

#[test]
fn sessions_that_are_kept_are_bounded() {
    let (table, now) = (Resumables::default(), now().instant);
    let mut given_up = 0;
    for token in 0..ENDED_MAX as u64 + 100 {
        table.keep(now, left(SessionToken(token)));
        given_up += table.given_up(now).len();
    }
    assert_eq!(given_up, 100);
    assert_eq!(table.lock().known.len(), ENDED_MAX);
    assert!(matches!(table.resume(now, &name(SessionToken(99))), Resume::Unknown));
    assert!(matches!(table.resume(now, &name(SessionToken(100))), Resume::Ready(_)));
}
