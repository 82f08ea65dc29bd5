//! The proxy's seams over the practice farm's network in memory.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use loka_farm::network::{Net, NetListener};
use loka_proxy::transport::{Accept, Arrival, Bind, Boxed, Dial, Transport};

/// The proxy's own end of its connections to pools, by which faults can name it.
pub const PROXY_SIDE: &str = "proxy";

/// A network in memory, as the proxy sees it: pools by `host:port`, its own listeners by
/// [`listener_name`].
#[derive(Clone, Debug)]
pub struct SimulatedNet(pub Net);

struct SimulatedPort {
    listener: NetListener,
    address: SocketAddr,
}

/// What miners dial to reach the listener on `port`.
pub fn listener_name(port: u16) -> String {
    format!("listener:{port}")
}

// === impl SimulatedNet ===

impl Dial for SimulatedNet {
    fn dial<'a>(&'a self, host: &'a str, port: u16) -> Boxed<'a, io::Result<Box<dyn Transport>>> {
        Box::pin(async move {
            let stream = self.0.dial_from(PROXY_SIDE, &format!("{host}:{port}")).await?;
            Ok(Box::new(stream) as Box<dyn Transport>)
        })
    }
}

impl Bind for SimulatedNet {
    fn bind(&self, address: SocketAddr) -> Boxed<'_, io::Result<Box<dyn Accept>>> {
        Box::pin(async move {
            let listener = self.0.listen(&listener_name(address.port()))?;
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
            let peer = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), self.address.port());
            let open = move || Ok(Box::new(stream) as Box<dyn Transport>);
            Ok(Arrival { peer, open: Box::new(open) })
        })
    }
}
