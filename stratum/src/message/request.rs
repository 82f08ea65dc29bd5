//! Requests that we send to a pool. Every function appends one line, its `\n` included.

use crate::difficulty::Difficulty;
use crate::json::{push_display, push_quoted, push_str};
use crate::types::{Extranonce, NTime, Nonce, Version, VersionMask};

/// A share on its way to a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolSubmit<'a> {
    /// The login at the pool.
    pub user: &'a str,
    /// The pool's own id of the job.
    pub job_id: &'a str,
    /// All the bytes that the pool left to us.
    pub extranonce2: &'a Extranonce,
    /// The time in the header.
    pub ntime: NTime,
    /// The nonce in the header.
    pub nonce: Nonce,
    /// The header's bits inside the pool's mask; `Some` exactly if the pool rolls versions.
    pub version_bits: Option<u32>,
}

/// Bits that we would like at least: what the fastest machines of today use up between two ntimes.
const MIN_BIT_COUNT: u32 = 2;

/// `mining.configure`, for version rolling and changes of the extranonce.
pub fn configure(out: &mut Vec<u8>, id: u64, mask: VersionMask) {
    begin(out, id, "mining.configure");
    out.extend_from_slice(br#"["version-rolling","subscribe-extranonce"],"#);
    out.extend_from_slice(br#"{"version-rolling.mask":"#);
    push_quoted(out, mask);
    out.extend_from_slice(br#","version-rolling.min-bit-count":"#);
    push_display(out, MIN_BIT_COUNT);
    out.push(b'}');
    end(out);
}

/// `mining.subscribe`, for a new session or for one to resume.
pub fn subscribe(out: &mut Vec<u8>, id: u64, user_agent: &str, session: Option<&str>) {
    begin(out, id, "mining.subscribe");
    push_str(out, user_agent);
    if let Some(session) = session {
        out.push(b',');
        push_str(out, session);
    }
    end(out);
}

/// `mining.subscribe` without a word about us, for pools that take nothing else.
pub fn subscribe_bare(out: &mut Vec<u8>, id: u64) {
    begin(out, id, "mining.subscribe");
    end(out);
}

/// `mining.authorize`
pub fn authorize(out: &mut Vec<u8>, id: u64, user: &str, password: &str) {
    begin(out, id, "mining.authorize");
    push_str(out, user);
    out.push(b',');
    push_str(out, password);
    end(out);
}

/// `mining.extranonce.subscribe`
pub fn extranonce_subscribe(out: &mut Vec<u8>, id: u64) {
    begin(out, id, "mining.extranonce.subscribe");
    end(out);
}

/// `mining.suggest_difficulty`
pub fn suggest_difficulty(out: &mut Vec<u8>, id: u64, difficulty: Difficulty) {
    begin(out, id, "mining.suggest_difficulty");
    push_display(out, difficulty);
    end(out);
}

/// `mining.submit`
pub fn submit(out: &mut Vec<u8>, id: u64, share: &PoolSubmit<'_>) {
    let PoolSubmit { user, job_id, extranonce2, ntime, nonce, version_bits } = share;
    begin(out, id, "mining.submit");
    push_str(out, user);
    out.push(b',');
    push_str(out, job_id);
    out.push(b',');
    push_quoted(out, extranonce2);
    out.push(b',');
    push_quoted(out, ntime);
    out.push(b',');
    push_quoted(out, nonce);
    if let Some(bits) = version_bits {
        out.push(b',');
        push_quoted(out, Version(*bits));
    }
    end(out);
}

fn begin(out: &mut Vec<u8>, id: u64, method: &str) {
    out.extend_from_slice(b"{\"id\":");
    push_display(out, id);
    out.extend_from_slice(b",\"method\":");
    push_str(out, method);
    out.extend_from_slice(b",\"params\":[");
}

fn end(out: &mut Vec<u8>) {
    out.extend_from_slice(b"]}\n");
}
