//! How a target reads its input: numbers from bytes, and steps from lines, so that a corpus can be read and written by hand.

/// Bytes that run out without harm: what is missing is 0.
pub(crate) struct Bytes<'a>(&'a [u8]);

// === impl Bytes ===

impl<'a> Bytes<'a> {
    pub(crate) fn new(data: &'a [u8]) -> Self {
        Self(data)
    }

    pub(crate) fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    /// A digit's value where there is one, so that scripts read as they are meant; any other byte as it is.
    pub(crate) fn digit(&mut self) -> u8 {
        match self.byte() {
            digit @ b'0'..=b'9' => digit - b'0',
            other => other,
        }
    }

    /// The digits that come next, as a number.
    pub(crate) fn number(&mut self) -> u32 {
        let digits = self.0.iter().take(9).take_while(|byte| byte.is_ascii_digit()).count();
        let (number, rest) = self.0.split_at(digits);
        self.0 = rest;
        number.iter().fold(0, |number, digit| number * 10 + u32::from(digit - b'0'))
    }

    pub(crate) fn rest(&self) -> &'a [u8] {
        self.0
    }
}

/// The steps of a script: its lines. More than this many add nothing but time.
pub(crate) fn steps(data: &[u8]) -> impl Iterator<Item = &[u8]> {
    const STEPS_MAX: usize = 400;
    data.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).take(STEPS_MAX)
}
