//! The `mining.notify` lines of a job, written once and shared by all who are sent them.

use std::sync::{Arc, OnceLock};

use crate::hex;
use crate::json::push_quoted;
use crate::types::VersionMask;

use super::{Clean, Job};

/// The lines for miners that roll nothing and for those that roll all that the pool allows. Any
/// other mask is rare and gets a line of its own.
#[derive(Debug, Default)]
pub(super) struct NotifyLines {
    plain: PerClean,
    rolling: PerClean,
}

#[derive(Debug, Default)]
struct PerClean {
    no: OnceLock<Arc<[u8]>>,
    yes: OnceLock<Arc<[u8]>>,
}

/// What is in a line beside the coinbase and the branches.
const LINE_BYTES_FIXED: usize = 256;

impl NotifyLines {
    pub(super) fn line(&self, job: &Job, mask: VersionMask, clean: Clean) -> Arc<[u8]> {
        let shared = if mask.is_none() {
            &self.plain
        } else if mask == job.version_mask {
            &self.rolling
        } else {
            return write(job, mask, clean);
        };
        let line = match clean {
            Clean::No => &shared.no,
            Clean::Yes => &shared.yes,
        };
        Arc::clone(line.get_or_init(|| write(job, mask, clean)))
    }
}

fn write(job: &Job, mask: VersionMask, clean: Clean) -> Arc<[u8]> {
    let notify = &job.notify;
    let coinbase_len = notify.coinb1.len() + notify.coinb2.len();
    let mut out =
        Vec::with_capacity(LINE_BYTES_FIXED + 2 * coinbase_len + 67 * notify.branches.len());
    out.extend_from_slice(b"{\"id\":null,\"method\":\"mining.notify\",\"params\":[");
    push_quoted(&mut out, job.serial);
    out.push(b',');
    push_quoted(&mut out, notify.prev_hash);
    out.push(b',');
    push_hex(&mut out, &notify.coinb1);
    out.push(b',');
    push_hex(&mut out, &notify.coinb2);
    out.extend_from_slice(b",[");
    for (index, branch) in notify.branches.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        push_hex(&mut out, branch);
    }
    out.extend_from_slice(b"],");
    push_quoted(&mut out, notify.version.without(mask));
    out.push(b',');
    push_quoted(&mut out, notify.nbits);
    out.push(b',');
    push_quoted(&mut out, notify.ntime);
    out.extend_from_slice(match clean {
        Clean::No => b",false]}\n",
        Clean::Yes => b",true]}\n",
    });
    out.into()
}

fn push_hex(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    hex::push(out, bytes);
    out.push(b'"');
}
