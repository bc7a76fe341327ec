//! What a model only thinks: between tags that say so. It makes no fact.
//!
//! A tag is known by what it is called, whatever its brackets: `<think>`, `<thinking depth="2">`, `<seed:think>`,
//! `<|START_THINKING|>`, `[THINK]`, `◁think▷`, `&lt;think&gt;`. Beside them stand the channels, fences, foldings and members
//! of JSON in which thoughts come.

use serde::{Deserialize, Serialize};

use super::{glyph::is_invisible, reading::Reading, setting::plain};

/// How a thought begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Opening {
    pub(super) length: usize,
    /// The beginning of what closes it, as [`closing`] knows it.
    pub(super) closing: String,
    /// It may as well be the heading of what the caller hears.
    pub(super) is_heading: bool,
}

/// What a place in a thought does to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Turn {
    Closes,
    Opens,
}

const BRACKETS: [(&str, &str); 4] = [("<", ">"), ("[", "]"), ("◁", "▷"), ("&lt;", "&gt;")];
/// The longest tag.
const TAG_MAX: usize = 96;

/// Openings that are no tag with a name, and what closes them.
const OTHERS: [(&str, &str); 5] = [
    ("<|channel|>analysis<|message|>", "<|end|>"),
    ("<|channel|>analysis <|message|>", "<|end|>"),
    ("<|channel>thought", "<channel|>"),
    ("<unused94>thought", "<unused95>"),
    ("<unused94>think", "<unused95>"),
];
/// What closes a channel beside its own end.
const NEXT_CHANNEL: [&str; 4] = ["<|end|>", "<|start|>", "<|return|>", "<|channel|>final"];
const FOLDING: (&str, &str) = ("<details", "</details>");

/// Parts of a name that say so in any name, without separators.
const PARTS: [&str; 11] = [
    "think",
    "thought",
    "reasoning",
    "reflect",
    "monolog",
    "scratchpad",
    "brainstorm",
    "deliberat",
    "contemplat",
    "introspect",
    "chainofthought",
];
/// Names that say so as they are.
const NAMES: [&str; 15] = [
    "analysis",
    "analyse",
    "analyze",
    "analyzing",
    "cot",
    "cotanalysis",
    "draft",
    "musing",
    "plan",
    "planning",
    "ponder",
    "pondering",
    "rationale",
    "reason",
    "reasons",
];

/// Names of members that say so beside those.
const MEMBERS: [&str; 2] = ["rationale", "toolplan"];

/// The first byte of each opening and closing.
pub(super) const FIRST: [u8; 7] = [b'<', b'[', b'&', b'"', b'`', b'~', 0xe2];

fn is_thought(name: &str) -> bool {
    NAMES.contains(&name) || PARTS.iter().any(|part| name.contains(part))
}

/// What opens a thought here.
pub(super) fn opening(text: &[u8]) -> Reading<Opening> {
    match text.first() {
        None => return Reading::More,
        Some(first) if !FIRST.contains(first) => return Reading::Not,
        Some(b'"') => return member(text),
        Some(b'`' | b'~') => return fence(text),
        Some(_) => {}
    }
    let mut seen = Reading::Not;
    for (open, close) in OTHERS {
        let closing = || Opening { length: open.len(), closing: close.to_owned(), is_heading: false };
        seen = seen.or(starts_with(text, open).map(|_| closing()));
    }
    let tag = tag(text).map(|tag| match tag {
        Tag { is_closing: false, is_thought: true, bracket, length, is_plain, is_sure } if bracket != 1 || is_plain => {
            let closing = format!("{}/", BRACKETS[bracket].0);
            Some(Opening { length, closing, is_heading: bracket == 1 && !is_sure })
        }
        _ => None,
    });
    let tag = match tag {
        Reading::Is(Some(opening)) => Reading::Is(opening),
        Reading::More => Reading::More,
        _ => Reading::Not,
    };
    match seen.or(tag) {
        // One that could still be another is waited for.
        Reading::Not => folding(text),
        seen => seen,
    }
}

/// Whether a tag stands here that closes a thought which was opened before the text: models whose template opens it.
pub(super) fn lone_closing(text: &[u8]) -> Reading<usize> {
    match tag(text) {
        Reading::Is(tag) if tag.is_closing && tag.is_sure => Reading::Is(tag.length),
        Reading::More => Reading::More,
        _ => Reading::Not,
    }
}

