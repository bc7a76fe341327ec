//! The envelope, less strictly than this system writes it: the earlier healthcare publisher, whose shape it is, gives
//! times without a zone, and the earlier communication service calls the data `payload`.

use serde_json::{Map, Value};

use super::{
    fault::{missing, object, wrong},
    said::{Said, text},
};
use crate::contract::mismatch::Mismatch;

/// `{"event_id"|"id"?, "event_type"|"type", "data"|"payload", "timestamp"?, "metadata"?}`
pub(super) fn read(mut record: Map<String, Value>) -> Result<Said, Mismatch> {
    let mut take = |names: [&str; 2]| names.iter().find_map(|name| record.remove(*name));
    let id = take(["event_id", "id"]);
    let event_type = match take(["event_type", "type"]) {
        Some(Value::String(event_type)) if !event_type.trim().is_empty() => event_type,
        Some(other) => return Err(wrong("event_type", &other, "the name of an event type")),
        None => return Err(missing("event_type")),
    };
    let mut data = object("data", take(["data", "payload"]))?;
    // Python's None and JavaScript's null: what was not said.
    data.retain(|_, value| !value.is_null());
    let timestamp = take(["timestamp", "occurred_at"]);
    let mut metadata = match take(["metadata", "meta"]) {
        Some(Value::Object(metadata)) => metadata,
        None | Some(Value::Null) => Map::new(),
        Some(other) => return Err(wrong("metadata", &other, "an object")),
    };
    // Some say beside the data what belongs into the metadata.
    for (name, names) in [
        ("source", ["source", "producer"]),
        ("correlation_id", ["correlation_id", "correlationId"]),
        ("causation_id", ["causation_id", "causationId"]),
        ("tenant_id", ["tenant_id", "tenantId"]),
        ("user_id", ["user_id", "userId"]),
    ] {
        if let Some(value) = take(names).as_ref().and_then(text) {
            metadata.entry(name).or_insert(value.into());
        }
    }
    Ok(Said { id, event_type, timestamp, data, metadata, journey: None })
}
