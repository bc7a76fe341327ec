//! Text on one line, and notes of several: what is invisible is gone, what controls is refused.

use unicode_normalization::UnicodeNormalization;

use crate::wrong::Wrong;

/// The longest note, in characters.
pub const NOTES_MAX: usize = 2000;

/// `Mª José` is María.
const ORDINALS: [char; 2] = ['ª', 'º'];

const CONTROL: Wrong = Wrong("contains control characters", "remove them");

/// In Unicode NFKC but for `ª` and `º`, which are no letters of a name, without invisible characters, every run of white space as one space.
///
/// # Errors
/// When there are control characters in it, line breaks and tabulators among them, other than at its ends.
pub fn line(text: &str) -> Result<String, Wrong> {
    let visible: String = text.chars().filter(|c| !invisible(*c)).collect();
    let visible = visible.trim();
    if visible.chars().any(controls) {
        return Err(CONTROL);
    }
    Ok(compatible(visible).split_whitespace().collect::<Vec<_>>().join(" "))
}

/// NFKC makes an accent that stands alone a space with a mark: `O´Brien` would be two words. It is an apostrophe.
fn compatible(text: &str) -> String {
    let accent = |c: char| matches!(c, '\u{b4}' | '\u{384}' | '\u{1fbd}' | '\u{1fbf}' | '\u{1ffd}' | '\u{1ffe}');
    let mut compatible = String::new();
    for part in text.replace(accent, "'").split_inclusive(ORDINALS) {
        let run = part.trim_end_matches(ORDINALS);
        compatible.extend(run.nfkc());
        compatible.push_str(&part[run.len()..]);
    }
    compatible
}

/// In Unicode NFC, with its lines. What joins letters and picks a sign's shape stays: it changes what is seen.
///
/// # Errors
/// When there are control characters in it other than line breaks and tabulators, or it is longer than 2000 characters.
pub fn notes(text: &str) -> Result<String, Wrong> {
    let shapes = |c: char| matches!(c, '\u{200c}' | '\u{200d}' | '\u{fe00}'..='\u{fe0f}');
    let visible: String = text.replace("\r\n", "\n").chars().filter(|c| shapes(*c) || !invisible(*c)).collect();
    let text: String = visible.trim().nfc().collect();
    if text.chars().any(|c| controls(c) && c != '\n' && c != '\t') {
        return Err(CONTROL);
    }
    if text.chars().count() > NOTES_MAX {
        return Err(Wrong("is longer than 2000 characters", "shorten it"));
    }
    Ok(text)
}

/// Control characters and the two that break a line.
fn controls(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}

/// What Unicode calls ignorable by default (DerivedCoreProperties, `Default_Ignorable_Code_Point`): soft hyphen, zero width,
/// directions, fillers, variation selectors, tags.
fn invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fff8}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}'
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_line_has_one_form_however_it_was_typed() {
        for (typed, form) in [
            ("Zoe\u{308}  \u{a0}Kru\u{308}ger", "Zoë Krüger"),
            ("Zo\u{200b}e\u{200d}\u{308}", "Zoë"),
            ("\u{feff} Ann\u{ad}e\u{fe0f}\u{e0041}\n", "Anne"),
            ("\u{202e}Jo\u{2066}hn", "John"),
            ("Ａｎｎ　Ｐｏｅ", "Ann Poe"),
            ("ﬁnn", "finn"),
            ("O´Brien", "O'Brien"),
            ("D´ Angelo", "D' Angelo"),
            ("Mª José №º", "Mª José Noº"),
            ("\u{200b}\u{2060}", ""),
        ] {
            assert_eq!(line(typed), Ok(form.to_owned()), "{typed:?}");
        }
        for controlled in ["John\nDoe", "a\tb", "John\u{0}", "a\u{85}b", "a\u{2028}b", "a\u{1b}[31m"] {
            assert!(line(controlled).is_err(), "{controlled:?}");
        }
    }

    #[test]
    fn notes_keep_their_lines_and_nothing_else_that_controls() {
        assert_eq!(notes(" a\r\nb\tc\u{feff}"), Ok("a\nb\tc".to_owned()));
        assert_eq!(notes("m²"), Ok("m²".to_owned()));
        assert!(notes("a\u{1b}[31m").is_err());
        assert!(notes(&"é".repeat(2000)).is_ok() && notes(&"é".repeat(2001)).is_err());
    }

    proptest! {
        #[test]
        fn a_form_is_its_own_form(text in "\\PC{0,40}") {
            if let Ok(form) = line(&text) {
                prop_assert_eq!(line(&form), Ok(form));
            }
            if let Ok(form) = notes(&text) {
                prop_assert_eq!(notes(&form), Ok(form));
            }
        }
    }
}
