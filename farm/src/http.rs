//! Reads a page of an HTTP server: as much HTTP as the proxy's admin pages need, and no more.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Pages are smaller.
const PAGE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Status code and body of a page. Waits for as long as the server does.
///
/// # Errors
/// Those of the connection, and `InvalidData` for an answer that is not HTTP.
pub async fn fetch(address: SocketAddr, path: &str) -> io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(address).await?;
    // By 1.0 an answer comes whole: to 1.1 it may come in chunks.
    let request = format!("GET {path} HTTP/1.0\r\nHost: proxy\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.take(PAGE_BYTES_MAX).read_to_string(&mut answer).await?;
    let no_http = || io::Error::new(io::ErrorKind::InvalidData, "no HTTP answer");
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(no_http)?;
    let code = head.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or_else(no_http)?;
    Ok((code, body.to_owned()))
}
