//! Where a word stands, by the few bytes before it.

use super::{
    edge::Edge,
    glyph::{is_invisible, is_quote},
};

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Setting {
    /// In a closing tag.
    pub(super) is_none: bool,
    /// At the end of a longer word: `NEW_PATIENT_CREATION`.
    pub(super) is_inside: bool,
    /// As a tag's name or attribute, or behind a name that announces it: `Action: …`, `tool=…`.
    pub(super) is_announced: bool,
    /// So many braces open directly before it: `{PATIENT_CREATION}`.
    pub(super) braces: usize,
    /// With nothing but signs and a number before it in its line.
    pub(super) begins_line: bool,
    /// In brackets or bold.
    pub(super) is_marked: bool,
    /// As the value of a member of an object: `{"name": "…`.
    pub(super) value: Option<Value>,
}

/// The member whose value a word is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Value {
    /// The member says what the object is: `name`, `type`, `tool`.
    pub(super) is_announcing: bool,
    /// Its name is one that facts have, too.
    pub(super) is_name: bool,
    /// How far before the word the object begins, if this is its first member.
    pub(super) begin: Option<usize>,
}

/// Members that say what an object is, without separators.
const ANNOUNCING: [&str; 20] = [
    "name",
    "type",
    "event",
    "eventtype",
    "eventname",
    "kind",
    "marker",
    "tool",
    "toolname",
    "function",
    "functionname",
    "action",
    "actionname",
    "command",
    "method",
    "operation",
    "responsetype",
    "messagetype",
    "recipientname",
    "api",
];
/// What a marked word stands in. Parentheses are a sentence's, too.
const MARKS: [&str; 15] = ["**", "__", "[", "<", "【", "「", "『", "《", "〈", "«", "‹", "［", "＜", "⟨", "〔"];

impl Setting {
    /// At most so many bytes before a word decide it.
    pub(super) const REACH: usize = 48;

    pub(super) fn behind(before: &[u8]) -> Self {
        let is_begin = before.len() < Self::REACH;
        let before = &before[before.len().saturating_sub(Self::REACH)..];
        let text = readable(before);
        let edge = before.iter().fold(Edge::Open, |edge, byte| edge.after(*byte));
        let tag = text.rfind('<').filter(|open| !text[*open..].contains('>'));
        let unquoted = unquoted(text.trim_end()).unwrap_or(text);
        let is_attribute = tag.is_some() && unquoted.trim_end().ends_with('=');
        Self {
            is_none: text.ends_with("</"),
            is_inside: edge == Edge::Closed && !ends_in_escape(before),
            is_announced: text.ends_with('<') || is_attribute || is_announced(text),
            braces: text.chars().rev().take_while(|character| matches!(character, '{' | '｛')).count(),
            begins_line: begins_line(text, is_begin),
            is_marked: MARKS.iter().any(|mark| text.ends_with(mark)),
            value: if tag.is_some() { None } else { Value::of(text) },
        }
    }
}

impl Value {
    fn of(text: &str) -> Option<Self> {
        let namespaced = text.ends_with(['.', '/', ':']);
        let is_namespace = |character: char| character.is_ascii_alphanumeric() || "_./:-".contains(character);
        let owner = if namespaced { text.trim_end_matches(is_namespace) } else { text };
        let owner = trimmed(unquoted(owner)?);
        let member = owner.strip_suffix([':', '：']).or_else(|| owner.strip_suffix("=>"))?;
        let member = trimmed(member);
        let member = unquoted(member).unwrap_or(member);
        let before = member.trim_end_matches(|character: char| character.is_alphanumeric() || "_-".contains(character));
        let name = plain(&member[before.len()..]);
        if name.is_empty() {
            return None;
        }
        let before = trimmed(unquoted(before).unwrap_or(before));
        let begin = before.ends_with('{').then(|| text.len() + 1 - before.len());
        Some(Self { is_announcing: ANNOUNCING.contains(&name.as_str()), is_name: name == "name", begin })
    }
}

/// The longest end of the bytes that is text.
fn readable(bytes: &[u8]) -> &str {
    let mut rest = bytes;
    loop {
        match str::from_utf8(rest) {
            Ok(text) => return text,
            Err(error) => rest = &rest[error.valid_up_to() + error.error_len().unwrap_or(1)..],
        }
    }
}

/// The text before a quote with which it ends, whatever its escapes.
fn unquoted(text: &str) -> Option<&str> {
    let before = text.trim_end_matches(is_invisible);
    let quote = before.chars().next_back().filter(|character| is_quote(*character))?;
    Some(before[..before.len() - quote.len_utf8()].trim_end_matches('\\'))
}

/// Without white space at its end, escaped or not.
fn trimmed(text: &str) -> &str {
    let mut text = text;
    loop {
        let shorter = text.trim_end();
        let shorter = ["\\n", "\\r", "\\t"].iter().find_map(|escape| shorter.strip_suffix(escape)).unwrap_or(shorter);
        if shorter.len() == text.len() {
            return text;
        }
        text = shorter.trim_end_matches('\\');
    }
}

/// In small letters, without separators.
pub(super) fn plain(name: &str) -> String {
    name.chars().filter(|character| character.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// `\n`, `%0A`, `\u000a`: what a line break is written as. The letter in it belongs to no word.
fn ends_in_escape(before: &[u8]) -> bool {
    let is_hex = |bytes: &[u8]| bytes.iter().all(u8::is_ascii_hexdigit);
    match before {
        [.., b'\\', b'n' | b'r' | b't'] => true,
        [.., b'%', a, b] => is_hex(&[*a, *b]),
        [.., b'\\', b'u', a, b, c, d] => is_hex(&[*a, *b, *c, *d]),
        _ => false,
    }
}

/// `Action: patient_creation`, `tool=patient_creation`.
fn is_announced(text: &str) -> bool {
    let line = text.rsplit('\n').next().unwrap_or_default();
    let owner = line.trim_end_matches(['`', '*', ' ']);
    let owner = unquoted(owner).unwrap_or(owner);
    let name = match (owner.trim_end().strip_suffix(':'), owner.strip_suffix('=')) {
        (Some(name), _) => name,
        (None, Some(name)) if owner.len() == line.len() || unquoted(line).is_some() => name,
        _ => return false,
    };
    let name = unquoted(name).unwrap_or(name);
    let begin = name.trim_end_matches(|character: char| character.is_alphanumeric() || "_-".contains(character)).len();
    ANNOUNCING.contains(&plain(&name[begin..]).as_str())
}

fn begins_line(text: &str, is_begin: bool) -> bool {
    let line = match text.rfind('\n').map(|at| at + 1).max(text.rfind("\\n").map(|at| at + 2)) {
        Some(begin) => &text[begin..],
        None if is_begin => text,
        None => return false,
    };
    let number = line.trim_start().trim_start_matches(|character: char| character.is_ascii_digit());
    let signs = if number.starts_with(['.', ')']) { number } else { line };
    !signs.contains(char::is_alphanumeric) && !signs.ends_with(is_quote)
}
