//! The pools' side of a miner's session: the jobs as they sent them, and whether a share would be one there. Nothing of our
//! own way from a job to a hash is used.

use loka_stratum::job::PoolContext;
use loka_stratum::message::{Notify, ServerMessage, parse_server};
use loka_stratum::share::VerifiedShare;
use loka_stratum::types::{NTime, SourceId};
use sha2::{Digest as _, Sha256};

/// A job of a pool, and what was in force when it was sent.
pub(crate) struct Offered {
    pub(crate) source: SourceId,
    pub(crate) notify: Notify,
    pub(crate) context: PoolContext,
}

/// All that pools have sent.
#[derive(Default)]
pub(crate) struct Pools {
    offered: Vec<Offered>,
}

/// A real one; the network's target is that of the days when a miner was a computer.
const JOB: &str = r#"{"params":["bf","4d16b6f85af6e2198f44ae2a6de67f78487ae5611b77c6c0440b921e00000000","01000000010000000000000000000000000000000000000000000000000000000000000000ffffffff20020862062f503253482f04b8864e5008","072f736c7573682f000000000100f2052a010000001976a914d23fcdf86f7e756a64a7a9688ef9903327048ed988ac00000000",["fd90b0aa15698f631ae06aba1d688db974c899389c874f03b2c91784733ac50c"],"20000002","1c2ac4af","504e86b9",false],"id":null,"method":"mining.notify"}"#;

// === impl Pools ===

impl Pools {
    /// Each job is another, and ids come again: a pool's own matter.
    pub(crate) fn next_job(&self, ntime: NTime, clean: bool) -> Notify {
        let Ok(ServerMessage::Notify(mut notify)) = parse_server(JOB.as_bytes()) else {
            panic!("a job")
        };
        let number = self.offered.len();
        notify.job_id = format!("{:x}", number % 5).into();
        notify.version.0 |= (number as u32 & 0xff) << 13;
        (notify.ntime, notify.clean) = (ntime, clean);
        notify
    }

    pub(crate) fn offered(&mut self, offered: Offered) {
        self.offered.push(offered);
    }

    /// Some job that the share's pool sent under this id is met by it.
    pub(crate) fn assert_verifies(&self, share: &VerifiedShare) {
        let job = share.job();
        let is_it = |offered: &&Offered| {
            offered.source == job.source && offered.notify.job_id == job.notify.job_id
        };
        let mut offered = self.offered.iter().filter(is_it);
        assert!(offered.any(|offered| offered.is_met_by(share)), "no pool would take {share:?}");
    }
}

// === impl Offered ===

impl Offered {
    fn is_met_by(&self, share: &VerifiedShare) -> bool {
        let Self { notify, context, .. } = self;
        let extranonce2 = share.extranonce2_for_pool().as_bytes();
        let bits = share.version_bits_for_pool();
        let mask = context.version_mask.0;
        let fits = extranonce2.len() == usize::from(context.extranonce2_size)
            && bits.is_some() == (mask != 0)
            && bits.unwrap_or(0) & !mask == 0
            && share.ntime().0 >= notify.ntime.0;
        let extranonce1 = context.extranonce1.as_bytes();
        let coinbase = [&notify.coinb1, extranonce1, extranonce2, &notify.coinb2].concat();
        let root = notify
            .branches
            .iter()
            .fold(sha256d(&coinbase), |root, branch| sha256d(&[root, *branch].concat()));
        let version = notify.version.0 & !mask | bits.unwrap_or(0);
        let header = [
            &version.to_le_bytes()[..],
            &notify.prev_hash.header_bytes(),
            &root,
            &share.ntime().0.to_le_bytes(),
            &notify.nbits.0.to_le_bytes(),
            &share.nonce().0.to_le_bytes(),
        ]
        .concat();
        let due = !share.meets_pool() || context.difficulty.target().is_met_by(&share.hash());
        fits && due && sha256d(&header) == *share.hash().as_bytes()
    }
}

fn sha256d(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(Sha256::digest(bytes)).into()
}
