use std::{collections::BTreeSet, fs, path::Path};

use serde_json::Value;

use super::*;
use crate::{
    contract::{
        codec::{self, DecodeError},
        envelope::timestamp,
        event::Coordinates,
        schema,
    },
    flow::error::Category,
};

const AT: Coordinates<'static> = Coordinates { topic: "in.kafka", partition: 3, offset: 42, timestamp_ms: None };

/// A recorded example: what an earlier producer wrote, and the event that it is.
struct Recorded {
    file: String,
    topic: &'static TopicSpec,
    record: Value,
    becomes: Value,
}

fn recorded() -> Vec<Recorded> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/legacy");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let examples = files.map(|path| {
        let mut example: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        Recorded {
            file: path.file_name().unwrap().to_string_lossy().into_owned(),
            topic: topics::find(example["topic"].as_str().unwrap()).unwrap(),
            record: example["record"].take(),
            becomes: example["becomes"].take(),
        }
    });
    examples.collect()
}

#[test]
fn every_recorded_example_is_the_event_that_it_means() {
    for Recorded { file, topic, record, becomes } in recorded() {
        let bytes = record.to_string();
        let opened = codec::open(topic, AT, bytes.as_bytes()).unwrap_or_else(|problem| panic!("{file}: {problem}"));
        let expected_id = match becomes.get("event_id").and_then(Value::as_str) {
            None => EventId::derived(&[AT.topic, "3", "42"]),
            Some(id) => match id.strip_prefix("<derived from ").and_then(|id| id.strip_suffix('>')) {
                Some(foreign) => EventId::derived(&["foreign id", topic.name, foreign]),
                None => EventId(id.parse().unwrap()),
            },
        };
        assert_eq!(opened.event_id, expected_id, "{file}");
        assert_eq!(opened.event_type, becomes["event_type"].as_str().unwrap(), "{file}");
        assert_eq!(serde_json::to_value(&opened.metadata).unwrap(), becomes["metadata"], "{file}");
        if let Some(expected) = becomes.get("timestamp") {
            assert_eq!(&Value::from(timestamp(&opened.timestamp)), expected, "{file}");
        }
        let spec = schema::find(&opened.event_type, 1).unwrap_or_else(|| panic!("{file}: no such event"));
        assert_eq!(spec.topic, topic, "{file}");
        let data = spec.read(&opened).unwrap_or_else(|problem| panic!("{file}: {problem}"));
        let expected = becomes["data"].to_string().replace("<event id>", &expected_id.to_string());
        assert_eq!(data, expected.parse::<Value>().unwrap(), "{file}");
    }
}

#[test]
fn every_topic_of_the_earlier_systems_has_a_recorded_example() {
    let seen: BTreeSet<_> = recorded().iter().map(|example| example.topic.name).collect();
    let foreign_to_them =
        ["healthcore.appointment.held", "healthcore.appointment.cancelled", "healthcore.appointment.completed"];
    for topic in topics::CATALOGUE {
        let ours = topic.owner == "dlq-replayer" || foreign_to_them.contains(&topic.name);
        assert!(ours || seen.contains(topic.name), "{} has none in schemas/legacy", topic.name);
    }
}

#[test]
fn what_lacks_its_shape_in_any_way_is_refused_or_fails_against_the_schema_and_never_panics() {
    let wrong = [Value::Null, 7.into(), "Jane Roe".into(), Value::Array(vec![]), Value::Object(Map::new())];
    for Recorded { file, topic, record, .. } in recorded() {
        for (field, value) in record.as_object().unwrap().keys().flat_map(|field| wrong.iter().map(move |v| (field, v)))
        {
            let mut broken = record.clone();
            broken[field] = value.clone();
            let bytes = broken.to_string();
            let problem = match codec::open(topic, AT, bytes.as_bytes()) {
                Err(problem) => problem,
                Ok(opened) => match schema::find(&opened.event_type, 1).map(|spec| spec.read(&opened)) {
                    Some(Err(problem)) => problem,
                    _ => continue,
                },
            };
            assert!(!problem.to_string().contains("Jane"), "{file}, {field}: {problem}");
        }
    }
}

