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
In which form names, numbers, days and times are, and in which they are read: [forms](FORMS.md).

`metadata` has `source`, `version`, and where they are known `correlation_id` (the journey), `causation_id` (the event that
caused this one), `tenant_id` and `actor`. Who did it is a program or a post, never a person's data: `token:<name>` for a
request (the name in the tokens file, `local` where there is none), `handler:<name>` for what follows from an event, `command:<name>` for a command, and
`role:<database role>` for any other program that changes a row. A program that writes rows can name itself:
`set_config('switchboard.actor', 'recall-list', true)`; what is not made of letters, digits and `. _ : / -` is not taken, and
the role stands instead. An event that names its actor is of version 1.1; whoever reads 1.0 reads it too.

## What is told of the record

Each change of a field that an event carries is told, by whatever program and in whatever way the row is written: by
triggers in the writer's transaction, also of what logical replication applies (`session_replication_role = replica`).

- A patient: `created`, `updated` with the columns in `changed` (also of those that no event carries), `deleted`.
- An appointment: `booked`, `held`, `cancelled` or `completed` says the status that it has now. The same comes again when a
  field changes that it carries, the `reason` of a cancelled one too. A booked one that a person has to look at again is
  told twice: `cancelled`, for those who act on what is booked, and `held`. What is booked or held and is deleted is `cancelled`
  with the reason `deleted`. One that is given to another patient is `cancelled` for the one (`other_patient`) and told anew for
  the other.
- `causation_id` and `correlation_id` of an appointment are those of the booking that announced it, as long as it lives; of one
  that is confirmed again, the `causation_id` is the confirmation.

Not told: `service`, `notes` and `time_zone` where `starts_at` stays; that a cancelled or completed appointment is deleted; which
calls spoke of a patient; what a definition changes (`ALTER TABLE`, a trigger that is switched off, newer time zone data);
`TRUNCATE`, which is refused. `possible_duplicate_of` and `doubt` of a patient stand in the API, and in `changed` when they
change later; `patient.created` does not carry them.

An `event_id` that is missing, `null` or empty was not said, and the record is known by its place in the topic. One that names
nothing (`undefined`, `null` or `unknown` as a word, `N/A`, the nil UUID, a place of a template such as `{{id}}`) is refused, as it is in the fields
by which a fact is known (`call_id`, `conversation_id`, `lead_id`, `message_id`, `request_id`, `workflow_id`): all that bear it
would be one. Where an id may be missing, it counts as not said. The reason of a refusal is told of the shape that the record was
meant to have.

## Topics

| topic | record key | partitions | kept | owner |
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
        let mut events = catalogue().iter().filter(|spec| spec.topic == *topic && spec.addition == 0).peekable();
        if events.peek().is_some() {
            writeln!(page, "\n## `{}`", topic.name).unwrap();
        }
        events.for_each(|spec| event(spec, &mut page));
    }
    page
}

fn event(spec: &EventSpec, page: &mut String) {
    let EventSpec { event_type, version, .. } = spec;
    let file = format!("../crates/events/schemas/{event_type}.{}", spec.tag());
    let meaning = words(&spec.schema()["description"]);
    writeln!(page, "\n### `{event_type}` version {version}\n").unwrap();
    writeln!(page, "{meaning} [Schema]({file}.json), [example]({file}.example.json).\n").unwrap();
    let additions = catalogue()
        .iter()
        .filter(|other| (other.event_type, other.version) == (*event_type, *version) && other.addition > 0);
    for addition in additions {
        let (number, file) = (addition.number(), format!("../crates/events/schemas/{event_type}.{}", addition.tag()));
        writeln!(page, "{number} may say who did it: [schema]({file}.json), [example]({file}.example.json).\n")
            .unwrap();
    }
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
