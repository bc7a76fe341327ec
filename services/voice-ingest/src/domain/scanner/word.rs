//! A marker's word in whatever spelling: `PATIENT_CREATION`, `PATIENT\_CREATION`, `PATIENT‑CREATION`, `patient_creation`,
//! `Patient Creation`, `patientCreation`, in full-width letters, with something invisible inside.

use super::{
    glyph::{character, is_invisible, letter},
    reading::Reading,
};
use crate::domain::Kind;

/// A kind's word as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) kind: Kind,
    pub(super) len: usize,
    pub(super) spelling: Spelling,
    /// It is longer than a kind's word by a letter: `PATIENT_CREATIONS`.
    pub(super) is_plural: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spelling {
    /// As anybody writes it: `patient creation`.
    Prose,
    /// With a capital inside: `patientCreation`.
    Camel,
    /// With an underscore: `patient_creation`.
    Name,
    /// `PATIENT_CREATION`, `PATIENT CREATION`.
    Capitals,
}

impl Word {
    /// It is spelled as nobody spells prose.
    pub(super) fn is_name(&self) -> bool {
        self.spelling != Spelling::Prose
    }
}

const PARTS: [(Kind, [&[u8]; 2]); 2] =
    [(Kind::PatientCreation, [b"patient", b"creation"]), (Kind::BookingConfirmation, [b"booking", b"confirmation"])];

/// So many underscores behind a word are emphasis.
const EMPHASIS: usize = 3;
/// The most bytes that join the two parts.
const JOINER_MAX: usize = 12;
/// The most bytes of a part, with all that is invisible in it.
const PART_MAX: usize = 128;
/// What an underscore or a break is written as in HTML, in addresses and in JSON.
const ESCAPES: [&[u8]; 9] =
    [b"&#95;", b"&#x5f;", b"&lowbar;", b"&nbsp;", b"&shy;", b"%5f", b"\\u005f", b"<br>", b"<wbr>"];

/// The first bytes of characters beyond ASCII that a word may begin with.
pub(super) const FIRST: [u8; 4] = [0xce, 0xd0, 0xef, 0xf0];

/// The word that begins here. `More` while it cannot be told yet.
pub(super) fn at(text: &[u8], over: bool) -> Reading<Word> {
    for (kind, [first, second]) in PARTS {
        match spelled(text, first, second) {
            Reading::Is((length, spelling)) => return ends(text, kind, length, spelling, over),
            Reading::More if !over => return Reading::More,
            Reading::More | Reading::Not => {}
        }
    }
    Reading::Not
}

/// How long the two parts with what joins them are.
fn spelled(text: &[u8], first: &[u8], second: &[u8]) -> Reading<(usize, Spelling)> {
    let begin = match letters(text, first) {
        Reading::Is(length) => length,
        Reading::Not => return Reading::Not,
        Reading::More => return Reading::More,
    };
    let joined = match joiner(&text[begin..]) {
        Reading::Is(length) => begin + length,
        Reading::Not => return Reading::Not,
        Reading::More => return Reading::More,
    };
    letters(&text[joined..], second)
        .map(|length| (joined + length, spelling(&text[..begin], &text[begin..joined], &text[joined..joined + length])))
}

/// How long the part is that stands here.
fn letters(text: &[u8], part: &[u8]) -> Reading<usize> {
    let mut at = 0;
    for (index, wanted) in part.iter().enumerate() {
        loop {
            match text.get(at) {
                None => return Reading::More,
                Some(byte) if byte.eq_ignore_ascii_case(wanted) => {
                    at += 1;
                    break;
                }
                Some(byte) if byte.is_ascii() => return Reading::Not,
                Some(_) => {}
            }
            let character = match character(&text[at..]) {
                Reading::Is(character) => character,
                Reading::Not => return Reading::Not,
                Reading::More => return Reading::More,
            };
            let is_it = letter(character) == Some(*wanted);
            if !is_it && (index == 0 || !is_invisible(character) || at > PART_MAX) {
                return Reading::Not;
            }
            at += character.len_utf8();
            if is_it {
                break;
            }
        }
    }
    Reading::Is(at)
}

