//! Names as people say them: which of two names one person can have. Letters' marks, case, hyphens, order, titles, initials and
//! spellings that sound the same do not make another person; a new surname may be the same one's.

use std::sync::LazyLock;

use crate::domain::plain;

/// How two names fit each other, the better the later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Agreement {
    /// Two people, as far as names tell.
    None,
    /// A surname alone, which the whole family has.
    Surname,
    /// As far as the shorter goes: an initial, or a given name alone.
    InPart,
    /// The given names are the same, the surname is not.
    Given,
    /// All of it.
    Whole,
}

impl Agreement {
    /// Whether it fits as well as that, surname and all.
    pub fn covers(self, at_least: Self) -> bool {
        self >= at_least && self != Self::Given
    }
}

/// A name, taken apart.
#[derive(Debug, Clone)]
pub struct Name {
    given: Vec<String>,
    /// Empty where one word is all that was said.
    surname: String,
    /// `jr`, `sr`, `ii`, `iii`, where it was said.
    generation: Option<&'static str>,
}

const TITLES: [&str; 15] = [
    "dr",
    "prof",
    "professor",
    "doctor",
    "doktor",
    "mr",
    "mrs",
    "ms",
    "miss",
    "mx",
    "mister",
    "herr",
    "frau",
    "sir",
    "md",
];
/// They tell people of one name apart where no birth date does.
const GENERATIONS: [(&str, &str); 6] =
    [("jr", "jr"), ("junior", "jr"), ("sr", "sr"), ("senior", "sr"), ("ii", "ii"), ("iii", "iii")];

/// Short forms that are nobody else's name: whoever has both is one person.
const SHORT_FORMS: [(&str, &str); 39] = [
    ("abby", "abigail"),
    ("alex", "alexander"),
    ("andy", "andrew"),
    ("becky", "rebecca"),
    ("ben", "benjamin"),
    ("bill", "william"),
    ("billy", "william"),
    ("bob", "robert"),
    ("bobby", "robert"),
    ("cathy", "catherine"),
    ("charlie", "charles"),
    ("chuck", "charles"),
    ("dave", "david"),
    ("dick", "richard"),
    ("ed", "edward"),
    ("fred", "frederick"),
    ("greg", "gregory"),
    ("jenny", "jennifer"),
    ("jim", "james"),
    ("jimmy", "james"),
    ("joe", "joseph"),
    ("josh", "joshua"),
    ("kate", "katherine"),
    ("kathy", "katherine"),
    ("larry", "lawrence"),
    ("liz", "elizabeth"),
    ("maggie", "margaret"),
    ("matt", "matthew"),
    ("mike", "michael"),
    ("nick", "nicholas"),
    ("peggy", "margaret"),
    ("pete", "peter"),
    ("rick", "richard"),
    ("sam", "samuel"),
    ("steve", "steven"),
    ("ted", "edward"),
    ("tom", "thomas"),
    ("tony", "anthony"),
    ("will", "william"),
];

/// The same as they are compared.
static SPELT_SHORT_FORMS: LazyLock<Vec<(String, String)>> =
    LazyLock::new(|| SHORT_FORMS.iter().map(|(short, long)| (spelt(short), spelt(long))).collect());

impl Name {
    pub fn of(said: &str) -> Self {
        let generation = generation(said);
        let (family, given) = match said.split_once(',') {
            Some((family, given)) if !words(given).is_empty() => (words(family), words(given)),
            _ => (Vec::new(), words(said)),
        };
        if !family.is_empty() {
            return Self { given, surname: family.join(" "), generation };
        }
        let mut given = given;
        let surname = if given.len() > 1 { given.pop().unwrap_or_default() } else { String::new() };
        // "Ms Byron": a title stands before a surname.
        if surname.is_empty() && said.split_whitespace().count() > 1 {
            return Self { given: Vec::new(), surname: given.pop().unwrap_or_default(), generation };
        }
        Self { given, surname, generation }
    }

    /// Whether it can be said of father and son: "Jr." of the one and not of the other.
    pub fn is_of_another_generation(&self, other: &Self) -> bool {
        self.generation != other.generation
    }

