use loka_api::Secret;
use tokio::io::{DuplexStream, duplex};

use super::*;

fn to(host: &str) -> Endpoint {
    Endpoint { host: host.to_owned(), port: 3333 }
}

fn login(username: &str, password: &str) -> Socks5Login {
    Socks5Login { username: Secret::new(username), password: Secret::new(password) }
}

/// What comes of a server that says all of this at once, what it has heard, and what of its words is left.
async fn asked(
    login: Option<&Socks5Login>,
    host: &str,
    says: &[u8],
) -> (Result<(), SocksError>, Vec<u8>, Vec<u8>) {
    let (ours, mut theirs): (DuplexStream, DuplexStream) = duplex(4096);
    theirs.write_all(says).await.expect("room");
    theirs.shutdown().await.expect("an end");
    let mut stream: Box<dyn Transport> = Box::new(ours);
    let result = connect(&mut stream, login, &to(host)).await;
    let (mut left, mut heard) = (Vec::new(), Vec::new());
    stream.read_to_end(&mut left).await.expect("the rest");
    drop(stream);
    theirs.read_to_end(&mut heard).await.expect("all");
    (result, heard, left)
}

#[tokio::test]
async fn names_go_as_names_addresses_as_addresses_and_what_follows_is_the_pools() {
    let name = b"\x05\x01\x00\x05\x01\x00\x03\x09pool.test\x0d\x05".to_vec();
    let v4 = b"\x05\x01\x00\x05\x01\x00\x01\x0a\x00\x00\x07\x0d\x05".to_vec();
    let v6 = [b"\x05\x01\x00\x05\x01\x00\x04".as_slice(), &[0; 15], b"\x01\x0d\x05"].concat();
    for (host, expected) in [("pool.test", name), ("10.0.0.7", v4), ("::1", v6)] {
        for bound in [
            b"\x01\x7f\x00\x00\x01".to_vec(),
            [b"\x04".as_slice(), &[9; 16]].concat(),
            [b"\x03\xff".as_slice(), &[b'n'; 255]].concat(),
        ] {
            let says = [b"\x05\x00\x05\x00\x00".as_slice(), &bound, b"\x00\x50{\"id\""].concat();
            let (result, heard, left) = asked(None, host, &says).await;
            result.expect("connected");
            assert_eq!(heard, expected, "{host}");
            assert_eq!(left, b"{\"id\"", "{host}");
        }
    }
}

#[tokio::test]
async fn a_login_is_said_where_it_is_asked_for_and_only_there() {
    let ours = login("us", "secret");
    let connected = b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00";
    let says = [b"\x05\x02\x01\x00".as_slice(), connected].concat();
    let (result, heard, _) = asked(Some(&ours), "a", &says).await;
    result.expect("connected");
    assert_eq!(heard, b"\x05\x02\x00\x02\x01\x02us\x06secret\x05\x01\x00\x03\x01a\x0d\x05");
    let says = [b"\x05\x00".as_slice(), connected].concat();
    let (result, heard, _) = asked(Some(&ours), "a", &says).await;
    result.expect("connected");
    assert!(!heard.windows(6).any(|bytes| bytes == b"secret"));
}

#[tokio::test]
async fn what_a_server_may_say_otherwise_is_an_error_with_its_name() {
    let ours = login("us", "secret");
    let long = login(&"u".repeat(256), "p");
    let cases: [(Option<&Socks5Login>, &[u8], &str); 10] = [
        (None, b"HTTP/1.1 400", "no SOCKS5 server"),
        (None, b"\x04\x00", "no SOCKS5 server"),
        (None, b"\x05\xff", "wants a login"),
        (None, b"\x05\x02", "no SOCKS5 server"),
        (Some(&ours), b"\x05\xff", "refused the login"),
        (Some(&ours), b"\x05\x02\x01\x01", "refused the login"),
        (Some(&long), b"\x05\x02\x01\x00", "longer than SOCKS5 can tell"),
        (None, b"\x05\x00\x05\x01\x00\x01", "general failure (reply 1)"),
        (None, b"\x05\x00\x05\x00\x00\x09", "no SOCKS5 server"),
        (None, b"\x05\x00\x05\x00\x00\x01\x7f", "ended the connection"),
    ];
    for (login, says, expected) in cases {
        let (result, ..) = asked(login, "a", says).await;
        let error = result.expect_err(expected).to_string();
        assert!(error.contains(expected) && !error.contains("secret"), "{error}");
    }
    let (result, ..) = asked(None, &"n".repeat(256), b"\x05\x00").await;
    assert!(matches!(result, Err(SocksError::TooLong)));
}
