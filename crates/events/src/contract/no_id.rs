//! What programs write where they have no id. Two records with such an id would be taken for one, and two callers for the same.

use uuid::Uuid;

/// Words that stand for nothing in the languages that producers are written in, and in the forms that people fill.
const NOTHING: [&str; 25] = [
    "undefined",
    "null",
    "none",
    "nil",
    "nan",
    "(null)",
    "unknown",
    "unspecified",
    "unset",
    "not set",
    "missing",
    "empty",
    "anonymous",
    "n/a",
    "n.a.",
    "na",
    "#n/a",
    "tbd",
    "placeholder",
    // What documentation and generated clients say for a value.
    "string",
    "call_id",
    "call-id",
    "callid",
    "your_call_id",
    "your-call-id",
];
/// How the places of templates begin and end that nobody filled; `[object Object]` is one of them.
const UNFILLED: [(&str, &str); 9] =
    [("{{", "}}"), ("${", "}"), ("#{", "}"), ("$(", ")"), ("<", ">"), ("{", "}"), ("%", "%"), ("[", "]"), ("__", "__")];

/// Whether a text is no id: empty, a word for nothing, the nil UUID, or a place of a template that was not filled.
pub fn is_no_id(text: &str) -> bool {
    // Encoded once too often.
    let text = text.trim().trim_matches(['"', '\'']).trim();
    text.is_empty()
        || NOTHING.iter().any(|word| text.eq_ignore_ascii_case(word))
        || UNFILLED.iter().any(|(begin, end)| {
            text.strip_prefix(begin).and_then(|rest| rest.strip_suffix(end)).is_some_and(|name| !name.is_empty())
        })
        || text.strip_prefix('$').is_some_and(is_variable)
        || (text.len() >= 32 && Uuid::parse_str(text).is_ok_and(|id| id.is_nil() || id.is_max()))
}

/// Whether it is what a program calls a value: `CALL_ID`, `callId`.
fn is_variable(name: &str) -> bool {
    name.starts_with(|letter: char| letter.is_ascii_alphabetic())
        && name.chars().all(|letter| letter.is_ascii_alphabetic() || letter == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_names_nothing_is_told_from_an_id() {
        for nothing in [
            "",
            " ",
            "undefined",
            "Null",
            " none ",
            "NaN",
            "[object Object]",
            "00000000-0000-0000-0000-000000000000",
            "00000000000000000000000000000000",
            "urn:uuid:00000000-0000-0000-0000-000000000000",
            "{{call_id}}",
            "${callId}",
            "<call-id>",
            "{call_id}",
            "%CALL_ID%",
            "#{call_id}",
            "$(CALL_ID)",
            "$CALL_ID",
            "[call_id]",
            "__CALL_ID__",
            "<%= call_id %>",
            "\"undefined\"",
            "'null'",
            "Unknown",
            "string",
            "N/A",
            "n/a",
            "call_id",
            "ffffffff-ffff-ffff-ffff-ffffffffffff",
        ] {
            assert!(is_no_id(nothing), "{nothing:?}");
        }
        for id in [
            "0",
            "7",
            "call-undefined",
            "nullable",
            "undefined-1",
            "None of it",
            "unknown-7",
            "$5f",
            "nathan",
            // Somebody tries a call by hand.
            "test",
            "<>",
            "{}",
            "00000000-0000-0000-0000-000000000001",
        ] {
            assert!(!is_no_id(id), "{id:?}");
        }
    }
}
