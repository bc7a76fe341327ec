//! `${NAME}` and `${NAME:-default}`. A `$` without a brace is a character like any other, since passwords hold it; only a value
//! that is nothing but `$NAME`, of a name that is set, stands for that, as django-environ and Compose have it.

use std::collections::BTreeMap;

use super::{
    Odd,
    entry::{Entry, Part},
};

/// References inside references, and variables that refer to each other, end here.
const DEPTH: usize = 8;

/// Splits a value; with `escapes` the backslashes of a value in double quotes are read too.
pub(super) fn parts(value: &str, escapes: bool) -> Vec<Part> {
    if let Some(name) = value.strip_prefix('$').filter(|name| is_name(name)) {
        return vec![Part::Whole(name.to_owned())];
    }
    let mut parts = Vec::new();
    let mut text = String::new();
    let mut rest = value;
    while let Some(c) = rest.chars().next() {
        let mut taken = c.len_utf8();
        if rest.starts_with("\\${") {
            text.push_str("${");
            taken = 3;
        } else if c == '\\' && escapes {
            let next = rest[1..].chars().next();
            taken += next.map_or(0, char::len_utf8);
            text.push_str(&unescaped(next));
        } else if let Some((reference, length)) = reference(rest, escapes) {
            parts.extend([Part::Text(std::mem::take(&mut text)), reference]);
            taken = length;
        } else {
            text.push(c);
        }
        rest = &rest[taken..];
    }
    parts.push(Part::Text(text));
    parts
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn unescaped(c: Option<char>) -> String {
    match c {
        Some('n') => "\n".into(),
        Some('r') => "\r".into(),
        Some('t') => "\t".into(),
        Some(c @ ('"' | '\'' | '\\' | '$')) => c.into(),
        other => std::iter::once('\\').chain(other).collect(),
    }
}

/// The reference that `rest` begins with, and its length. `:-` and `-` have a default; `:?` and `?` have a message, for which
/// our own refusal of what is missing stands.
fn reference(rest: &str, escapes: bool) -> Option<(Part, usize)> {
    let inner = rest.strip_prefix("${")?;
    let mut depth = 1;
    let end = inner.char_indices().find(|(at, c)| {
        depth += usize::from(*c == '{' && inner[..*at].ends_with('$'));
        depth -= usize::from(*c == '}');
        depth == 0
    });
    let inner = &inner[..end?.0];
    let name = &inner[..inner.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(inner.len())];
    if !is_name(name) {
        return None;
    }
    let after = &inner[name.len()..];
    let default = match after.strip_prefix(':').unwrap_or(after).split_at_checked(1) {
        None if after.is_empty() => None,
        Some(("-", default)) => Some(parts(default, escapes)),
        Some(("?", _)) => None,
        _ => return None,
    };
    Some((Part::Reference { name: name.to_owned(), default }, inner.len() + 3))
}

/// The values of the entries, and the references to what nobody has set, which stand for nothing.
pub(super) fn resolve(entries: &[Entry], outer: &BTreeMap<String, String>) -> (Vec<String>, Vec<Odd>) {
    let mut names = Names { entries, outer, values: Vec::new() };
    let mut unset = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        let mut missing = Vec::new();
        let value = names.joined(&entry.value, index, DEPTH, &mut missing);
        names.values.push(value);
        missing.dedup();
        unset.extend(missing.into_iter().map(|of| Odd {
            line: *entry.lines.start(),
            name: Some(entry.name.clone()),
            problem: format!(
                "{}: ${{{of}}} is not set and stands for nothing; give it a value or a default (${{{of}:-...}}), or put the \
                 value in single quotes if it is meant as it stands",
                entry.name
            ),
        }));
    }
    (names.values, unset)
}

/// What a name can mean.
struct Names<'a> {
    entries: &'a [Entry],
    outer: &'a BTreeMap<String, String>,
    /// Of the entries above the one that is looked at.
    values: Vec<String>,
}

impl Names<'_> {
    fn joined(&self, parts: &[Part], index: usize, depth: usize, missing: &mut Vec<String>) -> String {
        let mut joined = String::new();
        for part in parts {
            match part {
                Part::Text(text) => joined.push_str(text),
                Part::Whole(name) => joined.push_str(&self.meant(name, index, depth).unwrap_or(format!("${name}"))),
                Part::Reference { name, default } => match (self.meant(name, index, depth), default) {
                    (Some(value), _) if !value.is_empty() => joined.push_str(&value),
                    (_, Some(default)) if depth > 0 => {
                        joined.push_str(&self.joined(default, index, depth - 1, missing))
                    }
                    (Some(_), _) => {}
                    (None, _) => missing.push(name.clone()),
                },
            }
        }
        joined
    }

    /// What the process has comes first, as it does for the value itself; then the nearest line above, then the first below.
    fn meant(&self, name: &str, index: usize, depth: usize) -> Option<String> {
        if let Some(value) = self.outer.get(name) {
            return Some(value.clone());
        }
        let named = |entry: &Entry| entry.name == name;
        let above = self.entries[..index].iter().rposition(named);
        let at = above.or_else(|| Some(index + 1 + self.entries.iter().skip(index + 1).position(named)?))?;
        match self.values.get(at) {
            Some(value) => Some(value.clone()),
            // What is missing inside it is told with its own line.
            None if depth > 0 => Some(self.joined(&self.entries[at].value, at, depth - 1, &mut Vec::new())),
            None => None,
        }
    }
}
