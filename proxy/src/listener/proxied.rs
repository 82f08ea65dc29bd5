//! The PROXY protocol, versions 1 and 2: where a connection comes from, in the words of the load balancer before us. Owns
//! the header's form and its bounds.
//!
//! The reader takes exactly the header's bytes, whatever they come in, so that what follows is Stratum's or TLS's. Who is
//! believed is decided before, by the connection's own address. It opens nothing and closes nothing.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::str::from_utf8;
use std::time::Duration;

use loka_api::values::Cidr;
use tokio::io::AsyncReadExt as _;
use tokio::time::timeout;

use crate::transport::Transport;

#[cfg(test)]
mod tests;

/// A load balancer sends its header with the first segment.
const HEADER_TIMEOUT: Duration = Duration::from_secs(3);

/// The longest header of version 1, CR and LF included: so says the protocol.
const V1_BYTES_MAX: usize = 107;

/// The longest header of version 2 that is taken: what fits one segment of the smallest IPv4 packet that every host takes
/// (576 bytes), as the protocol advises senders. Cloud load balancers add some dozen bytes of TLVs to the 28 or 52.
const V2_BYTES_MAX: usize = 536;

const V1_SIGNATURE: &[u8] = b"PROXY ";
const V2_SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// Of version 2: signature, version and command, family, length.
const V2_FIXED_BYTES: usize = 16;

/// Addresses and ports of version 2.
const V2_IPV4_BYTES: usize = 12;
const V2_IPV6_BYTES: usize = 36;

/// From where headers are believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trusted(Vec<Cidr>);

/// What a header says of the miner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// It comes from there.
    From(SocketAddr),
    /// Nothing: the load balancer speaks for itself, or does not know. The connection's own address counts.
    Own,
}

/// Why there is no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The connection ended before the header did.
    Ended,
    /// It did not come in time.
    Late,
    /// It begins like one.
    Malformed,
    /// What came is something else.
    Missing,
    /// The listener ends, or lets its miners go.
    Stopped,
    /// Longer than any that is taken.
    TooLong,
}

/// What to do with the bytes so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// That was all of it.
    Done(Origin),
    /// So many more are the header's for certain.
    Read(usize),
}

// === impl Trusted ===

impl Trusted {
    /// A text that is no range, which the document's rules let through nowhere, is believed from nowhere.
    pub(super) fn new(from: &[String]) -> Self {
        Self(from.iter().filter_map(|range| Cidr::parse(range).ok()).collect())
    }

    pub(super) fn has(&self, address: IpAddr) -> bool {
        self.0.iter().any(|range| range.contains(address))
    }
}

/// Reads a header off a connection, and nothing behind it, within `patience` if that is shorter than a header may take.
/// `stop` ends it early.
pub(super) async fn read(
    io: &mut dyn Transport,
    patience: Duration,
    stop: impl Future<Output = ()>,
) -> Result<Origin, Fault> {
    let read = timeout(HEADER_TIMEOUT.min(patience), read_all(io));
    tokio::select! {
        // The end of the listener first: it is for ever.
        biased;
        () = stop => Err(Fault::Stopped),
        read = read => read.unwrap_or(Err(Fault::Late)),
    }
}

async fn read_all(io: &mut dyn Transport) -> Result<Origin, Fault> {
    let mut bytes = Vec::with_capacity(V2_BYTES_MAX);
    loop {
        match step(&bytes)? {
            Step::Done(origin) => return Ok(origin),
            Step::Read(more) => {
                let read = io.take(more as u64).read_buf(&mut bytes).await;
                ended(read)?;
            }
        }
    }
}

fn ended(read: io::Result<usize>) -> Result<(), Fault> {
    match read {
        Ok(0) | Err(_) => Err(Fault::Ended),
        Ok(_) => Ok(()),
    }
}

/// By all bytes so far, which are the header's and no others.
fn step(bytes: &[u8]) -> Result<Step, Fault> {
    let begins = |signature: &[u8]| {
        let len = signature.len().min(bytes.len());
        bytes.get(..len) == signature.get(..len)
    };
    match (begins(V1_SIGNATURE), begins(V2_SIGNATURE)) {
        (true, false) => v1(bytes),
        (false, true) => v2(bytes),
        // Nothing yet: no header of either version is shorter than the signature of the second.
        (true, true) => Ok(Step::Read(V2_SIGNATURE.len())),
        (false, false) => Err(Fault::Missing),
    }
}

