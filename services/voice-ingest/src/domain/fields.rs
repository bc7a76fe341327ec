//! Reads typed fields out of a JSON object and gathers every problem instead of stopping at the first.
//!
//! Promises: a [`FieldProblem`] names the field, what is wrong and what to do, and never contains the value, which is a
//! person's. Unknown keys are ignored: an AI adds what it likes. `null` and the empty string mean that nothing was said.

use std::{error::Error, fmt};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use unicode_normalization::UnicodeNormalization;

use super::scanner::{Broken, BrokenReason};

/// The longest name, dentist or service, in characters.
pub const NAME_MAX: usize = 200;
/// The longest note, in characters.
pub const NOTES_MAX: usize = 2000;
/// The field of a problem that concerns the whole.
const WHOLE: &str = "$";

/// Why an extraction is refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejection {
    /// What kind of dead letter it becomes.
    pub category: RejectionCategory,
    /// Everything that is wrong with it; never empty.
    pub problems: Vec<FieldProblem>,
}

/// The category of a [`Rejection`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RejectionCategory {
    /// It is no JSON object.
    Deserialization,
    /// It is one, with fields that are missing or wrong.
    SchemaValidation,
}

impl RejectionCategory {
    /// The name used in headers, metrics and tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deserialization => "deserialization",
            Self::SchemaValidation => "schema_validation",
        }
    }
}

/// One thing that is wrong. It holds no personal data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldProblem {
    /// The field's name, `$` for the whole.
    pub field: String,
    /// What is wrong with it.
    pub problem: String,
    /// What to do about it.
    pub remedy: String,
}

impl Rejection {
    fn whole(category: RejectionCategory, problem: impl Into<String>, remedy: &str) -> Self {
        let (field, problem, remedy) = (WHOLE.to_owned(), problem.into(), remedy.to_owned());
        Self { category, problems: vec![FieldProblem { field, problem, remedy }] }
    }

    /// The text is no JSON. Only the place is told: the parser's words may quote the text.
    pub(super) fn not_json(error: &serde_json::Error) -> Self {
        let problem = format!("breaks the grammar of JSON at line {}, column {}", error.line(), error.column());
        Self::whole(RejectionCategory::Deserialization, problem, "correct the JSON text")
    }
}

impl From<Broken> for Rejection {
    fn from(broken: Broken) -> Self {
        let remedy = match broken.reason {
            BrokenReason::NotAnObject => "write one JSON object after the marker",
            BrokenReason::Malformed => "correct the JSON text",
            BrokenReason::Unfinished => "complete the object from the call's recording",
            BrokenReason::TooLarge | BrokenReason::TooDeep => "keep only the fields of this kind",
            BrokenReason::Thought => "add it if the caller said so",
        };
        Self::whole(RejectionCategory::Deserialization, broken.reason.explanation(), remedy)
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, problem) in self.problems.iter().enumerate() {
            let separator = if at == 0 { "" } else { "; " };
            if problem.field == WHOLE {
                write!(f, "{separator}{}", problem.problem)?;
            } else {
                write!(f, "{separator}{}: {}", problem.field, problem.problem)?;
            }
        }
        Ok(())
    }
}

impl Error for Rejection {}

/// What is wrong with a value, and the remedy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wrong(pub(super) &'static str, pub(super) &'static str);

/// The fields of one object, and the problems that were met so far.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    object: &'a Map<String, Value>,
    problems: Vec<FieldProblem>,
}

impl<'a> Fields<'a> {
    pub(super) fn of(data: &'a Value) -> Result<Self, Rejection> {
        match data {
            Value::Object(object) => Ok(Self { object, problems: Vec::new() }),
            _ => Err(Rejection::whole(
                RejectionCategory::Deserialization,
                "the data is no JSON object",
                "write one JSON object",
            )),
        }
    }

    /// The field in the form that `read` gives it, if anything was said.
    pub(super) fn optional<T>(&mut self, field: &str, read: impl Fn(&str) -> Result<T, Wrong>) -> Option<T> {
        self.take(field, false, read)
    }

    /// The same for a field that must be there.
    pub(super) fn required<T>(&mut self, field: &str, read: impl Fn(&str) -> Result<T, Wrong>) -> Option<T> {
        let value = self.take(field, false, read);
        if self.is_absent(field) {
            self.problem(field, Wrong("is missing", "add it; it cannot be empty"));
        }
        value
    }

    /// The same for an optional field whose digits an AI may write as a number.
    pub(super) fn optional_digits<T>(&mut self, field: &str, read: impl Fn(&str) -> Result<T, Wrong>) -> Option<T> {
        self.take(field, true, read)
    }

    fn is_absent(&self, field: &str) -> bool {
        match self.object.get(field) {
            None | Some(Value::Null) => true,
            Some(Value::String(text)) => text.trim().is_empty(),
            Some(_) => false,
        }
    }

