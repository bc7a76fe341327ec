//! The voice AI's facts as they were heard, whatever wrote them, and their one reading.
//!
//! Promises: what comes in by Kafka, as an envelope or as the record of an earlier system, is brought to the same form, or
//! refused for the same reason, as what comes in by HTTP, before anything is written. The published types are what a reader
//! gets who takes the words as they are; these keep the words, because only the practice's settings tell what `03/04/1985` is.

use events::{
    contract::{
        event::Event,
        no_id::is_no_id,
        schema::voice::{BookingConfirmationV1, PatientCreationV1},
        topics::TopicSpec,
    },
    flow::error::{Category, HandlerError},
};
use forms::{Booking, FieldProblem, PatientCreation, Practice, Rejection, RejectionCategory};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The code of the dead letters of what has no form.
const CODE: &str = "invalid_extraction";

/// The data of an `ai_response.patient_creation` in the words of who wrote it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "Map<String, Value>", into = "Map<String, Value>")]
pub struct HeardPatient(Map<String, Value>);

/// The data of an `ai_response.booking_confirmation` in the words of who wrote it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "Map<String, Value>", into = "Map<String, Value>")]
pub struct HeardBooking(Map<String, Value>);

/// An id of a producer is no longer, in characters.
const LONGEST_ID: usize = 255;

const OF_PATIENT: [&str; 7] = ["call_id", "extraction_id", "name", "email", "phone", "phone_e164", "date_of_birth"];
const OF_BOOKING: [&str; 8] =
    ["call_id", "extraction_id", "dentist", "date", "time", "patient_name", "service", "notes"];

impl HeardPatient {
    /// The patient in normal form.
    ///
    /// # Errors
    /// A rejection that names each field, what is wrong and what to do, and no value.
    pub fn read(&self, practice: &Practice) -> Result<PatientCreationV1, HandlerError> {
        let (ids, said) = (ids(&self.0), PatientCreation::read(&Value::Object(self.0.clone()), &practice.rules()));
        let ([call_id, extraction_id], said) = both(ids, said)?;
        let PatientCreation { name, email, phone, phone_e164, date_of_birth } = said;
        Ok(PatientCreationV1 { call_id, name, email, phone, phone_e164, date_of_birth, extraction_id })
    }
}

impl HeardBooking {
    /// The booking in normal form.
    ///
    /// # Errors
    /// A rejection that names each field, what is wrong and what to do, and no value.
    pub fn read(&self, practice: &Practice) -> Result<BookingConfirmationV1, HandlerError> {
        let (ids, said) = (ids(&self.0), Booking::read(&Value::Object(self.0.clone()), &practice.rules()));
        let ([call_id, extraction_id], said) = both(ids, said)?;
        let Booking { dentist, date, time, patient_name, service, notes } = said;
        Ok(BookingConfirmationV1 { call_id, dentist, date, time, patient_name, service, notes, extraction_id })
    }
}

/// The call and the extraction, which no caller says.
fn ids(data: &Map<String, Value>) -> Result<[String; 2], Rejection> {
    let mut problems = Vec::new();
    let mut id = |field: &str, is_call: bool| match text(data.get(field), is_call) {
        Ok(id) => id,
        Err((problem, remedy)) => {
            problems.push(FieldProblem { field: field.into(), problem: problem.into(), remedy: remedy.into() });
            String::new()
        }
    };
    let ids = [id("call_id", true), id("extraction_id", false)];
    if problems.is_empty() {
        Ok(ids)
    } else {
        Err(Rejection { category: RejectionCategory::SchemaValidation, problems })
    }
}

/// An id without spaces around it, or what is wrong with it and what to do. A call's names something, lest all callers of
/// whom nothing is known are one; its letters are its producer's.
fn text(id: Option<&Value>, is_call: bool) -> Result<String, (&'static str, &'static str)> {
    const WRITE_IT: &str = "write the id as a JSON string";
    let id = match id {
        Some(Value::String(id)) => id.trim(),
        None | Some(Value::Null) => "",
        Some(_) => return Err(("has the wrong type", WRITE_IT)),
    };
    if id.is_empty() {
        Err(("is missing", WRITE_IT))
    } else if is_call && is_no_id(id) {
        Err(("is a placeholder, which names no call", "write the id that the call has"))
    } else if id.chars().any(char::is_control) {
        Err(("contains control characters", "remove them"))
    } else if id.chars().count() > LONGEST_ID {
        Err(("is longer than 255 characters", "write the id that the call has"))
    } else {
        Ok(id.to_owned())
    }
}

fn both<I, T>(ids: Result<I, Rejection>, said: Result<T, Rejection>) -> Result<(I, T), HandlerError> {
    match (ids, said) {
        (Ok(ids), Ok(said)) => Ok((ids, said)),
        (ids, said) => {
            let problems = ids.err().into_iter().chain(said.err()).flat_map(|rejection| rejection.problems);
            Err(refusal(problems.collect()))
        }
    }
}

