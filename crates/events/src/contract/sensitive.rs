//! Personal data in events, found by the marks in their schemas (`x-sensitive`), and hidden for logs, lists and
//! screens.
//!
//! Promises to show only what a schema declares as harmless: a field that no schema knows, or that does not have the
//! declared form, is hidden. It does not look for personal data inside texts.

use std::sync::LazyLock;

use chrono::{DateTime, NaiveDate};
use serde_json::{Value, json};
use uuid::Uuid;

use super::schema;

/// What stands in the place of a hidden value.
pub const MASKED: &str = "***";

/// Hides what identifies a person in `envelope`, a record's whole value as JSON.
///
/// Marked fields are replaced whole. Of an event type or version that the catalogue does not know, every value in
/// `data` is hidden and only the structure remains: field names, lengths of lists, what is null. Of a value that is no
/// envelope, the same goes for all of it.
pub fn mask(event_type: &str, version: u16, envelope: &mut Value) {
    let schema = schema::find(event_type, version).map_or(&*UNKNOWN, |spec| spec.schema());
    hide(schema, schema, envelope);
}

/// The envelope around data of which nothing is known.
static UNKNOWN: LazyLock<Value> = LazyLock::new(|| {
    let mut schema = schema::catalogue()[0].schema().clone();
    schema["properties"]["event_type"] = json!({"type": "string"});
    schema["properties"]["data"] = Value::Null;
    schema
});

/// `schema` is what is known of `value`, null where nothing is.
fn hide(root: &Value, schema: &Value, value: &mut Value) {
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        return hide(root, root.pointer(reference.trim_start_matches('#')).unwrap_or(&Value::Null), value);
    }
    if schema.get("x-sensitive").is_some_and(|mark| mark != "none") {
        if !value.is_null() {
            *value = MASKED.into();
        }
        return;
    }
    if let Some(Value::Array(ways)) = ["anyOf", "oneOf", "allOf"].iter().find_map(|keyword| schema.get(*keyword)) {
        let mut fitting = ways.iter().filter(|way| has_type(way, value));
        let only = fitting.next().filter(|_| fitting.next().is_none());
        return hide(root, only.unwrap_or(&Value::Null), value);
    }
    match value {
        Value::Null => {}
        Value::Object(members) => {
            for (name, member) in members {
                let own = schema.get("properties").and_then(|properties| properties.get(name));
                hide(root, own.or_else(|| schema.get("additionalProperties")).unwrap_or(&Value::Null), member);
            }
        }
        Value::Array(items) => {
            for item in items {
                hide(root, schema.get("items").unwrap_or(&Value::Null), item);
            }
        }
        plain => {
            if !has_type(schema, plain) || !has_form(schema, plain) {
                *plain = MASKED.into();
            }
        }
    }
}

