//! Texts that strangers write and that this system carries on: in headers, ids, columns.
//!
//! PostgreSQL stores no U+0000 in a text, in a setting, or behind `->>` of JSON (SQLSTATE 22021, 22P05).

use std::borrow::Cow;

/// Stands for a character that is not carried on.
const REPLACED: char = '\u{fffd}';
/// The end of a text that was cut.
const CUT: char = '…';

/// The text with at most `bytes` and without control characters: a line break or tabulator becomes a space, any other
/// U+FFFD. What is cut ends in `…`.
///
/// The same text always gives the same, and what it gives is not changed by it again.
pub(super) fn plain(text: &str, bytes: usize) -> Cow<'_, str> {
    // Nearly every text is of printable ASCII alone, which is seen without looking at its characters; without a way out of the
    // loop, many bytes at a time.
    let is_printable = || text.bytes().fold(true, |all, byte| all & matches!(byte, b' '..=b'~'));
    let is_plain = || is_printable() || !text.chars().any(char::is_control);
    if text.len() <= bytes && is_plain() {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len().min(bytes));
    for character in text.chars() {
        plain.push(match character {
            '\n' | '\r' | '\t' => ' ',
            control if control.is_control() => REPLACED,
            other => other,
        });
        if plain.len() > bytes {
            while plain.len() > bytes.saturating_sub(CUT.len_utf8()) {
                plain.pop();
            }
            plain.push(CUT);
            break;
        }
    }
    Cow::Owned(plain)
}

/// Whether a text in this JSON holds U+0000, which JSON can write in one way only.
pub(super) fn holds_nul(json: &str) -> bool {
    const NUL: &str = "\\u0000";
    // Most records escape nothing, and to see that costs a tenth of what `contains` does.
    memchr::memchr(b'\\', json.as_bytes()).is_some()
        && json.match_indices(NUL).any(|(at, _)| {
            // Behind an odd number of backslashes, its own is the second half of an escaped one.
            let before = json.as_bytes()[..at].iter().rev().take_while(|byte| **byte == b'\\').count();
            before % 2 == 0
        })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_plain_text_is_bounded_has_no_control_characters_and_stays_as_it_is(text in any::<String>(), bytes in 3_usize..40) {
            let once = plain(&text, bytes).into_owned();
            prop_assert!(once.len() <= bytes && !once.chars().any(char::is_control));
            prop_assert_eq!(plain(&once, bytes), once.as_str());
            if text.len() <= bytes && !text.chars().any(char::is_control) {
                prop_assert_eq!(once, text);
            }
        }

        #[test]
        fn nul_is_found_where_a_text_holds_it(parts in proptest::collection::vec(
            prop_oneof![Just("\0"), Just("\\"), Just("\\u0000"), Just("u0000"), Just("\""), Just("x")], 0..8,
        )) {
            let text = parts.concat();
            let json = serde_json::json!({ "a": text, &text: 1 }).to_string();
            prop_assert_eq!(holds_nul(&json), text.contains('\0'), "{}", json);
        }
    }

    #[test]
    fn what_is_cut_is_marked_at_a_character() {
        let cut = plain(&"ü".repeat(3000), 1024).into_owned();
        assert!(cut.len() > 1020 && cut.len() <= 1024 && cut.ends_with('…'));
        assert_eq!(plain("a\0b\u{1b}[31m\nc", 64), "a\u{fffd}b\u{fffd}[31m c");
    }
}
