//! One question over HTTP/1.1, and its answer: as much of a client as the admin API needs. It blocks.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::admin::token::{self, NoToken};

/// A page of sessions is smaller.
const ANSWER_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Longer than an act takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// An admin API.
#[derive(Clone, Copy, Debug)]
pub(super) struct Api<'a> {
    pub(super) address: SocketAddr,
    pub(super) token_file: Option<&'a Path>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Delete,
    Get,
    Post,
}

/// What the proxy said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) code: u16,
    pub(super) text: String,
}

/// Nobody was asked, or nobody answered.
#[derive(Debug, thiserror::Error)]
pub(super) enum AskError {
    #[error(
        "{address}: no proxy answers: {error}\n  remedy: start the proxy, or give --api the address of its --admin-api"
    )]
    Unreached { address: SocketAddr, error: io::Error },
    #[error(
        "{address}: what answers is no admin API\n  remedy: give --api the address of the proxy's --admin-api"
    )]
    NoHttp { address: SocketAddr },
    #[error(
        "--token-file {path}: {error}\n  remedy: give the file that the proxy was given as --admin-token-file",
        path = .path.display()
    )]
    Token { path: PathBuf, error: NoToken },
}

// === impl Api ===

impl Api<'_> {
    pub(super) fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Answer, AskError> {
        let address = self.address;
        let request = self.request(method, path, body)?;
        let unreached = |error| AskError::Unreached { address, error };
        let answer = exchange(address, &request).map_err(unreached)?;
        parsed(&answer).ok_or(AskError::NoHttp { address })
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<String, AskError> {
        let method = match method {
            Method::Delete => "DELETE",
            Method::Get => "GET",
            Method::Post => "POST",
        };
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\n", self.address);
        let token = |path: &Path| {
            token::read(path).map_err(|error| AskError::Token { path: path.to_owned(), error })
        };
        if let Some(token) = self.token_file.map(token).transpose()? {
            head.push_str(&format!("Authorization: Bearer {token}\r\n"));
        }
        let body = body.map(Value::to_string).unwrap_or_default();
        if !body.is_empty() {
            let length = body.len();
            head.push_str(&format!(
                "Content-Type: application/json\r\nContent-Length: {length}\r\n"
            ));
        }
        Ok(format!("{head}Connection: close\r\n\r\n{body}"))
    }
}

fn exchange(address: SocketAddr, request: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// The server says the length of what it has; none of its answers comes in chunks.
fn parsed(answer: &str) -> Option<Answer> {
    let (head, text) = answer.split_once("\r\n\r\n")?;
    let (version, rest) = head.split_once(' ')?;
    let code = rest.split([' ', '\r']).next()?.parse().ok()?;
    version.starts_with("HTTP/1.").then(|| Answer { code, text: text.to_owned() })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_question_is_whole() {
        let api = Api { address: ([127, 0, 0, 1], 9091).into(), token_file: None };
        let asked = api.request(Method::Post, "/v1/drain", Some(&json!({}))).unwrap();
        let expected = "POST /v1/drain HTTP/1.1\r\nHost: 127.0.0.1:9091\r\nContent-Type: application/json\r\n\
                        Content-Length: 2\r\nConnection: close\r\n\r\n{}";
        assert_eq!(asked, expected);
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        std::fs::write(&path, "0123456789abcdef\n").unwrap();
        let api = Api { token_file: Some(&path), ..api };
        let asked = api.request(Method::Get, "/v1/bans", None).unwrap();
        assert!(asked.contains("\r\nAuthorization: Bearer 0123456789abcdef\r\n"), "{asked}");
        for wrong in ["", "two\nlines of it"] {
            std::fs::write(&path, wrong).unwrap();
            let error = api.request(Method::Get, "/", None).unwrap_err().to_string();
            assert!(error.contains("holds no token") && !error.contains("lines of"), "{error}");
        }
    }

    #[test]
    fn an_answer_is_read_and_what_is_none_is_not() {
        let answer = "HTTP/1.1 404 Not Found\r\na: b\r\n\r\n{}";
        assert_eq!(parsed(answer), Some(Answer { code: 404, text: "{}".to_owned() }));
        for wrong in ["", "SSH-2.0-x\r\n\r\n", "HTTP/1.1\r\n\r\n", "HTTP/1.1 x\r\n\r\n"] {
            assert_eq!(parsed(wrong), None, "{wrong}");
        }
    }
}
