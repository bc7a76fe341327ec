//! Turns serde's messages into what is wrong, where, and what to do, without the submitted value, which serde quotes.
//!
//! Messages of a type's own (`try_from`, `FromStr`) are passed on without what stands in quotes or backticks.

use serde_path_to_error::Path;

use super::FieldProblem;

/// What is wrong with the content (not the syntax) of a JSON document, a query or a path.
pub(super) fn field_problem(path: &Path, message: &str) -> FieldProblem {
    let path = path.to_string();
    let path = if path == "." { String::new() } else { path };
    let message = without_place(message);
    let expected = message.rsplit_once(", expected ").map(|(_, expected)| in_words(expected));
    let at = |field: &str| {
        if path.is_empty() || path == field || path.ends_with(&format!(".{field}")) {
            if path.is_empty() { field.to_owned() } else { path.clone() }
        } else {
            format!("{path}.{field}")
        }
    };
    if let Some(field) = between_backticks(message, "missing field ") {
        return problem(at(field), "is missing", format!("Add the field `{field}`."));
    }
    if let Some(field) = between_backticks(message, "duplicate field ") {
        return problem(at(field), "occurs twice", "Send it once.");
    }
    if let Some(field) = between_backticks(message, "unknown field ") {
        let known = expected.map(|known| format!(" Known here: {}.", known.trim_start_matches("one of ")));
        return problem(
            at(field),
            "is not known",
            format!("Remove it, or check its spelling.{}", known.unwrap_or_default()),
        );
    }
    if let Some(rest) = message.strip_prefix("invalid type: ") {
        let expected = expected.unwrap_or_else(|| "another type".into());
        return problem(path, format!("is {}", kind(rest)), format!("Send {expected}."));
    }
    let prefixes = [
        ("invalid value: ", "has a value that is not allowed"),
        ("unknown variant ", "is none of the known values"),
        ("invalid length ", "has a length that is not allowed"),
    ];
    for (prefix, what) in prefixes {
        if message.starts_with(prefix) {
            let remedy =
                expected.map_or_else(|| "See the API description.".into(), |expected| format!("Send {expected}."));
            return problem(path, what, remedy);
        }
    }
    match message {
        "invalid digit found in string" | "cannot parse integer from empty string" => {
            problem(path, "is not a whole number", "Send a whole number.")
        }
        "number too large to fit in target type" | "number too small to fit in target type" => {
            problem(path, "is out of range", "Send a number within the range.")
        }
        "provided string was not `true` or `false`" => problem(path, "is not a boolean", "Send true or false."),
        message => problem(path, without_quoted(message), "See the API description."),
    }
}

fn problem(field: String, problem: impl Into<String>, remedy: impl Into<String>) -> FieldProblem {
    FieldProblem { field, problem: problem.into(), remedy: remedy.into() }
}

/// serde_json ends its messages by ` at line 1 column 2`, which for content is the end of the value and helps nobody.
fn without_place(message: &str) -> &str {
    match message.rsplit_once(" at line ") {
        Some((message, place))
            if place.chars().all(|c| c.is_ascii_digit() || c.is_ascii_whitespace() || "column".contains(c)) =>
        {
            message
        }
        _ => message,
    }
}

fn between_backticks<'m>(message: &'m str, prefix: &str) -> Option<&'m str> {
    message.strip_prefix(prefix)?.strip_prefix('`')?.split('`').next()
}

/// The type that was sent; serde writes it before the value.
fn kind(rest: &str) -> &'static str {
    let kinds = [
        ("string", "a string"),
        ("integer", "an integer"),
        ("floating point", "a decimal number"),
        ("boolean", "a boolean"),
        ("null", "null"),
        ("map", "an object"),
        ("sequence", "an array"),
        ("unit", "null"),
    ];
    kinds.iter().find(|(name, _)| rest.starts_with(name)).map_or("of another type", |(_, words)| words)
}

/// What serde expects, in JSON's words.
fn in_words(expected: &str) -> String {
    match expected {
        "u8" | "u16" | "u32" | "u64" | "u128" | "usize" => {
            "a whole number that is not negative and not too large".into()
        }
        "i8" | "i16" | "i32" | "i64" | "i128" | "isize" => "a whole number that is not too large".into(),
        "f32" | "f64" => "a number".into(),
        "a map" => "an object".into(),
        "a sequence" => "an array".into(),
        other if other.starts_with("struct ") => "an object".into(),
        other => other.to_owned(),
    }
}

fn without_quoted(message: &str) -> String {
    let mut shown = String::new();
    let mut quote = None;
    for c in message.chars() {
        match quote {
            Some(q) if c == q => quote = None,
            Some(_) => {}
            None if c == '"' || c == '`' => {
                shown.push('…');
                quote = Some(c);
            }
            None => shown.push(c),
        }
    }
    shown
}
