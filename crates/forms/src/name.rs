//! Names of people, and what is named like them: dentists, services.
//!
//! Case and accents stay as they were said; who compares names decides what they are worth.

use crate::{text, wrong::Wrong};

/// The longest name, dentist or service, in characters.
pub const NAME_MAX: usize = 200;

/// The name on one line ([`text::line`]).
///
/// # Errors
/// When it has control characters or no letter, or is longer than [`NAME_MAX`].
pub fn name(said: &str) -> Result<String, Wrong> {
    let line = text::line(said)?;
    if !line.chars().any(char::is_alphabetic) {
        return Err(Wrong("contains no letter", "write the name"));
    }
    if line.chars().count() > NAME_MAX {
        return Err(Wrong("is longer than 200 characters", "shorten it"));
    }
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_a_letter_and_an_end() {
        assert_eq!(name(" Zoe\u{308}  Kru\u{308}ger"), Ok("Zoë Krüger".to_owned()));
        assert_eq!(name("李小龍"), Ok("李小龍".to_owned()));
        assert_eq!(name(&"x".repeat(200)).map(|name| name.len()), Ok(200));
        for bad in ["John\nDoe", "--- 12", "\u{200b}", &"x".repeat(201)] {
            assert!(name(bad).is_err(), "{bad:?}");
        }
    }
}
