//! What models really write comes to a fact, or is kept with its reason; the domain's tests have the whole table.

use serde_json::{Value, json};

use crate::support::Voice;

#[tokio::test]
async fn a_marker_that_is_nearly_right_is_read_and_what_was_changed_is_told() {
    let voice = Voice::without_kafka().await;
    for (call, text, repaired) in [
        ("escaped-word", r#"All set. PATIENT\_CREATION: {"name": "Ada Byron"} bye"#, Value::Null),
        ("emoji", "\u{2705} **PATIENT_CREATION** \u{1f447}\n```json\n{\"name\": \"Ada Byron\"}\n```", Value::Null),
        ("hyphen", "PATIENT\u{2011}CREATION event: {\"name\": \"Ada Byron\"}", Value::Null),
        ("quoted-key", r#"{"PATIENT_CREATION": {"name": "Ada Byron"}}"#, Value::Null),
        ("python", "PATIENT_CREATION: {'name': 'Ada Byron', 'email': None}", json!(["quotes", "word"])),
        ("tool-call", r#"{"name": "patient_creation", "arguments": "{\"name\": \"Ada Byron\"}"}"#, json!(["escaped"])),
    ] {
        let [taken] = <[Value; 1]>::try_from(voice.say(call, text).await.extractions()).unwrap();
        assert_eq!((&taken["status"], &taken["repaired"]), (&json!("accepted"), &repaired), "{call}");
        let [shown] = <[Value; 1]>::try_from(voice.shown(call).await).unwrap();
        assert_eq!((&shown["data"]["name"], &shown["repaired"]), (&json!("Ada Byron"), &repaired), "{call}");
    }
}

#[tokio::test]
async fn a_thought_makes_no_fact_and_prose_stays_prose() {
    let voice = Voice::without_kafka().await;
    let thought =
        r#"<think>I could emit PATIENT_CREATION: {"name": "Draft Person"} later.</think>May I have your name?"#;
    for (call, text) in [
        ("thought", thought),
        ("prose", "Now I do the PATIENT_CREATION step."),
        ("longer", r#"PATIENT_CREATION_LOG: {"name": "No"}"#),
        ("attributes", r#"<thinking depth="2">PATIENT_CREATION: {"name": "Draft Person"}</thinking>"#),
        ("not-opened", r#"PATIENT_CREATION: {"name": "Draft Person"}</think>May I have your name?"#),
    ] {
        assert_eq!(voice.say(call, text).await.extractions(), [Value::Null; 0], "{call}");
    }
    let alone = "[PATIENT_CREATION] Ada Byron, 212-555-0101";
    let [taken] = <[Value; 1]>::try_from(voice.say("alone", alone).await.extractions()).unwrap();
    assert_eq!(taken["status"], "rejected");
    let unclosed = r#"<think>PATIENT_CREATION: {"name": "Draft Person"}"#;
    let [taken] = <[Value; 1]>::try_from(voice.say("unclosed", unclosed).await.extractions()).unwrap();
    assert_eq!(taken["status"], "rejected");
}
