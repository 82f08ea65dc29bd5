use std::future::Future;

use super::entrance::{serve, serve_by};

/// What the task of a miner in the clear takes on 64 bits, as an allocator rounds it.
const SESSION_BYTES_MAX: usize = 1120;

/// What the task takes while it waits, of a function that starts it.
const fn bytes<A, F: Future>(_: fn(A) -> F) -> usize {
    size_of::<F>()
}

/// A handshake is over when the miner mines: what it needed is not kept, and least of all for a miner that made none.
#[test]
fn no_session_holds_the_room_of_a_handshake() {
    let (plain, by_way) = (bytes(serve), bytes(|(way, given)| serve_by(way, given)));
    assert!(plain <= SESSION_BYTES_MAX, "{plain}, {by_way}");
    assert!(by_way <= SESSION_BYTES_MAX + 16, "{by_way}");
}
