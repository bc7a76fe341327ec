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

#[test]
fn the_reason_names_the_mistake_in_the_shape_that_was_meant() {
    let flat = r#"{"call_id": "c", "response_type": "PATIENT_CREATION", "data": {"name": "Jane"}}"#;
    let envelope = |more: &str| {
        format!(
            r#"{{"event_type": "ai_response.patient_creation", "data": {{"call_id": "c", "name": "Jane", "extraction_id": "x"}}{more}}}"#
        )
    };
    let twice = |text: &str| Value::from(text).to_string();
    let nil = "00000000-0000-0000-0000-000000000000";
    let known = r#""event_id": "5c4bd0b2-6cf7-4fb8-b1d5-0dd3a7dcd1f1", "timestamp": "2026-01-02T03:04:05Z""#;
    let voice = &topics::AI_RESPONSES;
    for (topic, record, words) in [
        (
            voice,
            flat.replace("PATIENT_CREATION", "patient_creation"),
            "response_type: is none of PATIENT_CREATION, BOOKING_CONFIRMATION",
        ),
        (voice, flat.replace("PATIENT_CREATION", "SMALL_TALK"), "response_type: is none of"),
        (voice, flat.replace("\"PATIENT_CREATION\"", "null"), "response_type: is null, expected PATIENT_CREATION"),
        (voice, flat.replace("\"PATIENT_CREATION\"", "[]"), "response_type: is an array"),
        (voice, flat.replace("response_type", "responseType"), "response_type: is missing"),
        (voice, flat.replace("\"c\"", "\"undefined\""), "call_id: is a placeholder"),
        (voice, flat.replace("\"c\"", "\"NULL\""), "call_id: is a placeholder"),
        (voice, flat.replace("\"c\"", "\"unknown\""), "call_id: is a placeholder"),
        (voice, flat.replace("\"c\"", "\"N/A\""), "call_id: is a placeholder"),
        (voice, flat.replace("\"c\"", &format!("\"{nil}\"")), "call_id: is a placeholder"),
        (voice, flat.replace("\"c\"", "\"{{call_id}}\""), "call_id: is a placeholder"),
        (voice, flat.replace("\"c\"", "\" \""), "call_id: is empty"),
        (voice, flat.replace("\"c\"", "null"), "call_id: is null"),
        (voice, flat.replace("\"c\"", "{}"), "call_id: is an object"),
        (voice, flat.replace("call_id", "callId"), "call_id: is missing"),
        (
            voice,
            flat.replace(r#"{"name": "Jane"}"#, &twice(r#"{"name": "Jane"}"#)),
            "data: is a string that holds an object: it was encoded twice",
        ),
        (voice, flat.replace(r#"{"name": "Jane"}"#, r#"[{"name": "Jane"}]"#), "data: is an array, expected an object"),
        (voice, flat.replace(r#""data": {"name": "Jane"}"#, r#""dat": 1"#), "data: is missing"),
        (voice, flat.replace(r#""data""#, r#""event_id": "undefined", "data""#), "event_id: is a placeholder"),
        (voice, twice(flat), "it is a string that holds an object: it was encoded twice, expected an object"),
        (voice, twice(&twice(flat)), "encoded twice or more"),
        (voice, twice("eyJjYWxsX2lkIjogImMifQ=="), "Base64"),
        (voice, format!("[{flat}]"), "it is an array, expected an object"),
        (voice, format!("\u{feff}{flat}"), "begins with a byte order mark"),
        (voice, String::new(), "it is empty"),
        (voice, " \n".to_owned(), "it is empty"),
        (voice, flat[..flat.len() - 2].to_owned(), "it ends too early at line 1"),
        (
            voice,
            envelope(&format!(r#", "event_id": "{nil}", "timestamp": "2026-01-02T03:04:05Z""#)),
            "event_id: is a placeholder",
        ),
        (voice, envelope(r#", "id": "null""#), "event_id: is a placeholder"),
        (voice, envelope(r#", "timestamp": "yesterday""#), "timestamp: is a string, expected a date and time"),
        (voice, envelope(r#", "metadata": "none""#), "metadata: is a string, expected an object"),
        (voice, envelope("").replace("ai_response.patient_creation", " "), "event_type: is empty"),
        (voice, format!(r#"{{{known}, "data": {{}}}}"#), "event_type: is missing"),
        (voice, format!(r#"{{{known}, "event_type": "x"}}"#), "data: is missing"),
        (
            voice,
            envelope("").replace(r#""call_id": "c""#, r#""call_id": "undefined""#),
            "call_id: is empty or a placeholder",
        ),
        (&topics::LEAD_CREATED, r#"{"name": "Jane"}"#.to_owned(), "lead_id: is missing"),
        (
            &topics::LEAD_CREATED,
            r#"{"leadId": "undefined", "business_id": "b", "tenant_id": "t"}"#.to_owned(),
            "lead_id: is empty or a placeholder",
        ),
        (&topics::AI_PROCESS_RESULT, r#"{"intent": "buy"}"#.to_owned(), "request_id: is missing"),
        (
            &topics::CONVERSATION_EVENTS,
            r#"{"type": "conversation.started", "data": "Jane"}"#.to_owned(),
            "data: is a string, expected an object",
        ),
        (&topics::COMMUNICATION_EVENTS, r#"{"payload": {"email_id": 17}}"#.to_owned(), "event_type: is missing"),
        (&topics::PATIENT_CREATED, r#"{"event_type": 7, "data": {}}"#.to_owned(), "event_type: is a number"),
    ] {
        let problem = match codec::open(topic, AT, record.as_bytes()) {
            Err(problem) => problem,
            Ok(opened) => schema::find(&opened.event_type, 1).unwrap().read(&opened).expect_err(&record),
        };
        assert!(problem.to_string().contains(words), "{record}: {words:?} is not in {problem}");
        assert!(!problem.to_string().contains("Jane"), "{record}: {problem}");
    }
    for (value, words) in [
        (b"\x1f\x8b\x08\0".to_vec(), "is compressed with gzip"),
        (b"\x28\xb5\x2f\xfd\0".to_vec(), "is compressed with zstd"),
        (flat.encode_utf16().flat_map(u16::to_le_bytes).collect(), "is UTF-16"),
        (flat.encode_utf16().flat_map(u16::to_be_bytes).collect(), "is UTF-16"),
        (b"\xff\xff".to_vec(), "is not UTF-8"),
    ] {
        let problem = codec::open(voice, AT, &value).expect_err(words).to_string();
        assert!(problem.contains(words), "{words:?} is not in {problem}");
    }
}

#[test]
fn an_id_that_was_not_said_is_the_records_place() {
    for id in ["null", "\"\"", "\" \""] {
        let record = format!(
            r#"{{"event_id": {id}, "call_id": "c", "response_type": "PATIENT_CREATION", "data": {{"name": "Jane"}}}}"#
        );
        assert_eq!(codec::open(&topics::AI_RESPONSES, AT, record.as_bytes()).unwrap().event_id, AT.id(), "{id}");
    }
}
