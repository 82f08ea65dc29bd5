//! Ports for servers that are told theirs before they start.
//!
//! To ask the kernel for any port and let it go is a gamble: until the server has it, anybody's next connection may be made from it.
//! These lie below those that connections are made from, and a process is given none twice.

use std::io;
use std::net::{IpAddr, TcpListener};
use std::ops::Range;
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

/// Above those of well-known servers, and below those that Linux makes connections from (`ip_local_port_range`) and those that
/// Kubernetes gives to nodes.
const RANGE: Range<u16> = 12_000..30_000;

/// How far apart the first ports of two processes are that were started one after the other.
const APART: u32 = 641;

/// How many ports this process has looked at.
static TRIED: AtomicU32 = AtomicU32::new(0);

/// A port of `address` that nobody listens on, and that this process has not been given before.
///
/// # Errors
/// `AddrInUse` when there is none, and what binding to `address` says apart from that.
pub fn free_port(address: IpAddr) -> io::Result<u16> {
    let untried = RANGE.map(|_| port_at(TRIED.fetch_add(1, Ordering::Relaxed)));
    first_free(address, untried)
}

fn first_free(address: IpAddr, ports: impl Iterator<Item = u16>) -> io::Result<u16> {
    for port in ports {
        match TcpListener::bind((address, port)) {
            Ok(_free_again) => return Ok(port),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::AddrInUse.into())
}

/// That at `place` of this process's order.
fn port_at(place: u32) -> u16 {
    let turn = process::id().wrapping_mul(APART).wrapping_add(place);
    let offset = turn % u32::from(RANGE.end - RANGE.start);
    // The remainder is below the length, which is a port's number.
    RANGE.start + u16::try_from(offset).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::net::Ipv4Addr;

    use super::*;

    const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    #[test]
    fn a_process_is_given_no_port_twice_and_none_that_connections_are_made_from() {
        let given: Vec<u16> = (0..200).map(|_| free_port(LOOPBACK).unwrap()).collect();
        assert!(given.iter().all(|port| RANGE.contains(port)), "{given:?}");
        assert_eq!(given.iter().collect::<HashSet<_>>().len(), given.len(), "{given:?}");
    }

    #[test]
    fn a_port_that_somebody_has_is_passed_over() {
        let taken = TcpListener::bind((LOOPBACK, 0)).unwrap();
        let (taken_port, free) = (taken.local_addr().unwrap().port(), free_port(LOOPBACK).unwrap());
        assert_eq!(first_free(LOOPBACK, [taken_port, free].into_iter()).unwrap(), free);
        let error = first_free(LOOPBACK, [taken_port].into_iter()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    }
}
