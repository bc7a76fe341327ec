//! The shapes that the earlier systems' producers write, lifted into the envelope before anything else sees them.
//!
//! A record without an id is named by where it stands, so that a redelivery is still a duplicate. Dates are brought to
//! ISO where they can be; what cannot be stays as it is and fails against the schema, with its bytes kept.

use chrono::{DateTime, NaiveDate, Utc};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    codec::Coordinates,
    envelope::Metadata,
    event::{Event, EventId},
    schema::voice::{BookingConfirmationV1, PatientCreationV1},
    topics::{self, TopicSpec},
};

pub(super) struct Lifted {
    pub(super) event_id: EventId,
    pub(super) event_type: &'static str,
    pub(super) timestamp: DateTime<Utc>,
    pub(super) metadata: Metadata,
    pub(super) data: Value,
}

/// Lifts the shape that producers of this topic wrote, if the value has it.
pub(super) fn lift(topic: &TopicSpec, at: Coordinates<'_>, json: &[u8]) -> Option<Lifted> {
    if topic == &topics::AI_RESPONSES { ai_response(at, json) } else { None }
}

/// `{"call_id", "response_type", "data"}` on `ai-responses`.
#[derive(Deserialize)]
struct AiResponse {
    call_id: String,
    response_type: ResponseType,
    data: Map<String, Value>,
    #[serde(default)]
    timestamp: Option<DateTime<Utc>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum ResponseType {
    PatientCreation,
    BookingConfirmation,
}

fn ai_response(at: Coordinates<'_>, json: &[u8]) -> Option<Lifted> {
    let AiResponse { call_id, response_type, mut data, timestamp } = serde_json::from_slice(json).ok()?;
    let (event_type, date) = match response_type {
        ResponseType::PatientCreation => (PatientCreationV1::TYPE, "date_of_birth"),
        ResponseType::BookingConfirmation => (BookingConfirmationV1::TYPE, "date"),
    };
    // Producers of this shape send an empty string for what the caller did not say.
    data.retain(|_, value| !matches!(value, Value::String(text) if text.trim().is_empty()));
    if let Some(Value::String(text)) = data.get_mut(date)
        && let Some(day) = iso(text)
    {
        *text = day;
    }
    let event_id = EventId::derived(&[at.topic, &at.partition.to_string(), &at.offset.to_string()]);
    data.insert("call_id".to_owned(), Value::String(call_id.clone()));
    data.entry("extraction_id").or_insert_with(|| Value::String(event_id.to_string()));
    Some(Lifted {
        event_id,
        event_type,
        // The shape carries no time; when it was read is the closest that is known.
        timestamp: timestamp.unwrap_or_else(Utc::now),
        metadata: Metadata {
            source: "legacy".to_owned(),
            version: "1.0".to_owned(),
            correlation_id: Some(call_id),
            ..Metadata::default()
        },
        data: Value::Object(data),
    })
}

/// `01/15/1985` (month first) as ISO.
fn iso(text: &str) -> Option<String> {
    let day = NaiveDate::parse_from_str(text.trim(), "%m/%d/%Y").ok()?;
    Some(day.to_string())
}
