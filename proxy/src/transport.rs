//! The seams between the proxy and the network: how a connection is accepted and how a pool is dialled.
//!
//! Two implementations each: TCP here, and a simulated network in the tests. Owns nothing else.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream, ToSocketAddrs, lookup_host};

/// A connection, whatever carries it.
pub trait Transport: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Transport for T {}

/// A future that a trait object returns.
pub type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Opens connections to pools.
pub trait Dial: Send + Sync {
    /// Connects to `host:port`, resolving the name anew each time, so that a pool that moves is followed.
    fn dial<'a>(&'a self, host: &'a str, port: u16) -> Boxed<'a, io::Result<Box<dyn Transport>>>;

    /// What `host` stands for now. Nothing where names are all there is, as in a network in memory: then [`Self::dial`]
    /// alone is used.
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> Boxed<'a, io::Result<Vec<SocketAddr>>> {
        let _ = (host, port);
        Box::pin(std::future::ready(Ok(Vec::new())))
    }

    /// Connects to one of the addresses that `host` stands for.
    fn dial_at<'a>(
        &'a self,
        host: &'a str,
        address: SocketAddr,
    ) -> Boxed<'a, io::Result<Box<dyn Transport>>> {
        self.dial(host, address.port())
    }
}

/// Binds listeners.
pub trait Bind: Send + Sync {
    /// Binds `address`.
    fn bind(&self, address: SocketAddr) -> Boxed<'_, io::Result<Box<dyn Accept>>>;
}

/// A bound listener.
pub trait Accept: Send {
    /// Where it listens.
    fn local_addr(&self) -> io::Result<SocketAddr>;

    /// The next connection. Cancel-safe.
    fn accept(&mut self) -> Boxed<'_, io::Result<Arrival>>;
}

/// A connection that was accepted, on its way to the thread that will own it.
pub struct Arrival {
    /// Who connected.
    pub peer: SocketAddr,
    /// Opens the connection; called on the thread that will own it.
    pub open: Box<dyn FnOnce() -> io::Result<Box<dyn Transport>> + Send>,
}

/// The operating system's TCP.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tcp;

struct TcpAccept(TcpListener);

/// Connections that wait to be accepted. After a power cut a farm comes back at once, and who finds no place here tries again
/// after a second, then after three. The kernel allows no more than `net.core.somaxconn`, which is 4,096 as it comes.
const BACKLOG: u32 = 16_384;

// === impl Tcp ===

impl Dial for Tcp {
    fn dial<'a>(&'a self, host: &'a str, port: u16) -> Boxed<'a, io::Result<Box<dyn Transport>>> {
        Box::pin(async move { Ok(Box::new(connected((host, port)).await?) as _) })
    }

    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> Boxed<'a, io::Result<Vec<SocketAddr>>> {
        Box::pin(async move { Ok(lookup_host((host, port)).await?.collect()) })
    }

    fn dial_at<'a>(
        &'a self,
        _host: &'a str,
        address: SocketAddr,
    ) -> Boxed<'a, io::Result<Box<dyn Transport>>> {
        Box::pin(async move { Ok(Box::new(connected(address).await?) as _) })
    }
}

async fn connected(to: impl ToSocketAddrs) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(to).await?;
    // Shares are small and each one counts: never wait to fill a segment (Nagle costs 40 ms a share).
    stream.set_nodelay(true)?;
    Ok(stream)
}

impl Bind for Tcp {
    fn bind(&self, address: SocketAddr) -> Boxed<'_, io::Result<Box<dyn Accept>>> {
        Box::pin(async move {
            let socket = match address {
                SocketAddr::V4(_) => TcpSocket::new_v4()?,
                SocketAddr::V6(_) => TcpSocket::new_v6()?,
            };
            // Of the connections of a process before this one some may not be over yet.
            socket.set_reuseaddr(true)?;
            socket.bind(address)?;
            Ok(Box::new(TcpAccept(socket.listen(BACKLOG)?)) as Box<dyn Accept>)
        })
    }
}

// === impl TcpAccept ===

impl TcpAccept {
    async fn accepted(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let (stream, peer) = self.0.accept().await?;
        // Jobs are small too.
        stream.set_nodelay(true)?;
        Ok((stream, peer))
    }
}

impl Accept for TcpAccept {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }

    fn accept(&mut self) -> Boxed<'_, io::Result<Arrival>> {
        Box::pin(async move {
            let (stream, peer) = self.accepted().await?;
            // Registered anew with the reactor of the thread that will own it.
            let stream = stream.into_std()?;
            let open = move || {
                TcpStream::from_std(stream).map(|stream| Box::new(stream) as Box<dyn Transport>)
            };
            Ok(Arrival { peer, open: Box::new(open) })
        })
    }
}

// === impl Arrival ===

impl std::fmt::Debug for Arrival {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Arrival").field("peer", &self.peer).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn neither_side_waits_to_fill_a_segment() {
        let listener = TcpAccept(TcpListener::bind("127.0.0.1:0").await.unwrap());
        let address = listener.local_addr().unwrap();
        let (dialled, accepted) = tokio::join!(connected(address), listener.accepted());
        assert!(dialled.unwrap().nodelay().unwrap(), "towards pools");
        assert!(accepted.unwrap().0.nodelay().unwrap(), "towards miners");
    }
}
