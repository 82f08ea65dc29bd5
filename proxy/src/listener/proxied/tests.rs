use proptest::prelude::*;
use tokio::io::{AsyncWriteExt as _, duplex};
use tokio::time::Instant;

use super::*;

const LONG: Duration = Duration::from_secs(600);

/// A header of version 2.
fn v2_header(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
    let len = u16::try_from(block.len()).unwrap().to_be_bytes();
    [V2_SIGNATURE, &[command, family], &len, block].concat()
}

fn ipv4_block() -> [u8; V2_IPV4_BYTES] {
    [203, 0, 113, 9, 10, 0, 0, 1, 0x9c, 0x40, 0x0d, 0x05]
}

fn ipv6_block() -> Vec<u8> {
    let source: std::net::Ipv6Addr = "2001:db8::7".parse().unwrap();
    [&source.octets()[..], &[0; 16], &[0x9c, 0x40, 0x0d, 0x05]].concat()
}

/// What `bytes` come to if so many of them come at a time, and what is left of them.
fn read_by(bytes: &[u8], chunk: usize) -> (Result<Origin, Fault>, usize) {
    let (mut seen, mut left) = (Vec::new(), bytes);
    loop {
        match step(&seen) {
            Ok(Step::Done(origin)) => return (Ok(origin), left.len()),
            Ok(Step::Read(more)) => {
                assert!(more > 0 && seen.len() + more <= V2_BYTES_MAX, "{more} at {}", seen.len());
                let take = more.min(chunk).min(left.len());
                if take == 0 {
                    return (Err(Fault::Ended), 0);
                }
                let (taken, rest) = left.split_at(take);
                seen.extend_from_slice(taken);
                left = rest;
            }
            Err(fault) => return (Err(fault), left.len()),
        }
    }
}

fn read_whole(bytes: &[u8]) -> Result<Origin, Fault> {
    read_by(bytes, usize::MAX).0
}

fn origin(text: &str) -> Result<Origin, Fault> {
    Ok(Origin::From(text.parse().expect("an address")))
}

#[test]
fn headers_of_either_version_say_where_a_miner_is_from() {
    for (bytes, expected) in [
        (&b"PROXY TCP4 203.0.113.9 10.0.0.1 40000 3333\r\n"[..], origin("203.0.113.9:40000")),
        (b"PROXY TCP6 2001:db8::7 ::1 40000 3333\r\n", origin("[2001:db8::7]:40000")),
        (b"PROXY TCP6 ::ffff:203.0.113.9 ::1 40000 3333\r\n", origin("203.0.113.9:40000")),
        (b"PROXY UNKNOWN\r\n", Ok(Origin::Own)),
        (b"PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n", Ok(Origin::Own)),
        (&v2_header(0x21, 0x11, &ipv4_block()), origin("203.0.113.9:40000")),
        (&v2_header(0x21, 0x21, &ipv6_block()), origin("[2001:db8::7]:40000")),
        (&v2_header(0x20, 0x11, &ipv4_block()), Ok(Origin::Own)),
        (&v2_header(0x20, 0x00, &[]), Ok(Origin::Own)),
        (&v2_header(0x21, 0x00, &[]), Ok(Origin::Own)),
        (&v2_header(0x21, 0x31, &[0; 216]), Ok(Origin::Own)),
    ] {
        let followed = [bytes, b"{\"id\":1}\n"].concat();
        assert_eq!(read_by(&followed, usize::MAX), (expected, 9), "{bytes:?}: and not a byte more");
    }
}

#[test]
fn tlvs_are_skipped() {
    // PP2_TYPE_AWS with the id of an endpoint, as a load balancer of AWS sends it.
    let tlv = [&[0xea, 0x00, 0x17, 0x01][..], b"vpce-08d2bf15fac5001c9"].concat();
    let block = [&ipv4_block()[..], &tlv].concat();
    let followed = [&v2_header(0x21, 0x11, &block)[..], b"{"].concat();
    assert_eq!(read_by(&followed, usize::MAX), (origin("203.0.113.9:40000"), 1));
}

#[test]
fn what_is_no_header_or_a_wrong_one_is_told_apart() {
    let long = [b"PROXY UNKNOWN ", &[b'x'; 100][..], b"\r\n"].concat();
    for (bytes, expected) in [
        (&b"{\"id\":1,\"method\":\"mining.subscribe\"}\n"[..], Fault::Missing),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\x00\x00", Fault::Missing),
        (b"\r\n\r\n{\"id\":1}..", Fault::Missing),
        (b"PROXY TCP5 1.1.1.1 2.2.2.2 1 2\r\n", Fault::Malformed),
        (b"PROXY TCP4 1.1.1.1 2.2.2.2 1\r\n", Fault::Malformed),
        (b"PROXY TCP4 1.1.1.1 2.2.2.2 1 2 3\r\n", Fault::Malformed),
        (b"PROXY TCP4 1.1.1.1 2.2.2.2 1 65536\r\n", Fault::Malformed),
        (b"PROXY TCP4 1.1.1.1 2.2.2.2 +1 2\r\n", Fault::Malformed),
        (b"PROXY TCP4 ::1 2.2.2.2 1 2\r\n", Fault::Malformed),
        (b"PROXY TCP4  1.1.1.1 2.2.2.2 1 2\r\n", Fault::Malformed),
        (b"PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r1234\r\n", Fault::Malformed),
        (b"PROXY TCP4 1.1.1.1 2.2.2.2 1 2\n12345\r\n", Fault::Malformed),
        (b"PROXY \xff\xff\xff\xff\xff\xff\xff\r\n", Fault::Malformed),
        (&long, Fault::TooLong),
        (b"PROXY TCP4 1.1.1.1 2.2.2.2 1 2", Fault::Ended),
        (b"", Fault::Ended),
        (&v2_header(0x11, 0x11, &ipv4_block()), Fault::Malformed),
        (&v2_header(0x22, 0x11, &ipv4_block()), Fault::Malformed),
        (&v2_header(0x21, 0x11, &[1, 2, 3]), Fault::Malformed),
        (&v2_header(0x21, 0x21, &ipv4_block()), Fault::Malformed),
        (&v2_header(0x21, 0x41, &ipv4_block()), Fault::Malformed),
        (&v2_header(0x21, 0x11, &[0; V2_BYTES_MAX - V2_FIXED_BYTES + 1]), Fault::TooLong),
        (&v2_header(0x21, 0x11, &ipv4_block())[..20], Fault::Ended),
    ] {
        assert_eq!(read_whole(bytes), Err(expected), "{bytes:?}");
    }
    assert!(read_whole(&v2_header(0x21, 0x11, &[0; V2_BYTES_MAX - V2_FIXED_BYTES])).is_ok());
}

