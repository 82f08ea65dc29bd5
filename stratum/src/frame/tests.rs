use proptest::prelude::*;

use super::*;

const LIMIT: usize = 16;

/// All lines that come out when the bytes go in in pieces, and how it ends.
fn lines<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Vec<u8>>, Option<FrameError>) {
    let mut decoder = LineDecoder::new(LIMIT);
    let mut lines = Vec::new();
    for piece in pieces {
        decoder.push(piece);
        loop {
            match decoder.next_line() {
                Ok(Some(line)) => lines.push(line.to_vec()),
                Ok(None) => break,
                Err(error) => return (lines, Some(error)),
            }
        }
    }
    (lines, None)
}

fn check(input: &str, expected: &[&str]) {
    let (lines, error) = lines([input.as_bytes()]);
    let expected: Vec<Vec<u8>> = expected.iter().map(|line| line.as_bytes().to_vec()).collect();
    assert_eq!((lines, error), (expected, None), "{input:?}");
}

#[test]
fn lines_end_with_a_line_feed_with_or_without_a_return() {
    check("{1}\n{2}\r\n{3}", &["{1}", "{2}"]);
}

#[test]
fn blank_lines_are_skipped() {
    check("\n\r\n \t\r\n{1}\n\n", &["{1}"]);
}

#[test]
fn a_line_of_the_limit_passes_and_one_byte_more_does_not() {
    check(&format!("{}\n", "x".repeat(LIMIT)), &["x".repeat(LIMIT).as_str()]);
    let too_long = Some(FrameError::LineTooLong { limit: LIMIT });
    assert_eq!(lines([format!("{}\n", "x".repeat(LIMIT + 1)).as_bytes()]), (vec![], too_long));
    assert_eq!(lines(["x".repeat(LIMIT + 1).as_bytes()]), (vec![], too_long));
}

#[test]
fn lines_before_one_that_is_too_long_are_delivered_first() {
    let input = format!("{{1}}\n{{2}}\n{}\n{{3}}\n", "x".repeat(LIMIT + 1));
    let (lines, error) = lines([input.as_bytes()]);
    assert_eq!(lines, [b"{1}", b"{2}"]);
    assert_eq!(error, Some(FrameError::LineTooLong { limit: LIMIT }));
}

#[test]
fn a_stream_with_a_line_that_is_too_long_stays_unreadable() {
    let mut decoder = LineDecoder::new(LIMIT);
    decoder.push(&[b'x'; LIMIT + 1]);
    assert!(decoder.next_line().is_err());
    decoder.push(b"\n{1}\n");
    assert!(decoder.next_line().is_err());
    assert!(decoder.is_empty());
}

#[test]
fn of_a_line_without_end_no_more_than_the_limit_is_held() {
    let mut decoder = LineDecoder::new(LIMIT);
    for _ in 0..1000 {
        decoder.push(&[b'x'; 1000]);
        assert!(decoder.buffered() <= LIMIT + 1);
        assert!(decoder.bytes.capacity() < 10 * LIMIT);
    }
    assert!(decoder.next_line().is_err());
}

#[test]
fn the_rest_waits_while_lines_are_taken_one_by_one() {
    let mut decoder = LineDecoder::new(LIMIT);
    decoder.push(b"{1}\n{2}\n{3");
    assert_eq!(decoder.next_line(), Ok(Some(b"{1}".as_slice())));
    assert_eq!(decoder.buffered(), 6);
    decoder.push(b"}\n");
    assert_eq!(decoder.next_line(), Ok(Some(b"{2}".as_slice())));
    assert_eq!(decoder.next_line(), Ok(Some(b"{3}".as_slice())));
    assert!(decoder.is_empty());
}

#[test]
fn an_idle_decoder_holds_no_heap() {
    let mut decoder = LineDecoder::new(LIMIT);
    assert_eq!(decoder.bytes.capacity(), 0);
    decoder.push(b"{1}\n{2}\n");
    while decoder.next_line().unwrap().is_some() {}
    assert_eq!(decoder.bytes.capacity(), 0);
    decoder.push(b"");
    assert_eq!(decoder.bytes.capacity(), 0);
}

proptest! {
    #[test]
    fn how_the_bytes_are_cut_makes_no_difference(
        input in proptest::collection::vec(
            prop_oneof![4 => Just(b'x'), 1 => Just(b'\n'), 1 => Just(b'\r'), 1 => any::<u8>()],
            0..200,
        ),
        cuts in proptest::collection::vec(1..40_usize, 0..50),
    ) {
        let mut pieces = Vec::new();
        let mut rest = input.as_slice();
        for cut in cuts {
            let (piece, tail) = rest.split_at(cut.min(rest.len()));
            pieces.push(piece);
            rest = tail;
        }
        pieces.push(rest);
        prop_assert_eq!(lines(pieces), lines([input.as_slice()]));
        prop_assert_eq!(lines(input.chunks(1)), lines([input.as_slice()]));
    }
}

#[test]
fn another_limit_holds_from_now_on_and_saves_no_line_that_was_too_long() {
    let mut decoder = LineDecoder::new(LIMIT);
    decoder.push(b"0123456789");
    decoder.set_limit(4);
    assert_eq!(decoder.next_line(), Err(FrameError::LineTooLong { limit: 4 }));
    let mut decoder = LineDecoder::new(4);
    decoder.push(b"0123456789");
    decoder.set_limit(LIMIT);
    decoder.push(b"ab\n");
    assert_eq!(decoder.next_line(), Err(FrameError::LineTooLong { limit: 4 }), "its end is gone");
    let mut decoder = LineDecoder::new(4);
    decoder.set_limit(LIMIT);
    decoder.push(b"0123456789\n");
    assert_eq!(decoder.next_line(), Ok(Some(&b"0123456789"[..])));
}
