//! What cannot be read becomes a dead letter with its bytes; what is behind it is handled, and the log knows nobody's data.

use events::contract::{headers::dlq, topics::DEAD_LETTER_QUEUE};
use test_kit::{kafka, stack, wait::wait_until};

use crate::support::{LONG, Record, patient};

const CANARY: &str = "Kunigunde7351";

fn poison() -> Vec<(Vec<u8>, &'static str)> {
    let flat = |data: &str| {
        let value = format!(r#"{{"call_id": "call", "response_type": "PATIENT_CREATION", "data": {data}}}"#);
        (value.into_bytes(), "schema_validation")
    };
    let shapeless = |value: Vec<u8>| (value, "deserialization");
    vec![
        shapeless(CANARY.into()),
        shapeless([CANARY.as_bytes(), b"\xff\xfe"].concat()),
        shapeless(format!(r#"{{"name": "{CANARY}"}}"#).into()),
        shapeless(format!(r#"["{CANARY}"]"#).into()),
        shapeless(format!("{{\"{CANARY}\": {}1{}}}", "[".repeat(10_000), "]".repeat(10_000)).into()),
        shapeless(b"".into()),
        shapeless(b"\0\0\0\0\x07".into()),
        flat(&format!(r#"{{"email": "{CANARY}@example.org"}}"#)),
        flat(&format!(r#"{{"name": "x", "date_of_birth": "{CANARY}"}}"#)),
        (flat(&format!(r#""{CANARY}""#)).0, "deserialization"),
    ]
}

#[tokio::test]
async fn every_record_that_cannot_be_read_is_one_dead_letter_and_holds_nothing_up() {
    let record = Record::with(&[("RUST_LOG", "debug")]).await;
    let poison = poison();
    for (value, _) in &poison {
        record.hear_raw(b"call", value, &[]).await;
    }
    // Of the same key: it is behind all of them.
    record.told("call", patient("call", "Ada Byron", "555-1234", None)).await;
    assert_eq!(record.patient_count().await, 1);

    let queue = record.names.in_kafka(&DEAD_LETTER_QUEUE);
    let letters = kafka::read_topic(&stack::kafka(), &queue, poison.len(), LONG).await;
    assert_eq!(letters.len(), poison.len());
    for (value, category) in &poison {
        let shown = String::from_utf8_lossy(value);
        let letter = letters.iter().find(|letter| letter.payload.as_deref().unwrap_or_default() == value);
        let letter = letter.unwrap_or_else(|| panic!("no dead letter has {shown}"));
        assert_eq!(letter.header(dlq::CATEGORY), Some(category.as_bytes()), "{shown}");
        assert_eq!(
            letter.header(dlq::GROUP),
            Some(format!("{}ai-response-processor", record.names.namespace).as_bytes())
        );
        assert_eq!(letter.key.as_deref(), Some(b"call".as_slice()));
        for (name, value) in &letter.headers {
            assert!(!String::from_utf8_lossy(value).contains(CANARY), "{name} of the dead letter of {shown}");
        }
    }
    assert!(!record.service.log().contains(CANARY), "{}", record.service.log());
}

#[tokio::test]
async fn a_letter_says_what_is_wrong_with_the_shape_that_was_meant() {
    let record = Record::start().await;
    let flat = |call: &str, word: &str, data: &str| {
        format!(r#"{{"call_id": "{call}", "response_type": "{word}", "data": {data}}}"#).into_bytes()
    };
    let twice = |json: Vec<u8>| serde_json::Value::from(String::from_utf8(json).unwrap()).to_string().into_bytes();
    let named = r#"{"name": "X Y"}"#;
    let valid = flat("c", "PATIENT_CREATION", named);
    let poison = [
        (flat("c", "patient_creation", named), "response_type: is none of PATIENT_CREATION, BOOKING_CONFIRMATION"),
        (flat("undefined", "PATIENT_CREATION", named), "call_id: is a placeholder"),
        (
            flat("c", "PATIENT_CREATION", r#""{\"name\": \"X Y\"}""#),
            "data: is a string that holds an object: it was encoded twice",
        ),
        (twice(valid.clone()), "is a string that holds an object: it was encoded twice"),
        ([b"[".as_slice(), &valid, b"]"].concat(), "it is an array, expected an object"),
        (b"\x1f\x8b\x08\0\0".to_vec(), "it is compressed with gzip"),
        ([b"\xef\xbb\xbf".as_slice(), &valid].concat(), "it begins with a byte order mark"),
    ];
    for (value, _) in &poison {
        record.hear_raw(b"call", value, &[]).await;
    }
    let queue = record.names.in_kafka(&DEAD_LETTER_QUEUE);
    let letters = kafka::read_topic(&stack::kafka(), &queue, poison.len(), LONG).await;
    for (value, words) in &poison {
        let letter = letters.iter().find(|letter| letter.payload.as_deref() == Some(value)).unwrap();
        let message = String::from_utf8_lossy(letter.header(dlq::MESSAGE).unwrap()).into_owned();
        assert!(message.contains(words), "{words:?} is not in {message}");
    }
    assert_eq!(record.patient_count().await, 0);
}

#[tokio::test]
async fn a_person_releases_the_brake_that_a_hundred_bad_records_put_on() {
    let record = Record::start().await;
    let release = record.client.post(format!("{}/api/v1/consumer/release", record.service.base_url()));
    let ask = || async { release.try_clone().unwrap().send().await.unwrap().status().as_u16() };
    assert_eq!(ask().await, 409, "nothing is on");
    for _ in 0..120 {
        record.hear_raw(b"call", CANARY.as_bytes(), &[]).await;
    }
    wait_until("the brake is on", LONG, || async { record.get("/api/v1/consumer").await.2["brake"].is_string() }).await;
    let (status, _, ready) = record.get("/readyz").await;
    assert_eq!(status, 503);
    assert!(ready["checks"]["consumer"]["problem"].as_str().unwrap().contains("unknown_shape"), "{ready}");

    assert_eq!(ask().await, 202);
    // What was left of the bad ones is not enough to put it on again.
    record.told("call", patient("call", "Ada Byron", "555-1234", None)).await;
    let (_, _, consumer) = record.get("/api/v1/consumer").await;
    assert_eq!((consumer["ok"].as_bool(), consumer["brake"].is_null()), (Some(true), true), "{consumer}");
    assert!(record.service.log().contains("released by a person"), "{}", record.service.log());
}

/// All callers of a call that names nothing would be one.
#[tokio::test]
async fn a_call_that_names_nothing_is_a_dead_letter_in_every_shape() {
    let record = Record::start().await;
    let nothing =
        ["undefined", "null", "[object Object]", "{{call_id}}", "Unknown", "00000000-0000-0000-0000-000000000000"];
    for call in nothing {
        let data = format!(r#"{{"call_id": "{call}", "name": "Jane Roe", "extraction_id": "x"}}"#);
        let envelope = format!(r#"{{"event_type": "ai_response.patient_creation", "data": {data}}}"#);
        let flat =
            format!(r#"{{"call_id": "{call}", "response_type": "PATIENT_CREATION", "data": {{"name": "Jane Roe"}}}}"#);
        for value in [envelope, flat] {
            record.hear_raw(b"call", value.as_bytes(), &[]).await;
        }
    }
    // An earlier system's ids are its own, without the spaces around them.
    for call in ["call id/1", " call id/1  "] {
        record.told("call", patient(call, "Ada Byron", "", None)).await;
    }
    let calls: Vec<String> =
        sqlx::query_scalar("SELECT call_id FROM healthcore.patient_calls").fetch_all(record.pool()).await.unwrap();
    assert_eq!((record.patient_count().await, calls), (1, vec!["call id/1".to_owned()]));
    let queue = record.names.in_kafka(&DEAD_LETTER_QUEUE);
    let letters = kafka::read_topic(&stack::kafka(), &queue, 2 * nothing.len(), LONG).await;
    for letter in letters {
        let said = String::from_utf8_lossy(letter.header(dlq::MESSAGE).unwrap_or_default()).into_owned();
        assert!(said.contains("call_id: is a placeholder"), "{said}");
    }
}
