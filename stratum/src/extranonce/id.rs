//! The number of a miner, and where it stands in what a pool leaves.

use std::fmt;

use crate::types::Extranonce;

use super::Layout;

/// The number of a miner, unique in the process. Its last bytes, as many as the layout says, are the miner's extranonce1;
/// what is above them is the pool's to be told in the pad, or by the connection that it comes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MinerId {
    layout: Layout,
    value: u64,
}

/// Which of the connections to a pool can carry a miner's work: each has room for as many numbers as its extranonce2 can
/// tell apart, the first for those of bank 0, a second for those of bank 1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bank(pub u32);

/// Banks of one layout. With the shortest ids this is as many miners as a process can have.
pub const BANKS_MAX: u32 = 1 << 12;

/// Bytes of a number.
const VALUE_LEN: u8 = 8;

/// Where the lengths of a layout stand in [`MinerId::pack`]; numbers end below.
const PACKED_ID_LEN: u32 = 48;
const PACKED_MINER_LEN: u32 = 56;

// === impl MinerId ===

impl MinerId {
    /// The id with this number in a layout; higher bytes than the layout has are cut off.
    #[must_use]
    pub fn new(layout: Layout, id: u32) -> Self {
        let ids = (1_u64 << (8 * u32::from(layout.id_len().min(Layout::ID_LEN_MAX)))) - 1;
        Self { layout, value: u64::from(id) & ids }
    }

    /// The same id in a bank of its layout.
    #[must_use]
    pub fn in_bank(self, bank: u32) -> Self {
        if self.layout.is_for_one() {
            return self;
        }
        let bank = u64::from(bank.min(BANKS_MAX - 1)) << (8 * u32::from(self.layout.id_len()));
        Self { value: u64::from(self.id()) | bank, ..self }
    }

    /// How it shares out what a pool leaves.
    #[must_use]
    pub fn layout(self) -> Layout {
        self.layout
    }

    /// What of it the miner is told, as a number.
    #[must_use]
    pub fn id(self) -> u32 {
        let id = self.value & ((1 << (8 * u32::from(self.layout.id_len()))) - 1);
        u32::try_from(id).unwrap_or(u32::MAX)
    }

    /// The bank of its layout that it is of: [`Self::bank`] with a pool that leaves just what the layout needs.
    #[must_use]
    pub fn layout_bank(self) -> u32 {
        self.bank(self.layout.total()).map_or(0, |bank| bank.0)
    }

    /// The miner's extranonce1: the id as the bytes of the coinbase, most significant first.
    #[must_use]
    pub fn bytes(self) -> Extranonce {
        self.last_bytes(self.layout.id_len()).unwrap_or(Extranonce::EMPTY)
    }

    /// Which connection to a pool that leaves so many bytes can carry its work; none if the layout does not fit.
    #[must_use]
    pub fn bank(self, extranonce2_size: u8) -> Option<Bank> {
        let beyond = self.value.checked_shr(8 * u32::from(self.room(extranonce2_size)?));
        Some(Bank(u32::try_from(beyond.unwrap_or(0)).unwrap_or(u32::MAX)))
    }

    /// All bytes of the pool's extranonce2 that are not the miner's: `pad ‖ id`.
    #[must_use]
    pub fn head(self, extranonce2_size: u8) -> Option<Extranonce> {
        self.last_bytes(self.room(extranonce2_size)?)
    }

    /// The bytes between the pool's extranonce1 and the miner's.
    #[must_use]
    pub fn pad(self, extranonce2_size: u8) -> Option<Extranonce> {
        let head = self.head(extranonce2_size)?;
        let len = head.len().checked_sub(self.layout.id_len().into())?;
        Extranonce::from_bytes(head.as_bytes().get(..len)?).ok()
    }

    /// In one number, which is never 0.
    #[must_use]
    pub fn pack(self) -> u64 {
        let Layout { id_len, miner_len } = self.layout;
        self.value | u64::from(id_len) << PACKED_ID_LEN | u64::from(miner_len) << PACKED_MINER_LEN
    }

    /// What [`Self::pack`] made.
    #[must_use]
    pub fn unpack(packed: u64) -> Option<Self> {
        let [miner_len, id_len, ..] = packed.to_be_bytes();
        let value = packed & ((1 << PACKED_ID_LEN) - 1);
        Layout::of(id_len, miner_len).map(|layout| Self { layout, value })
    }

    /// Where its part begins, of all that any pool could leave.
    pub(super) fn position(self) -> u128 {
        u128::from(self.value) << (8 * u32::from(self.layout.miner_len()))
    }

    /// How long its part is.
    pub(super) fn extent(self) -> u128 {
        1 << (8 * u32::from(self.layout.miner_len()))
    }

    /// Bytes for its number with a pool that leaves so many.
    fn room(self, extranonce2_size: u8) -> Option<u8> {
        let room = extranonce2_size.checked_sub(self.layout.miner_len())?;
        (room >= self.layout.id_len()).then_some(room)
    }

    fn last_bytes(self, len: u8) -> Option<Extranonce> {
        let zeros = Extranonce::zeroed(len.saturating_sub(VALUE_LEN).into()).ok()?;
        let value = self.value.to_be_bytes();
        let skipped = usize::from(VALUE_LEN.saturating_sub(len));
        zeros.followed_by(value.get(skipped..)?).ok()
    }
}

impl fmt::Display for MinerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.bytes().fmt(f)
    }
}

// === impl Bank ===

impl Bank {
    /// The banks of a layout that a connection serves which serves this one of a pool that leaves so many bytes. None if
    /// the layout does not fit.
    #[must_use]
    pub fn of_layout(self, layout: Layout, extranonce2_size: u8) -> std::ops::Range<u32> {
        let Some(room) = extranonce2_size.checked_sub(layout.total()) else { return 0..0 };
        // From three bytes on it is more than there are.
        let width = 1_u64 << (8 * u32::from(room.min(3)));
        let edge = |bank: u64| {
            let edge = bank.saturating_mul(width).min(u64::from(BANKS_MAX));
            u32::try_from(edge).unwrap_or(BANKS_MAX)
        };
        edge(self.0.into())..edge(u64::from(self.0) + 1)
    }
}
