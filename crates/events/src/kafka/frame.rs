//! The wire format of the schema registries: a zero byte, the four bytes of the schema's id, the JSON.
//!
//! No JSON begins with a zero byte. So a value that does has been framed before, or is foreign, and stays as it is: framed
//! again, as in a replay of the bytes that a consumer kept, nobody could read it.

use std::borrow::Cow;

/// What a frame adds to a value.
pub(crate) const FRAME_BYTES: usize = 5;

pub(crate) fn is_framed(value: &[u8]) -> bool {
    value.first() == Some(&0)
}

/// The value in the frame of its schema, unless it has one.
pub(crate) fn framed(id: u32, value: &[u8]) -> Cow<'_, [u8]> {
    if is_framed(value) {
        return Cow::Borrowed(value);
    }
    let mut framed = Vec::with_capacity(FRAME_BYTES + value.len());
    framed.push(0);
    framed.extend_from_slice(&id.to_be_bytes());
    framed.extend_from_slice(value);
    Cow::Owned(framed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_framed_once() {
        let once = framed(258, b"{}").into_owned();
        assert_eq!(once, b"\0\0\0\x01\x02{}");
        assert_eq!(*framed(7, &once), once);
        assert_eq!(*framed(7, b"\0"), *b"\0");
        assert_eq!(framed(7, b"").len(), FRAME_BYTES);
    }
}