/// How long what stands between the parts is; it may be nothing.
fn joiner(text: &[u8]) -> Reading<usize> {
    let mut at = 0;
    while at <= JOINER_MAX {
        let rest = &text[at..];
        let Some(&byte) = rest.first() else { return Reading::More };
        match ESCAPES.iter().map(|escape| starts_with(rest, escape)).fold(Reading::Not, Reading::or) {
            Reading::Is(length) => {
                at += length;
                continue;
            }
            // A backslash alone is none of them.
            Reading::More => return Reading::More,
            Reading::Not => {}
        }
        if byte.is_ascii() {
            if !b" _-\\\n\r\t`*.:/~".contains(&byte) {
                return Reading::Is(at);
            }
            at += 1;
            continue;
        }
        match character(rest) {
            Reading::Is(character) if is_joiner(character) => at += character.len_utf8(),
            Reading::Is(_) => return Reading::Is(at),
            Reading::Not => return Reading::Not,
            Reading::More => return Reading::More,
        }
    }
    Reading::Not
}

/// Dashes, hyphens, spaces and underscores beyond ASCII.
fn is_joiner(character: char) -> bool {
    is_invisible(character)
        || character.is_whitespace()
        || matches!(character, '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{fe58}' | '\u{fe63}' | '－' | '＿' | '‿' | '︳' | '﹍'..='﹏')
}

fn starts_with(text: &[u8], part: &[u8]) -> Reading<usize> {
    let here = text.len().min(part.len());
    match text[..here].eq_ignore_ascii_case(&part[..here]) {
        true if here == part.len() => Reading::Is(here),
        true => Reading::More,
        false => Reading::Not,
    }
}

/// What may hang on a word and makes no other of it.
const SUFFIXES: [&[u8]; 12] = [
    b"_call",
    b"_data",
    b"_details",
    b"_event",
    b"_info",
    b"_json",
    b"_marker",
    b"_message",
    b"_payload",
    b"_record",
    b"_request",
    b"_response",
];

/// A longer word is another: `PATIENT_CREATION_LOG`. Only a number may hang on it, `_EVENT` and the like, and an S in doubt.
fn ends(text: &[u8], kind: Kind, len: usize, spelling: Spelling, over: bool) -> Reading<Word> {
    let is_inside = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let behind = &text[len..];
    let emphasis = behind.iter().take(EMPHASIS).take_while(|byte| **byte == b'_').count();
    let digits = behind[emphasis..].iter().take(3).take_while(|byte| byte.is_ascii_digit()).count();
    let plural = usize::from(emphasis == 0 && digits == 0 && matches!(behind.first(), Some(b's' | b'S')));
    let suffix = SUFFIXES
        .iter()
        .map(|suffix| match starts_with(behind, suffix) {
            Reading::Is(length) if behind.len() == length => Reading::More,
            Reading::Is(length) if is_inside(&behind[length]) => Reading::Not,
            other => other,
        })
        .fold(Reading::Not, Reading::or);
    match suffix {
        Reading::Is(_) => return Reading::Is(Word { kind, len, spelling, is_plural: false }),
        Reading::More if !over => return Reading::More,
        // It ends with the text.
        Reading::More if SUFFIXES.iter().any(|suffix| behind.eq_ignore_ascii_case(suffix)) => {
            return Reading::Is(Word { kind, len, spelling, is_plural: false });
        }
        _ => {}
    }
    match behind.get(emphasis + digits + plural) {
        None if !over => Reading::More,
        Some(byte) if is_inside(byte) => Reading::Not,
        _ => Reading::Is(Word { kind, len: len + plural, spelling, is_plural: plural > 0 }),
    }
}

fn spelling(first: &[u8], joiner: &[u8], second: &[u8]) -> Spelling {
    let (first, second) = (String::from_utf8_lossy(first), String::from_utf8_lossy(second));
    let is_joined = joiner.iter().any(|byte| b"_&%\\".contains(byte))
        || "＿‿".chars().any(|underscore| String::from_utf8_lossy(joiner).contains(underscore));
    let all = || first.chars().chain(second.chars());
    match () {
        () if !all().any(char::is_lowercase) => Spelling::Capitals,
        () if is_joined => Spelling::Name,
        () if joiner.is_empty() && all().skip(1).any(char::is_uppercase) => Spelling::Camel,
        () => Spelling::Prose,
    }
}