/// What closes the thought here, or opens another one in it.
pub(super) fn turn(text: &[u8], before: &[u8], closing: &str) -> Reading<(usize, Turn)> {
    match closing {
        "<|end|>" => NEXT_CHANNEL
            .iter()
            .map(|next| starts_with(text, next).map(|length| (length, Turn::Closes)))
            .fold(Reading::Not, Reading::or),
        "```" | "~~~" => match starts_with(text, closing) {
            Reading::Is(length) => match text.get(length) {
                None => Reading::More,
                Some(byte) if byte.is_ascii_alphanumeric() => Reading::Is((length, Turn::Opens)),
                Some(_) => Reading::Is((length, Turn::Closes)),
            },
            Reading::More => Reading::More,
            Reading::Not => Reading::Not,
        },
        "\"" | "\\\"" => {
            let escapes = before.iter().rev().take_while(|byte| **byte == b'\\').count();
            let is_it =
                text[0] == b'"' && escapes < closing.len() + usize::from(closing.len() == 1 && escapes % 2 == 0);
            if is_it { Reading::Is((1, Turn::Closes)) } else { Reading::Not }
        }
        _ if BRACKETS.iter().any(|(open, _)| closing.starts_with(open) && closing[open.len()..].starts_with('/'))
            && closing != FOLDING.1 =>
        {
            let bracket = BRACKETS.iter().position(|(open, _)| closing.starts_with(open));
            match tag(text) {
                Reading::Is(tag) if tag.is_thought && Some(tag.bracket) == bracket => {
                    Reading::Is((tag.length, if tag.is_closing { Turn::Closes } else { Turn::Opens }))
                }
                Reading::More => Reading::More,
                _ => Reading::Not,
            }
        }
        _ => starts_with(text, closing).map(|length| (length, Turn::Closes)),
    }
}

struct Tag {
    bracket: usize,
    length: usize,
    is_closing: bool,
    is_thought: bool,
    /// There is nothing but its name in it.
    is_plain: bool,
    /// Nobody calls anything else so.
    is_sure: bool,
}

/// A tag with a name.
fn tag(text: &[u8]) -> Reading<Tag> {
    let mut seen = Reading::Not;
    for (bracket, (open, close)) in BRACKETS.iter().enumerate() {
        match starts_with(text, open) {
            Reading::Not => {}
            Reading::More => seen = seen.or(Reading::More),
            Reading::Is(begin) => return named(text, begin, bracket, close),
        }
    }
    seen
}

fn named(text: &[u8], begin: usize, bracket: usize, close: &str) -> Reading<Tag> {
    let rest = &text[begin..];
    // What cannot become one is not waited for.
    if !may_be(rest) {
        return Reading::Not;
    }
    let most = rest.len().min(TAG_MAX);
    let close = close.as_bytes();
    let end = (0..most).find(|at| rest[*at..].starts_with(close) || matches!(rest[*at], b'{' | b'<' | b'['));
    let end = match end {
        Some(end) if rest[end..].starts_with(close) => end,
        Some(_) => return Reading::Not,
        None if rest.len() >= TAG_MAX => return Reading::Not,
        None => return Reading::More,
    };
    let Ok(content) = str::from_utf8(&rest[..end]) else { return Reading::Not };
    let is_sign = |character: char| character.is_whitespace() || is_invisible(character) || "|｜".contains(character);
    let content = content.trim_matches(is_sign);
    let (is_slashed, content) = match content.strip_prefix('/') {
        Some(content) => (true, content.trim_matches(is_sign)),
        None => (false, content),
    };
    // An address is no name.
    if content.ends_with('/') || content.contains(['@', '.', '/']) {
        return Reading::Not;
    }
    let full = content.split(char::is_whitespace).next().unwrap_or_default();
    let name = plain(full.rsplit(':').next().unwrap_or_default());
    let behind =
        |prefixes: &[&str]| prefixes.iter().find_map(|prefix| name.strip_prefix(prefix)).filter(|it| is_thought(it));
    let started = behind(&["beginof", "startof", "begin", "start"]).unwrap_or(&name);
    let ended = behind(&["endof", "end"]);
    let (is_closing, name) = (is_slashed || ended.is_some(), ended.unwrap_or(started));
    // Nor is the text of a link.
    if close == b"]" && !is_closing && is_thought(name) {
        match rest.get(end + 1) {
            Some(b'(') => return Reading::Not,
            Some(_) => {}
            None => return Reading::More,
        }
    }
    Reading::Is(Tag {
        bracket,
        length: begin + end + close.len(),
        is_closing,
        is_thought: is_thought(name),
        is_plain: full.len() == content.len(),
        is_sure: ["think", "thinking", "thought", "thoughts", "reasoning", "antthinking"].contains(&name),
    })
}

