//! What cannot be read is shown where it was said, and kept for a person to correct.

use events::contract::headers::dlq;
use serde_json::{Value, json};

use crate::support::{Voice, header, payload};

const BEFORE: &str = "One moment, \u{fc}. ";

struct Wrong {
    call: &'static str,
    marker: &'static str,
    category: &'static str,
    code: &'static str,
    message: &'static str,
    event_type: &'static str,
    /// The problem's field on the page.
    field: &'static str,
    /// The dead letter's `data`.
    data: Value,
}

fn all() -> [Wrong; 4] {
    let invalid = r#"PATIENT_CREATION: {"name": "Ada Byron", "date_of_birth": "02/30/1985"}"#;
    let broken = r#"BOOKING_CONFIRMATION: {"dentist": "Dr. Smith", "date": }"#;
    let open = r#"PATIENT_CREATION: {"name": "Ada Byr"#;
    let unclear = r#"PATIENT_CREATION: not before she says so {"name": "Ada Byron"}"#;
    [
        Wrong {
            call: "invalid",
            marker: invalid,
            category: "schema_validation",
            code: "invalid_extraction",
            message: "date_of_birth: ",
            event_type: "ai_response.patient_creation",
            field: "date_of_birth",
            data: json!({ "name": "Ada Byron", "date_of_birth": "02/30/1985" }),
        },
        Wrong {
            call: "broken",
            marker: broken,
            category: "deserialization",
            code: "malformed",
            message: "the JSON object after the marker breaks the grammar of JSON",
            event_type: "ai_response.booking_confirmation",
            field: "$",
            data: json!(broken),
        },
        Wrong {
            call: "open",
            marker: open,
            category: "deserialization",
            code: "unfinished",
            message: "the text ended before the JSON object after the marker was closed",
            event_type: "ai_response.patient_creation",
            field: "$",
            data: json!(open),
        },
        Wrong {
            call: "unclear",
            marker: unclear,
            category: "deserialization",
            code: "unclear",
            message: "what stands around the marker does not say that the JSON object near it is meant",
            event_type: "ai_response.patient_creation",
            field: "$",
            data: json!(unclear),
        },
    ]
}

#[tokio::test]
async fn what_is_rejected_is_on_the_page_and_is_one_dead_letter() {
    let voice = Voice::start().await;
    let rejected = all();
    for wrong in &rejected {
        let taken = voice.say(wrong.call, &format!("{BEFORE}{}", wrong.marker)).await.extractions();
        assert_eq!(taken.len(), 1, "{taken:?}");
        assert_eq!(taken[0]["status"], "rejected");
        let [shown] = <[Value; 1]>::try_from(voice.shown(wrong.call).await).unwrap();
        assert_eq!((&shown["status"], &shown["data"]), (&json!("rejected"), &Value::Null));
        assert_eq!(shown["raw"], wrong.marker);
        assert_eq!(shown["span"]["from"], BEFORE.len());
        let to = shown["span"]["to"].as_u64().unwrap() as usize;
        assert!(to > BEFORE.len() && to <= BEFORE.len() + wrong.marker.len(), "{shown}");
        let problem = &shown["problems"][0];
        assert_eq!(problem["field"], wrong.field);
        assert!(["problem", "remedy"].iter().all(|name| !problem[name].as_str().unwrap().is_empty()), "{problem}");
        assert_eq!(taken[0]["problems"], shown["problems"]);
        // Said again, it is known.
        let again = voice.say(wrong.call, &format!("{BEFORE}{}", wrong.marker)).await.extractions();
        assert_eq!(again[0]["status"], "repeated");
        assert_eq!(voice.shown(wrong.call).await.len(), 1);
    }
    let letters = voice.dead_letters().await;
    assert_eq!(letters.len(), rejected.len());
    for wrong in &rejected {
        let letter = letters.iter().find(|letter| letter.key.as_deref() == Some(wrong.call.as_bytes())).unwrap();
        assert_eq!(header(letter, dlq::CATEGORY), wrong.category);
        assert_eq!(header(letter, dlq::CODE), wrong.code);
        assert!(header(letter, dlq::MESSAGE).contains(wrong.message), "{}", header(letter, dlq::MESSAGE));
        assert_eq!(header(letter, dlq::CORRELATION_ID), wrong.call);
        assert_eq!(header(letter, "correlation_id"), wrong.call);
        assert_eq!(header(letter, dlq::EVENT_TYPE), wrong.event_type);
        assert_eq!(header(letter, dlq::SERVICE), "voice-ingest");
        // It was read by no group, so no group alone may get its replay.
        assert_eq!(header(letter, dlq::GROUP), "");
        assert_eq!([dlq::PARTITION, dlq::OFFSET].map(|name| header(letter, name)), ["-1", "-1"]);
        assert_eq!(header(letter, dlq::TOPIC), format!("{}ai-responses", voice.names.namespace));
        assert_eq!(header(letter, dlq::ID), voice.shown(wrong.call).await[0]["event_id"]);
        let kind = wrong.marker.split(':').next().unwrap();
        assert_eq!(payload(letter), json!({ "call_id": wrong.call, "response_type": kind, "data": wrong.data }));
    }
    assert!(voice.responses().await.is_empty(), "what was rejected was published as an event");
}

#[tokio::test]
async fn what_is_right_beside_something_rejected_is_accepted() {
    let voice = Voice::without_kafka().await;
    let text = r#"PATIENT_CREATION: {"name": PATIENT_CREATION: {"name": "Ada Byron"} BOOKING_CONFIRMATION: none"#;
    let taken = voice.say("call", text).await.extractions();
    let seen: Vec<(&str, &str)> =
        taken.iter().map(|one| (one["kind"].as_str().unwrap(), one["status"].as_str().unwrap())).collect();
    let (patient, booking) = ("PATIENT_CREATION", "BOOKING_CONFIRMATION");
    assert_eq!(seen, [(patient, "rejected"), (patient, "accepted"), (booking, "rejected")]);
}

#[tokio::test]
async fn an_object_behind_the_markers_own_that_is_none_of_it_makes_no_fact() {
    let voice = Voice::without_kafka().await;
    let own = r#"PATIENT_CREATION: {"name": "Ada Byron"}"#;
    for (call, more, status) in [
        ("tool", r#"{"name": "send_sms", "arguments": {"to": "212-555-0101"}}"#, None),
        ("other", r#"{"name": "Dr. Smith", "role": "dentist"}"#, Some("rejected")),
        ("second", r#"{"name": "Grace Hopper"}"#, Some("accepted")),
    ] {
        let taken = voice.say(call, &format!("{own}\n{more}")).await.extractions();
        assert_eq!(taken[0]["status"], "accepted", "{call}");
        assert_eq!(taken.get(1).map(|one| one["status"].as_str().unwrap()), status, "{call}");
    }
    let around = r#"{"type": "PATIENT_CREATION", "name": "Ada Byron", "emergency_contact": {"name": "Anna Byron"}}"#;
    voice.say("around", around).await.extractions();
    assert_eq!(voice.shown("around").await[0]["data"], json!({ "name": "Ada Byron" }));
}
