//! `docs/EVENTS.md`, written from the catalogues of topics and events. `RENEW_CONTRACT=1` renews it.

use std::{fmt::Write, fs, path::Path};

use serde_json::Value;

use super::{EventSpec, catalogue, golden::renewing};
use crate::contract::topics::{self, Cleanup, TopicSpec};

const INTRODUCTION: &str = "\
# Events

What is on the wire: every topic, every event type in every released version, and the fields of its `data`. This file is
written from the types in `crates/events/src/contract`; a test fails when it is out of date, and
`RENEW_CONTRACT=1 cargo test -p events --lib contract` renews it. How to add to it: [an event](how-to/add-an-event.md),
[a version](how-to/change-a-schema.md).

Every event is an envelope of `event_id`, `event_type`, `timestamp`, `data` and `metadata`; its JSON Schema (draft-07,
closed) and an example stand beside each other in `crates/events/schemas`, the shapes of the earlier systems that are
read as well in `crates/events/schemas/legacy`. Times are UTC with milliseconds. `?` marks a field that may be missing.
`phi` and `pii` mark what identifies a person, in a patient's record or elsewhere: logs and screens hide it.

An `event_id` that is missing, `null` or empty was not said, and the record is known by its place in the topic. One that names
nothing (`undefined`, `null` as a word, the nil UUID, a place of a template such as `{{id}}`) is refused, as it is in the fields
whose name ends with `_id`: all that bear it would be one. Where such a field may be missing, it counts as not said. The reason
of a refusal is told of the shape that the record was meant to have.

## Topics

| topic | record key | partitions | kept | created by |
|---|---|---|---|---|
";

fn document() -> String {
    let mut page = INTRODUCTION.to_owned();
    for topic in topics::CATALOGUE {
        let TopicSpec { name, key, partitions, owner, .. } = topic;
        let days = topic.retention.as_secs() / (24 * 3600);
        let compacted = if topic.cleanup == Cleanup::CompactDelete { ", compacted" } else { "" };
        writeln!(page, "| `{name}` | {key} | {partitions} | {days} d{compacted} | `{owner}` |").unwrap();
    }
    for topic in topics::CATALOGUE {
        let mut events = catalogue().iter().filter(|spec| spec.topic == *topic).peekable();
        if events.peek().is_some() {
            writeln!(page, "\n## `{}`", topic.name).unwrap();
        }
        events.for_each(|spec| event(spec, &mut page));
    }
    page
}

fn event(spec: &EventSpec, page: &mut String) {
    let EventSpec { event_type, version, .. } = spec;
    let file = format!("../crates/events/schemas/{event_type}.v{version}");
    let meaning = words(&spec.schema()["description"]);
    writeln!(page, "\n### `{event_type}` version {version}\n").unwrap();
    writeln!(page, "{meaning} [Schema]({file}.json), [example]({file}.example.json).\n").unwrap();
    writeln!(page, "| field | type | | |\n|---|---|---|---|").unwrap();
    fields(&spec.schema()["properties"]["data"], "", page);
}

fn fields(schema: &Value, within: &str, page: &mut String) {
    let required = schema.get("required").and_then(Value::as_array);
    for (name, field) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let needed = required.is_some_and(|names| names.iter().any(|required| required == name));
        let mark = field.get("x-sensitive").and_then(Value::as_str).filter(|mark| *mark != "none").unwrap_or_default();
        let meaning = words(&field["description"]);
        let optional = if needed { "" } else { "?" };
        writeln!(page, "| `{within}{name}{optional}` | {} | {mark} | {meaning} |", kind(field)).unwrap();
        fields(field, &format!("{within}{name}."), page);
        if let Some(items) = field.get("items") {
            fields(items, &format!("{within}{name}[]."), page);
        }
    }
}

fn kind(field: &Value) -> String {
    if let Some(Value::Array(values)) = field.get("enum") {
        return values.iter().filter_map(Value::as_str).map(|value| format!("`{value}`")).collect::<Vec<_>>().join(" ");
    }
    let names = match &field["type"] {
        Value::Array(names) => names.iter().filter_map(Value::as_str).find(|name| *name != "null"),
        name => name.as_str(),
    };
    match (names, field.get("format").and_then(Value::as_str)) {
        (Some("string"), Some(format)) => format.to_owned(),
        (Some("array"), _) => format!("list of {}", kind(&field["items"])),
        (Some("object"), _) if field.get("properties").is_none() => {
            format!("map of {}", kind(field.get("additionalProperties").unwrap_or(&Value::Null)))
        }
        (Some(name), _) => name.to_owned(),
        (None, _) => "anything".to_owned(),
    }
}

/// A doc comment on one line.
fn words(description: &Value) -> String {
    description.as_str().unwrap_or_default().replace('\n', " ")
}

#[test]
fn the_document_of_events_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/EVENTS.md");
    if renewing() {
        fs::write(&path, document()).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == document(),
        "docs/EVENTS.md does not say what the catalogue says: test again with RENEW_CONTRACT=1 and commit it"
    );
}
