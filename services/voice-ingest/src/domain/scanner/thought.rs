//! What a model only thinks: between tags that say so. It makes no fact.

use super::reading::Reading;

/// Tags that open a thought, without brackets, in small letters.
const NAMES: [&str; 9] = [
    "think",
    "thinking",
    "thought",
    "thoughts",
    "reasoning",
    "reflection",
    "scratchpad",
    "analysis",
    "inner_monologue",
];
const BRACKETS: [(&str, &str); 3] = [("<", ">"), ("[", "]"), ("◁", "▷")];
/// A channel of its own, as some models have it.
const CHANNEL: (&str, &str) = ("<|channel|>analysis<|message|>", "<|end|>");

/// The first byte of each tag.
pub(super) const FIRST: [u8; 3] = [b'<', b'[', 0xe2];

/// What closes the thought that is opened here, and how long the opening is.
pub(super) fn opening(text: &[u8]) -> Reading<(usize, String)> {
    tags()
        .map(|(opening, closing)| matches(text, &opening).map(|length| (length, closing)))
        .fold(Reading::Not, Reading::or)
}

/// How long the closing tag is that stands here.
pub(super) fn closing(text: &[u8], tag: &str) -> Reading<usize> {
    matches(text, tag)
}

fn tags() -> impl Iterator<Item = (String, String)> {
    let named = NAMES.into_iter().flat_map(|name| {
        BRACKETS.into_iter().map(move |(open, close)| (format!("{open}{name}{close}"), format!("{open}/{name}{close}")))
    });
    named.chain([(CHANNEL.0.to_owned(), CHANNEL.1.to_owned())])
}

fn matches(text: &[u8], tag: &str) -> Reading<usize> {
    let here = text.len().min(tag.len());
    match text[..here].eq_ignore_ascii_case(&tag.as_bytes()[..here]) {
        true if here == tag.len() => Reading::Is(here),
        true => Reading::More,
        false => Reading::Not,
    }
}