fn v1(bytes: &[u8]) -> Result<Step, Fault> {
    if let Some(at) = bytes.iter().position(|byte| *byte == b'\r') {
        return match bytes.get(at + 1..) {
            Some([]) => Ok(Step::Read(1)),
            Some(b"\n") => v1_line(bytes.get(..at).unwrap_or_default()).map(Step::Done),
            Some(_) | None => Err(Fault::Malformed),
        };
    }
    if bytes.contains(&b'\n') {
        return Err(Fault::Malformed);
    }
    // CR and LF are still to come.
    match bytes.len() + 2 {
        len if len > V1_BYTES_MAX => Err(Fault::TooLong),
        len if len < V2_SIGNATURE.len() => Ok(Step::Read(V2_SIGNATURE.len() - bytes.len())),
        _ => Ok(Step::Read(2)),
    }
}

fn v1_line(line: &[u8]) -> Result<Origin, Fault> {
    let text = from_utf8(line).map_err(|_| Fault::Malformed)?;
    let mut words = text.split(' ').skip(1);
    let family = words.next();
    let is_v4 = match family {
        Some("UNKNOWN") => return Ok(Origin::Own),
        Some("TCP4") => true,
        Some("TCP6") => false,
        Some(_) | None => return Err(Fault::Malformed),
    };
    let mut addresses = [words.next(), words.next()].into_iter().map(|word| {
        let address: IpAddr = word?.parse().ok()?;
        (address.is_ipv4() == is_v4).then_some(address)
    });
    let (source, destination) = (addresses.next().flatten(), addresses.next().flatten());
    let ports = [words.next(), words.next()].map(|word| port(word?));
    match (source, destination, ports, words.next()) {
        (Some(source), Some(_), [Some(port), Some(_)], None) => Ok(from(source, port)),
        _ => Err(Fault::Malformed),
    }
}

/// Digits only: a number of Rust may have a sign.
fn port(word: &str) -> Option<u16> {
    word.bytes().all(|byte| byte.is_ascii_digit()).then(|| word.parse().ok()).flatten()
}

fn v2(bytes: &[u8]) -> Result<Step, Fault> {
    let Some((fixed, rest)) = bytes.split_first_chunk::<V2_FIXED_BYTES>() else {
        return Ok(Step::Read(V2_FIXED_BYTES - bytes.len()));
    };
    let [.., command, family, high, low] = *fixed;
    let len = usize::from(u16::from_be_bytes([high, low]));
    if command >> 4 != 2 {
        return Err(Fault::Malformed);
    }
    if V2_FIXED_BYTES + len > V2_BYTES_MAX {
        return Err(Fault::TooLong);
    }
    if rest.len() < len {
        return Ok(Step::Read(len - rest.len()));
    }
    let origin = match (command & 0xf, family) {
        (0, _) => Origin::Own,
        (1, 0x11) => v2_ipv4(rest)?,
        (1, 0x21) => v2_ipv6(rest)?,
        // Unspecified, a Unix socket or datagrams: the protocol has a receiver take the connection's own.
        (1, 0x00 | 0x12 | 0x22 | 0x31 | 0x32) => Origin::Own,
        _ => return Err(Fault::Malformed),
    };
    // What follows the addresses are TLVs, of which none is of use here.
    Ok(Step::Done(origin))
}

fn v2_ipv4(block: &[u8]) -> Result<Origin, Fault> {
    let block = block.first_chunk::<V2_IPV4_BYTES>().ok_or(Fault::Malformed)?;
    let [a, b, c, d, _, _, _, _, high, low, _, _] = *block;
    Ok(from(IpAddr::from([a, b, c, d]), u16::from_be_bytes([high, low])))
}

fn v2_ipv6(block: &[u8]) -> Result<Origin, Fault> {
    let block = block.first_chunk::<V2_IPV6_BYTES>().ok_or(Fault::Malformed)?;
    let (source, rest) = block.split_first_chunk::<16>().ok_or(Fault::Malformed)?;
    let [high, low] =
        rest.get(16..).and_then(|ports| ports.first_chunk()).ok_or(Fault::Malformed)?;
    Ok(from(IpAddr::from(*source), u16::from_be_bytes([*high, *low])))
}

/// An IPv4 address in the notation of IPv6 is the IPv4 address.
fn from(address: IpAddr, port: u16) -> Origin {
    Origin::From(SocketAddr::new(address.to_canonical(), port))
}
