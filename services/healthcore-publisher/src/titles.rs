//! What stands beside a name: titles and degrees, whether they tell a man from a woman, and what tells father from son.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sex {
    Male,
    Female,
}

/// What a word of a name is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Name,
    Title(Option<Sex>),
    Generation(&'static str),
}

/// Titles and degrees of either.
const TITLES: [&str; 12] =
    ["dr", "drs", "prof", "professor", "doctor", "doktor", "mx", "md", "phd", "dds", "dmd", "esq"];
const OF_MEN: [&str; 13] = [
    "mr",
    "mister",
    "sir",
    "herr",
    "monsieur",
    "senor",
    "senhor",
    "senyor",
    "signor",
    "signore",
    "dhr",
    "meneer",
    "господин",
];
const OF_WOMEN: [&str; 25] = [
    "mrs",
    "ms",
    "miss",
    "madam",
    "maam",
    "mme",
    "mlle",
    "madame",
    "mademoiselle",
    "frau",
    "fraulein",
    "fraeulein",
    "frl",
    "sra",
    "srta",
    "senora",
    "senorita",
    "senhora",
    "senyora",
    "signora",
    "signorina",
    "mevr",
    "mevrouw",
    "fru",
    "госпожа",
];
/// Titles only before all else: behind a name, or alone, they are something else.
const FIRST: [(&str, Sex); 4] = [("sr", Sex::Male), ("hr", Sex::Male), ("sig", Sex::Male), ("fr", Sex::Female)];
/// Chinese titles, which are written behind the name and with it.
const BEHIND: [(&str, Sex); 5] = [
    ("\u{5148}\u{751f}", Sex::Male),
    ("\u{5973}\u{58eb}", Sex::Female),
    ("\u{5c0f}\u{59d0}", Sex::Female),
    ("\u{592a}\u{592a}", Sex::Female),
    ("\u{592b}\u{4eba}", Sex::Female),
];
/// Women who have the French title, of which `M.` is the other; alone that is an initial.
const FRENCH: [&str; 4] = ["mme", "mlle", "madame", "mademoiselle"];

/// Behind a name.
const GENERATIONS: [(&str, &str); 14] = [
    ("jr", "jr"),
    ("jnr", "jr"),
    ("junior", "jr"),
    ("sr", "sr"),
    ("snr", "sr"),
    ("senior", "sr"),
    ("ii", "ii"),
    ("2nd", "ii"),
    ("iii", "iii"),
    ("3rd", "iii"),
    ("iv", "iv"),
    ("4th", "iv"),
    ("vi", "vi"),
    ("vii", "vii"),
];
/// Behind a given name and a surname, since they are names as well.
const RELATIONS: [(&str, &str); 11] = [
    ("fils", "jr"),
    ("filho", "jr"),
    ("hijo", "jr"),
    ("figlio", "jr"),
    ("pere", "sr"),
    ("pai", "sr"),
    ("padre", "sr"),
    ("neto", "neto"),
    ("nieto", "neto"),
    ("sobrinho", "sobrinho"),
    ("sobrino", "sobrinho"),
];

/// What a word is: the first of several, behind another, behind all of a name.
pub fn role(word: &str, is_first: bool, is_behind_a_word: bool, is_behind_a_name: bool) -> Role {
    let find = |list: &[(&str, &'static str)]| list.iter().find(|(name, _)| *name == word).map(|(_, of)| *of);
    let first = FIRST.iter().find(|(title, _)| is_first && *title == word).map(|(_, sex)| *sex);
    if let Some(sex) = first {
        Role::Title(Some(sex))
    } else if OF_MEN.contains(&word) {
        Role::Title(Some(Sex::Male))
    } else if OF_WOMEN.contains(&word) {
        Role::Title(Some(Sex::Female))
    } else if TITLES.contains(&word) {
        Role::Title(None)
    } else {
        let generation = find(&GENERATIONS).filter(|_| is_behind_a_word);
        let relation = find(&RELATIONS).filter(|_| is_behind_a_name);
        generation.or(relation).map_or(Role::Name, Role::Generation)
    }
}

/// A word without the title that is written with it.
pub fn without_title_behind(word: &str) -> (&str, Option<Sex>) {
    let found = BEHIND.iter().find_map(|(title, sex)| Some((word.strip_suffix(title)?, Some(*sex))));
    found.unwrap_or((word, None))
}

/// Whether a name begins as `M. Dupont` does.
pub fn is_monsieur(words: &[String]) -> bool {
    words.len() > 1 && words[0] == "m"
}

pub fn is_madame(words: &[String]) -> bool {
    words.iter().any(|word| FRENCH.contains(&word.as_str()))
}
