//! Names as people say them: which of two names one person can have. Letters' marks, case, hyphens, order, titles, initials and
//! spellings that sound the same do not make another person; titles that contradict each other do.

use std::sync::LazyLock;

use crate::{
    domain::plain,
    spelling::{Alike, Word, is_one_word, split},
    titles::{Role, Sex, is_madame, is_monsieur, role, without_title_behind},
};

/// How two names fit each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Agreement {
    /// Two people, as far as names tell.
    None,
    /// Their titles contradict each other: Mr. and Mrs., Sr. and Jr.
    Title,
    /// Words that sound alike and are too short for it to tell.
    Sound,
    /// The last word is another: a new surname, or a given name behind a surname.
    Given,
    /// The one has words more, or its surname is spelt in another way.
    Near,
    /// A surname alone, which the whole family has.
    Surname,
    /// As far as the shorter goes: an initial, or a given name alone.
    InPart,
    /// All of it.
    Whole,
}

/// A name, taken apart.
#[derive(Debug, Clone)]
pub struct Name {
    given: Vec<Word>,
    /// The last word, or what stands before a comma. Empty where one word is all that was said.
    surname: Vec<Word>,
    sex: Option<Sex>,
    /// `jr`, `sr`, `ii`, where it was said.
    generation: Option<&'static str>,
    is_monsieur: bool,
    is_madame: bool,
}

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

/// The short form as it is, and the long one in whatever spelling.
static LONG_FORMS: LazyLock<Vec<(&str, Word)>> =
    LazyLock::new(|| SHORT_FORMS.iter().map(|(short, long)| (*short, Word::of(long))).collect());

impl Name {
    pub fn of(said: &str) -> Self {
        let (family, given) = said.split_once(',').unwrap_or(("", said));
        let (family, given) = (split(family), split(given));
        let all: Vec<String> = family.iter().chain(&given).cloned().collect();
        let (mut sexes, mut generation, mut is_titled) = (Vec::new(), None, false);
        let mut names = [Vec::new(), Vec::new()];
        for (at, word) in all.iter().enumerate() {
            let (word, sex) = without_title_behind(word);
            sexes.extend(sex);
            is_titled |= sex.is_some();
            let (before, family_ends) = (names[0].len() + names[1].len(), at + 1 == family.len());
            let is_behind = (at + 1 == all.len() && before > 1) || (family_ends && before > 0);
            match role(&plain(word), at == 0 && all.len() > 1, at > 0, is_behind) {
                Role::Title(sex) => {
                    sexes.extend(sex);
                    is_titled = true;
                }
                Role::Generation(of) => generation = generation.or(Some(of)),
                Role::Name if word.is_empty() => {}
                Role::Name => names[usize::from(at >= family.len())].push(Word::of(word)),
            }
        }
        let [mut surname, mut given] = names;
        if surname.is_empty() || given.is_empty() {
            // No comma, or a degree behind it: "Ada Byron, MD".
            given = [surname, given].concat();
            surname = Vec::new();
            if given.is_empty() {
                // Of whom a title is all that was said.
                given = all.iter().map(|word| Word::of(word)).collect();
            } else if given.len() > 1 || is_titled || generation.is_some() {
                // "Ms Byron": a title stands before a surname.
                surname.extend(given.pop());
            }
        }
        // "Mr. and Mrs. Byron" are neither.
        let sex = sexes.first().copied().filter(|first| sexes.iter().all(|sex| sex == first));
        Self { given, surname, sex, generation, is_monsieur: is_monsieur(&all), is_madame: is_madame(&all) }
    }

    /// Whether it can be said of father and son: "Jr." of the one and not of the other.
    pub fn is_of_another_generation(&self, other: &Self) -> bool {
        self.generation != other.generation
    }

    /// Whether the same of their words is the first.
    pub fn is_in_the_order_of(&self, other: &Self) -> bool {
        self.all().zip(other.all()).next().is_some_and(|(mine, theirs)| fit(mine, theirs, false) != Fit::No)
    }

    /// How they fit. Where all else is the same (`close`), short words of one sound are told with less care.
    pub fn agrees_with(&self, other: &Self, close: bool) -> Agreement {
        match self.words_agree(other, close) {
            Agreement::None => Agreement::None,
            _ if self.contradicts(other) => Agreement::Title,
            agreement => agreement,
        }
    }

    /// Whether everything that is said here is said there, and more.
    pub fn is_part_of(&self, other: &Self) -> bool {
        let within =
            |word: &Word| other.all().any(|their| word.fits(their, false) == Alike::Same || word.is_initial_of(their));
        let is_initial = |word: &Word| other.all().all(|their| word.fits(their, false) != Alike::Same);
        let less = self.all().count() < other.all().count()
            || self.all().any(is_initial)
            || (self.generation.is_none() && other.generation.is_some());
        self.all().all(within) && less
    }

