//! The shapes that the earlier systems' producers write, lifted into the envelope before anything else sees them.
//! Recorded examples of each are in `crates/events/schemas/legacy`.
//!
//! Names and forms are brought to the catalogue's, and what a shape never says gets the value that it implies. A record
//! without an id is named by where and when it stood, and one without a time has the record's own, so that a redelivery is
//! the same event. What fits no shape becomes a dead letter with its bytes, for a reason that is told of the shape it comes
//! closest to; what fits a shape and lacks a field fails against the schema.

mod assistant;
mod envelope;
mod fault;
mod leads;
mod said;
mod voice;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use uuid::Uuid;

pub(super) use self::fault::NotLifted;
use self::{
    fault::wrong,
    said::{text, time},
};
use super::{
    envelope::Metadata,
    event::{EventId, Origin},
    mismatch::Mismatch,
    no_id::is_no_id,
    topics::{self, TopicSpec},
};

pub(super) struct Lifted {
    pub(super) event_id: EventId,
    pub(super) event_type: String,
    pub(super) timestamp: DateTime<Utc>,
    pub(super) metadata: Metadata,
    pub(super) data: Value,
}

/// Lifts the shape that producers of this topic wrote.
///
/// # Errors
/// What is wrong with it, by the field of the shape.
pub(super) fn lift(topic: &TopicSpec, from: &Origin<'_>, json: &str) -> Result<Lifted, NotLifted> {
    let record: Map<String, Value> = serde_json::from_str(json).map_err(|_| NotLifted::NoObject)?;
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
    let mut said = if topic == &topics::AI_RESPONSES && voice::is_meant(&record) {
        voice::read(record)?
    } else if leads.contains(&topic) {
        leads::read(topic, record)?
    } else if assistant.contains(&topic) {
        assistant::read(record)?
    } else {
        envelope::read(record)?
    };
    let event_id = event_id(topic, from, said.id.as_ref())?;
    if topic == &topics::AI_RESPONSES {
        said.data.entry("extraction_id").or_insert_with(|| event_id.to_string().into());
    }
    if leads.contains(&topic) {
        leads::complete(topic, event_id, &mut said.data);
    }
    Ok(Lifted {
        event_id,
        event_type: said.event_type,
        timestamp: match &said.timestamp {
            None | Some(Value::Null) => from.time(),
            Some(written) => time(written).ok_or_else(|| wrong("timestamp", written, "a date and time as RFC 3339"))?,
        },
        metadata: metadata(&said.metadata, said.journey),
        data: Value::Object(said.data),
    })
}

/// What was not said is named by its place. A placeholder is no name for a fact: all that bear it would be one event.
fn event_id(topic: &TopicSpec, from: &Origin<'_>, written: Option<&Value>) -> Result<EventId, Mismatch> {
    Ok(match written.and_then(text) {
        Some(id) if is_no_id(&id) => return Err(fault::placeholder("event_id")),
        Some(id) => match Uuid::parse_str(&id) {
            Ok(id) => EventId(id),
            // Not ours, and yet the producer's name for this fact.
            Err(_) => EventId::derived(&["foreign id", topic.name, &id]),
        },
        None => from.id(),
    })
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
        actor: field("actor"),
    }
}

#[cfg(test)]
mod tests;
