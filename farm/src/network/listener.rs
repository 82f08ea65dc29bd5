//! The accepting side of the network in memory.

use std::io;

use tokio::sync::mpsc;

use super::stream::NetStream;

/// Accepts the connections dialled to one name; dropping it closes the name.
#[derive(Debug)]
pub struct NetListener {
    arrivals: mpsc::Receiver<NetStream>,
}

// === impl NetListener ===

impl NetListener {
    pub(super) fn new(arrivals: mpsc::Receiver<NetStream>) -> Self {
        Self { arrivals }
    }

    /// The next connection, in the order of dialling. Dropping the future loses none.
    pub async fn accept(&mut self) -> io::Result<NetStream> {
        let gone = || io::Error::new(io::ErrorKind::BrokenPipe, "the network is gone");
        self.arrivals.recv().await.ok_or_else(gone)
    }
}
