//! The earlier assistant's event bus on `conversation.events`, `ai.responses`, `business.analytics` and
//! `system.monitoring`: `{"id"?, "type", "data", "timestamp"?, "metadata"?}`, where part of what the event says stands
//! in the metadata.

use serde_json::{Map, Value};

use super::{
    envelope,
    said::{Said, also_called, ids_as_text, text},
};
use crate::contract::{
    event::Event,
    mismatch::Mismatch,
    schema::{
        analytics::AnalyticsUpdateV1,
        model::ResponseGeneratedV1,
        monitoring::{HealthCheckV1, SystemErrorV1},
    },
};

pub(super) fn read(record: Map<String, Value>) -> Result<Said, Mismatch> {
    let mut said = envelope::read(record)?;
    let Said { event_type, data, metadata, .. } = &mut said;
    let source = metadata.get("source").cloned();
    for (name, value) in metadata.iter() {
        if !["source", "version", "correlation_id", "causation_id", "tenant_id"].contains(&name.as_str()) {
            data.entry(name.as_str()).or_insert_with(|| value.clone());
        }
    }
    ids_as_text(data);
    match event_type.as_str() {
        ResponseGeneratedV1::TYPE => {
            if let Some(Value::Object(response)) = data.remove("response_data") {
                data.extend(response);
            }
        }
        AnalyticsUpdateV1::TYPE => {
            if let Some(Value::Object(dimensions)) = data.get_mut("dimensions") {
                dimensions.retain(|_, value| !value.is_null());
                for value in dimensions.values_mut().filter(|value| !value.is_string()) {
                    *value = value.to_string().into();
                }
            }
            // The bus never said more than the value: what it is now.
            data.entry("metric_type").or_insert_with(|| "gauge".into());
        }
        HealthCheckV1::TYPE | SystemErrorV1::TYPE => {
            also_called(data, "message", &["error_message", "error"]);
            if let Some(source) = source {
                also_called(data, "service", &["source"]);
                data.entry("service").or_insert(source);
            }
            also_called(data, "instance", &["service"]);
            if event_type == SystemErrorV1::TYPE {
                also_called(data, "category", &["error_type"]);
                data.entry("category").or_insert_with(|| "processing".into());
                data.entry("count").or_insert_with(|| 1.into());
            }
        }
        _ => {}
    }
    said.journey = said.data.get("conversation_id").and_then(text);
    Ok(said)
}
