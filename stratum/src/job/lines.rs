//! The `mining.notify` lines of a job, written once and shared by all who are sent them.

use std::sync::{Arc, OnceLock};

use crate::hex;
use crate::json::push_quoted;
use crate::types::{Extranonce, VersionMask};

use super::{Clean, Job};

/// The lines of a job, by pad. Miners of one layout and bank have one pad.
#[derive(Debug, Default)]
pub(super) struct NotifyLines([OnceLock<Box<PadLines>>; PADS_MAX]);

/// The lines for miners that roll nothing and for those that roll all that the pool allows. Any
/// other mask is rare and gets a line of its own.
#[derive(Debug)]
struct PadLines {
    pad: Extranonce,
    plain: PerClean,
    rolling: PerClean,
}

#[derive(Debug, Default)]
struct PerClean {
    no: OnceLock<Arc<[u8]>>,
    yes: OnceLock<Arc<[u8]>>,
}

/// Pads whose lines are kept. A route has one layout, another where a pool came that it does not fit, and those that
/// firmware asks for; a bank in use is another pad of each. Any further one gets a line of its own.
const PADS_MAX: usize = 8;

/// What is in a line beside the coinbase and the branches.
const LINE_BYTES_FIXED: usize = 256;

impl NotifyLines {
    pub(super) fn line(
        &self,
        job: &Job,
        mask: VersionMask,
        clean: Clean,
        pad: Extranonce,
    ) -> Arc<[u8]> {
        let lines = self.of_pad(pad);
        let shared = match lines {
            Some(lines) if mask.is_none() => &lines.plain,
            Some(lines) if mask == job.version_mask => &lines.rolling,
            Some(_) | None => return write(job, mask, clean, pad),
        };
        let line = match clean {
            Clean::No => &shared.no,
            Clean::Yes => &shared.yes,
        };
        Arc::clone(line.get_or_init(|| write(job, mask, clean, pad)))
    }

    /// Bytes of the lines that were asked for so far.
    pub(super) fn bytes(&self) -> usize {
        let line = |line: &OnceLock<Arc<[u8]>>| line.get().map_or(0, |line| line.len());
        let pads = self.0.iter().filter_map(OnceLock::get);
        pads.map(|lines| {
            let PadLines { pad: _, plain, rolling } = &**lines;
            let of = |lines: &PerClean| line(&lines.no) + line(&lines.yes);
            size_of::<PadLines>() + of(plain) + of(rolling)
        })
        .sum()
    }

    fn of_pad(&self, pad: Extranonce) -> Option<&PadLines> {
        let new =
            || Box::new(PadLines { pad, plain: PerClean::default(), rolling: PerClean::default() });
        // The first place that is free is taken, so the places in use are the first ones.
        self.0.iter().map(|place| &**place.get_or_init(new)).find(|lines| lines.pad == pad)
    }
}

fn write(job: &Job, mask: VersionMask, clean: Clean, pad: Extranonce) -> Arc<[u8]> {
    let notify = &job.notify;
    let coinbase_len = notify.coinb1.len() + pad.len() + notify.coinb2.len();
    let mut out =
        Vec::with_capacity(LINE_BYTES_FIXED + 2 * coinbase_len + 67 * notify.branches.len());
    out.extend_from_slice(b"{\"id\":null,\"method\":\"mining.notify\",\"params\":[");
    push_quoted(&mut out, job.serial);
    out.push(b',');
    push_quoted(&mut out, notify.prev_hash);
    out.push(b',');
    out.push(b'"');
    hex::push(&mut out, &notify.coinb1);
    hex::push(&mut out, pad.as_bytes());
    out.extend_from_slice(b"\",");
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
