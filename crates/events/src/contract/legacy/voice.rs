//! The flat response of the earlier voice system on `ai-responses`: `{"call_id", "response_type", "data"}`, with dates
//! as an AI says them.

use chrono::{Datelike, NaiveDate, NaiveTime};
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
    for (field, normal) in [("date_of_birth", day as fn(&str) -> Option<String>), ("date", day), ("time", clock)] {
        // What cannot be read stays and fails against the schema, which names the field.
        if let Some(Value::String(said)) = data.get_mut(field)
            && let Some(normal) = normal(said)
        {
            *said = normal;
        }
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

/// `01/15/1985` (month first, unless only the other way is a day) or `15.01.1985` as ISO.
fn day(said: &str) -> Option<String> {
    ["%m/%d/%Y", "%d/%m/%Y", "%d.%m.%Y"]
        .iter()
        .find_map(|form| NaiveDate::parse_from_str(said.trim(), form).ok())
        // A year of two digits is a century off.
        .filter(|day| day.year() >= 1000)
        .map(|day| day.to_string())
}

/// `2:30 PM` as `14:30`.
fn clock(said: &str) -> Option<String> {
    let compact: String = said.chars().filter(|c| !c.is_whitespace() && *c != '.').collect();
    NaiveTime::parse_from_str(&compact, "%I:%M%p").ok().map(|time| time.format("%H:%M").to_string())
}