    pub fn agrees_with(&self, other: &Self) -> Agreement {
        let (mine, theirs) = (self.all(), other.all());
        if mine.is_empty() || theirs.is_empty() {
            return Agreement::None;
        }
        if same_words(&mine, &theirs) || mine.concat() == theirs.concat() {
            return Agreement::Whole;
        }
        // One word alone is a given name or a surname.
        if mine.len() == 1 || theirs.len() == 1 {
            let (word, name) = if mine.len() == 1 { (&mine[0], other) } else { (&theirs[0], self) };
            return match name.given.first() {
                Some(given) if fit(word, given) != Fit::No => Agreement::InPart,
                _ if *word == name.surname => Agreement::Surname,
                _ => Agreement::None,
            };
        }
        // A title and a surname, of whom no given name is known.
        if self.given.is_empty() || other.given.is_empty() {
            return if self.surname == other.surname { Agreement::Surname } else { Agreement::None };
        }
        let surname = self.surname == other.surname;
        match self.given_agreement(other, surname) {
            Fit::Same if surname => Agreement::Whole,
            Fit::Same => Agreement::Given,
            Fit::InPart if surname => Agreement::InPart,
            // An initial is too little where the surname is another.
            Fit::InPart | Fit::No => Agreement::None,
        }
    }

    /// Whether everything that is said here is said there, and more.
    pub fn is_part_of(&self, other: &Self) -> bool {
        let (mine, theirs) = (self.all(), other.all());
        let within = |word: &String| theirs.iter().any(|their| their == word || is_initial_of(word, their));
        mine.iter().all(within) && mine.concat().len() < theirs.concat().len()
    }

    fn given_agreement(&self, other: &Self, surname: bool) -> Fit {
        if self.given.concat() == other.given.concat() {
            return Fit::Same;
        }
        let pairs = || self.given.iter().zip(&other.given).map(|(mine, theirs)| fit(mine, theirs));
        let first = pairs().next().unwrap_or(Fit::No);
        // Without the same surname, what stands behind the first name may be a part of either surname.
        let enough =
            if surname { pairs().all(|fit| fit != Fit::No) } else { first != Fit::No && self.given_are_prefix(other) };
        if enough { first } else { Fit::No }
    }

    fn given_are_prefix(&self, other: &Self) -> bool {
        self.given.iter().zip(&other.given).all(|(mine, theirs)| fit(mine, theirs) != Fit::No)
    }

    fn all(&self) -> Vec<String> {
        let surname = self.surname.split_whitespace().map(str::to_owned);
        self.given.iter().cloned().chain(surname).collect()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fit {
    Same,
    InPart,
    No,
}

/// Whether two given names can be one person's.
fn fit(mine: &str, theirs: &str) -> Fit {
    let short = |one: &str, other: &str| SPELT_SHORT_FORMS.iter().any(|(short, long)| short == one && long == other);
    if mine == theirs || short(mine, theirs) || short(theirs, mine) {
        Fit::Same
    } else if is_initial_of(mine, theirs) || is_initial_of(theirs, mine) {
        Fit::InPart
    } else {
        Fit::No
    }
}

fn is_initial_of(initial: &str, name: &str) -> bool {
    let mut letters = initial.chars();
    matches!((letters.next(), letters.next()), (Some(letter), None) if letter.is_alphabetic() && name.starts_with(letter))
}

fn same_words(mine: &[String], theirs: &[String]) -> bool {
    let sorted = |words: &[String]| {
        let mut words = words.to_vec();
        words.sort();
        words
    };
    mine.len() == theirs.len() && sorted(mine) == sorted(theirs)
}

fn generation(said: &str) -> Option<&'static str> {
    let said = said.to_lowercase();
    let mut words = said.split(|letter: char| !letter.is_alphanumeric());
    words.find_map(|word| GENERATIONS.iter().find(|(name, _)| *name == word).map(|(_, generation)| *generation))
}

/// The words of a name in the spelling that sounds alike share, without titles.
fn words(said: &str) -> Vec<String> {
    let said = plain(said);
    let no_letter = |letter: char| !letter.is_alphanumeric() && !"'\u{2019}`\u{b4}".contains(letter);
    let words: Vec<&str> = said.split(no_letter).filter(|word| !word.is_empty()).collect();
    let bare: Vec<&str> =
        words.iter().copied().filter(|word| !TITLES.contains(word) && generation(word).is_none()).collect();
    let kept = if bare.is_empty() { words } else { bare };
    kept.into_iter().map(spelt).filter(|word| !word.is_empty()).collect()
}

/// A spelling that those of one sound share: Sara and Sarah, Jon and John, Sofia and Sophia, Jörg and Joerg, Erik and Eric.
fn spelt(word: &str) -> String {
    let word: String = word.chars().filter(|letter| letter.is_alphanumeric()).collect();
    let word = word.replace("ph", "f").replace("ck", "k").replace('c', "k").replace('y', "i");
    let word = word.replace("ae", "a").replace("oe", "o").replace("ue", "u");
    let mut spelt = String::with_capacity(word.len());
    for letter in word.chars() {
        let silent = letter == 'h' && !spelt.is_empty();
        // Of digits, which a name can have in test data, two are another number.
        let doubled = letter.is_alphabetic() && spelt.ends_with(letter);
        if !silent && !doubled {
            spelt.push(letter);
        }
    }
    spelt
}
