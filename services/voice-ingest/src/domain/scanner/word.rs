//! A marker's word in whatever spelling: `PATIENT_CREATION`, `PATIENT\_CREATION`, `patient_creation`, `Patient Creation`,
//! `patientCreation`.

use super::{edge::Edge, reading::Reading};
use crate::domain::Kind;

/// A kind's word as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) kind: Kind,
    pub(super) len: usize,
    /// It is spelled as nobody spells prose: with an underscore, in capitals, with a capital inside.
    pub(super) is_name: bool,
}

const PARTS: [(Kind, [&[u8]; 2]); 2] =
    [(Kind::PatientCreation, [b"patient", b"creation"]), (Kind::BookingConfirmation, [b"booking", b"confirmation"])];

/// So many underscores behind a word are emphasis.
const EMPHASIS: usize = 3;

/// The word that begins here. `More` while it cannot be told yet.
pub(super) fn at(text: &[u8], over: bool) -> Reading<Word> {
    for (kind, [first, second]) in PARTS {
        match spelled(text, first, second) {
            Reading::Is(length) => return ends(text, kind, length, over),
            Reading::More if !over => return Reading::More,
            Reading::More | Reading::Not => {}
        }
    }
    Reading::Not
}

/// How long the two parts with what joins them are.
fn spelled(text: &[u8], first: &[u8], second: &[u8]) -> Reading<usize> {
    let begin = match starts_with(text, first) {
        Reading::Is(rest) => rest,
        Reading::Not => return Reading::Not,
        Reading::More => return Reading::More,
    };
    let escapes = begin.iter().take(2).take_while(|byte| **byte == b'\\').count();
    let joiner = match begin.get(escapes) {
        Some(b'_' | b'-') => escapes + 1,
        Some(b' ') if escapes == 0 => 1,
        Some(_) if escapes == 0 => 0,
        Some(_) => return Reading::Not,
        None => return Reading::More,
    };
    match starts_with(&begin[joiner..], second) {
        Reading::Is(rest) => Reading::Is(text.len() - rest.len()),
        Reading::Not => Reading::Not,
        Reading::More => Reading::More,
    }
}

fn starts_with<'t>(text: &'t [u8], part: &[u8]) -> Reading<&'t [u8]> {
    let here = text.len().min(part.len());
    match text[..here].eq_ignore_ascii_case(&part[..here]) {
        true if here == part.len() => Reading::Is(&text[here..]),
        true => Reading::More,
        false => Reading::Not,
    }
}

/// A longer word is another: `PATIENT_CREATIONS`, `PATIENT_CREATION_LOG`.
fn ends(text: &[u8], kind: Kind, len: usize, over: bool) -> Reading<Word> {
    let (word, behind) = text.split_at(len);
    let emphasis = behind.iter().take(EMPHASIS).take_while(|byte| **byte == b'_').count();
    match behind.get(emphasis) {
        None if !over => Reading::More,
        Some(byte) if byte.is_ascii_alphanumeric() || *byte == b'_' => Reading::Not,
        _ => Reading::Is(Word { kind, len, is_name: is_name(word) }),
    }
}

fn is_name(word: &[u8]) -> bool {
    let is_joined = word.iter().any(|byte| !byte.is_ascii_alphabetic());
    let has_inner_capital = || word[1..].iter().any(u8::is_ascii_uppercase);
    let has_small = || word.iter().any(u8::is_ascii_lowercase);
    word.contains(&b'_') || !has_small() || (!is_joined && has_inner_capital())
}

/// Where a word stands, by what is before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Setting {
    /// In the middle of another word, or in a closing tag.
    pub(super) is_none: bool,
    /// As a tag's name or attribute.
    pub(super) in_tag: bool,
    /// As the value of a JSON member: `"name": "…`.
    pub(super) is_value: bool,
}

impl Setting {
    /// In the midst of a text.
    pub(super) const NONE: Self = Self { is_none: false, in_tag: false, is_value: false };
    /// At most so many bytes before a word decide it.
    pub(super) const REACH: usize = 16;

    pub(super) fn behind(before: &[u8]) -> Self {
        let before = &before[before.len().saturating_sub(Self::REACH)..];
        let edge = before.iter().fold(Edge::Open, |edge, byte| edge.after(*byte));
        let unquoted = before.trim_ascii_end();
        let unquoted = unquoted.strip_suffix(b"\"").or_else(|| unquoted.strip_suffix(b"'")).unwrap_or(unquoted);
        let is_quoted = unquoted.len() < before.len();
        let owner = unquoted.trim_ascii_end().iter().rev().find(|byte| **byte != b'\\' && **byte != b' ');
        let is_value = owner == Some(&b':') && is_quoted;
        let is_none = edge == Edge::Closed || before.ends_with(b"</");
        Self { is_none, in_tag: before.ends_with(b"<") || owner == Some(&b'='), is_value }
    }
}
