//! A SOCKS5 client (RFC 1928, and RFC 1929 for the login): has a server connect to a pool, whose name that server resolves.
//!
//! Everything is bounded by the protocol's own one-byte lengths, and nothing is read beyond the server's last answer: what follows is the
//! pool's. It knows no clock; whoever calls bounds the time. Our own, since the one crate for it carries more than it is worth here.

use std::io;
use std::net::IpAddr;

use loka_api::runtime_config::{Endpoint, Socks5Login};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::transport::Transport;

const VERSION: u8 = 5;
const NO_LOGIN: u8 = 0;
const LOGIN: u8 = 2;
const NO_METHOD: u8 = 0xff;
/// The version of the login's own little protocol.
const LOGIN_VERSION: u8 = 1;
const CONNECT: u8 = 1;
const RESERVED: u8 = 0;
const IPV4: u8 = 1;
const NAME: u8 = 3;
const IPV6: u8 = 4;

/// Why a SOCKS5 server has not connected us.
#[derive(Debug, thiserror::Error)]
pub(super) enum SocksError {
    #[error("the SOCKS5 server ended the connection: {0}")]
    Ended(#[from] io::Error),
    #[error("the SOCKS5 server has refused the login")]
    Login,
    #[error("the SOCKS5 server wants a login, and there is none")]
    NoLogin,
    #[error("what answers there is no SOCKS5 server")]
    NotSocks,
    #[error("the SOCKS5 server says: {words} (reply {0})", words = reply(*.0))]
    Refused(u8),
    #[error("the name or the login is longer than SOCKS5 can tell")]
    TooLong,
}

/// Has the server at the other end of `stream` connect to `to`.
pub(super) async fn connect(
    stream: &mut Box<dyn Transport>,
    login: Option<&Socks5Login>,
    to: &Endpoint,
) -> Result<(), SocksError> {
    let greeting: &[u8] = match login {
        Some(_) => &[VERSION, 2, NO_LOGIN, LOGIN],
        None => &[VERSION, 1, NO_LOGIN],
    };
    stream.write_all(greeting).await?;
    stream.flush().await?;
    let [version, method] = read(stream).await?;
    match (version, method, login) {
        (VERSION, NO_LOGIN, _) => {}
        (VERSION, LOGIN, Some(login)) => log_in(stream, login).await?,
        (VERSION, NO_METHOD, None) => return Err(SocksError::NoLogin),
        (VERSION, NO_METHOD, Some(_)) => return Err(SocksError::Login),
        _ => return Err(SocksError::NotSocks),
    }
    stream.write_all(&request(to)?).await?;
    stream.flush().await?;
    answer(stream).await
}

async fn log_in(stream: &mut Box<dyn Transport>, login: &Socks5Login) -> Result<(), SocksError> {
    let Socks5Login { username, password } = login;
    let mut message = vec![LOGIN_VERSION];
    for part in [username, password] {
        push(&mut message, part.expose().as_bytes())?;
    }
    stream.write_all(&message).await?;
    stream.flush().await?;
    let [_, status] = read(stream).await?;
    if status == 0 { Ok(()) } else { Err(SocksError::Login) }
}

fn request(to: &Endpoint) -> Result<Vec<u8>, SocksError> {
    let Endpoint { host, port } = to;
    let mut message = vec![VERSION, CONNECT, RESERVED];
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => {
            message.push(IPV4);
            message.extend(address.octets());
        }
        Ok(IpAddr::V6(address)) => {
            message.push(IPV6);
            message.extend(address.octets());
        }
        Err(_) => {
            message.push(NAME);
            push(&mut message, host.as_bytes())?;
        }
    }
    message.extend(port.to_be_bytes());
    Ok(message)
}

/// Where the server has connected from is read and is of no account.
async fn answer(stream: &mut Box<dyn Transport>) -> Result<(), SocksError> {
    let [version, reply, _, kind] = read(stream).await?;
    if version != VERSION {
        return Err(SocksError::NotSocks);
    }
    if reply != 0 {
        return Err(SocksError::Refused(reply));
    }
    let length = match kind {
        IPV4 => 4,
        IPV6 => 16,
        NAME => {
            let [length] = read(stream).await?;
            usize::from(length)
        }
        _ => return Err(SocksError::NotSocks),
    };
    let mut bound = [0; u8::MAX as usize + 2];
    let bound = bound.get_mut(..length + 2).ok_or(SocksError::NotSocks)?;
    stream.read_exact(bound).await?;
    Ok(())
}

async fn read<const N: usize>(stream: &mut Box<dyn Transport>) -> Result<[u8; N], SocksError> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes)
}

fn push(message: &mut Vec<u8>, text: &[u8]) -> Result<(), SocksError> {
    let length = u8::try_from(text.len()).map_err(|_| SocksError::TooLong)?;
    message.push(length);
    message.extend(text);
    Ok(())
}

/// RFC 1928, section 6.
const fn reply(code: u8) -> &'static str {
    match code {
        1 => "general failure",
        2 => "its rules do not allow the connection",
        3 => "the network cannot be reached",
        4 => "the host cannot be reached, or its name is not known",
        5 => "the pool has refused the connection",
        6 => "the time to live is over",
        7 => "it cannot connect for others",
        8 => "it does not know this kind of address",
        _ => "something that SOCKS5 has no word for",
    }
}

#[cfg(test)]
mod tests;