/// `email: is no e-mail address (write it as name@example.com, or leave it out)`
fn refusal(problems: Vec<FieldProblem>) -> HandlerError {
    let told =
        problems.into_iter().map(|FieldProblem { field, problem, remedy }| format!("{field}: {problem} ({remedy})"));
    let told = told.collect::<Vec<_>>().join("; ");
    HandlerError::Reject { category: Category::SchemaValidation, code: CODE, source: told.into() }
}

/// What both have in common: type, topic and schema are those of the published type, and only its fields are kept.
macro_rules! heard {
    ($heard:ident, $published:ident, $fields:ident) => {
        impl Event for $heard {
            const TYPE: &'static str = $published::TYPE;
            const VERSION: u16 = $published::VERSION;
            const TOPIC: &'static TopicSpec = $published::TOPIC;

            fn key(&self) -> String {
                self.0.get("call_id").and_then(Value::as_str).unwrap_or_default().to_owned()
            }
        }

        impl JsonSchema for $heard {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                $published::schema_name()
            }

            fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                $published::json_schema(generator)
            }
        }

        impl From<Map<String, Value>> for $heard {
            fn from(mut data: Map<String, Value>) -> Self {
                data.retain(|field, _| $fields.contains(&field.as_str()));
                Self(data)
            }
        }

        impl From<$heard> for Map<String, Value> {
            fn from(heard: $heard) -> Self {
                heard.0
            }
        }

        impl From<$published> for $heard {
            fn from(said: $published) -> Self {
                match serde_json::to_value(said) {
                    Ok(Value::Object(data)) => Self::from(data),
                    _ => Self(Map::new()),
                }
            }
        }
    };
}

heard!(HeardPatient, PatientCreationV1, OF_PATIENT);
heard!(HeardBooking, BookingConfirmationV1, OF_BOOKING);

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn practice(region: &str, order: &str) -> Practice {
        Practice { region: region.parse().unwrap(), date_order: order.parse().unwrap(), zone: forms::Tz::UTC }
    }

    #[test]
    fn words_are_read_by_the_settings_of_the_practice() {
        let heard: HeardPatient =
            serde_json::from_value(json!({"call_id": "c", "extraction_id": "x", "name": "Zoe\u{308}",
            "phone": "030 23125123", "date_of_birth": "03/04/1985", "mood": {"\0": 1}}))
            .unwrap();
        assert!(!serde_json::to_string(&heard).unwrap().contains("mood"), "what nobody reads is not kept");
        let there = heard.read(&practice("DE", "day-first")).unwrap();
        assert_eq!((there.name.as_str(), there.phone_e164.as_deref()), ("Zoë", Some("+493023125123")));
        assert_eq!(there.date_of_birth.unwrap().to_string(), "1985-04-03");
        assert_eq!(
            heard.read(&practice("US", "month-first")).unwrap().date_of_birth.unwrap().to_string(),
            "1985-03-04"
        );
        assert_eq!(HeardPatient::from(there.clone()).read(&practice("US", "month-first")).unwrap(), there);
    }

    #[test]
    fn a_call_that_names_nothing_is_refused_and_any_other_is_taken() {
        let read = |id: &str| {
            let heard = json!({"call_id": id, "extraction_id": "x", "name": "Zoe"});
            let heard: HeardPatient = serde_json::from_value(heard).unwrap();
            heard.read(&practice("US", "month-first")).map(|said| said.call_id).map_err(|refusal| refusal.to_string())
        };
        let nil = "00000000-0000-0000-0000-000000000000";
        for id in ["undefined", "null", "None", "nil", "NaN", "[object Object]", "{{call_id}}", nil, " unknown ", "N/A"]
        {
            assert!(read(id).unwrap_err().contains("call_id: is a placeholder"), "{id}");
        }
        let longest = "c".repeat(255);
        for id in ["call id", "c/1", "\u{fc}", "test", &"c".repeat(129), &longest] {
            assert_eq!(read(id).unwrap(), id);
        }
        assert_eq!(read("  c-1 ").unwrap(), "c-1");
        assert!(read(&format!("{longest}c")).unwrap_err().contains("call_id: is longer"));
        assert!(read("c\u{1}").unwrap_err().contains("call_id: contains control"));
    }

    #[test]
    fn a_refusal_names_every_field_with_its_remedy_and_no_value() {
        let heard: HeardBooking =
            serde_json::from_value(json!({"call_id": 7351, "dentist": "TBD", "date": "7351", "time": "23:59:60"}))
                .unwrap();
        let refusal = heard.read(&practice("US", "month-first")).unwrap_err();
        assert_eq!((refusal.category(), refusal.code()), (Category::SchemaValidation, "invalid_extraction"));
        let told = refusal.to_string();
        for field in [
            "call_id: has",
            "extraction_id: is missing",
            "dentist: was not said",
            "date: is no",
            "time: is no",
            "patient_name: is missing",
        ] {
            assert!(told.contains(field), "{field}: {told}");
        }
        assert!(!told.contains("7351") && told.contains("(write it as HH:MM"), "{told}");
    }
}
