//! What bytes are that are no JSON, by how they begin: whoever wrote them learns more from that than from a place in them.

/// How bytes begin, and what they then are.
const BEGINNINGS: [(&[u8], &str); 11] = [
    (b"\x1f\x8b", "is compressed with gzip"),
    (b"\x28\xb5\x2f\xfd", "is compressed with zstd"),
    (b"\x04\x22\x4d\x18", "is compressed with lz4"),
    (b"\xff\x06\x00\x00sNaPpY", "is compressed with snappy"),
    (b"PK\x03\x04", "is a ZIP archive"),
    (b"\xef\xbb\xbf", "begins with a byte order mark"),
    (b"\xff\xfe\x00\x00", "is UTF-32"),
    (b"\x00\x00\xfe\xff", "is UTF-32"),
    (b"\xff\xfe", "is UTF-16"),
    (b"\xfe\xff", "is UTF-16"),
    (b"\xac\xed\x00\x05", "is a serialized Java object"),
];

/// In which order the bytes of UTF-16 come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    BigEndian,
    LittleEndian,
}

/// So much of a text tells whether it is UTF-16.
const SAMPLE: usize = 512;

/// Whether the bytes are UTF-16, by the NULs that most texts then have in every other place, and never have in UTF-8.
pub fn utf16(bytes: &[u8]) -> Option<Order> {
    let sample = &bytes[..bytes.len().min(SAMPLE)];
    let nulls = |from: usize| sample.iter().skip(from).step_by(2).filter(|byte| **byte == 0).count();
    let (first, second, pairs) = (nulls(0), nulls(1), sample.len() / 2);
    match (first * 3 > pairs, second * 3 > pairs) {
        _ if pairs < 2 => None,
        (true, false) if second * 8 <= first => Some(Order::BigEndian),
        (false, true) if first * 8 <= second => Some(Order::LittleEndian),
        _ => None,
    }
}

/// What these bytes are, as in `is compressed with gzip`; `None` where they may be JSON in UTF-8.
pub fn alien(bytes: &[u8]) -> Option<&'static str> {
    if let Some((_, what)) = BEGINNINGS.iter().find(|(begin, _)| bytes.starts_with(begin)) {
        return Some(what);
    }
    let is_zlib = matches!(bytes, [0x78, 0x01 | 0x9c | 0xda, ..]);
    if !is_zlib && utf16(bytes).is_some() {
        return Some("is UTF-16");
    }
    match bytes {
        // An ASCII character in two bytes, as JSON begins.
        [0, b'{' | b'[' | b'"', 0, _, ..] | [b'{' | b'[' | b'"', 0, _, 0, ..] => Some("is UTF-16"),
        // The header of a zlib stream is a multiple of 31; its second byte is rarely that of a text.
        [0x78, 0x01 | 0x9c | 0xda, ..] => Some("is compressed with zlib"),
        _ => None,
    }
}

/// What a text is that stands where an object belongs, as in `is a string that holds an object`; `None` where it is a text.
pub(super) fn encoded(text: &str) -> Option<&'static str> {
    let text = text.trim();
    let is_json = || serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
    match text.as_bytes() {
        [b'{', .., b'}'] if is_json() => Some("is a string that holds an object: it was encoded twice"),
        [b'[', .., b']'] if is_json() => Some("is a string that holds an array: it was encoded twice"),
        [b'"', .., b'"'] if is_json() => Some("is a string that holds a string: it was encoded twice or more"),
        // `{"` in Base64.
        [b'e', b'y', b'J', ..] => Some("is a string that holds an object in Base64"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_json_is_known_by_its_beginning() {
        let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
        for (bytes, what) in [
            (b"\x1f\x8b\x08\x00".to_vec(), "is compressed with gzip"),
            (b"\x78\x9c\x03\x00".to_vec(), "is compressed with zlib"),
            (b"\xef\xbb\xbf{}".to_vec(), "begins with a byte order mark"),
            (utf16("{\"a\": 1}"), "is UTF-16"),
            (utf16("\u{feff}{}"), "is UTF-16"),
            ("{\"a\"".encode_utf16().flat_map(u16::to_be_bytes).collect(), "is UTF-16"),
            (utf16("PATIENT: Zo\u{eb}"), "is UTF-16"),
            ("Good day".encode_utf16().flat_map(u16::to_be_bytes).collect(), "is UTF-16"),
            (b"\xff\xfe\x00\x00{\x00\x00\x00".to_vec(), "is UTF-32"),
        ] {
            assert_eq!(alien(&bytes), Some(what));
        }
        for json in ["", "{}", "[1]", "\"x\"", " {\"a\": 1}", "xyz", "7", "null", "a\0b", "one \0 two", "\0\0\0\0"] {
            assert_eq!(alien(json.as_bytes()), None, "{json}");
        }
    }

    #[test]
    fn what_was_encoded_twice_is_told_from_a_text() {
        assert!(encoded(r#" {"a": 1} "#).unwrap().contains("encoded twice"));
        assert!(encoded("[1]").unwrap().contains("an array"));
        assert!(encoded(r#""{\"a\": 1}""#).unwrap().contains("twice or more"));
        assert!(encoded("eyJhIjogMX0=").unwrap().contains("Base64"));
        for text in ["", "{", "{not json}", "[x]", "Jane", "\"Jane\" said"] {
            assert_eq!(encoded(text), None, "{text}");
        }
    }
}
