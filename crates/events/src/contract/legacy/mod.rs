//! The shapes that the earlier systems' producers write, lifted into the envelope before anything else sees them.
//! Recorded examples of each are in `crates/events/schemas/legacy`.
//!
//! Names and forms are brought to the catalogue's, and what a shape never says gets the value that it implies. A record
//! without an id is named by where it stands, so that a redelivery is still a duplicate. What fits no shape stays what
//! it is and becomes a dead letter with its bytes; what fits a shape and lacks a field fails against the schema.

mod assistant;
mod envelope;
mod leads;
mod voice;

use chrono::{DateTime, NaiveDateTime, Utc};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{
    codec::Coordinates,
    envelope::Metadata,
    event::EventId,
    topics::{self, TopicSpec},
};

pub(super) struct Lifted {
    pub(super) event_id: EventId,
    pub(super) event_type: String,
    pub(super) timestamp: DateTime<Utc>,
    pub(super) metadata: Metadata,
    pub(super) data: Value,
}

/// What a record says, whatever its shape.
#[derive(Default)]
struct Said {
    id: Option<Value>,
    event_type: String,
    timestamp: Option<Value>,
    data: Map<String, Value>,
    metadata: Map<String, Value>,
    /// The journey, where the shape has a field that names it.
    journey: Option<String>,
}

/// Lifts the shape that producers of this topic wrote, if the value has it.
pub(super) fn lift(topic: &TopicSpec, at: Coordinates<'_>, json: &[u8]) -> Option<Lifted> {
    let record: Map<String, Value> = serde_json::from_slice(json).ok()?;
    let leads = [
        &topics::LEAD_CREATED,
        &topics::LEAD_MESSAGE,
        &topics::AI_PROCESS_REQUEST,
        &topics::AI_PROCESS_RESULT,
        &topics::AI_ERROR,
    ];
    let assistant = [
        &topics::CONVERSATION_EVENTS,
        &topics::MODEL_RESPONSES,
        &topics::BUSINESS_ANALYTICS,
        &topics::SYSTEM_MONITORING,
    ];
    let said = if topic == &topics::AI_RESPONSES && record.contains_key("response_type") {
        voice::read(record)
    } else if leads.contains(&topic) {
        leads::read(topic, record)
    } else if assistant.contains(&topic) {
        assistant::read(record)
    } else {
        envelope::read(record)
    };
    let mut said = said?;
    let event_id = event_id(topic, at, said.id.as_ref());
    if topic == &topics::AI_RESPONSES {
        said.data.entry("extraction_id").or_insert_with(|| event_id.to_string().into());
    }
    if leads.contains(&topic) {
        leads::complete(topic, event_id, &mut said.data);
    }
    Some(Lifted {
        event_id,
        event_type: said.event_type,
        timestamp: match &said.timestamp {
            // When it was read is the closest that is known.
            None | Some(Value::Null) => Utc::now(),
            Some(written) => time(written)?,
        },
        metadata: metadata(&said.metadata, said.journey),
        data: Value::Object(said.data),
    })
}

fn event_id(topic: &TopicSpec, at: Coordinates<'_>, written: Option<&Value>) -> EventId {
    match written.and_then(text) {
        Some(id) => match Uuid::parse_str(&id) {
            Ok(id) => EventId(id),
            // Not ours, and yet the producer's name for this fact.
            Err(_) => EventId::derived(&["foreign id", topic.name, &id]),
        },
        None => EventId::derived(&[at.topic, &at.partition.to_string(), &at.offset.to_string()]),
    }
}

fn metadata(written: &Map<String, Value>, journey: Option<String>) -> Metadata {
    let field = |name: &str| written.get(name).and_then(text);
    Metadata {
        source: field("source").unwrap_or_else(|| "legacy".to_owned()),
        version: field("version")
            .filter(|version| version.starts_with(|c: char| c.is_ascii_digit()))
            .unwrap_or_else(|| "1.0".to_owned()),
        correlation_id: field("correlation_id").or(journey),
        causation_id: field("causation_id"),
        tenant_id: field("tenant_id"),
    }
}

/// A text that says something, also where it was written as a number.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.trim().is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A time as Python and JavaScript write it; UTC is meant where no zone is given. A number is seconds or, from the year
/// 1973 on, milliseconds since 1970.
fn time(written: &Value) -> Option<DateTime<Utc>> {
    const MILLISECONDS_FROM: f64 = 1e11;
    match written {
        Value::String(text) => {
            let text = text.trim();
            let zoned = ["%+", "%Y-%m-%d %H:%M:%S%.f%#z", "%Y-%m-%dT%H:%M:%S%.f%#z"];
            let naive = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f"];
            zoned.iter().find_map(|form| DateTime::parse_from_str(text, form).ok()).map(|time| time.to_utc()).or_else(
                || naive.iter().find_map(|form| NaiveDateTime::parse_from_str(text, form).ok()).map(|t| t.and_utc()),
            )
        }
        Value::Number(number) => {
            let number = number.as_f64()?;
            let milliseconds = if number < MILLISECONDS_FROM { number * 1000.0 } else { number };
            DateTime::from_timestamp_millis(milliseconds as i64)
        }
        _ => None,
    }
}

/// Turns the ids that were written as numbers into text.
fn ids_as_text(data: &mut Map<String, Value>) {
    for (name, value) in data.iter_mut() {
        if name.ends_with("_id") && value.is_number() {
            *value = value.to_string().into();
        }
    }
}

/// Gives a field the value of another that means the same, where it has none.
fn also_called(data: &mut Map<String, Value>, field: &str, others: &[&str]) {
    if data.contains_key(field) {
        return;
    }
    if let Some(value) = others.iter().find_map(|other| data.get(*other)).filter(|value| !value.is_null()).cloned() {
        data.insert(field.to_owned(), value);
    }
}

#[cfg(test)]
mod tests;
