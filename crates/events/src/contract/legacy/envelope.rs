//! The envelope, less strictly than this system writes it: the earlier healthcare publisher, whose shape it is, gives
//! times without a zone, and the earlier communication service calls the data `payload`.

use serde_json::{Map, Value};

use super::said::{Said, text};

/// `{"event_id"|"id"?, "event_type"|"type", "data"|"payload", "timestamp"?, "metadata"?}`
pub(super) fn read(mut record: Map<String, Value>) -> Option<Said> {
    let mut take = |names: [&str; 2]| names.iter().find_map(|name| record.remove(*name));
    let id = take(["event_id", "id"]);
    let event_type = take(["event_type", "type"])?.as_str()?.to_owned();
    let Value::Object(mut data) = take(["data", "payload"])? else { return None };
    // Python's None and JavaScript's null: what was not said.
    data.retain(|_, value| !value.is_null());
    let timestamp = take(["timestamp", "occurred_at"]);
    let mut metadata = match take(["metadata", "meta"]) {
        Some(Value::Object(metadata)) => metadata,
        None | Some(Value::Null) => Map::new(),
        Some(_) => return None,
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
    Some(Said { id, event_type, timestamp, data, metadata, journey: None })
}
