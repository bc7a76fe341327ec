//! The words of a name as they are compared: in one spelling, in two of one sound, or nearly so.

use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

use crate::domain::plain;

/// Words as long as this that sound alike are one name. Shorter ones are as many: Mai and May, Xu and Xue.
const LONG: usize = 5;
/// Surnames as long as this are one with a letter misheard. Shorter ones are as many: Martin and Marvin.
const VERY_LONG: usize = 7;

/// Spellings of one name that are too short to go by their sound.
const ONE_NAME: [(&str, &str); 2] = [("john", "jon"), ("sara", "sarah")];

/// A word of a name.
#[derive(Debug, Clone)]
pub struct Word {
    plain: String,
    /// With two letters for one that has dots, as who has no such key writes it: Müller as Mueller.
    wide: String,
    sound: String,
}

/// How two words fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alike {
    /// One word.
    Same,
    /// One sound, of two words too short for it to tell.
    Sound,
    No,
}

impl Word {
    pub fn of(said: &str) -> Self {
        let (plain, wide) = (plain(said), plain(&wide(said)));
        let sound = sound(&plain);
        Self { plain, wide, sound }
    }

    pub fn as_str(&self) -> &str {
        &self.plain
    }

    /// Whether they are one word. Where all else fits (`close`), one letter may make two of one sound.
    pub fn fits(&self, other: &Self, close: bool) -> Alike {
        let (mine, theirs) = (self.plain.chars().count(), other.plain.chars().count());
        let one_name = |one: &str, two: &str| ONE_NAME.contains(&(one, two));
        let (one, two) = (self.plain.as_str(), other.plain.as_str());
        if self.is_spelt_as(other) || one_name(one, two) || one_name(two, one) {
            return Alike::Same;
        }
        if self.sound != other.sound {
            return Alike::No;
        }
        let is_long = mine.min(theirs) >= LONG || (close && mine.max(theirs) >= LONG && one_letter_apart(one, two));
        if is_long { Alike::Same } else { Alike::Sound }
    }

    pub fn is_spelt_as(&self, other: &Self) -> bool {
        self.plain == other.plain || self.wide == other.wide
    }

    /// Whether a machine that listens may have made the one of the other. Not where the first or last letter differs: the last
    /// one tells Maria from Mario.
    pub fn is_misspelt(&self, other: &Self) -> bool {
        let (one, two) = (self.plain.as_str(), other.plain.as_str());
        let long = one.chars().count().min(two.chars().count()) >= VERY_LONG;
        let ends = |word: &str| (word.chars().next(), word.chars().next_back());
        long && ends(one) == ends(two) && one_letter_apart(one, two)
    }

    /// Whether this is the first letter of that.
    pub fn is_initial_of(&self, name: &Self) -> bool {
        let mut letters = self.plain.chars();
        let (first, second) = (letters.next(), letters.next());
        matches!((first, second), (Some(letter), None) if letter.is_alphabetic() && name.plain.starts_with(letter))
    }
}

/// Whether the words of two names are the same when they are written as one: Anna-Lena and Annalena.
pub fn is_one_word<'a>(
    mine: impl Iterator<Item = &'a Word> + Clone,
    theirs: impl Iterator<Item = &'a Word> + Clone,
) -> bool {
    let plain = |words: &mut dyn Iterator<Item = &'a Word>| words.map(|word| word.plain.as_str()).collect::<String>();
    let wide = |words: &mut dyn Iterator<Item = &'a Word>| words.map(|word| word.wide.as_str()).collect::<String>();
    plain(&mut mine.clone()) == plain(&mut theirs.clone()) || wide(&mut mine.clone()) == wide(&mut theirs.clone())
}

