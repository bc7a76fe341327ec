//! The flat response of the earlier voice system on `ai-responses`: `{"call_id", "response_type", "data"}`, with dates
//! and times as an AI says them. They stay as they are: the event's own type, or who knows the practice, reads them.

use serde_json::{Map, Value};

use super::said::{Said, text};
use crate::contract::{
    event::Event,
    schema::voice::{BookingConfirmationV1, PatientCreationV1},
};

pub(super) fn read(mut record: Map<String, Value>) -> Option<Said> {
    let call_id = text(&record.remove("call_id")?)?;
    let event_type = match record.remove("response_type")?.as_str()? {
        "PATIENT_CREATION" => PatientCreationV1::TYPE,
        "BOOKING_CONFIRMATION" => BookingConfirmationV1::TYPE,
        _ => return None,
    };
    let Some(Value::Object(mut data)) = record.remove("data") else { return None };
    // Producers of this shape send an empty string for what the caller did not say.
    data.retain(|_, value| !matches!(value, Value::String(text) if text.trim().is_empty()));
    if let Some(number) = data.get_mut("phone").filter(|phone| phone.is_u64()) {
        *number = number.to_string().into();
    }
    data.insert("call_id".to_owned(), call_id.clone().into());
    Some(Said {
        id: record.remove("event_id").or_else(|| record.remove("id")),
        event_type: event_type.to_owned(),
        timestamp: record.remove("timestamp"),
        data,
        journey: Some(call_id),
        ..Said::default()
    })
}
