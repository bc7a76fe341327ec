//! What programs write where they have no id. Two records with such an id would be taken for one, and two callers for the same.

use uuid::Uuid;

/// Words that stand for nothing in the languages that producers are written in.
const NOTHING: [&str; 7] = ["undefined", "null", "none", "nil", "nan", "[object object]", "(null)"];
/// How the places of templates begin and end that nobody filled.
const UNFILLED: [(&str, &str); 5] = [("{{", "}}"), ("${", "}"), ("<", ">"), ("{", "}"), ("%", "%")];

/// Whether a text is no id: empty, a word for nothing, the nil UUID, or a place of a template that was not filled.
pub fn is_no_id(text: &str) -> bool {
    let text = text.trim();
    text.is_empty()
        || NOTHING.iter().any(|word| text.eq_ignore_ascii_case(word))
        || UNFILLED.iter().any(|(begin, end)| {
            text.strip_prefix(begin).and_then(|rest| rest.strip_suffix(end)).is_some_and(|name| !name.is_empty())
        })
        || (text.len() >= 32 && Uuid::parse_str(text).is_ok_and(|id| id.is_nil()))
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
            "<>",
            "{}",
            "00000000-0000-0000-0000-000000000001",
        ] {
            assert!(!is_no_id(id), "{id:?}");
        }
    }
}
