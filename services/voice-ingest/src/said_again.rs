//! Which facts of a text are new: a caller moves from ten to eleven and back to ten, and that is three bookings; an AI sums up what was
//! said, a platform sends the whole text at the end or the same text again, and that is none.
//!
//! - What was said last of its kind stands. Said again, it is repeated.
//! - What was said before something else of its kind is new again,
//! - unless it is within what the text repeats: its beginning up to what was said last, or all of it.
//! - A text that comes again byte for byte says nothing new.

use std::collections::HashMap;

use uuid::Uuid;

use crate::{announcement::extraction_id, domain::Extraction, store::Accepted};

/// Which time of being said this is, and whether it is the first that it is heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Occurrence {
    /// 0 for the first.
    pub number: u32,
    pub is_new: bool,
}

/// Of facts of one kind, in the order in which the text `text_id` says them. `before` is what the call said of it so far.
pub fn occurrences(call_id: &str, said: &[&Extraction], before: &[Accepted], text_id: Option<Uuid>) -> Vec<Occurrence> {
    let is_known_text = text_id.is_some() && before.iter().any(|one| one.text_id == text_id);
    let firsts: Vec<Uuid> = said.iter().map(|fact| extraction_id(call_id, fact, 0).0).collect();
    let mut times: HashMap<Uuid, u32> = HashMap::new();
    // A fact that was said again has another id each time.
    let mut first_of: HashMap<Uuid, Uuid> = HashMap::new();
    for (fact, first) in said.iter().zip(&firsts) {
        times.entry(*first).or_insert_with(|| {
            let ids = (0..).map(|number| extraction_id(call_id, fact, number).0);
            let known = ids.take_while(|id| before.iter().any(|one| one.id == *id));
            known.map(|id| first_of.insert(id, *first)).count() as u32
        });
    }
    let before: Vec<Uuid> = before.iter().map(|one| first_of.get(&one.id).copied().unwrap_or(one.id)).collect();
    let is_new = news(&before, &firsts);
    firsts
        .iter()
        .zip(is_new)
        .map(|(first, is_new)| {
            let times = times.entry(*first).or_default();
            let is_new = *times == 0 || is_new && !is_known_text;
            *times += u32::from(is_new);
            Occurrence { number: times.saturating_sub(1), is_new }
        })
        .collect()
}

fn news(before: &[Uuid], said: &[Uuid]) -> Vec<bool> {
    let mut turns = said.to_vec();
    turns.dedup();
    let is_within = turns.len() > 1 && before.windows(turns.len()).any(|some| some == turns);
    let repeated = if is_within {
        turns.len()
    } else {
        (0..=turns.len()).rev().find(|count| before.ends_with(&turns[..*count])).unwrap_or_default()
    };
    let mut turn = 0;
    let is_new = |(at, one): (usize, &Uuid)| {
        let is_turn = at == 0 || said[at - 1] != *one;
        turn += usize::from(is_turn);
        is_turn && turn > repeated
    };
    said.iter().enumerate().map(is_new).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each letter a fact; what is new is told in capitals.
    fn told(before: &str, said: &str) -> String {
        let ids = |text: &str| text.bytes().map(|byte| Uuid::from_u128(byte.into())).collect::<Vec<_>>();
        let is_new = news(&ids(before), &ids(said));
        said.chars().zip(is_new).map(|(one, is_new)| if is_new { one.to_ascii_uppercase() } else { one }).collect()
    }

    #[test]
    fn what_is_said_last_stands_and_what_came_before_it_is_new_again() {
        for (before, expected) in [
            ("", "A"),
            ("", "AB"),
            ("", "ABA"),
            ("", "AaBbA"),
            ("a", "a"),
            ("ab", "A"),
            ("ab", "Ac"),
            ("ab", "bA"),
            ("aba", "a"),
            ("aba", "B"),
            // All that was said, and something more.
            ("ab", "ab"),
            ("ab", "abC"),
            ("ab", "abA"),
            ("aba", "aba"),
            ("aba", "abaB"),
            // A text of before that comes late.
            ("abc", "ab"),
            ("abc", "aabb"),
            ("abcd", "bc"),
            // Another order is another story.
            ("abc", "BA"),
        ] {
            let said = expected.to_ascii_lowercase();
            let expected = if expected == "Ac" { "AC" } else { expected };
            assert_eq!(told(before, &said), expected, "{said} after {before}");
        }
    }
}
