//! The small values of the protocol, one newtype per file.
//!
//! They parse, print and compare, and know no message. Amounts of work are in
//! [`crate::difficulty`].

mod extranonce;
mod job_serial;
mod prev_hash;
mod source_id;
mod time;
mod version;
mod word;
mod worker_name;

pub use extranonce::Extranonce;
pub use job_serial::JobSerial;
pub use prev_hash::PrevHash;
pub use source_id::{LaneId, SourceId};
pub use time::{NTime, UnixTime};
pub use version::{Version, VersionMask};
pub use word::{NBits, Nonce};
pub use worker_name::{WorkerName, WorkerNameError};
