//! Lists of logins as a user makes them, and a web hook for logins that does what a test says. Neither shares code with the
//! proxy.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use ring::pbkdf2;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Rounds of the lists of tests: as few as are allowed.
const ROUNDS: u32 = 1000;

/// One line of a list.
#[must_use]
pub fn entry(pattern: &str, password: &str) -> String {
    let salt = *b"a salt of tests!";
    let mut hash = [0; 32];
    let rounds = NonZeroU32::new(ROUNDS).unwrap_or(NonZeroU32::MIN);
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, rounds, &salt, password.as_bytes(), &mut hash);
    let [salt, hash] = [&salt[..], &hash[..]].map(|bytes| STANDARD_NO_PAD.encode(bytes));
    format!("{pattern} $pbkdf2-sha256$i={ROUNDS},l=32${salt}${hash}")
}

/// A Secret `miners` with such a list under `logins`.
#[must_use]
pub fn secret(entries: &[String]) -> String {
    format!(
        "---\napiVersion: v1\nkind: Secret\nmetadata: {{ name: miners, namespace: test }}\n\
         stringData:\n  token: hook-token\n  logins: |\n    {}\n",
        entries.join("\n    ")
    )
}

/// What a hook does when it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    /// A yes for this password, and a no for all others.
    Knows(&'static str),
    /// Closes each connection.
    Down,
    /// Status 500.
    Broken,
    /// Status 200, and no answer that can be read.
    Garbage,
    /// Takes the question, and says nothing.
    Silent,
}

/// A web hook on loopback.
#[derive(Debug)]
pub struct Hook {
    address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
    _server: JoinSet<()>,
}

#[derive(Debug)]
struct Shared {
    mood: Mood,
    /// What it was asked, with the bearer's token.
    asked: Vec<(Option<String>, Value)>,
}

// === impl Hook ===

impl Hook {
    /// One that does this for now.
    pub async fn start(mood: Mood) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Mutex::new(Shared { mood, asked: Vec::new() }));
        let mut server = JoinSet::new();
        let of_server = Arc::clone(&shared);
        server.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, Arc::clone(&of_server)));
            }
        });
        Self { address, shared, _server: server }
    }

    /// Its address as a document has it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/miners", self.address)
    }

    /// From now on.
    pub fn set(&self, mood: Mood) {
        lock(&self.shared).mood = mood;
    }

    /// What it was asked so far, each with the token that it was shown.
    #[must_use]
    pub fn asked(&self) -> Vec<(Option<String>, Value)> {
        lock(&self.shared).asked.clone()
    }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve(stream: TcpStream, shared: Arc<Mutex<Shared>>) {
    let mut stream = BufReader::new(stream);
    while lock(&shared).mood != Mood::Down {
        let Some((token, question)) = question(&mut stream).await else { return };
        let mood = {
            let mut shared = lock(&shared);
            shared.asked.push((token, question.clone()));
            shared.mood
        };
        let (status, body) = match mood {
            Mood::Knows(password) => {
                ("200 OK", json!({ "allow": question["password"] == password }).to_string())
            }
            Mood::Down => return,
            Mood::Broken => ("500 Internal Server Error", "{\"allow\": true}".to_owned()),
            Mood::Garbage => ("200 OK", "<html>allow: true</html>".to_owned()),
            Mood::Silent => return std::future::pending().await,
        };
        let length = body.len();
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n{body}");
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// The next question on a connection, and the token with it.
async fn question(stream: &mut BufReader<TcpStream>) -> Option<(Option<String>, Value)> {
    let (mut length, mut token) = (0, None);
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(": ") {
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.parse().ok()?,
                "authorization" => token = value.strip_prefix("Bearer ").map(str::to_owned),
                _ => {}
            }
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some((token, serde_json::from_slice(&body).ok()?))
}
