use std::future::{pending, poll_fn};

use loka_api::runtime_config::{ListenerTls, TlsVersion};
use loka_stratum::types::UnixTime;
use tokio::io::{AsyncWriteExt as _, DuplexStream, duplex};
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};

use super::*;
use crate::clock::Clock;
use crate::tls::Terms;
use crate::tls::tests::{pair, wanted};
use crate::wire::{Interest, Progress, Wire};

const PATIENCE: Duration = Duration::from_secs(10);

/// A port with a certificate, and what a miner must trust.
struct Port {
    config: Arc<ServerConfig>,
    slots: Slots,
    certificate: String,
}

/// Who the miner takes for an issuer.
enum Trust {
    Port,
    Nobody,
}

// === impl Port ===

impl Port {
    fn new(min_version: TlsVersion) -> Self {
        let (certificate, key) = pair();
        let terms = ListenerTls { min_version, ..wanted(&certificate, &key) };
        let Terms { config, not_after: _ } = Terms::new(&terms).unwrap();
        Self { config, slots: Slots::new(), certificate }
    }

    fn handshake(&self) -> Handshake {
        let accepted = Clock::starting_at(UnixTime(1_700_000_000)).now();
        Handshake { config: Arc::clone(&self.config), slots: self.slots.clone(), accepted }
    }

    /// The listener's side of a handshake on `io`.
    async fn meet(&self, io: DuplexStream) -> Result<Box<dyn Transport>, Failure> {
        self.handshake().run(Box::new(io), PATIENCE, pending()).await
    }

    async fn failure(&self, io: DuplexStream) -> TlsFailure {
        self.meet(io).await.err().expect("no handshake").reason
    }

    async fn dial(
        &self,
        io: DuplexStream,
        version: &'static SupportedProtocolVersion,
        trust: Trust,
    ) -> io::Result<TlsStream<DuplexStream>> {
        let mut roots = RootCertStore::empty();
        if matches!(trust, Trust::Port) {
            let certificate = CertificateDer::from_pem_slice(self.certificate.as_bytes());
            roots.add(certificate.unwrap()).unwrap();
        }
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = "proxy.test".try_into().unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, io).await
    }
}

#[tokio::test(start_paused = true)]
async fn bytes_pass_both_ways_in_either_version() {
    for version in [&TLS12, &TLS13] {
        let port = Port::new(TlsVersion::Tls12);
        let (miner, proxy) = duplex(4096);
        let (miner, proxy) = tokio::join!(port.dial(miner, version, Trust::Port), port.meet(proxy));
        let (mut miner, mut proxy) = (miner.unwrap(), proxy.map_err(|f| f.detail).unwrap());
        let mut read = [0; 5];
        miner.write_all(b"hello").await.unwrap();
        miner.flush().await.unwrap();
        proxy.read_exact(&mut read).await.unwrap();
        proxy.write_all(&read).await.unwrap();
        proxy.flush().await.unwrap();
        miner.read_exact(&mut read).await.unwrap();
        assert_eq!(&read, b"hello");
    }
}

#[tokio::test(start_paused = true)]
async fn a_miner_in_the_clear_is_known_by_its_first_byte() {
    let port = Port::new(TlsVersion::Tls12);
    let (mut miner, proxy) = duplex(4096);
    miner.write_all(b"{").await.unwrap();
    let before = Instant::now();
    assert_eq!(port.failure(proxy).await, TlsFailure::NotTls);
    assert_eq!(Instant::now(), before, "at once");
}

#[tokio::test(start_paused = true)]
async fn silence_and_half_a_greeting_end_with_the_handshake_timeout() {
    for bytes in [&[][..], &[HANDSHAKE_RECORD], &[HANDSHAKE_RECORD, 3, 1, 2, 0, 1]] {
        let port = Port::new(TlsVersion::Tls12);
        let (mut miner, proxy) = duplex(4096);
        miner.write_all(bytes).await.unwrap();
        let before = Instant::now();
        assert_eq!(port.failure(proxy).await, TlsFailure::TimedOut, "{bytes:?}");
        assert_eq!(before.elapsed().as_secs(), PATIENCE.as_secs());
    }
}

