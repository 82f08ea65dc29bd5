//! The latest verdicts of a pool, a bit each.

/// Verdicts that are remembered.
const RECENT_MAX: usize = 512;

const WORD_BITS: usize = u64::BITS as usize;

/// Of the latest verdicts, how many credited the share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Acceptance {
    pub(crate) accepted: u32,
    /// Verdicts that are remembered; 512 at most.
    pub(crate) judged: u32,
}

/// A ring of verdicts.
#[derive(Debug, Default)]
pub(super) struct RecentVerdicts {
    credited: [u64; RECENT_MAX / WORD_BITS],
    next: usize,
    judged: u32,
}

// === impl Acceptance ===

impl Acceptance {
    /// Accepted of a thousand; absent without a verdict.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "the route judges by its own stretches of verdicts")
    )]
    pub(crate) fn permille(self) -> Option<u32> {
        (self.accepted * 1000).checked_div(self.judged)
    }
}

// === impl RecentVerdicts ===

impl RecentVerdicts {
    pub(super) fn add(&mut self, verdict: Result<(), ()>) {
        let bit = 1 << (self.next % WORD_BITS);
        if let Some(word) = self.credited.get_mut(self.next / WORD_BITS) {
            match verdict {
                Ok(()) => *word |= bit,
                Err(()) => *word &= !bit,
            }
        }
        self.next = (self.next + 1) % RECENT_MAX;
        self.judged += u32::from(usize::try_from(self.judged).is_ok_and(|n| n < RECENT_MAX));
    }

    pub(super) fn acceptance(&self) -> Acceptance {
        let accepted = self.credited.iter().map(|word| word.count_ones()).sum();
        Acceptance { accepted, judged: self.judged }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(verdicts: impl IntoIterator<Item = bool>) -> Acceptance {
        let mut recent = RecentVerdicts::default();
        for credited in verdicts {
            recent.add(if credited { Ok(()) } else { Err(()) });
        }
        recent.acceptance()
    }

    #[test]
    fn only_the_latest_count() {
        assert_eq!(of([true, false, true]), Acceptance { accepted: 2, judged: 3 });
        let bad_then_good =
            std::iter::repeat_n(false, 2000).chain(std::iter::repeat_n(true, RECENT_MAX));
        assert_eq!(of(bad_then_good), Acceptance { accepted: 512, judged: 512 });
        let good_then_bad = std::iter::repeat_n(true, 2000).chain(std::iter::repeat_n(false, 128));
        assert_eq!(of(good_then_bad), Acceptance { accepted: 384, judged: 512 });
    }

    #[test]
    fn nothing_judged_is_no_rate() {
        assert_eq!(of([]).permille(), None);
        assert_eq!(of([true, true, true, false]).permille(), Some(750));
    }
}
