//! The proxy's seams over the practice farm's network in memory.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use loka_farm::network::{Net, NetListener};
use loka_proxy::transport::{Accept, Arrival, Bind, Boxed, Dial, Transport};

/// The proxy's own end of its connections to pools, by which faults can name it.
pub const PROXY_SIDE: &str = "proxy";

/// A network in memory, as the proxy sees it: pools by `host:port`, its own listeners by
/// [`listener_name`].
#[derive(Clone, Debug)]
pub struct SimulatedNet {
    pub net: Net,
    pub names: Names,
}

/// What hosts stand for, which may change at any moment; of a host that is not in it, its name is all there is.
#[derive(Clone, Debug, Default)]
pub struct Names(
    /// A test writes it, the proxy's dials read it; each for a moment.
    Arc<Mutex<BTreeMap<String, Vec<SocketAddr>>>>,
);

struct SimulatedPort {
    listener: NetListener,
    address: SocketAddr,
}

/// What miners dial to reach the listener on `port`.
pub fn listener_name(port: u16) -> String {
    format!("listener:{port}")
}

// === impl Names ===

impl Names {
    /// From now on `host` stands for these.
    pub fn set(&self, host: &str, addresses: Vec<SocketAddr>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(host.to_owned(), addresses);
    }

    fn of(&self, host: &str) -> Vec<SocketAddr> {
        let names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        names.get(host).cloned().unwrap_or_default()
    }
}

// === impl SimulatedNet ===

impl Dial for SimulatedNet {
    fn dial<'a>(&'a self, host: &'a str, port: u16) -> Boxed<'a, io::Result<Box<dyn Transport>>> {
        Box::pin(async move {
            let stream = self.net.dial_from(PROXY_SIDE, &format!("{host}:{port}")).await?;
            Ok(Box::new(stream) as Box<dyn Transport>)
        })
    }

    fn resolve<'a>(&'a self, host: &'a str, _: u16) -> Boxed<'a, io::Result<Vec<SocketAddr>>> {
        Box::pin(std::future::ready(Ok(self.names.of(host))))
    }

    fn dial_at<'a>(
        &'a self,
        _: &'a str,
        address: SocketAddr,
    ) -> Boxed<'a, io::Result<Box<dyn Transport>>> {
        Box::pin(async move {
            let stream = self.net.dial_from(PROXY_SIDE, &address.to_string()).await?;
            Ok(Box::new(stream) as Box<dyn Transport>)
        })
    }
}

impl Bind for SimulatedNet {
    fn bind(&self, address: SocketAddr) -> Boxed<'_, io::Result<Box<dyn Accept>>> {
        Box::pin(async move {
            let listener = self.net.listen(&listener_name(address.port()))?;
            Ok(Box::new(SimulatedPort { listener, address }) as Box<dyn Accept>)
        })
    }
}

// === impl SimulatedPort ===

impl Accept for SimulatedPort {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }

    fn accept(&mut self) -> Boxed<'_, io::Result<Arrival>> {
        Box::pin(async move {
            let stream = self.listener.accept().await?;
            // Who dials under the name of an address comes from there.
            let from = stream.peer().parse().unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
            let peer = SocketAddr::new(from, self.address.port());
            let open = move || Ok(Box::new(stream) as Box<dyn Transport>);
            Ok(Arrival { peer, open: Box::new(open) })
        })
    }
}
