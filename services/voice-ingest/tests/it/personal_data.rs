//! What a caller said is in the dead letter's bytes, where a person can correct it, and in no log and no header.

use events::contract::{
    headers::dlq,
    topics::{DEAD_LETTER_QUEUE, PATIENT_CREATED},
};
use serde_json::json;
use test_kit::{kafka, stack};

use crate::support::{LONG, Voice, text};

/// Words that nothing but a caller's data holds.
const NAME: &str = "Kunigunde Xanthippe";
const EMAIL: &str = "kunigunde.x@kanarienvogel.example";
const PHONE: &str = "555-7351-7352";
const BIRTH: &str = "11/23/1947";
const TALK: &str = "schmerzhafte Weisheitszahnwurzel";

/// Each of them, and every form that the service may have given it. Fewer digits stand in times and ids by chance.
const CANARIES: [&str; 10] = [
    "Kunigunde",
    "Xanthippe",
    "kanarienvogel",
    "7351-7352",
    "73517352",
    "7351 7352",
    BIRTH,
    "1947-11-23",
    "1947-11-32",
    "Weisheitszahnwurzel",
];

fn check(place: &str, text: &str) {
    let text = text.to_lowercase();
    let leaked: Vec<&str> = CANARIES.into_iter().filter(|word| text.contains(&word.to_lowercase())).collect();
    let lines: Vec<&str> =
        text.lines().filter(|line| leaked.iter().any(|word| line.contains(&word.to_lowercase()))).collect();
    assert!(leaked.is_empty(), "{leaked:?} in {place}:\n{}", lines.join("\n"));
}

#[tokio::test]
async fn what_callers_say_is_in_no_log_and_in_no_header_of_a_dead_letter() {
    let voice = Voice::with(&[("RUST_LOG", "debug")]).await;
    let patient = |birth: &str, more: &str| {
        format!(r#"{{"name": "{NAME}", "email": "{EMAIL}", "phone": "{PHONE}", "date_of_birth": "{birth}"{more}}}"#)
    };
    let valid = patient(BIRTH, "");
    let invalid = patient("1947-11-32", &format!(r#", "remark": "{TALK}""#));
    let unknown_type = format!(r#"{{"call_id": "f", "response_type": "{NAME}", "data": {valid}}}"#);
    let response = |data: &str| format!(r#"{{"call_id": "f", "response_type": "PATIENT_CREATION", "data": {data}}}"#);

    // Valid, invalid, broken in several places, and no marker at all.
    let texts = [
        format!("{TALK} PATIENT_CREATION: {valid} {TALK}"),
        format!("PATIENT_CREATION: {invalid}"),
        format!("PATIENT_CREATION: {}", &valid[..valid.len() - 12]),
        format!("PATIENT_CREATION: {{\"name\": {NAME}, \"email\": \"{EMAIL}\", {PHONE} {BIRTH} {TALK}}}"),
        format!("PATIENT_CREATION: {NAME}, {EMAIL}, {PHONE}, {BIRTH}: {TALK}"),
        format!(
            "BOOKING_CONFIRMATION: {{\"dentist\": \"Dr. Smith\", \"date\": \"{TALK}\", \"patient_name\": \"{NAME}\"}}"
        ),
        format!("{TALK}, {NAME}"),
    ];
    for (number, said) in texts.iter().enumerate() {
        assert_eq!(voice.say(&format!("call-{number}"), said).await.status, 202);
    }
    let refused = [
        (response(&valid.replace('@', " at ")), 422),
        (response(&invalid), 422),
        (response(&format!("\"{NAME} {TALK}\"")), 422),
        (unknown_type, 422),
        (response(&valid).replace("call_id", "id"), 422),
        (response(&format!("{NAME} {TALK}")), 400),
        (format!("{TALK} {NAME}"), 400),
    ];
    for (body, status) in refused {
        let answer = voice.post("/api/v1/ai-responses", "application/json", body).await;
        assert_eq!(answer.status, status, "{}", answer.body);
        check("an answer", &answer.body);
    }
    assert_eq!(voice.post("/api/v1/ai-responses", "application/json", response(&valid)).await.status, 202);
    // Where no data belong, some callers put them all the same.
    assert_eq!(voice.get(&format!("/api/v1/calls/{EMAIL}?name={NAME}&phone={PHONE}")).await.status / 100, 4);
    assert_eq!(voice.get(&format!("/{NAME}/{BIRTH}")).await.status, 404);

    // The record system's events hold them too, and may be broken.
    let event = |id: &str, data| json!({ "event_id": id, "event_type": "patient.created", "timestamp": "2026-12-01T10:00:00Z", "data": data });
    let id = "0190a0a0-0000-7000-8000-000000000001";
    let poison = [
        format!("{NAME} {TALK}"),
        format!(r#"{{"name": "{NAME}", "phone": "{PHONE}"}}"#),
        event(id, json!({ "patient_id": NAME, "name": NAME })).to_string(),
        event(id, json!({ "patient_id": 7, "name": NAME, "date_of_birth": BIRTH })).to_string(),
        event(id, json!({ "patient_id": 7, "name": NAME })).to_string().replace("2026-12-01", BIRTH),
    ];
    // An id that is no UUID is read as what an earlier publisher wrote; here it holds what it should not.
    let foreign_id = event(NAME, json!({ "patient_id": 7, "name": NAME })).to_string();
    for value in poison.iter().chain([&foreign_id]) {
        voice.tell_raw(&PATIENT_CREATED, b"7", value.as_bytes(), &[]).await;
    }

    let queue = voice.names.in_kafka(&DEAD_LETTER_QUEUE);
    let letters = kafka::read_topic(&stack::kafka(), &queue, 5 + poison.len(), LONG).await;
    for letter in &letters {
        let own = letter.headers.iter().filter(|(name, _)| name.starts_with(dlq::PREFIX));
        let own: Vec<String> = own.map(|(name, value)| format!("{name}={}", text(value))).collect();
        assert!(own.len() >= 20, "{own:?}");
        check("a dead letter's headers", &own.join("\n"));
    }
    // Nothing is lost by that: the bytes are there, as they came.
    let bytes: Vec<String> = letters.iter().map(|letter| text(letter.payload.as_deref().unwrap())).collect();
    for value in &poison {
        assert!(bytes.contains(value), "{value}");
    }
    for word in [NAME, EMAIL, PHONE, BIRTH, TALK] {
        assert!(bytes.iter().any(|bytes| bytes.contains("response_type") && bytes.contains(word)), "{word}: {bytes:?}");
    }
    check("the log", &voice.service.log());
}
