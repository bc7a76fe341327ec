//! JSON in a string of JSON.

use super::{
    doubled::Members,
    found::Repair,
    object::{ObjectReader, Seen},
    reading::Reading,
};

/// So often JSON may be in JSON.
const LEVELS_MAX: usize = 3;

/// An object that is none by the grammar of JSON.
#[derive(Debug, PartialEq)]
pub(super) struct Read {
    /// In bytes of the text.
    pub(super) len: usize,
    pub(super) json: String,
    pub(super) repairs: Vec<Repair>,
}

/// Also in one of one: the escapes are taken away. A quote that has none ends the string around it.
pub(super) fn read(text: &[u8]) -> Reading<Read> {
    let (mut reader, mut plain) = (ObjectReader::opened(), vec![b'{']);
    let mut levels = [Level::default(); LEVELS_MAX];
    let levels = match levels_of(text) {
        Reading::Is(deep) => &mut levels[..deep],
        Reading::Not => return Reading::Not,
        Reading::More => return Reading::More,
    };
    for (at, &byte) in text.iter().enumerate().skip(1) {
        let mut bytes = vec![byte];
        for level in levels.iter_mut() {
            let Some(less) = level.unescaped(&bytes) else { return Reading::Not };
            bytes = less;
        }
        for byte in bytes {
            plain.push(byte);
            match reader.step(byte) {
                Seen::More => {}
                Seen::Closed => {
                    let Ok(json) = String::from_utf8(plain) else { return Reading::Not };
                    if serde_json::from_str::<Members>(&json).is_ok_and(|members| members.are_doubled) {
                        return Reading::Not;
                    }
                    return Reading::Is(Read { len: at + 1, json, repairs: vec![Repair::Escaped] });
                }
                Seen::Malformed | Seen::TooDeep => return Reading::Not,
            }
        }
    }
    Reading::More
}

/// How often it is, by the backslashes before the first quote.
fn levels_of(text: &[u8]) -> Reading<usize> {
    let mut count = 0;
    for (at, byte) in text.iter().enumerate().skip(1) {
        match byte {
            b'\\' => count += 1,
            b'u' if count > 0 && text[at..].starts_with(b"u0022") => break,
            b'n' | b'r' | b't' if count > 0 => count = 0,
            b' ' | b'\n' | b'\r' | b'\t' => {}
            b'"' => break,
            b'u' if b"u0022".starts_with(&text[at..]) => return Reading::More,
            _ => return Reading::Not,
        }
        if at + 1 == text.len() {
            return Reading::More;
        }
    }
    match count {
        0 if text.len() < 2 => Reading::More,
        1 => Reading::Is(1),
        2 | 3 => Reading::Is(2),
        4..=7 => Reading::Is(3),
        _ => Reading::Not,
    }
}

/// One level of escapes.
#[derive(Clone, Copy, Default)]
struct Level {
    is_escaped: bool,
    /// Of `\u0022`: digits that are still to come, and what they are so far.
    digits: u8,
    code: u32,
}

impl Level {
    fn unescaped(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        let mut out = Vec::with_capacity(bytes.len());
        for &byte in bytes {
            if self.digits > 0 {
                self.code = self.code << 4 | char::from(byte).to_digit(16)?;
                self.digits -= 1;
                match (self.digits, u8::try_from(self.code)) {
                    (0, Ok(ascii @ 0..0x80)) => out.push(ascii),
                    // It means the same one level further in.
                    (0, _) => out.extend_from_slice(format!("\\u{:04x}", self.code).as_bytes()),
                    _ => {}
                }
                continue;
            }
            match (std::mem::take(&mut self.is_escaped), byte) {
                (false, b'\\') => self.is_escaped = true,
                (false, b'"') => return None,
                (false, _) => out.push(byte),
                (true, b'n') => out.push(b'\n'),
                (true, b'r') => out.push(b'\r'),
                (true, b't') => out.push(b'\t'),
                (true, b'"' | b'\\' | b'/') => out.push(byte),
                (true, b'u') => (self.digits, self.code) = (4, 0),
                (true, _) => return None,
            }
        }
        Some(out)
    }
}
