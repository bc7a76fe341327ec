//! The flat response of the earlier voice system on `ai-responses`: `{"call_id", "response_type", "data"}`, with dates
//! and times as an AI says them. They stay as they are: the event's own type, or who knows the practice, reads them.

use serde_json::{Map, Value};

use super::{
    fault::{id, missing, object, wrong},
    said::Said,
};
use crate::contract::{
    event::Event,
    mismatch::{Fault, Mismatch},
    schema::voice::{BookingConfirmationV1, PatientCreationV1},
};

/// What this shape calls the two events.
const TYPES: [(&str, &str); 2] =
    [("PATIENT_CREATION", PatientCreationV1::TYPE), ("BOOKING_CONFIRMATION", BookingConfirmationV1::TYPE)];
const WORDS: &[&str] = &[TYPES[0].0, TYPES[1].0];

/// Whether a record was meant to have this shape: the envelope has a call only within its data.
pub(super) fn is_meant(record: &Map<String, Value>) -> bool {
    record.contains_key("response_type") || (record.contains_key("call_id") && !record.contains_key("event_type"))
}

pub(super) fn read(mut record: Map<String, Value>) -> Result<Said, Mismatch> {
    let event_type = match record.remove("response_type") {
        Some(Value::String(word)) => {
            let known = TYPES.iter().find(|(of, _)| *of == word);
            known.map(|(_, event_type)| *event_type).ok_or(Mismatch::at("response_type", Fault::NoneOf(WORDS)))?
        }
        Some(other) => return Err(wrong("response_type", &other, "PATIENT_CREATION or BOOKING_CONFIRMATION")),
        None => return Err(missing("response_type")),
    };
    let call_id = id("call_id", record.remove("call_id").as_ref())?;
    let mut data = object("data", record.remove("data"))?;
    // Producers of this shape send an empty string for what the caller did not say.
    data.retain(|_, value| !matches!(value, Value::String(text) if text.trim().is_empty()));
    if let Some(number) = data.get_mut("phone").filter(|phone| phone.is_u64()) {
        *number = number.to_string().into();
    }
    data.insert("call_id".to_owned(), call_id.clone().into());
    Ok(Said {
        id: record.remove("event_id").or_else(|| record.remove("id")),
        event_type: event_type.to_owned(),
        timestamp: record.remove("timestamp"),
        data,
        journey: Some(call_id),
        ..Said::default()
    })
}
