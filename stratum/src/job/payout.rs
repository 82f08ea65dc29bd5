//! Whom a pool's coinbase pays, before a hash goes into it.
//!
//! The transaction is read as the network would read it, from the halves that the pool sent and an extranonce of zeros. The
//! bytes that miners fill in must lie within one script, so that none of them can change how the rest is read, and an
//! output whose script holds them pays nobody that we know. A pool is hostile here more than anywhere: nothing is
//! allocated by its word, and whatever is odd is refused.

use std::ops::Range;

use thiserror::Error;

use crate::hex;
use crate::message::Notify;

use super::PoolContext;

#[cfg(test)]
mod tests;

/// Every satoshi that will ever be: no output, nor their sum, is above it.
const MONEY_MAX: u64 = 21_000_000 * 100_000_000;

/// The longest output script that can be asked for: any standard one has at most 34 bytes, with room for bare scripts.
const SCRIPT_BYTES_MAX: usize = 128;

/// What a pool's coinbase must pay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payout {
    script: Box<[u8]>,
    min_percent: u8,
}

/// Why a job is not mined on.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PayoutError {
    /// Nothing that the network would take for a coinbase, or nothing that could be relied on.
    #[error("the pool's coinbase cannot be checked: {0}")]
    Unreadable(&'static str),
    /// It pays others.
    #[error(
        "the pool's coinbase pays {paid} of {total} satoshi to the script that it must pay, which is less than \
         {min_percent} %"
    )]
    Short {
        /// To the script.
        paid: u64,
        /// By all outputs.
        total: u64,
        /// What was asked for.
        min_percent: u8,
    },
}

/// The transaction's bytes as far as they are not read yet.
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

// === impl Payout ===

impl Payout {
    /// At least `min_percent` of the coinbase's value to `script`, which is in hexadecimal. `None` if that is no script of
    /// 1 to 128 bytes, or not 1 to 100 percent.
    #[must_use]
    pub fn new(script: &str, min_percent: u8) -> Option<Self> {
        let script = hex::decode(script).ok()?.into_boxed_slice();
        let possible =
            (1..=SCRIPT_BYTES_MAX).contains(&script.len()) && (1..=100).contains(&min_percent);
        possible.then_some(Self { script, min_percent })
    }

    /// Whether a job pays what it must.
    ///
    /// # Errors
    /// [`PayoutError`] says what is wrong with it.
    pub fn check(&self, notify: &Notify, context: &PoolContext) -> Result<(), PayoutError> {
        let extranonce1 = context.extranonce1.as_bytes();
        let filled = extranonce1.len() + usize::from(context.extranonce2_size);
        let start = notify.coinb1.len();
        let zeros = std::iter::repeat_n(&0, context.extranonce2_size.into());
        let bytes: Vec<u8> = notify
            .coinb1
            .iter()
            .chain(extranonce1)
            .chain(zeros)
            .chain(&notify.coinb2)
            .copied()
            .collect();
        let (paid, total) = self.sums(&bytes, &(start..start + filled))?;
        let enough = u128::from(paid) * 100 >= u128::from(total) * u128::from(self.min_percent);
        match enough && paid > 0 {
            true => Ok(()),
            false => Err(PayoutError::Short { paid, total, min_percent: self.min_percent }),
        }
    }

    /// What goes to the script, and what goes to anybody.
    fn sums(&self, bytes: &[u8], filled: &Range<usize>) -> Result<(u64, u64), PayoutError> {
        let unreadable = PayoutError::Unreadable;
        let ended = || unreadable("it ends too early");
        let mut cursor = Cursor { bytes, at: 0 };
        cursor.take(4).ok_or_else(ended)?;
        if cursor.length() != Some(1) {
            return Err(unreadable("a coinbase has one input"));
        }
        let outpoint = cursor.take(36).ok_or_else(ended)?;
        let (hash, index) = outpoint.split_at(32);
        if hash.iter().any(|byte| *byte != 0) || index.iter().any(|byte| *byte != 0xff) {
            return Err(unreadable("its input spends something"));
        }
        let mut covered = cursor.script().ok_or_else(ended)?.1.covers(filled);
        cursor.take(4).ok_or_else(ended)?;
        let outputs = cursor.length().ok_or_else(ended)?;
        let (mut paid, mut total) = (0_u64, 0_u64);
        for _ in 0..outputs {
            let value = cursor.value().ok_or_else(ended)?;
            let (script, range) = cursor.script().ok_or_else(ended)?;
            let is_filled = range.covers(filled);
            covered |= is_filled;
            total = total
                .checked_add(value)
                .filter(|total| *total <= MONEY_MAX)
                .ok_or_else(|| unreadable("it pays more than there is"))?;
            if *script == *self.script && !is_filled {
                paid += value;
            }
        }
        cursor.take(4).ok_or_else(ended)?;
        match (cursor.is_at_end(), covered) {
            (false, _) => Err(unreadable("more bytes follow its end")),
            (true, false) => Err(unreadable("the extranonce does not lie within one script")),
            (true, true) => Ok((paid, total)),
        }
    }
}

/// Ranges of bytes that lie in one another.
trait Covers {
    fn covers(&self, inner: &Self) -> bool;
}

impl Covers for Range<usize> {
    fn covers(&self, inner: &Self) -> bool {
        self.start <= inner.start && inner.end <= self.end
    }
}

// === impl Cursor ===

impl<'a> Cursor<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(count)?;
        let taken = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }

    fn number<const N: usize>(&mut self) -> Option<u64> {
        let taken = self.take(N)?;
        Some(taken.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    /// A count, in the shortest form, which alone is valid.
    fn length(&mut self) -> Option<u64> {
        let (length, least) = match self.number::<1>()? {
            0xfd => (self.number::<2>()?, 0xfd),
            0xfe => (self.number::<4>()?, 1 << 16),
            0xff => (self.number::<8>()?, 1 << 32),
            short => (short, 0),
        };
        (length >= least).then_some(length)
    }

    fn value(&mut self) -> Option<u64> {
        self.number::<8>()
    }

    /// A script, and where it stands.
    fn script(&mut self) -> Option<(&'a [u8], Range<usize>)> {
        let length = usize::try_from(self.length()?).ok()?;
        let start = self.at;
        Some((self.take(length)?, start..self.at))
    }

    fn is_at_end(&self) -> bool {
        self.at == self.bytes.len()
    }
}