/// The longest that version 1 can be: 107 bytes with CR and LF.
#[test]
fn the_longest_header_of_version_1_is_taken() {
    let address = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
    let line = format!("PROXY TCP6 {address} {address} 65535 65535\r\n");
    assert!(line.len() <= V1_BYTES_MAX);
    assert_eq!(read_whole(line.as_bytes()), origin(&format!("[{address}]:65535")));
    let filler = "x".repeat(V1_BYTES_MAX - "PROXY UNKNOWN \r\n".len());
    let full = format!("PROXY UNKNOWN {filler}\r\n");
    assert_eq!((full.len(), read_whole(full.as_bytes())), (V1_BYTES_MAX, Ok(Origin::Own)));
}

#[tokio::test(start_paused = true)]
async fn a_header_has_three_seconds_and_what_follows_is_left_on_the_connection() {
    let (mut balancer, mut ours) = duplex(4096);
    balancer.write_all(b"PROXY TCP4 203.0.113.9 10.0.0.1 40000 3333\r\n{\"id\"").await.unwrap();
    let said = read(&mut ours, LONG, std::future::pending()).await;
    assert_eq!(said, origin("203.0.113.9:40000"));
    let mut rest = [0; 5];
    ours.read_exact(&mut rest).await.unwrap();
    assert_eq!(&rest, b"{\"id\"");

    let before = Instant::now();
    balancer.write_all(b"PROXY TCP4").await.unwrap();
    assert_eq!(read(&mut ours, LONG, std::future::pending()).await, Err(Fault::Late));
    assert_eq!(before.elapsed(), HEADER_TIMEOUT);
    let short = Duration::from_secs(1);
    let said = read(&mut ours, short, std::future::pending());
    assert_eq!(said.await, Err(Fault::Late));
    assert_eq!(before.elapsed(), HEADER_TIMEOUT + short);
    assert_eq!(read(&mut ours, LONG, std::future::ready(())).await, Err(Fault::Stopped));
    drop(balancer);
    assert_eq!(read(&mut ours, LONG, std::future::pending()).await, Err(Fault::Ended));
}

#[test]
fn only_configured_addresses_are_believed() {
    let from = ["10.0.0.0/8", "2001:db8::/32", "nonsense"].map(str::to_owned);
    let trusted = Trusted::new(&from);
    let has = |text: &str| trusted.has(text.parse().unwrap());
    assert!(has("10.1.2.3") && has("::ffff:10.1.2.3") && has("2001:db8::1"));
    assert!(!has("192.0.2.1") && !has("2001:db9::1"));
    assert!(!Trusted::new(&[]).has("10.1.2.3".parse().unwrap()));
}

/// Bytes that begin like a header more often than chance would have it.
fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
    let bytes = || proptest::collection::vec(any::<u8>(), 0..700);
    let line = "PROXY (TCP4|TCP6|UNKNOWN|X)( [0-9a-f.:]{0,20}){0,5}\r?\n?.{0,9}";
    prop_oneof![
        1 => bytes(),
        3 => line.prop_map(String::into_bytes),
        3 => (any::<u8>(), any::<u8>(), 0..600_usize, bytes()).prop_map(|(command, family, len, rest)| {
            let mut header = v2_header(command, family, &vec![7; len]);
            header.extend(rest);
            header
        }),
        3 => (prop_oneof![Just(0x20), Just(0x21)], prop_oneof![Just(0x11), Just(0x21)], bytes())
            .prop_map(|(command, family, block)| v2_header(command, family, &block)),
    ]
}

proptest! {
    /// No bytes panic, and it does not matter in what pieces they come.
    #[test]
    fn any_bytes_are_read_the_same_in_any_pieces(bytes in any_bytes(), chunk in 1..40_usize) {
        let whole = read_by(&bytes, usize::MAX);
        prop_assert_eq!(read_by(&bytes, chunk).0, whole.0);
        prop_assert_eq!(read_by(&bytes, 1).0, whole.0);
        if whole.0.is_ok() {
            prop_assert_eq!(read_by(&bytes, chunk).1, whole.1, "the same bytes are left");
        }
    }
}
