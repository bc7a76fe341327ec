//! Reads one JSON object byte by byte and says where it ends, or where it stops being JSON.
//!
//! Promises: constant size, constant work per byte, no byte accepted that could not go on to be valid JSON, with three
//! things left to the real parser afterwards: the digits of numbers, the letters of `true`, `false`, `null`, and the
//! letter after a backslash. A string holds only well-formed UTF-8 and no control character.

use serde::{Deserialize, Serialize};

/// One bit of [`ObjectReader::open`] per level.
pub(super) const DEPTH_MAX: u8 = 64;

/// What a byte did to the object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    More,
    Closed,
    Malformed,
    TooDeep,
}

/// The reader's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ObjectReader {
    /// The open brackets, innermost lowest: 1 is an object, 0 an array.
    open: u64,
    depth: u8,
    next: Next,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Next {
    /// A key, or the end of an object that is empty so far.
    FirstKey,
    Key,
    Colon,
    Value,
    /// A value, or the end of an array that is empty so far.
    FirstItem,
    /// A comma or the end.
    AfterValue,
    /// More of a number or a literal, or what ends it.
    Scalar,
    Text {
        key: bool,
    },
    Escaped {
        key: bool,
    },
    /// Continuation bytes of a character: so many, the first of them in this range.
    Character {
        key: bool,
        left: u8,
        low: u8,
        high: u8,
    },
}

impl ObjectReader {
    /// Behind the opening brace.
    pub(super) fn opened() -> Self {
        Self { open: 1, depth: 1, next: Next::FirstKey }
    }

    pub(super) fn step(&mut self, byte: u8) -> Seen {
        self.next = match (self.next, byte) {
            (Next::Text { key }, _) => match Self::text(key, byte) {
                Some(next) => next,
                None => return Seen::Malformed,
            },
            (Next::Escaped { key }, 0x20..0x7f) => Next::Text { key },
            (Next::Character { key, left, low, high }, _) if (low..=high).contains(&byte) => {
                if left > 1 {
                    Next::Character { key, left: left - 1, low: 0x80, high: 0xbf }
                } else {
                    Next::Text { key }
                }
            }
            (Next::Escaped { .. } | Next::Character { .. }, _) => return Seen::Malformed,

            (Next::Scalar, b' ' | b'\t' | b'\r' | b'\n') => Next::AfterValue,
            (_, b' ' | b'\t' | b'\r' | b'\n') => return Seen::More,

            (Next::FirstKey | Next::Key, b'"') => Next::Text { key: true },
            (Next::Colon, b':') => Next::Value,
            (Next::Value | Next::FirstItem, b'"') => Next::Text { key: false },
            (Next::Value | Next::FirstItem, b'{') => return self.descend(true),
            (Next::Value | Next::FirstItem, b'[') => return self.descend(false),
            (Next::Value | Next::FirstItem, b'-' | b'0'..=b'9' | b't' | b'f' | b'n') => Next::Scalar,
            (Next::Scalar, b'0'..=b'9' | b'a'..=b'z' | b'E' | b'.' | b'+' | b'-') => Next::Scalar,

            (Next::AfterValue | Next::Scalar, b',') if self.in_object() => Next::Key,
            (Next::AfterValue | Next::Scalar, b',') => Next::Value,
            (Next::AfterValue | Next::Scalar | Next::FirstKey, b'}') if self.in_object() => return self.ascend(),
            (Next::AfterValue | Next::Scalar | Next::FirstItem, b']') if !self.in_object() => return self.ascend(),
            _ => return Seen::Malformed,
        };
        Seen::More
    }

    /// The ranges are those of the Unicode standard, table 3-7.
    fn text(key: bool, byte: u8) -> Option<Next> {
        let character = |left, low, high| Some(Next::Character { key, left, low, high });
        match byte {
            b'"' if key => Some(Next::Colon),
            b'"' => Some(Next::AfterValue),
            b'\\' => Some(Next::Escaped { key }),
            0x20..0x80 => Some(Next::Text { key }),
            0xc2..=0xdf => character(1, 0x80, 0xbf),
            0xe0 => character(2, 0xa0, 0xbf),
            0xed => character(2, 0x80, 0x9f),
            0xe1..=0xef => character(2, 0x80, 0xbf),
            0xf0 => character(3, 0x90, 0xbf),
            0xf1..=0xf3 => character(3, 0x80, 0xbf),
            0xf4 => character(3, 0x80, 0x8f),
            _ => None,
        }
    }