#[tokio::test(start_paused = true)]
async fn ends_and_nonsense_are_told_apart() {
    let nonsense = [&[HANDSHAKE_RECORD, 3, 1, 0, 4][..], b"\xff\xff\xff\xff"].concat();
    for (bytes, expected) in [
        (&[][..], TlsFailure::Disconnected),
        (&[HANDSHAKE_RECORD], TlsFailure::Disconnected),
        (&nonsense, TlsFailure::Malformed),
    ] {
        let port = Port::new(TlsVersion::Tls12);
        let (mut miner, proxy) = duplex(4096);
        miner.write_all(bytes).await.unwrap();
        drop(miner);
        assert_eq!(port.failure(proxy).await, expected, "{bytes:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_miner_that_does_not_trust_the_certificate_and_one_that_is_too_old_are_told_apart() {
    for version in [&TLS12, &TLS13] {
        let port = Port::new(TlsVersion::Tls12);
        let (miner, proxy) = duplex(4096);
        let (dialled, failure) =
            tokio::join!(port.dial(miner, version, Trust::Nobody), port.failure(proxy));
        assert_eq!(failure, TlsFailure::CertificateRefused);
        assert!(dialled.is_err());
    }
    let port = Port::new(TlsVersion::Tls13);
    let (miner, proxy) = duplex(4096);
    let (dialled, failure) =
        tokio::join!(port.dial(miner, &TLS12, Trust::Port), port.failure(proxy));
    assert_eq!(failure, TlsFailure::Incompatible);
    assert!(dialled.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_listener_that_lets_its_miners_go_waits_for_no_handshake() {
    let port = Port::new(TlsVersion::Tls12);
    let (_miner, proxy) = duplex(4096);
    let failure = port.handshake().run(Box::new(proxy), PATIENCE, std::future::ready(())).await;
    assert_eq!(failure.err().expect("no handshake").reason, TlsFailure::Stopped);
}

#[tokio::test(start_paused = true)]
async fn handshakes_at_once_are_bounded_and_the_silent_ones_do_not_count() {
    let port = Port::new(TlsVersion::Tls12);
    let mut silent = Vec::new();
    let mut pending_handshakes = tokio::task::JoinSet::new();
    for _ in 0..HANDSHAKES_MAX {
        let (miner, proxy) = duplex(64);
        silent.push(miner);
        pending_handshakes.spawn(port.handshake().run(Box::new(proxy), PATIENCE, pending()));
    }
    tokio::task::yield_now().await;
    assert_eq!(port.slots.0.available_permits(), HANDSHAKES_MAX);
    for miner in &mut silent {
        miner.write_all(&[HANDSHAKE_RECORD]).await.unwrap();
    }
    while port.slots.0.available_permits() > 0 {
        tokio::task::yield_now().await;
    }
    // One more waits for a slot, and for no longer than the timeout; then there are slots again.
    let (miner, proxy) = duplex(4096);
    let (dialled, failure) =
        tokio::join!(port.dial(miner, &TLS13, Trust::Port), port.failure(proxy));
    assert!(dialled.is_err());
    assert_eq!(failure, TlsFailure::TimedOut);
    while pending_handshakes.join_next().await.is_some() {}
    assert_eq!(port.slots.0.available_permits(), HANDSHAKES_MAX);
}

/// TLS takes more than its socket does, and is asked to pass it on when the socket has room again.
#[tokio::test(start_paused = true)]
async fn what_a_full_socket_holds_back_is_passed_on_later() {
    const BYTES: usize = 40_000;
    let port = Port::new(TlsVersion::Tls12);
    let (miner, proxy) = duplex(1024);
    let (miner, proxy) = tokio::join!(port.dial(miner, &TLS13, Trust::Port), port.meet(proxy));
    let mut miner = miner.unwrap();
    let mut wire = Wire::new(proxy.map_err(|failure| failure.detail).unwrap(), 1024);
    wire.send(&[b'x'; BYTES]).unwrap();
    let mut read = vec![0; BYTES];
    let reading = tokio::time::timeout(PATIENCE, miner.read_exact(&mut read));
    let writing = async {
        loop {
            let progress = poll_fn(|cx| wire.poll(cx, Interest::Write)).await.unwrap();
            assert!(matches!(progress, Progress::Flushed), "{progress:?}");
        }
    };
    tokio::select! {
        biased;
        read = reading => drop(read.expect("all of it").unwrap()),
        () = writing => {}
    }
    assert!(read.iter().all(|byte| *byte == b'x'));
}
