//! The earlier lead system on its five topics: the payload itself, flat, or under `payload` beside an event type; its
//! Node producers write `camelCase`, its Python producers `snake_case`.

use serde_json::{Map, Value};
use uuid::Uuid;

use super::{
    envelope,
    fault::missing,
    said::{Said, also_called, ids_as_text, text},
};
use crate::contract::{
    event::EventId,
    mismatch::Mismatch,
    topics::{self, TopicSpec},
};

pub(super) fn read(topic: &TopicSpec, record: Map<String, Value>) -> Result<Said, Mismatch> {
    let mut record: Map<_, _> =
        record.into_iter().map(|(name, value)| (snake_case(&name), in_snake_case(value))).collect();
    record.retain(|_, value| !value.is_null());
    let mut said = if record.contains_key("data") || record.contains_key("payload") {
        record.entry("event_type").or_insert_with(|| topic.name.into());
        envelope::read(record)?
    } else {
        // Whatever else it says, a payload of this system names the lead or the request, or asks about a text.
        let known = |name: &&str| record.get(*name).and_then(text).is_some();
        let asks = topic == &topics::AI_PROCESS_REQUEST && known(&"text");
        if !asks && !["lead_id", "request_id"].iter().any(known) {
            let of_a_lead = [&topics::LEAD_CREATED, &topics::LEAD_MESSAGE].contains(&topic);
            return Err(missing(if of_a_lead { "lead_id" } else { "request_id" }));
        }
        Said {
            id: record.remove("event_id"),
            event_type: topic.name.to_owned(),
            timestamp: record.remove("timestamp").or_else(|| record.remove("created_at")),
            data: record,
            ..Said::default()
        }
    };
    ids_as_text(&mut said.data);
    let data = &mut said.data;
    said.journey = data.get("lead_id").or_else(|| data.get("request_id")).and_then(text);
    if let Some(Value::String(name)) = data.get("intent").cloned() {
        let confidence = data.get("confidence").cloned().unwrap_or_else(|| 0.0.into());
        data.insert(
            "intent".to_owned(),
            Map::from_iter([("name".to_owned(), name.into()), ("confidence".to_owned(), confidence)]).into(),
        );
    }
    also_called(data, "message", &["error_message", "error"]);
    also_called(data, "category", &["error_type"]);
    Ok(said)
}

/// Names what the earlier system left without a name after the event itself, so that a redelivery gives the same.
pub(super) fn complete(topic: &TopicSpec, event_id: EventId, data: &mut Map<String, Value>) {
    let name = || Value::from(event_id.to_string());
    if topic == &topics::LEAD_MESSAGE {
        data.entry("message_id").or_insert_with(name);
    } else if topic != &topics::LEAD_CREATED {
        data.entry("request_id").or_insert_with(name);
    }
    if topic == &topics::AI_PROCESS_RESULT || topic == &topics::AI_ERROR {
        let source = data.get("source_event_id").and_then(text);
        if source.as_ref().is_none_or(|id| Uuid::parse_str(id).is_err()) {
            let request = source.or_else(|| data.get("request_id").and_then(text)).unwrap_or_default();
            data.insert("source_event_id".to_owned(), EventId::derived(&["source of", &request]).to_string().into());
        }
    }
}

fn in_snake_case(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            members.into_iter().map(|(name, value)| (snake_case(&name), in_snake_case(value))).collect()
        }
        Value::Array(items) => items.into_iter().map(in_snake_case).collect(),
        other => other,
    }
}

fn snake_case(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    let mut in_word = false;
    for character in name.chars() {
        // `leadID` is one word more, not two.
        if character.is_ascii_uppercase() && in_word {
            snake.push('_');
        }
        in_word = !character.is_ascii_uppercase();
        snake.push(character.to_ascii_lowercase());
    }
    snake
}
