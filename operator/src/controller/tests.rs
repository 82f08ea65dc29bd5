use kube::core::Status;

use super::*;

fn api_error(reason: &str, code: u16) -> kube::Error {
    kube::Error::Api(Box::new(Status::failure("because", reason).with_code(code)))
}

#[test]
fn what_the_api_server_will_never_take_is_told_instead_of_tried() {
    for (kind, error, reason) in [
        ("Deployment", api_error("Invalid", 422), Some("InvalidPod")),
        ("Service", api_error("Invalid", 422), Some("InvalidService")),
        ("Secret", api_error("Forbidden", 403), Some("Forbidden")),
        ("Secret", api_error("Conflict", 409), None),
        ("Deployment", api_error("InternalError", 500), None),
    ] {
        match Error::of_child(kind, error) {
            Error::Refused(refused) => {
                assert_eq!(Some(refused.reason), reason);
                assert!(refused.message.contains(kind) && refused.message.contains("because"));
            }
            _ => assert_eq!(reason, None, "{kind}"),
        }
    }
}

#[test]
fn what_fails_again_waits_longer_and_at_most_five_minutes() {
    let key = ProxyKey::new("mining", "farm-east");
    for attempts in [1, 2, 5, 100] {
        assert_ne!(retry(&key, &Error::Contended, attempts), Action::await_change());
    }
    assert_eq!(retry(&key, &Error::NotLeading, 1), Action::await_change());
}

#[tokio::test]
async fn what_the_fleet_says_reaches_the_queue_of_its_namespace_alone() {
    let (east, west) = (Queue::new(), Queue::new());
    let routes =
        vec![(Some("east".to_owned()), east.clone()), (Some("west".to_owned()), west.clone())];
    let said = [ProxyKey::new("west", "a"), ProxyKey::new("north", "b")];
    dispatch(stream::iter(said), routes).await;
    use futures_util::FutureExt as _;
    let next = |queue: &Queue<ProxyKey>| Box::pin(queue.taken()).next().now_or_never().flatten();
    assert_eq!(next(&west), Some(ProxyKey::new("west", "a")));
    assert_eq!((next(&west), next(&east)), (None, None));
}

#[tokio::test(start_paused = true)]
async fn queues_that_have_nothing_to_do_are_alive_and_those_that_get_no_turns_are_not() {
    let mut health = crate::admin::Health::default();
    let life = health.watchdog("queues", Duration::from_mins(1));
    let hour = tokio::time::sleep(Duration::from_hours(1));
    drop(future::select(Box::pin(beat(life)), Box::pin(hour)).await);
    assert!(health.dead().is_empty());
    tokio::time::sleep(Duration::from_mins(2)).await;
    assert_eq!(health.dead().len(), 1);
}
