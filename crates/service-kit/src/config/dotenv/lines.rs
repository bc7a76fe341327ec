//! Names, quotes, comments: which lines say what.

use super::{
    Odd,
    entry::{Entry, Part},
    references,
};

/// What a line is.
pub(super) enum Line {
    Entry(Entry),
    Odd(Odd),
}

/// All lines but blanks and comments. After one that is not understood it goes on with the next, so that an opening quote
/// swallows nothing that can be read without it.
pub(super) fn parse(text: &str) -> Vec<Line> {
    let mut found = Vec::new();
    let mut rest = text;
    let mut number = 1;
    while !rest.is_empty() {
        let mut taken = first_line(rest).len();
        let line = rest[..taken].trim();
        if !line.is_empty() && !line.starts_with('#') {
            match entry(&rest[..taken], rest) {
                Ok((name, value, length)) => {
                    taken = length;
                    let last = number + rest[..taken].matches('\n').count();
                    found.push(Line::Entry(Entry { name, lines: number..=last, value }));
                }
                Err((name, problem)) => found.push(Line::Odd(Odd { line: number, name, problem })),
            }
        }
        number += rest[..taken].matches('\n').count() + 1;
        // What is left of the line is blank or a comment.
        rest = rest[taken..].split_once('\n').map_or("", |(_, next)| next);
    }
    found
}

fn first_line(text: &str) -> &str {
    text.split('\n').next().unwrap_or_default()
}

type Refused = (Option<String>, String);

/// The name, the value, and how many bytes of `rest` they take.
fn entry(line: &str, rest: &str) -> Result<(String, Vec<Part>, usize), Refused> {
    let (name, at) = declared(line).map_err(|problem| (meant(line), problem))?;
    match value(&rest[at..]) {
        Ok((value, length)) => Ok((name, value, at + length)),
        Err(problem) => {
            let problem = format!("{name}: {problem}");
            Err((Some(name), problem))
        }
    }
}

/// The name that a line declares, and where its value begins. `NAME: value`, which Node and Compose read, needs the blank.
fn declared(line: &str) -> Result<(String, usize), String> {
    let start = line.len() - line.trim_start().len();
    let body = &line[start..];
    let exported = body.strip_prefix("export").filter(|after| after.starts_with([' ', '\t'])).map(str::trim_start);
    let body = exported.unwrap_or(body);
    let name: &str = &body[..body.find(|c| !is_name(c)).unwrap_or(body.len())];
    let after = &body[name.len()..];
    let sign = after.trim_start();
    let declares = sign.starts_with('=') || after.starts_with(": ") || after.starts_with(":\t");
    if !declares && !line.contains('=') {
        return Err("no `=`; a line is NAME=value, or a comment that starts with #".into());
    }
    if !declares || name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        return Err("what stands before the `=` is not a variable's name".into());
    }
    Ok((name.to_owned(), line.len() - sign.len() + 1))
}

/// The variable that a line without a sign seems to be about: its first word.
fn meant(line: &str) -> Option<String> {
    let body = line.trim_start().trim_start_matches("- ").trim_start();
    let body = body.strip_prefix("export").filter(|after| after.starts_with([' ', '\t'])).map_or(body, str::trim_start);
    let name = &body[..body.find(|c| !is_name(c)).unwrap_or(body.len())];
    (!name.is_empty()).then(|| name.to_owned())
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-')
}

fn value(rest: &str) -> Result<(Vec<Part>, usize), String> {
    let line = first_line(rest);
    let body = line.trim_start();
    let skipped = line.len() - body.len();
    match body.chars().next() {
        Some(quote @ ('"' | '\'' | '`')) => match quoted(&rest[skipped..], quote) {
            Some((inner, length)) => Ok((unescaped(inner, quote), skipped + length)),
            None => match json_in_quotes(body, quote) {
                Some(inner) => Ok((vec![Part::Text(inner.to_owned())], line.len())),
                // A quote of Node alone: to all others it is a character like any other.
                None if quote == '`' => Ok((unquoted(line), line.len())),
                None => Err(format!("the closing {quote} is missing, or there is text after it")),
            },
        },
        _ => Ok((unquoted(line), line.len())),
    }
}

/// A comment begins with a blank and `#`; a password may hold, or begin with, a `#`.
fn unquoted(line: &str) -> Vec<Part> {
    let comment = line.find(" #").into_iter().chain(line.find("\t#")).min();
    references::parts(line[..comment.unwrap_or(line.len())].trim(), false)
}

/// What is between the quotes, and the length with them. A backslash before the quote escapes it, unless there is no end then:
/// in `'C:\data\'` it is a backslash.
fn quoted(rest: &str, quote: char) -> Option<(&str, usize)> {
    let escapes: &[bool] = if quote == '`' { &[false] } else { &[true, false] };
    escapes.iter().find_map(|escapes| {
        let mut escaped = false;
        let end = rest.char_indices().skip(1).find(|(_, c)| {
            let ends = *c == quote && !escaped;
            escaped = *escapes && *c == '\\' && !escaped;
            ends
        });
        let (end, _) = end?;
        let after = first_line(&rest[end + 1..]).trim();
        (after.is_empty() || after.starts_with('#')).then(|| (&rest[1..end], end + 1))
    })
}

fn unescaped(inner: &str, quote: char) -> Vec<Part> {
    match quote {
        '"' => references::parts(inner, true),
        '\'' => vec![Part::Text(inner.replace("\\'", "'"))],
        _ => vec![Part::Text(inner.to_owned())],
    }
}

/// `"["a:1","b:2"]"`: a list or an object whose own quotes nobody escaped.
fn json_in_quotes(body: &str, quote: char) -> Option<&str> {
    let inner = body.trim_end().strip_prefix(quote)?.strip_suffix(quote)?;
    let json = (inner.starts_with('[') && inner.ends_with(']')) || (inner.starts_with('{') && inner.ends_with('}'));
    json.then_some(inner)
}
