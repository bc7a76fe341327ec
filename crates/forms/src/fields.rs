//! Reads typed fields out of a JSON object and gathers every problem instead of stopping at the first.
//!
//! Promises: a [`FieldProblem`] names the field, what is wrong and what to do, and never contains the value, which is a
//! person's. Unknown keys are ignored: an AI adds what it likes. `null`, `false`, what is empty and a placeholder mean that nothing
//! was said.

use std::{error::Error, fmt};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    placeholder::{Of, says_nothing},
    text,
    wrong::Wrong,
};

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
    /// Of what cannot be told field by field.
    pub fn whole(category: RejectionCategory, problem: impl Into<String>, remedy: &str) -> Self {
        let (field, problem, remedy) = (WHOLE.to_owned(), problem.into(), remedy.to_owned());
        Self { category, problems: vec![FieldProblem { field, problem, remedy }] }
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

const MISSING: Wrong = Wrong("is missing", "add it; it cannot be empty");
const NOT_SAID: Wrong = Wrong("was not said: what is there stands for nothing", "ask the caller for it");
const WRONG_TYPE: Wrong = Wrong("has the wrong type", "write it as a JSON string");

/// The fields of one object, and the problems that were met so far.
#[derive(Debug)]
pub(crate) struct Fields<'a> {
    object: &'a Map<String, Value>,
    problems: Vec<FieldProblem>,
}

impl<'a> Fields<'a> {
    pub(crate) fn of(data: &'a Value) -> Result<Self, Rejection> {
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
    pub(crate) fn optional<T>(
        &mut self,
        field: &str,
        of: Of,
        read: impl FnOnce(&str) -> Result<T, Wrong>,
    ) -> Option<T> {
        match self.said(field, of) {
            Said::Text(text) => self.kept(field, read(text)),
            Said::OtherType => self.kept(field, Err(WRONG_TYPE)),
            Said::Missing | Said::Nothing => None,
        }
    }

    /// The same for a field that must be there.
    pub(crate) fn required<T>(
        &mut self,
        field: &str,
        of: Of,
        read: impl FnOnce(&str) -> Result<T, Wrong>,
    ) -> Option<T> {
        match self.said(field, of) {
            Said::Text(text) => self.kept(field, read(text)),
            Said::OtherType => self.kept(field, Err(WRONG_TYPE)),
            Said::Missing => self.kept(field, Err(MISSING)),
            Said::Nothing => self.kept(field, Err(NOT_SAID)),
        }
    }

    /// The same for an optional field whose digits an AI may write as a number.
    pub(crate) fn optional_digits<T>(
        &mut self,
        field: &str,
        of: Of,
        read: impl FnOnce(&str) -> Result<T, Wrong>,
    ) -> Option<T> {
        match self.object.get(field) {
            Some(Value::Number(number)) if number.is_u64() => {
                let read = read(&number.to_string());
                self.kept(field, read)
            }
            _ => self.optional(field, of, read),
        }
    }

    /// The same for an optional text of any words, which an AI may write as a number.
    pub(crate) fn optional_words<T>(&mut self, field: &str, read: impl FnOnce(&str) -> Result<T, Wrong>) -> Option<T> {
        match self.object.get(field) {
            Some(Value::Number(number)) => {
                let read = read(&number.to_string());
                self.kept(field, read)
            }
            _ => self.optional(field, Of::Words, read),
        }
    }

    fn said(&self, field: &str, of: Of) -> Said<'a> {
        let Some(value) = self.object.get(field).filter(|value| !value.is_null()) else { return Said::Missing };
        let said = match value {
            Value::String(said) => said,
            Value::Bool(false) => return Said::Nothing,
            Value::Array(all) if all.is_empty() => return Said::Nothing,
            Value::Object(all) if all.is_empty() => return Said::Nothing,
            _ => return Said::OtherType,
        };
        match text::line(said) {
            Ok(line) if line.is_empty() => Said::Missing,
            Ok(line) if says_nothing(&line, of) => Said::Nothing,
            // What has control characters is no placeholder: the reading says what is wrong with it.
            _ => Said::Text(said),
        }
    }

    fn kept<T>(&mut self, field: &str, read: Result<T, Wrong>) -> Option<T> {
        read.map_err(|wrong| self.problem(field, wrong)).ok()
    }

    fn problem(&mut self, field: &str, Wrong(problem, remedy): Wrong) {
        let (field, problem, remedy) = (field.to_owned(), problem.to_owned(), remedy.to_owned());
        self.problems.push(FieldProblem { field, problem, remedy });
    }

    /// The whole, if every required part is there and nothing is wrong.
    pub(crate) fn finish<T>(self, whole: Option<T>) -> Result<T, Rejection> {
        match whole {
            Some(whole) if self.problems.is_empty() => Ok(whole),
            _ => Err(Rejection { category: RejectionCategory::SchemaValidation, problems: self.problems }),
        }
    }
}

/// What there is of a field.
enum Said<'a> {
    Missing,
    /// A placeholder.
    Nothing,
    OtherType,
    Text(&'a str),
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::name::name;

    #[test]
    fn all_problems_are_told_at_once_and_none_contains_the_value() {
        let data = json!({"a": "secret\u{1}", "b": 17, "c": null, "d": " ", "e": true, "f": 12.5, "g": "", "n": 42, "h": "N/A", "i": "N/A"});
        let mut fields = Fields::of(&data).unwrap();
        assert_eq!(fields.required("a", Of::Name, name), None);
        assert_eq!(fields.optional("b", Of::Name, name), None);
        assert_eq!(fields.required("c", Of::Name, name), None);
        assert_eq!(fields.required("d", Of::Name, name), None);
        assert_eq!(fields.optional_digits("e", Of::Name, name), None);
        assert_eq!(fields.optional_digits("f", Of::Name, name), None);
        assert_eq!(fields.optional("g", Of::Name, name), None);
        assert_eq!(fields.optional_digits("n", Of::Name, |text| Ok(text.to_owned())), Some("42".to_owned()));
        assert_eq!(fields.required("h", Of::Name, name), None);
        assert_eq!(fields.optional("i", Of::Name, name), None);
        assert_eq!(fields.required("missing", Of::Name, name), None);
        let rejection = fields.finish(Some(())).unwrap_err();
        let named: Vec<_> = rejection.problems.iter().map(|p| p.field.as_str()).collect();
        assert_eq!(named, ["a", "b", "c", "d", "e", "f", "h", "missing"]);
        let text = format!("{rejection} {}", serde_json::to_string(&rejection).unwrap());
        assert!(!text.contains("secret") && !text.contains("17") && !text.contains("12.5"), "{text}");
    }

    #[test]
    fn what_is_no_object_is_a_deserialization_problem() {
        let rejection = Fields::of(&json!(["secret"])).unwrap_err();
        assert_eq!(rejection.category, RejectionCategory::Deserialization);
        assert_eq!(rejection.to_string(), "the data is no JSON object");
    }
}