/// The words of what was said, in small letters, without marks of punctuation; their letters keep their dots.
pub fn split(said: &str) -> Vec<String> {
    let silent = |letter: &char| !"'\u{2019}\u{2018}\u{2bc}`\u{b4}\u{200c}\u{200d}".contains(*letter);
    let said: String = said.nfc().flat_map(char::to_lowercase).filter(silent).collect();
    let no_letter = |letter: char| !letter.is_alphanumeric() && !is_combining_mark(letter);
    said.split(no_letter).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

fn wide(word: &str) -> String {
    let two = |letter: char| match letter {
        'ä' | 'æ' => "ae",
        'ö' | 'ø' => "oe",
        'ü' => "ue",
        'å' => "aa",
        _ => "",
    };
    let mut wide = String::with_capacity(word.len());
    for letter in word.nfc().flat_map(char::to_lowercase) {
        match two(letter) {
            "" => wide.push(letter),
            letters => wide.push_str(letters),
        }
    }
    wide
}

/// What words of one sound have in common: Sofia and Sophia, Muller and Mueller, Mohamed and Mohammed.
fn sound(word: &str) -> String {
    let word = word.replace("ph", "f").replace("ck", "k").replace('c', "k").replace('y', "i");
    let word = word.replace("ae", "a").replace("oe", "o").replace("ue", "u");
    let mut sound = String::with_capacity(word.len());
    for letter in word.chars() {
        let silent = letter == 'h' && !sound.is_empty();
        // Of digits, which a name can have in test data, two are another number.
        let doubled = letter.is_alphabetic() && sound.ends_with(letter);
        if !silent && !doubled {
            sound.push(letter);
        }
    }
    sound
}

/// Whether one letter more, less or other makes the one of the other.
fn one_letter_apart(one: &str, two: &str) -> bool {
    let (one, two): (Vec<char>, Vec<char>) = (one.chars().collect(), two.chars().collect());
    let (short, long) = if one.len() <= two.len() { (one, two) } else { (two, one) };
    let begin = short.iter().zip(&long).take_while(|(a, b)| a == b).count();
    match long.len() - short.len() {
        0 => begin < long.len() && short[begin + 1..] == long[begin + 1..],
        1 => short[begin..] == long[begin + 1..],
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_words_of_one_sound_are_two() {
        for (one, other) in [
            ("Mai", "May"),
            ("Yan", "Ian"),
            ("Su", "Sue"),
            ("Yu", "Yue"),
            ("Xu", "Xue"),
            ("Ali", "Ally"),
            ("Jo", "Joh"),
            ("Ho", "Hoo"),
            ("Ella", "Ela"),
        ] {
            for close in [false, true] {
                assert_eq!(Word::of(one).fits(&Word::of(other), close), Alike::Sound, "{one} and {other}");
            }
        }
        let lily = (Word::of("Lily"), Word::of("Lilly"));
        assert_eq!((lily.0.fits(&lily.1, false), lily.0.fits(&lily.1, true)), (Alike::Sound, Alike::Same));
    }

    #[test]
    fn one_name_is_one_in_the_letters_of_any_keyboard() {
        for (one, other) in [
            ("J\u{f6}rg", "Joerg"),
            ("L\u{f6}w", "Loew"),
            ("L\u{f6}w", "Low"),
            ("Bj\u{f8}rn", "Bjoern"),
            ("Stra\u{df}", "STRASS"),
            ("\u{39a}\u{3a9}\u{3a3}\u{3a4}\u{391}\u{3a3}", "\u{39a}\u{3ce}\u{3c3}\u{3c4}\u{3b1}\u{3c2}"),
            ("Sophia", "Sofia"),
            ("Mohamed", "Mohammed"),
            ("Sara", "Sarah"),
            ("Jon", "John"),
        ] {
            assert_eq!(Word::of(one).fits(&Word::of(other), false), Alike::Same, "{one} and {other}");
        }
    }

    #[test]
    fn a_letter_is_misheard_in_long_surnames_only() {
        for (one, other, misspelt) in [
            ("Thompson", "Thomson", true),
            ("Schmidt", "Schmitt", true),
            ("Petersen", "Peterson", true),
            ("Martin", "Marvin", false),
            ("Antonia", "Antonio", false),
            ("Michael", "Michaela", false),
            ("Marlene", "Darlene", false),
            ("Byron", "Lovelace", false),
        ] {
            assert_eq!(Word::of(one).is_misspelt(&Word::of(other)), misspelt, "{one} and {other}");
        }
    }

    #[test]
    fn marks_that_are_letters_stay() {
        let apart = [
            ("\u{938}\u{940}\u{92e}\u{93e}", "\u{938}\u{94b}\u{92e}\u{93e}"),
            ("\u{306f}\u{306a}", "\u{3070}\u{306a}"),
        ];
        for (one, other) in apart {
            assert_eq!(Word::of(one).fits(&Word::of(other), false), Alike::No, "{one} and {other}");
        }
        assert_eq!(split("\u{938}\u{940}\u{92e}\u{93e} O\u{2019}Neill, A.").len(), 3);
    }
}
