//! A SOCKS5 server (RFC 1928, RFC 1929) that knows one place, whatever name it is asked for.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// What it does.
#[derive(Clone, Copy, Debug)]
pub struct Manners {
    /// User and password that it wants.
    pub login: Option<(&'static str, &'static str)>,
    /// What a request comes to.
    pub answer: Answer,
}

/// What a request comes to.
#[derive(Clone, Copy, Debug)]
pub enum Answer {
    /// A connection to this place.
    Connected(SocketAddr),
    /// This reply.
    Refused(u8),
    /// Nothing, for as long as it is waited for.
    Silence,
}

/// A running one.
#[derive(Debug)]
pub struct SocksServer {
    /// Where it listens.
    pub address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    /// Ends with this.
    _tasks: JoinSet<()>,
}

// === impl SocksServer ===

impl SocksServer {
    /// Listens on loopback.
    pub async fn start(manners: Manners) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let asked = Arc::default();
        let mut tasks = JoinSet::new();
        tasks.spawn(serve(listener, manners, Arc::clone(&asked)));
        Self { address, asked, _tasks: tasks }
    }

    /// What it was asked to connect to, as `host:port`.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("no panic").clone()
    }
}

async fn serve(listener: TcpListener, manners: Manners, asked: Arc<Mutex<Vec<String>>>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        connections.spawn(one(stream, manners, Arc::clone(&asked)));
    }
}

async fn one(
    mut stream: TcpStream,
    manners: Manners,
    asked: Arc<Mutex<Vec<String>>>,
) -> io::Result<()> {
    let Manners { login, answer } = manners;
    let [_, count] = read(&mut stream).await?;
    let methods = text(&mut stream, count).await?;
    let wanted = if login.is_some() { 2 } else { 0 };
    if !methods.contains(&wanted) {
        return stream.write_all(&[5, 0xff]).await;
    }
    stream.write_all(&[5, wanted]).await?;
    if let Some((user, password)) = login {
        let [_, length] = read(&mut stream).await?;
        let said = text(&mut stream, length).await?;
        let [length] = read(&mut stream).await?;
        let is_right =
            said == user.as_bytes() && text(&mut stream, length).await? == password.as_bytes();
        stream.write_all(&[1, u8::from(!is_right)]).await?;
        if !is_right {
            return Ok(());
        }
    }
    let [_, _, _, kind] = read(&mut stream).await?;
    let host = match kind {
        3 => {
            let [length] = read(&mut stream).await?;
            String::from_utf8_lossy(&text(&mut stream, length).await?).into_owned()
        }
        _ => std::net::Ipv4Addr::from(read::<4>(&mut stream).await?).to_string(),
    };
    let port = u16::from_be_bytes(read(&mut stream).await?);
    asked.lock().expect("no panic").push(format!("{host}:{port}"));
    match answer {
        Answer::Silence => std::future::pending().await,
        Answer::Refused(code) => stream.write_all(&[5, code, 0, 1, 0, 0, 0, 0, 0, 0]).await,
        Answer::Connected(to) => {
            let mut pool = TcpStream::connect(to).await?;
            // By a name, which is as long as a name may be: all of it is to be read.
            let mut reply = vec![5, 0, 0, 3, 255];
            reply.extend([b'n'; 255]);
            reply.extend([0, 1]);
            stream.write_all(&reply).await?;
            copy_bidirectional(&mut stream, &mut pool).await.map(drop)
        }
    }
}

async fn read<const N: usize>(stream: &mut TcpStream) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes)
}

async fn text(stream: &mut TcpStream, length: u8) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::from(length)];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes)
}
