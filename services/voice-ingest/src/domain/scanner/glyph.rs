//! Characters as a reader sees them: what is invisible, and which letter another one looks like.

use unicode_normalization::UnicodeNormalization;

use super::reading::Reading;

/// Letters of other scripts that look like these.
const LOOKALIKES: [(u8, &str); 14] = [
    (b'a', "АаΑ"),
    (b'b', "ВΒ"),
    (b'c', "Сс"),
    (b'e', "ЕеΕ"),
    (b'f', "Ϝ"),
    (b'g', "ɡ"),
    (b'i', "ІіΙİı"),
    (b'k', "КкΚ"),
    (b'm', "МΜ"),
    (b'n', "Ν"),
    (b'o', "ОоΟο"),
    (b'p', "РрΡ"),
    (b'r', "ʀ"),
    (b't', "ТΤ"),
];

/// The first character. `Not` where the bytes are no UTF-8.
pub(super) fn character(text: &[u8]) -> Reading<char> {
    let few = &text[..text.len().min(4)];
    let valid = match str::from_utf8(few) {
        Ok(valid) => valid,
        Err(error) if error.valid_up_to() > 0 => str::from_utf8(&few[..error.valid_up_to()]).unwrap_or_default(),
        Err(error) if error.error_len().is_none() && text.len() < 4 => return Reading::More,
        Err(_) => return Reading::Not,
    };
    valid.chars().next().map_or(Reading::More, Reading::Is)
}

/// How long the letters and digits at the beginning are; `None` where they may go on.
pub(super) fn run(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        match text.get(at)? {
            byte if byte.is_ascii_alphanumeric() => at += 1,
            byte if byte.is_ascii() => return Some(at),
            _ => match character(&text[at..]) {
                Reading::Is(character) if character.is_alphanumeric() => at += character.len_utf8(),
                Reading::More => return None,
                _ => return Some(at),
            },
        }
    }
}

/// Soft hyphens, zero width, directions, variation selectors.
pub(super) fn is_invisible(character: char) -> bool {
    matches!(character, '\u{ad}' | '\u{34f}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}')
}

/// The letter of ASCII, in small, that this one is in whatever style.
pub(super) fn letter(character: char) -> Option<u8> {
    if character.is_ascii() {
        return character.is_ascii_alphabetic().then(|| character.to_ascii_lowercase() as u8);
    }
    if let Some((letter, _)) = LOOKALIKES.iter().find(|(_, like)| like.contains(character)) {
        return Some(*letter);
    }
    let mut plain = std::iter::once(character).nfkc();
    match (plain.next(), plain.next()) {
        (Some(letter), None) if letter.is_ascii_alphabetic() => Some(letter.to_ascii_lowercase() as u8),
        _ => None,
    }
}

/// Straight, typographic and full-width ones.
pub(super) fn is_quote(character: char) -> bool {
    matches!(character, '"' | '\'' | '“' | '”' | '„' | '‟' | '‘' | '’' | '‚' | '＂' | '＇' | '«' | '»')
}
