//! A marker's word, and the object that it leads to.

use serde_json::Value;

use super::{
    Scanner, fields,
    following::Again,
    found::{BrokenReason, Found},
    link::{self, Link, Trust},
    reading::Reading,
    setting::Setting,
    telling::Pending,
    word::{Spelling, Word},
};
use crate::domain::Kind;

/// So much of an object that cannot be read tells whether it has what its marker announces.
const TOLD_MAX: usize = 128;

/// How an object is marked.
#[derive(Debug, Clone, Copy)]
struct Marked {
    in_list: bool,
    trust: Trust,
    is_announced: bool,
}

impl Scanner {
    pub(super) fn marker(&mut self, word: Word, over: bool, found: &mut impl FnMut(Found)) -> Option<usize> {
        let (before, rest) = self.text.split_at(self.at);
        let setting = Setting::behind(before);
        if setting.is_none || (setting.is_inside || word.is_plural) && word.spelling != Spelling::Capitals {
            return Some(word.len);
        }
        let behind = self.at + word.len;
        match link::after(word, setting, &rest[word.len..], over) {
            Reading::Not => Some(word.len),
            Reading::More => None,
            Reading::Is(Link::NoObject(_) | Link::Unfinished) if !word.is_name() || setting.is_inside => Some(word.len),
            Reading::Is(Link::NoObject(length)) => self.broken(word, BrokenReason::NotAnObject, behind + length, found),
            Reading::Is(Link::Unfinished) => self.broken(word, BrokenReason::Unfinished, self.text.len(), found),
            Reading::Is(Link::Around(length)) => {
                let is_announcing = setting.value.is_some_and(|value| value.is_announcing);
                self.object_around(word, self.at.saturating_sub(length), is_announcing, over, found)
            }
            Reading::Is(Link::Object { at, in_list, trust, is_announced }) => {
                let trust = if trust == Trust::Full && !word.is_name() { Trust::Fields } else { trust };
                self.marked_object(word, behind + at, Marked { in_list, trust, is_announced }, over, found)
            }
        }
    }

    fn marked_object(
        &mut self,
        word: Word,
        begin: usize,
        Marked { in_list, trust, is_announced }: Marked,
        over: bool,
        found: &mut impl FnMut(Found),
    ) -> Option<usize> {
        let is_sure = trust == Trust::Full;
        if is_sure {
            // Whatever its object is, it is a marker.
            self.flush(self.at, found);
        }
        let prose = Some(word.len);
        match self.object(begin, is_sure, None, over) {
            Reading::More => None,
            Reading::Is(Ok(object)) => {
                let data: Value = serde_json::from_str(&object.json).unwrap_or_default();
                let is_announced = is_announced && word.is_name();
                match trust {
                    // What a tool takes, not what it is given.
                    Trust::Full if is_schema(&data) => prose,
                    Trust::Fields if !is_announced && !fields::reminds(word.kind, &data) => prose,
                    Trust::Full | Trust::Fields => {
                        self.hand_out(Again { kind: word.kind, in_list }, begin, object, &data, found)
                    }
                    Trust::Doubt if has_one_near(word.kind, &data) => {
                        self.broken(word, BrokenReason::Unclear, begin + object.len, found)
                    }
                    Trust::Doubt if is_announced => self.broken(word, BrokenReason::NotAnObject, begin, found),
                    Trust::Doubt => prose,
                }
            }
            Reading::Is(Err((reason, broke))) if is_sure => self.broken(word, reason, broke, found),
            Reading::Is(Err((reason, broke))) => match self.are_told(word.kind, begin, over) {
                Reading::More => None,
                Reading::Is(true) if word.is_name() => self.broken(word, reason, broke, found),
                _ if is_announced && word.is_name() => self.broken(word, BrokenReason::NotAnObject, begin, found),
                _ => prose,
            },
            Reading::Not => prose,
        }
    }

    /// The object in which the word says what it is.
    fn object_around(
        &mut self,
        word: Word,
        begin: usize,
        is_announcing: bool,
        over: bool,
        found: &mut impl FnMut(Found),
    ) -> Option<usize> {
        let is_name = word.is_name();
        match self.object(begin, is_name, Some(self.at - begin), over) {
            Reading::More => None,
            Reading::Is(Ok(object)) => {
                let data: Value = serde_json::from_str(&object.json).unwrap_or_default();
                if fields::has_one(word.kind, &data) {
                    return self.hand_out(Again { kind: word.kind, in_list: false }, begin, object, &data, found);
                }
                let reason = match has_one_near(word.kind, &data) {
                    true => BrokenReason::Unclear,
                    false if is_announcing => BrokenReason::NotAnObject,
                    false => return Some(word.len),
                };
                if is_name { self.broken(word, reason, begin + object.len, found) } else { Some(word.len) }
            }
            Reading::Is(Err((reason, broke))) if is_announcing && is_name => {
                self.broken(word, reason, broke.max(self.at + word.len), found)
            }
            _ => Some(word.len),
        }
    }

    /// Whether what begins here and cannot be read has fields of the kind.
    pub(super) fn are_told(&self, kind: Kind, begin: usize, over: bool) -> Reading<bool> {
        match self.text[begin..].get(..TOLD_MAX) {
            Some(told) => Reading::Is(fields::are_told(kind, told)),
            None if over => Reading::Is(fields::are_told(kind, &self.text[begin..])),
            None => Reading::More,
        }
    }

    /// Gives the marker up and goes on behind its word.
    fn broken(
        &mut self,
        word: Word,
        reason: BrokenReason,
        broke: usize,
        found: &mut impl FnMut(Found),
    ) -> Option<usize> {
        self.flush(self.at, found);
        self.resume = None;
        self.pending = Some(Pending { kind: word.kind, reason, begin: self.at, broke, checked: broke });
        Some(word.len)
    }
}

/// Whether the object, or one that is its member, has a field of the kind.
fn has_one_near(kind: Kind, data: &Value) -> bool {
    let members = || data.as_object().into_iter().flat_map(serde_json::Map::values);
    fields::has_one(kind, data) || members().any(|member| fields::has_one(kind, member))
}

/// Whether the object describes others, as those of a tool do that a model may call.
fn is_schema(data: &Value) -> bool {
    data["type"] == "object" && data["properties"].is_object()
}