fn has_type(schema: &Value, value: &Value) -> bool {
    let is = |name: &Value| match name.as_str() {
        Some("null") => value.is_null(),
        Some("boolean") => value.is_boolean(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("number") => value.is_number(),
        Some("string") => value.is_string(),
        Some("array") => value.is_array(),
        Some("object") => value.is_object(),
        _ => false,
    };
    match schema.get("type") {
        Some(Value::Array(names)) => names.iter().any(is),
        Some(name) => is(name),
        // A constant brings its type with it, a reference leads to it.
        None => schema.get("const") == Some(value) || schema.get("$ref").is_some(),
    }
}

fn has_form(schema: &Value, value: &Value) -> bool {
    if let Some(Value::Array(values)) = schema.get("enum") {
        return values.contains(value);
    }
    let Some(text) = value.as_str() else { return true };
    match schema.get("format").and_then(Value::as_str) {
        Some("date") => text.parse::<NaiveDate>().is_ok(),
        Some("date-time") => DateTime::parse_from_rfc3339(text).is_ok(),
        Some("uuid") => Uuid::parse_str(text).is_ok(),
        // The patterns of the catalogue are those of times of day and versions.
        _ => schema.get("pattern").is_none() || text.chars().all(|c| c.is_ascii_digit() || c.is_ascii_punctuation()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The last word of a field name that promises a person's data.
    const PERSONAL: [&str; 26] = [
        "address",
        "attributes",
        "body",
        "birth",
        "comment",
        "content",
        "dentist",
        "e164",
        "email",
        "ergebnis",
        "betreff",
        "error",
        "message",
        "name",
        "note",
        "notes",
        "outcome",
        "patient",
        "phone",
        "prompt",
        "response",
        "sender",
        "subject",
        "text",
        "transcript",
        "value",
    ];

    fn undecided(schema: &Value, at: &str, found: &mut Vec<String>) {
        for (name, field) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
            let at = format!("{at}/{name}");
            let word = name.rsplit('_').next().unwrap_or(name);
            let can_say_anything = field.get("enum").is_none()
                && field.get("type").is_none_or(|kind| {
                    let kind = kind.to_string();
                    kind.contains("string") || kind.contains("object") && field.get("properties").is_none()
                });
            if PERSONAL.contains(&word) && can_say_anything && field.get("x-sensitive").is_none() {
                found.push(at.clone());
            }
            undecided(field, &at, found);
        }
        for part in ["items", "additionalProperties"].iter().filter_map(|part| schema.get(*part)) {
            undecided(part, at, found);
        }
    }

    #[test]
    fn no_field_that_sounds_like_a_persons_is_unmarked() {
        let mut found = Vec::new();
        for spec in schema::catalogue() {
            undecided(&spec.schema()["properties"]["data"], spec.event_type, &mut found);
        }
        assert!(
            found.is_empty(),
            "mark them with #[schemars(extend(\"x-sensitive\" = \"phi\"))], \"pii\", or \"none\" where it only sounds \
             like one: {found:#?}"
        );
    }

    #[test]
    fn what_is_marked_is_hidden_and_the_rest_can_be_read() {
        let mut value = schema::golden::example(schema::find("patient.created", 1).unwrap());
        value["data"]["notes"] = json!(["Jane", {"a": 1}]);
        mask("patient.created", 1, &mut value);
        assert_eq!(
            value["data"],
            json!({"patient_id": 123, "name": "***", "email": "***", "phone": "***", "date_of_birth": "***",
                   "notes": ["***", {"a": "***"}]}),
            "what the schema does not know is hidden too"
        );
        assert_eq!(value["metadata"]["correlation_id"], "call-7f3a");
        assert_eq!(value["event_type"], "patient.created");

        let mut value = schema::golden::example(schema::find("ai.process.result", 1).unwrap());
        mask("ai.process.result", 1, &mut value);
        assert_eq!(value.pointer("/data/entities/1/value").unwrap(), "***");
        assert_eq!(value.pointer("/data/entities/1/type").unwrap(), "product");
        let mut value = schema::golden::example(schema::find("phone_call.completed", 1).unwrap());
        mask("phone_call.completed", 1, &mut value);
        assert_eq!(value.pointer("/data/call_data/ergebnis").unwrap(), "***");
        assert_eq!(value.pointer("/data/call_data/status").unwrap(), "abgeschlossen");
    }

    #[test]
    fn what_does_not_have_the_declared_form_is_hidden() {
        let mut value = schema::golden::example(schema::find("appointment.booked", 1).unwrap());
        value["data"]["patient_id"] = json!("Jane Roe");
        value["data"]["date"] = json!("Jane's birthday");
        value["data"]["time"] = json!("ask Jane");
        value["data"]["starts_at"] = json!({"Jane": "Roe"});
        mask("appointment.booked", 1, &mut value);
        assert!(!value.to_string().contains("Roe") && !value["data"]["date"].to_string().contains("Jane"), "{value}");
        assert_eq!((&value["data"]["time"], &value["data"]["appointment_id"]), (&json!("***"), &json!(456)));
    }

    #[test]
    fn of_what_is_not_known_only_the_structure_remains() {
        let envelope = schema::golden::example(schema::find("lead.created", 1).unwrap());
        for (event_type, version) in [("lead.vanished", 1), ("lead.created", 2)] {
            let mut value = envelope.clone();
            mask(event_type, version, &mut value);
            let data = value["data"].as_object().unwrap();
            assert!(data.len() == 8 && data.values().all(|value| value == "***"), "{value}");
            assert_eq!(value["event_id"], envelope["event_id"]);
        }
        let mut flat = json!({"lead_id": 4, "name": "Jane", "tags": ["x", null], "known": true});
        mask("lead.created", 1, &mut flat);
        assert_eq!(flat, json!({"lead_id": "***", "name": "***", "tags": ["***", null], "known": "***"}));
    }

    #[test]
    fn marks_behind_references_and_alternatives_are_found() {
        let schema = json!({
            "definitions": {"person": {"type": "object", "properties": {
                "name": {"type": "string", "x-sensitive": "pii"}, "age": {"type": "integer"},
                "friends": {"type": "array", "items": {"$ref": "#/definitions/person"}},
            }}},
            "properties": {"owner": {"anyOf": [{"$ref": "#/definitions/person"}, {"type": "null"}]}},
        });
        let mut value = json!({"owner": {"name": "Jane", "age": 3, "friends": [{"name": "Joe", "age": 4}]}});
        hide(&schema, &schema, &mut value);
        assert_eq!(value, json!({"owner": {"name": "***", "age": 3, "friends": [{"name": "***", "age": 4}]}}));
        let mut value = json!({"owner": null});
        hide(&schema, &schema, &mut value);
        assert_eq!(value, json!({"owner": null}));
    }
}
