//! Numbers of the runtime config in units that people read.

/// Milliseconds as `250ms`, `10s`, `2m` or `3h`, whichever is exact.
pub(super) fn duration(ms: u64) -> String {
    match ms {
        0 => "0s".to_owned(),
        ms if !ms.is_multiple_of(1_000) => format!("{ms}ms"),
        ms if !ms.is_multiple_of(60_000) => format!("{}s", ms / 1_000),
        ms if !ms.is_multiple_of(3_600_000) => format!("{}m", ms / 60_000),
        ms => format!("{}h", ms / 3_600_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_shown_in_the_largest_exact_unit() {
        let cases = [
            (0, "0s"),
            (250, "250ms"),
            (1_500, "1500ms"),
            (10_000, "10s"),
            (90_000, "90s"),
            (120_000, "2m"),
            (7_200_000, "2h"),
        ];
        for (ms, expected) in cases {
            assert_eq!(duration(ms), expected);
        }
    }
}