    fn in_object(&self) -> bool {
        self.open & 1 == 1
    }

    fn descend(&mut self, object: bool) -> Seen {
        if self.depth >= DEPTH_MAX {
            return Seen::TooDeep;
        }
        self.depth += 1;
        self.open = self.open << 1 | u64::from(object);
        self.next = if object { Next::FirstKey } else { Next::FirstItem };
        Seen::More
    }

    fn ascend(&mut self) -> Seen {
        self.depth = self.depth.saturating_sub(1);
        self.open >>= 1;
        self.next = Next::AfterValue;
        if self.depth == 0 { Seen::Closed } else { Seen::More }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes that belong to the object, and what the last one did.
    fn read(text: &[u8]) -> (usize, Seen) {
        let mut reader = ObjectReader::opened();
        for (at, &byte) in text.iter().enumerate().skip(1) {
            let seen = reader.step(byte);
            if seen != Seen::More {
                return (at + 1, seen);
            }
        }
        (text.len(), Seen::More)
    }

    #[test]
    fn an_object_ends_at_its_own_brace() {
        for json in [
            "{}",
            "{ }",
            r#"{"a":1}"#,
            r#"{"a":-1.5E+10,"b":true,"c":null}"#,
            r#"{"a":[],"b":[1,"x",{},[{}]] }"#,
            r#"{"a":"} \" { \\"}"#,
            r#"{"a":"\u007d\\\"}"}"#,
            "{\n\t\"a\" : \"Zoë 李小龍 🦷\"\r\n}",
        ] {
            let text = format!("{json}}}] rest");
            assert_eq!(read(text.as_bytes()), (json.len(), Seen::Closed), "{json}");
            serde_json::from_str::<serde_json::Value>(json).unwrap();
        }
    }

    #[test]
    fn what_can_never_become_json_is_refused_at_once() {
        for (json, at) in [
            (r#"{,"#, 2),
            (r#"{"a" 1"#, 6),
            (r#"{"a":1 2"#, 8),
            (r#"{"a":1,}"#, 8),
            (r#"{"a":[1,]"#, 9),
            (r#"{"a":[1}"#, 8),
            (r#"{"a":}"#, 6),
            (r#"{'a'"#, 2),
            (r#"{a:"#, 2),
            (r#"{"a":N"#, 6),
            ("{\"a\":\"x\n", 8),
            ("{\"a\":\"x\\\n", 9),
            (r#"{"a":"x" b"#, 10),
        ] {
            assert_eq!(read(json.as_bytes()), (at, Seen::Malformed), "{json}");
        }
    }

    #[test]
    fn a_string_is_well_formed_utf_8() {
        for good in ["é", "\u{7ff}", "\u{800}", "\u{d7ff}", "\u{e000}", "\u{ffff}", "\u{10000}", "\u{10ffff}"] {
            assert_eq!(read(format!("{{\"{good}\":1}}").as_bytes()).1, Seen::Closed, "{good:?}");
        }
        for bad in
            [&b"\x80"[..], b"\xc0\x80", b"\xe0\x80\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xff", b"\xc3\""]
        {
            let text = [b"{\"", bad, b"\":1}"].concat();
            assert_eq!(read(&text).1, Seen::Malformed, "{bad:x?}");
        }
    }

    #[test]
    fn sixty_four_levels_are_read_and_one_more_is_not() {
        let nested = |levels: usize| format!("{{\"a\":{}{}}}", "[".repeat(levels - 1), "]".repeat(levels - 1));
        assert_eq!(read(nested(64).as_bytes()), (nested(64).len(), Seen::Closed));
        assert_eq!(read(nested(65).as_bytes()).1, Seen::TooDeep);
    }
}