    /// Whether their titles are two people's.
    pub fn contradicts(&self, other: &Self) -> bool {
        let sexes = matches!((self.sex, other.sex), (Some(mine), Some(theirs)) if mine != theirs);
        let generations = matches!((self.generation, other.generation), (Some(mine), Some(theirs)) if mine != theirs);
        let french = (self.is_monsieur && other.is_madame) || (self.is_madame && other.is_monsieur);
        sexes || generations || french
    }

    fn words_agree(&self, other: &Self, close: bool) -> Agreement {
        let (mine, theirs): (Vec<_>, Vec<_>) = (self.all().collect(), other.all().collect());
        if mine.is_empty() || theirs.is_empty() {
            return Agreement::None;
        }
        if are_the_same(&mine, &theirs, close) {
            return Agreement::Whole;
        }
        // One word alone is a given name or a surname.
        if mine.len() == 1 || theirs.len() == 1 {
            let (word, name) = if mine.len() == 1 { (mine[0], other) } else { (theirs[0], self) };
            return match name.given.first().map(|given| fit(word, given, close)) {
                Some(Fit::Same | Fit::InPart) => Agreement::InPart,
                _ if is_one_word([word].into_iter(), name.surname.iter()) => Agreement::Surname,
                Some(Fit::Sound) => Agreement::Sound,
                _ => Agreement::None,
            };
        }
        let surname =
            are_the_same(&self.surname.iter().collect::<Vec<_>>(), &other.surname.iter().collect::<Vec<_>>(), close);
        let given = self.given_fit(other, close);
        match given {
            Fit::Same if surname => return Agreement::Whole,
            Fit::InPart if surname => return Agreement::InPart,
            Fit::Sound if surname => return Agreement::Sound,
            _ => {}
        }
        let (fewer, more) = if mine.len() < theirs.len() { (&mine, &theirs) } else { (&theirs, &mine) };
        if fewer.len() < more.len() && are_among(fewer, more, close) {
            return Agreement::Near;
        }
        let surnames = (self.surname.last(), other.surname.last());
        let initial =
            matches!(surnames, (Some(mine), Some(theirs)) if mine.is_initial_of(theirs) || theirs.is_initial_of(mine));
        let misspelt = matches!(surnames, (Some(mine), Some(theirs)) if mine.is_misspelt(theirs));
        match given {
            Fit::Same if initial || misspelt => Agreement::Near,
            Fit::Same => Agreement::Given,
            // An initial is too little where the surname is another.
            _ => Agreement::None,
        }
    }

    /// How the given names fit, as far as the shorter goes.
    fn given_fit(&self, other: &Self, close: bool) -> Fit {
        if is_one_word(self.given.iter(), other.given.iter()) {
            return Fit::Same;
        }
        let pairs: Vec<Fit> =
            self.given.iter().zip(&other.given).map(|(mine, theirs)| fit(mine, theirs, close)).collect();
        if pairs.contains(&Fit::No) {
            Fit::No
        } else if pairs.contains(&Fit::Sound) {
            Fit::Sound
        } else {
            pairs.first().copied().unwrap_or(Fit::No)
        }
    }

    fn all(&self) -> impl Iterator<Item = &Word> + Clone {
        self.given.iter().chain(&self.surname)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fit {
    Same,
    InPart,
    /// They only sound alike.
    Sound,
    No,
}

/// Whether two given names can be one person's.
fn fit(mine: &Word, theirs: &Word, close: bool) -> Fit {
    let short = |one: &Word, other: &Word| {
        LONG_FORMS.iter().any(|(short, long)| *short == one.as_str() && long.fits(other, false) == Alike::Same)
    };
    match mine.fits(theirs, close) {
        Alike::Same => Fit::Same,
        _ if short(mine, theirs) || short(theirs, mine) => Fit::Same,
        _ if mine.is_initial_of(theirs) || theirs.is_initial_of(mine) => Fit::InPart,
        Alike::Sound => Fit::Sound,
        Alike::No => Fit::No,
    }
}

fn are_the_same(mine: &[&Word], theirs: &[&Word], close: bool) -> bool {
    (mine.len() == theirs.len() && are_among(mine, theirs, close))
        || is_one_word(mine.iter().copied(), theirs.iter().copied())
}

/// Whether each of these words is one of those, in whatever order.
fn are_among(fewer: &[&Word], more: &[&Word], close: bool) -> bool {
    let mut left = more.to_vec();
    fewer.iter().all(|word| {
        let found = left.iter().position(|other| word.fits(other, close) == Alike::Same);
        found.map(|at| left.swap_remove(at)).is_some()
    })
}
