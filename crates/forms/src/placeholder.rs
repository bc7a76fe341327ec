//! What stands where nothing was said: `unknown`, `N/A`, `<full name>`, `{{name}}`.
//!
//! Promises: a whole value is judged, never a part of one, so that Christopher Null and Anna None are people. What could be
//! a person's name is one where it is written as one: `Na`, and `Dr. None`, but not `NA` and `Dr. none`. Sample names such as
//! John Doe are data: no list knows who is called that.

mod signs;

use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

use self::signs::{bracketed, crossed_out, has_template, initials, without_templates, zeros};
use crate::{
    email,
    words::{AROUND, ATS, DENIALS, DOTS, FILLERS, NAMES, SMALL, SUBJECTS, TITLES, TOLD, VALUES, WORDS},
};

/// What a text is, which decides what may stand for nothing in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    /// A patient's or a dentist's name.
    Name,
    /// Words of any kind: a service, notes.
    Words,
    /// What has a form of its own: a day, a time.
    Value,
    /// A phone number, which has digits.
    Phone,
    /// A day that need not be known, which has digits.
    Birth,
    /// A mail address, which has an `@`.
    Address,
}

/// Of the words of a name, what people are called, written as people are.
const CALLED: &[&str] = &["Na", "Nan", "Nil"];
/// Of those, what people with a title are called.
const CALLED_WITH_TITLE: &[&str] = &[
    "Na",
    "Nan",
    "Nil",
    "Null",
    "None",
    "Unbekannt",
    "Blank",
    "Missing",
    "Last",
    "First",
    "Brak",
    "Child",
    "Client",
    "Empty",
    "Guest",
    "Hidden",
    "Later",
    "Nemo",
    "Offen",
    "Person",
    "Private",
    "Self",
    "Yok",
];

/// Whether the line, in its form ([`crate::text::line`]), says nothing.
pub fn says_nothing(line: &str, of: Of) -> bool {
    if squeezed(line).is_empty() || initials(line) {
        return true;
    }
    // In free text it is that alone, since people write such signs.
    let is_template = match of {
        Of::Words => squeezed(&without_templates(line)).is_empty(),
        _ => has_template(line),
    };
    if is_template {
        return true;
    }
    match of {
        Of::Name => names_nobody(line),
        Of::Words => nothing(line, of),
        Of::Value => no_value(line),
        // Without a digit nothing of it can be meant; with one it is asked for again.
        Of::Phone => no_value(line) || !line.contains(|c| c == '@' || digit(c)),
        Of::Birth => {
            // A database has a day of that name, which nobody is born on.
            let infinity = squeezed(line) == "infinity";
            no_value(line) || crossed_out(line) || !(infinity || line.contains(|c| c == '@' || digit(c)))
        }
        Of::Address => no_value(line) || is_no_address(email::bare(line)) || !meant_as_address(line),
    }
}

/// Whether a phone number is one that stands for none: one digit again and again, or the digits as they are counted.
pub fn is_no_number(said: &str) -> bool {
    let digits: String = said.chars().filter(char::is_ascii_digit).collect();
    let national = if digits.len() == 11 { digits.strip_prefix('1').unwrap_or(&digits) } else { digits.as_str() };
    let same = national.bytes().all(|digit| Some(digit) == national.bytes().next());
    national.len() >= 7 && (same || "1234567890".starts_with(national) || "0123456789".starts_with(national))
}

/// Whether what is written as a mail address stands for none, such as `none@none.com` and `n/a@n/a`: both its sides say nothing.
pub fn is_no_address(address: &str) -> bool {
    let Some((local, domain)) = address.split_once('@') else { return false };
    let host = domain.split('.').next().unwrap_or_default();
    nothing(local, Of::Value) && (host == "example" || host == "test" || nothing(host, Of::Value))
}

fn names_nobody(line: &str) -> bool {
    let words: Vec<&str> = line.split(' ').collect();
    let titles = words.iter().take_while(|word| title(word)).count();
    let named = words[titles..].join(" ");
    let called = if titles > 0 { CALLED_WITH_TITLE } else { CALLED };
    let is_called = |word: &str| called.contains(&unmarked(word).as_str());
    let word_says_nothing = |word: &&str| !is_called(word) && nothing(word, Of::Name);
    bracketed(&named)
        || squeezed(&named).is_empty()
        || (!is_called(&named) && nothing(&named, Of::Name))
        || words[titles..].iter().all(word_says_nothing)
        || tells_of_no_name(&named, is_called)
        || one_of_two(line)
}