/// Whether a name may stand here.
fn may_be(text: &[u8]) -> bool {
    let first = text.iter().find(|byte| !b" \t\r\n/|".contains(byte));
    first.is_none_or(|byte| byte.is_ascii_alphabetic() || *byte >= 0x80)
}

/// `"thinking": "`, as a member of an answer of some platforms.
fn member(text: &[u8]) -> Reading<Opening> {
    let Some(end) = text.iter().take(32).skip(1).position(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_') else {
        return if text.len() < 32 { Reading::More } else { Reading::Not };
    };
    let name = plain(&String::from_utf8_lossy(&text[1..=end]));
    if !MEMBERS.contains(&name.as_str()) && !PARTS.iter().any(|part| name.contains(part)) {
        return Reading::Not;
    }
    let mut at = end + 1;
    let escapes = text[at..].iter().take_while(|byte| **byte == b'\\').count();
    for wanted in [b'"', b':', b'"'] {
        at += text[at..].iter().take(8).take_while(|byte| b" \\".contains(byte)).count();
        match text.get(at) {
            None => return Reading::More,
            Some(byte) if *byte == wanted => at += 1,
            Some(_) => return Reading::Not,
        }
    }
    let closing = if escapes > 0 { "\\\"" } else { "\"" };
    Reading::Is(Opening { length: at, closing: closing.to_owned(), is_heading: false })
}

/// A fence whose language is a thought.
fn fence(text: &[u8]) -> Reading<Opening> {
    let marks = if text[0] == b'`' { "```" } else { "~~~" };
    let length = match starts_with(text, marks) {
        Reading::Is(length) => length,
        Reading::Not => return Reading::Not,
        Reading::More => return Reading::More,
    };
    let name = &text[length..];
    let Some(end) = name.iter().take(32).position(|byte| !byte.is_ascii_alphabetic() && *byte != b'_') else {
        return if name.len() < 32 { Reading::More } else { Reading::Not };
    };
    match is_thought(&plain(&String::from_utf8_lossy(&name[..end]))) {
        true => Reading::Is(Opening { length: length + end, closing: marks.to_owned(), is_heading: false }),
        false => Reading::Not,
    }
}

/// `<details><summary>Thinking`.
fn folding(text: &[u8]) -> Reading<Opening> {
    match starts_with(text, FOLDING.0) {
        Reading::Is(_) => {}
        Reading::Not => return Reading::Not,
        Reading::More => return Reading::More,
    }
    let few = &text[..text.len().min(2 * TAG_MAX)];
    let lower = few.to_ascii_lowercase();
    let find = |part: &[u8]| lower.windows(part.len()).position(|here| here == part);
    match find(b"</summary>") {
        Some(end) => {
            let summary = plain(&String::from_utf8_lossy(&few[..end]));
            match PARTS.iter().any(|part| summary.contains(part)) {
                true => {
                    let closing = FOLDING.1.to_owned();
                    Reading::Is(Opening { length: end + "</summary>".len(), closing, is_heading: false })
                }
                false => Reading::Not,
            }
        }
        None if text.len() < 2 * TAG_MAX => Reading::More,
        None => Reading::Not,
    }
}

fn starts_with(text: &[u8], part: &str) -> Reading<usize> {
    let here = text.len().min(part.len());
    match text[..here].eq_ignore_ascii_case(&part.as_bytes()[..here]) {
        true if here == part.len() => Reading::Is(here),
        true => Reading::More,
        false => Reading::Not,
    }
}

/// Whether the tag of this length is only spoken of: `` `<think>` ``.
pub(super) fn is_quoted(before: &[u8], text: &[u8], length: usize) -> Reading<bool> {
    if before.last() != Some(&b'`') || before.ends_with(b"```") {
        return Reading::Is(false);
    }
    match text.get(length) {
        None => Reading::More,
        Some(byte) => Reading::Is(*byte == b'`'),
    }
}
