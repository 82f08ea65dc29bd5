//! What becomes of a due share, as its miner is told.

use super::*;

#[test]
fn a_miner_is_told_what_became_of_its_share() {
    use crate::upstream::PoolReject as By;
    for (result, wanted) in [
        (HandOver::Written, "4: true"),
        (HandOver::Refused(By::Other), "4: error 20"),
        (HandOver::Refused(By::Stale), "4: error 21"),
        (HandOver::Refused(By::Duplicate), "4: error 22"),
        (HandOver::Refused(By::LowDifficulty), "4: error 23"),
        (HandOver::Refused(By::Unauthorized), "4: error 24"),
        (HandOver::Refused(By::NotSubscribed), "4: error 25"),
        (HandOver::Unanswered, "4: error 21"),
        (HandOver::Lost, "4: error 21"),
    ] {
        let mut bench = Bench::mining();
        let due = bench.mine_due(&bench.current());
        assert_eq!(bench.say(&due), [""; 0], "{result:?}");
        assert_eq!(bench.give(Input::HandedOver(result)), [wanted], "{result:?}");
        assert!(bench.machine.accepts_lines());
    }
}