    fn take<T>(&mut self, field: &str, digits: bool, read: impl Fn(&str) -> Result<T, Wrong>) -> Option<T> {
        if self.is_absent(field) {
            return None;
        }
        let read = match self.object.get(field)? {
            Value::String(text) => read(text.trim()),
            Value::Number(number) if digits && number.is_u64() => read(&number.to_string()),
            _ => Err(Wrong("has the wrong type", "write it as a JSON string")),
        };
        read.map_err(|wrong| self.problem(field, wrong)).ok()
    }

    fn problem(&mut self, field: &str, Wrong(problem, remedy): Wrong) {
        let (field, problem, remedy) = (field.to_owned(), problem.to_owned(), remedy.to_owned());
        self.problems.push(FieldProblem { field, problem, remedy });
    }

    /// The whole, if every required part is there and nothing is wrong.
    pub(super) fn finish<T>(self, whole: Option<T>) -> Result<T, Rejection> {
        match whole {
            Some(whole) if self.problems.is_empty() => Ok(whole),
            _ => Err(Rejection { category: RejectionCategory::SchemaValidation, problems: self.problems }),
        }
    }
}

/// A name in Unicode NFC on one line, with single spaces.
pub(super) fn name(text: &str) -> Result<String, Wrong> {
    let line = single_line(text)?;
    if !line.chars().any(char::is_alphabetic) {
        return Err(Wrong("contains no letter", "write the name"));
    }
    if line.chars().count() > NAME_MAX {
        return Err(Wrong("is longer than 200 characters", "shorten it"));
    }
    Ok(line)
}

/// A text in Unicode NFC that may have several lines.
pub(super) fn notes(text: &str) -> Result<String, Wrong> {
    let text: String = text.replace("\r\n", "\n").nfc().collect();
    if text.chars().any(|c| forbidden(c) && c != '\n' && c != '\t') {
        return Err(Wrong("contains control characters", "remove them"));
    }
    if text.chars().count() > NOTES_MAX {
        return Err(Wrong("is longer than 2000 characters", "shorten it"));
    }
    Ok(text)
}

/// Unicode NFC, every run of spaces as one.
pub(super) fn single_line(text: &str) -> Result<String, Wrong> {
    if text.chars().any(forbidden) {
        return Err(Wrong("contains control characters", "remove them"));
    }
    let words: Vec<&str> = text.split_whitespace().collect();
    Ok(words.join(" ").nfc().collect())
}

/// Control characters, and those that turn the direction of what stands beside them in somebody else's text.
fn forbidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_name_is_one_line_with_single_spaces_in_nfc() {
        assert_eq!(name("Zoe\u{308}  \u{a0}Kru\u{308}ger"), Ok("Zoë Krüger".to_owned()));
        assert_eq!(name("李小龍"), Ok("李小龍".to_owned()));
        assert_eq!(name(&"x".repeat(200)).map(|n| n.len()), Ok(200));
        for bad in ["John\nDoe", "John\u{0}", "Jo\u{202e}nh", "--- 12", &"x".repeat(201)] {
            assert!(name(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn notes_keep_their_lines_and_nothing_else_that_controls() {
        assert_eq!(notes("a\r\nb\tc"), Ok("a\nb\tc".to_owned()));
        assert!(notes("a\u{1b}[31m").is_err());
        assert!(notes(&"é".repeat(2000)).is_ok() && notes(&"é".repeat(2001)).is_err());
    }

    #[test]
    fn all_problems_are_told_at_once_and_none_contains_the_value() {
        let data = json!({"a": "secret\u{1}", "b": 17, "c": null, "d": " ", "e": true, "f": 12.5, "g": "", "n": 42});
        let mut fields = Fields::of(&data).unwrap();
        assert_eq!(fields.required("a", name), None);
        assert_eq!(fields.optional("b", name), None);
        assert_eq!(fields.required("c", name), None);
        assert_eq!(fields.required("d", name), None);
        assert_eq!(fields.optional_digits("e", name), None);
        assert_eq!(fields.optional_digits("f", name), None);
        assert_eq!(fields.optional("g", name), None);
        assert_eq!(fields.optional_digits("n", |text| Ok(text.to_owned())), Some("42".to_owned()));
        assert_eq!(fields.required("missing", name), None);
        let rejection = fields.finish(Some(())).unwrap_err();
        let named: Vec<_> = rejection.problems.iter().map(|p| p.field.as_str()).collect();
        assert_eq!(named, ["a", "b", "c", "d", "e", "f", "missing"]);
        let text = format!("{rejection} {}", serde_json::to_string(&rejection).unwrap());
        assert!(!text.contains("secret") && !text.contains("17") && !text.contains("12.5"), "{text}");
    }

    #[test]
    fn what_is_no_object_is_a_deserialization_problem() {
        let error = serde_json::from_str::<Value>("{\"name\": secret}").unwrap_err();
        for rejection in [
            Rejection::not_json(&error),
            Fields::of(&json!([1])).unwrap_err(),
            Broken { reason: BrokenReason::Unfinished }.into(),
        ] {
            assert_eq!(rejection.category, RejectionCategory::Deserialization);
            assert_eq!(rejection.problems.len(), 1);
            assert!(!rejection.to_string().contains("secret"));
        }
    }
}
