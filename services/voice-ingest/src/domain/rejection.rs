//! What the scanner found broken, as a refusal of the same kind as that of a field.

use forms::{Rejection, RejectionCategory};

use super::scanner::{Broken, BrokenReason};

/// The text is no JSON. Only the place is told: the parser's words may quote the text.
pub(super) fn not_json(error: &serde_json::Error) -> Rejection {
    let problem = format!("breaks the grammar of JSON at line {}, column {}", error.line(), error.column());
    Rejection::whole(RejectionCategory::Deserialization, problem, "correct the JSON text")
}

impl From<Broken> for Rejection {
    fn from(broken: Broken) -> Self {
        let remedy = match broken.reason {
            BrokenReason::NotAnObject => "write one JSON object after the marker",
            BrokenReason::Malformed => "correct the JSON text",
            BrokenReason::Unfinished => "complete the object from the call's recording",
            BrokenReason::Ambiguous => "leave the value that the caller meant, once",
            BrokenReason::TooLarge | BrokenReason::TooDeep => "keep only the fields of this kind",
            BrokenReason::Thought | BrokenReason::Foreign => "add it if the caller said so",
            BrokenReason::Unclear => {
                "write each object directly behind a marker of its own, as in PATIENT_CREATION: {...}"
            }
        };
        Self::whole(RejectionCategory::Deserialization, broken.reason.explanation(), remedy)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn what_is_no_object_is_a_deserialization_problem_and_told_without_its_text() {
        let error = serde_json::from_str::<Value>("{\"name\": secret}").unwrap_err();
        for rejection in [not_json(&error), Broken { reason: BrokenReason::Unfinished }.into()] {
            assert_eq!(rejection.category, RejectionCategory::Deserialization);
            assert_eq!(rejection.problems.len(), 1);
            assert!(!rejection.to_string().contains("secret"));
        }
    }
}
