//! The released schemas and their examples, as files in `crates/events/schemas`, against the types in the code.
//!
//! `RENEW_CONTRACT=1` writes the schema of a version that has no file yet, corrects words and marks, and renews
//! `docs/EVENTS.md`. It never changes what a file allows: records in that form are in topics, outboxes and other
//! people's programs.

use std::{collections::BTreeMap, fs, path::PathBuf};

use serde_json::{Value, json};

use super::{EventSpec, catalogue, compatibility::breaks};
use crate::contract::{codec, envelope, event::Coordinates, topics};

pub(super) fn renewing() -> bool {
    std::env::var_os("RENEW_CONTRACT").is_some()
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("schemas")
}

fn file(spec: &EventSpec, ending: &str) -> PathBuf {
    folder().join(format!("{}.{}{ending}", spec.event_type, spec.tag()))
}

pub(crate) fn example(spec: &EventSpec) -> Value {
    let path = file(spec, ".example.json");
    let text = fs::read_to_string(&path).unwrap_or_else(|_| {
        panic!("{} is missing: write an envelope of {} with sample data", path.display(), spec.event_type)
    });
    serde_json::from_str(&text).unwrap_or_else(|problem| panic!("{}: {problem}", path.display()))
}

fn validator(schema: &Value) -> jsonschema::Validator {
    jsonschema::options()
        .with_draft(jsonschema::Draft::Draft7)
        .should_validate_formats(true)
        .build(schema)
        .expect("a schema that validators take")
}

/// What the schema allows, without what it says about it.
fn allowed(schema: &Value) -> Value {
    match schema {
        Value::Object(members) => members
            .iter()
            .filter(|(name, value)| {
                !(matches!(name.as_str(), "title" | "description" | "x-sensitive") && value.is_string())
            })
            .map(|(name, value)| (name.clone(), allowed(value)))
            .collect(),
        Value::Array(items) => items.iter().map(allowed).collect(),
        other => other.clone(),
    }
}

#[test]
fn a_released_schema_is_as_it_was() {
    let mut problems = Vec::new();
    for spec in catalogue() {
        let path = file(spec, ".json");
        let shown = path.display();
        let released = fs::read_to_string(&path).ok().map(|text| serde_json::from_str::<Value>(&text).unwrap());
        match released {
            Some(released) if &released == spec.schema() => {}
            Some(released) if allowed(&released) != allowed(spec.schema()) => problems.push(format!(
                "{shown} differs from its type in the code. If a release has it, undo the change and add version \
                 {} (docs/how-to/change-a-schema.md): records in the old form exist. If none has it yet, delete the \
                 file and test again with RENEW_CONTRACT=1",
                spec.version + 1
            )),
            _ if renewing() => fs::write(&path, format!("{:#}\n", spec.schema())).unwrap(),
            Some(_) => {
                problems
                    .push(format!("{shown} has other words or marks than the code: test again with RENEW_CONTRACT=1"));
            }
            None => problems.push(format!("{shown} is missing: test again with RENEW_CONTRACT=1 and commit it")),
        }
    }
    let known: Vec<_> =
        catalogue().iter().flat_map(|spec| [file(spec, ".json"), file(spec, ".example.json")]).collect();
    for entry in fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() && !known.contains(&path) {
            problems.push(format!("{} is in no catalogue: what was released stays readable", path.display()));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn every_event_has_its_topic_and_every_topic_its_events() {
    for spec in catalogue() {
        assert!(topics::CATALOGUE.contains(&spec.topic), "{} is in no topic of the catalogue", spec.event_type);
    }
    for topic in topics::CATALOGUE.iter().filter(|topic| **topic != &topics::DEAD_LETTER_QUEUE) {
        assert!(catalogue().iter().any(|spec| spec.topic == *topic), "{} has no event", topic.name);
    }
}

#[test]
fn every_version_reads_what_its_predecessors_wrote() {
    let mut versions: BTreeMap<&str, Vec<&EventSpec>> = BTreeMap::new();
    for spec in catalogue() {
        versions.entry(spec.event_type).or_default().push(spec);
    }
    for (event_type, versions) in versions {
        for (n, newer) in versions.iter().enumerate() {
            let follows = match n.checked_sub(1).map(|before| versions[before]) {
                None => (newer.version, newer.addition) == (1, 0),
                Some(EventSpec { version, addition, .. }) => {
                    [(*version, addition + 1), (version + 1, 0)].contains(&(newer.version, newer.addition))
                }
            };
            assert!(follows, "{event_type}: versions begin at 1.0 and follow each other");
            assert_eq!(newer.subject(), versions[0].subject(), "{event_type}: all versions are in one topic");
            for older in &versions[..n] {
                let found = breaks(older.schema(), newer.schema());
                assert!(
                    found.is_empty(),
                    "{event_type}: version {} does not read {}: {found:#?}",
                    newer.version,
                    older.version
                );
            }
            // By the types too: the conversions are only seen there.
            for older in &versions[..=n] {
                let text = example(older).to_string();
                let at = Coordinates { topic: older.topic.name, partition: 0, offset: 0, timestamp_ms: None };
                let opened = codec::open(older.topic, at, text.as_bytes()).unwrap();
                newer.read(&opened).unwrap_or_else(|problem| panic!("{problem}"));
            }
        }
    }
}

#[test]
fn every_example_matches_its_schema_and_comes_back_as_it_was() {
    for spec in catalogue() {
        let example = example(spec);
        let name = format!("{}.{}.example.json", spec.event_type, spec.tag());
        let problems: Vec<String> = validator(spec.schema()).iter_errors(&example).map(|e| e.to_string()).collect();
        assert!(problems.is_empty(), "{name}: {problems:#?}");

        let text = example.to_string();
        let at = Coordinates { topic: spec.topic.name, partition: 0, offset: 0, timestamp_ms: None };
        let opened = codec::open(spec.topic, at, text.as_bytes()).unwrap_or_else(|problem| panic!("{name}: {problem}"));
        assert_eq!((opened.version, &opened.metadata.version), (spec.version, &spec.number()), "{name}");
        let data = spec.read(&opened).unwrap_or_else(|problem| panic!("{name}: {problem}"));
        let again = json!({
            "event_id": opened.event_id,
            "event_type": opened.event_type,
            "timestamp": envelope::timestamp(&opened.timestamp),
            "data": data,
            "metadata": opened.metadata,
        });
        assert_eq!(again, example, "{name}");
    }
}

#[test]
fn a_schema_is_closed_and_knows_its_event() {
    for spec in catalogue() {
        let (validator, example) = (validator(spec.schema()), example(spec));
        for place in ["", "/data", "/metadata"] {
            let mut more = example.clone();
            more.pointer_mut(place).unwrap()["not_in_the_schema"] = json!(1);
            assert!(!validator.is_valid(&more), "{} takes an unknown field in {place:?}", spec.event_type);
        }
        let mut other = example.clone();
        other["event_type"] = json!("patient.vanished");
        assert!(!validator.is_valid(&other), "{} takes another event type", spec.event_type);
        let mut empty = example;
        empty["data"] = json!({});
        let nothing_needed = matches!(spec.event_type, "communication.schedule_call");
        assert_eq!(validator.is_valid(&empty), nothing_needed, "{} without data", spec.event_type);
    }
}
