//! The text of a file whose encoding nobody states.

use encoding_rs::{Encoding, UTF_16BE, UTF_16LE, WINDOWS_1252};

/// A file's text, with `\n` as the only line end.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Decoded {
    pub(super) text: String,
    /// The lines, from 1, that are no UTF-8 and were taken for Windows-1252.
    pub(super) guessed: Vec<usize>,
}

/// UTF-8 and UTF-16 with or without a byte-order mark, as editors and PowerShell write them. A line that is neither is read as
/// Windows-1252, of which Latin-1 is a part: of that line alone, since one old comment must not spoil the others' umlauts.
pub(super) fn decode(bytes: &[u8]) -> Decoded {
    if let Some(encoding) = sixteen_bits(bytes) {
        let (text, _, _) = encoding.decode(bytes);
        return Decoded { text: text.replace("\r\n", "\n").replace('\r', "\n"), guessed: Vec::new() };
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut guessed = Vec::new();
    let mut lines = Vec::new();
    for line in split(bytes) {
        lines.push(match std::str::from_utf8(line) {
            Ok(line) => line.to_owned(),
            Err(_) => {
                guessed.push(lines.len() + 1);
                WINDOWS_1252.decode_without_bom_handling(line).0.into_owned()
            }
        });
    }
    Decoded { text: lines.join("\n"), guessed }
}

/// UTF-16, by its mark, or by the zero bytes that every plain letter has there and that no text in UTF-8 has.
fn sixteen_bits(bytes: &[u8]) -> Option<&'static Encoding> {
    match Encoding::for_bom(bytes) {
        Some((encoding, _)) if encoding == UTF_16LE || encoding == UTF_16BE => return Some(encoding),
        Some(_) => return None,
        None => {}
    }
    let zeros = |from| bytes.iter().skip(from).step_by(2).filter(|byte| **byte == 0).count();
    match (zeros(0), zeros(1)) {
        (0, 0) => None,
        (first, second) if first > second => Some(UTF_16BE),
        _ => Some(UTF_16LE),
    }
}

/// The lines of all systems: `\n`, `\r\n` and `\r`.
fn split(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let lines = bytes.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    lines.flat_map(|line| line.split(|byte| *byte == b'\r'))
}