/// Words that say together that there is no name, or which name is meant: `no name given`, `nicht angegeben`, `the caller`.
fn tells_of_no_name(named: &str, is_called: impl Fn(&str) -> bool) -> bool {
    if named.split(' ').any(|word| word.chars().count() == 2 && word.ends_with('.')) {
        return false; // An initial: A. Guest.
    }
    let (mut void, mut denied, mut meant, mut told) = (false, false, false, false);
    for word in tokens(named) {
        let plain = folded(&word);
        let is = |list: &str| has(list, &plain);
        let (of_words, denial, subject, tells) = (is(WORDS), is(DENIALS), is(SUBJECTS) || is(NAMES), is(TOLD));
        let small = is(SMALL) && word.to_lowercase() == word;
        if is_called(&word) || !(of_words || denial || subject || tells || small || is(FILLERS)) {
            return false;
        }
        void |= of_words;
        denied |= denial;
        meant |= subject;
        told |= tells && !subject && !is(FILLERS);
    }
    void || denied && told || meant && !told
}

/// `Dr. Smith or Dr. Jones`: nobody knows whose time it is.
fn one_of_two(line: &str) -> bool {
    let line = line.replace('/', " / ");
    let words: Vec<&str> = line.split(' ').filter(|word| !word.is_empty()).collect();
    words.windows(3).any(|at| match at[1] {
        "or" | "oder" | "eller" | "lub" | "или" => title(words[0]) || title(at[2]),
        "/" | "o" | "ou" | "of" => title(at[2]),
        _ => false,
    })
}

fn no_value(line: &str) -> bool {
    bracketed(line) || nothing(line, Of::Value) || zeros(line)
}

/// Whether it has an `@`, or words or signs for one, or digits: an address that was taken down wrong is asked for again.
fn meant_as_address(line: &str) -> bool {
    let words: Vec<String> = tokens(line).iter().map(|word| folded(word)).collect();
    let inside = |list: &str| words.len() > 2 && words[1..words.len() - 1].iter().any(|word| has(list, word));
    let denied = words.iter().any(|word| has(DENIALS, word) || has(WORDS, word));
    let chars: Vec<char> = line.chars().collect();
    let full_stop = chars.windows(3).any(|at| at[1] == '.' && ![at[0], at[2]].iter().any(|c| matches!(c, ' ' | '.')));
    line.contains(|c| c == '@' || digit(c)) || full_stop || inside(DOTS) || (inside(ATS) && !denied)
}

fn nothing(text: &str, of: Of) -> bool {
    let plain = squeezed(text);
    let crossed = (2..=20).contains(&plain.len()) && plain.bytes().all(|b| b == b'x');
    crossed
        || has(WORDS, &plain)
        || (of == Of::Name && (has(NAMES, &plain) || without_spaces(&plain)))
        || (of == Of::Value && has(VALUES, &plain))
}

/// `名前不明`, `不明な患者`.
fn without_spaces(plain: &str) -> bool {
    AROUND.split_whitespace().any(|name| {
        let behind = plain.strip_prefix(name);
        let before = plain.strip_suffix(name).map(|word| word.strip_suffix(['な', 'の', '的', '의']).unwrap_or(word));
        [behind, before].into_iter().flatten().any(|word| has(WORDS, word) || has(NAMES, word))
    })
}

fn title(word: &str) -> bool {
    has(TITLES, &squeezed(word))
}

fn has(list: &str, word: &str) -> bool {
    list.split_whitespace().any(|listed| listed == word)
}

/// In small letters, letters and digits alone.
fn squeezed(text: &str) -> String {
    folded(text).chars().filter(|c| counts(*c)).collect()
}

/// The words, without the apostrophes in them.
fn tokens(text: &str) -> Vec<String> {
    let text = text.replace(['\'', '’'], "");
    text.split(|c| !counts(c)).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// In small letters without marks.
fn folded(text: &str) -> String {
    unmarked(&text.to_lowercase()).replace('ς', "σ")
}

fn unmarked(text: &str) -> String {
    text.nfkd().filter(|c| !matches!(c, '\u{300}'..='\u{36f}')).nfc().collect()
}

/// Letters with what scripts write around them, and digits.
fn counts(c: char) -> bool {
    c.is_alphanumeric() || is_combining_mark(c)
}

fn digit(c: char) -> bool {
    c.is_numeric() && !c.is_alphabetic()
}

#[cfg(test)]
mod tests;
