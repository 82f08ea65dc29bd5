//! Bytes to lines, however they are cut: what comes out is what a reader who has all of them at once would see.

use loka_stratum::frame::LineDecoder;

use crate::script::Bytes;

/// The first byte is the limit, the second how the rest is cut; then the stream.
pub(crate) fn run(data: &[u8]) {
    let mut bytes = Bytes::new(data);
    let limit = usize::from(bytes.byte());
    let mut cuts = u32::from(bytes.byte()) | 0x100;
    let stream = bytes.rest();
    let (wanted, whole) = lines(stream, limit);
    let mut decoder = LineDecoder::new(limit);
    let mut found = Vec::new();
    let mut rest = stream;
    while !rest.is_empty() {
        // A generator as short as it gets: pieces of 1 to 16 bytes, another sequence for each second byte.
        cuts = cuts.wrapping_mul(1_103_515_245).wrapping_add(12_345);
        let (piece, after) = rest.split_at(rest.len().min(1 + (cuts >> 16) as usize % 16));
        rest = after;
        decoder.push(piece);
        while let Ok(Some(line)) = decoder.next_line() {
            found.push(line.to_vec());
        }
        assert!(decoder.buffered() <= limit + 1, "{} bytes are kept", decoder.buffered());
    }
    assert_eq!(found, wanted);
    assert_eq!(decoder.next_line().is_ok(), whole);
}

/// The lines up to the first that is too long, and whether there was none.
fn lines(stream: &[u8], limit: usize) -> (Vec<Vec<u8>>, bool) {
    let mut found = Vec::new();
    let mut parts = stream.split(|byte| *byte == b'\n').peekable();
    while let Some(line) = parts.next() {
        if line.len() > limit {
            return (found, false);
        }
        let ended = parts.peek().is_some();
        if ended && !line.trim_ascii().is_empty() {
            found.push(line.strip_suffix(b"\r").unwrap_or(line).to_vec());
        }
    }
    (found, true)
}