#[test]
fn what_fits_no_shape_of_its_topic_is_refused() {
    for (topic, record) in [
        (&topics::AI_RESPONSES, r#"{"call_id": "c", "response_type": "SMALL_TALK", "data": {}}"#),
        (&topics::AI_RESPONSES, r#"{"response_type": "PATIENT_CREATION", "data": {"name": "Jane"}}"#),
        (&topics::AI_RESPONSES, r#"{"lead_id": "lead-42"}"#),
        (&topics::LEAD_CREATED, r#"{"name": "Jane", "email": "jane@example.com"}"#),
        (&topics::LEAD_CREATED, r#"{"lead_id": "lead-42", "timestamp": "yesterday"}"#),
        (&topics::CONVERSATION_EVENTS, r#"{"conversation_id": "conv_123", "user_id": "user_456"}"#),
        (&topics::CONVERSATION_EVENTS, r#"{"type": "conversation.started", "data": "conv_123"}"#),
        (&topics::COMMUNICATION_EVENTS, r#"{"payload": {"email_id": 17}}"#),
        (&topics::COMMUNICATION_EVENTS, r#"{"event_type": "email.sent", "payload": {"email_id": 17}, "metadata": 3}"#),
        (&topics::PATIENT_CREATED, r#"{"patient_id": 123, "name": "Jane"}"#),
    ] {
        let problem = codec::open(topic, AT, record.as_bytes()).expect_err(record);
        assert!(matches!(problem, DecodeError::Shape(_)), "{record}: {problem}");
        assert_eq!(problem.category(), Category::Deserialization);
        assert!(!problem.to_string().contains("Jane"), "{problem}");
    }
}

#[test]
fn a_redelivery_has_the_same_id_and_another_record_has_not() {
    let record = br#"{"lead_id": "lead-42", "business_id": "b", "tenant_id": "t"}"#;
    let id = |offset, timestamp_ms| {
        let at = Coordinates { offset, timestamp_ms, ..AT };
        codec::open(&topics::LEAD_CREATED, at, record).unwrap().event_id
    };
    let places = [(1, None), (1, Some(0)), (1, Some(7)), (2, None), (2, Some(7))];
    for (offset, time) in places {
        assert_eq!(id(offset, time), id(offset, time));
    }
    let ids: BTreeSet<_> = places.into_iter().map(|(offset, time)| id(offset, time)).collect();
    assert_eq!(ids.len(), places.len(), "at one place of two logs stand two records");
}

#[test]
fn a_redelivery_of_what_says_no_time_is_the_same_event_byte_for_byte() {
    for Recorded { file, topic, mut record, .. } in recorded() {
        for name in ["timestamp", "occurred_at", "created_at"] {
            record.as_object_mut().unwrap().remove(name);
        }
        let bytes = record.to_string();
        for timestamp_ms in [None, Some(1_765_738_800_123), Some(-1), Some(i64::MAX)] {
            let opened = || {
                let at = Coordinates { timestamp_ms, ..AT };
                let opened = codec::open(topic, at, bytes.as_bytes()).unwrap_or_else(|error| panic!("{file}: {error}"));
                let data = schema::find(&opened.event_type, 1).unwrap().read(&opened).unwrap();
                let (id, time) = (opened.event_id, opened.timestamp);
                format!("{id} {} {time:?} {:?} {data}", opened.event_type, opened.metadata)
            };
            let first = opened();
            assert_eq!(first, opened(), "{file}");
            let time = timestamp_ms.and_then(DateTime::from_timestamp_millis).unwrap_or(DateTime::UNIX_EPOCH);
            assert!(first.contains(&format!("{time:?}")), "{file}: {first}");
        }
    }
}

#[test]
fn a_time_is_read_as_python_and_javascript_write_it() {
    for written in [
        "\"2025-12-14T19:00:00Z\"",
        "\"2025-12-14T19:00:00+00:00\"",
        "\"2025-12-14T20:00:00.000+0100\"",
        "\"2025-12-14T19:00:00\"",
        "\"2025-12-14 19:00:00.000000\"",
        "\"2025-12-14 19:00:00+00:00\"",
        "1765738800",
        "1765738800.0",
        "1765738800000",
    ] {
        let read = time(&written.parse().unwrap()).map(|time| timestamp(&time));
        assert_eq!(read.as_deref(), Some("2025-12-14T19:00:00.000Z"), "{written}");
    }
    for written in ["\"yesterday\"", "\"14.12.2025\"", "true", "1e300"] {
        assert_eq!(time(&written.parse().unwrap()), None, "{written}");
    }
}
