//! How a firmware's JSON looks: spaces, order of keys, escapes. Writing it is `miner::speech`.

/// The look of a request line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dialect {
    /// Blanks after `:` and `,`.
    pub spacing: Spacing,
    /// Order of the keys of every request but submits.
    pub keys: KeyOrder,
    /// Order of the keys of a submit.
    pub submit_keys: KeyOrder,
    /// How `/` is written inside strings.
    pub slashes: Slashes,
}

/// Blanks after `:` and `,`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spacing {
    /// None.
    Compact,
    /// One after each, as `json_dumps` and `printf` templates of cgminer's family write.
    Spaced,
}

/// Order of a request's keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyOrder {
    /// `id`, `method`, `params`.
    IdFirst,
    /// `method`, `params`, `id`: minerd's submits.
    IdLast,
    /// `params`, `id`, `method`: legal, and what a scanner for fixed positions trips over.
    ParamsFirst,
}

/// How `/` is written inside strings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slashes {
    /// As `\/`, which JSON allows: a parser that borrows strings fails on it.
    Escaped,
    /// As is.
    Plain,
}

// === impl Dialect ===

impl Dialect {
    /// No blanks, id first.
    pub const COMPACT: Self = Self {
        spacing: Spacing::Compact,
        keys: KeyOrder::IdFirst,
        submit_keys: KeyOrder::IdFirst,
        slashes: Slashes::Plain,
    };
    /// Blanks, id first.
    pub const SPACED: Self = Self { spacing: Spacing::Spaced, ..Self::COMPACT };
}
