//! Names of people, and what is named like them: dentists, services.
//!
//! Case and accents stay as they were said; who compares names decides what they are worth.

use crate::{text, wrong::Wrong};

/// The longest name, dentist or service, in characters.
pub const NAME_MAX: usize = 200;

/// The name on one line ([`text::line`]), with the apostrophe of the keyboard where a letter or an accent stands for one.
///
/// # Errors
/// When it has control characters or no letter, or is longer than [`NAME_MAX`].
pub fn name(said: &str) -> Result<String, Wrong> {
    let line = apostrophes(&text::line(said)?);
    if !line.chars().any(char::is_alphabetic) {
        return Err(Wrong("contains no letter", "write the name"));
    }
    short(line)
}

/// A service, which may be a number: of a tooth, of a list.
///
/// # Errors
/// When it has control characters or is longer than [`NAME_MAX`].
pub fn service(said: &str) -> Result<String, Wrong> {
    short(apostrophes(&text::line(said)?))
}

fn short(line: String) -> Result<String, Wrong> {
    if line.chars().count() > NAME_MAX {
        return Err(Wrong("is longer than 200 characters", "shorten it"));
    }
    Ok(line)
}

/// What is no apostrophe, and one between letters: grave, primes, and the letters that look like them.
fn apostrophes(line: &str) -> String {
    let chars: Vec<char> = line.chars().collect();
    let letter = |at: Option<usize>| at.and_then(|at| chars.get(at)).is_some_and(|c| c.is_alphabetic());
    let one = |(at, c): (usize, &char)| match c {
        '`' | '\u{2b9}' | '\u{2bb}' | '\u{2bc}' | '\u{2c8}' | '\u{2ca}' | '\u{2cb}' | '\u{55a}' | '\u{2032}'
        | '\u{2035}'
            if letter(at.checked_sub(1)) && letter(Some(at + 1)) =>
        {
            '\''
        }
        other => *other,
    };
    chars.iter().enumerate().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_a_letter_and_an_end() {
        assert_eq!(name(" Zoe\u{308}  Kru\u{308}ger"), Ok("Zoë Krüger".to_owned()));
        assert_eq!(name("李小龍"), Ok("李小龍".to_owned()));
        assert_eq!(name("〇"), Ok("〇".to_owned()));
        for said in [
            "O´Brien",
            "O`Brien",
            "Oʼbrien",
            "Oʻbrien",
            "Oʹbrien",
            "Oˈbrien",
            "O՚brien",
            "O′brien",
            "O＇Brien",
            "O｀Brien",
        ] {
            assert_eq!(name(said).map(|name| name.to_lowercase()), Ok("o'brien".to_owned()), "{said}");
        }
        assert_eq!(name("`Iolani O’Brien"), Ok("`Iolani O’Brien".to_owned()));
        assert_eq!(service("36"), Ok("36".to_owned()));
        assert_eq!(name(&"x".repeat(200)).map(|name| name.len()), Ok(200));
        for bad in ["John\nDoe", "--- 12", "\u{200b}", &"x".repeat(201)] {
            assert!(name(bad).is_err(), "{bad:?}");
        }
    }
}
