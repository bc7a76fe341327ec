//! What is said twice is one extraction and one event.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::{Voice, payload};

fn ids(taken: &[Value], status: &str) -> Vec<String> {
    let of_status = taken.iter().filter(|one| one["status"] == status);
    of_status.map(|one| one["extraction_id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn what_is_said_twice_in_a_call_is_one_event() {
    let voice = Voice::start().await;
    let data = json!({ "name": "Ada Byron", "email": "Ada@Example.org", "phone": "555-1234" });
    let said = |data: &Value| format!("PATIENT_CREATION: {data}");
    let taken = voice.say("call-1", &format!("{} and again {}", said(&data), said(&data))).await.extractions();
    let accepted = ids(&taken, "accepted");
    assert_eq!((accepted.len(), ids(&taken, "repeated")), (1, accepted.clone()));
    // In other words, and by the other interface.
    let other = json!({ "phone": "(555) 1234", "name": "ADA  byron", "email": "ada@example.ORG", "mood": "glad" });
    assert_eq!(ids(&voice.say("call-1", &said(&other)).await.extractions(), "repeated"), accepted);
    let again = voice.respond("call-1", "PATIENT_CREATION", data.clone()).await;
    assert_eq!((again.status, &again.json()["status"]), (202, &json!("repeated")));
    // Said in another call it is another fact.
    assert_eq!(ids(&voice.say("call-2", &said(&data)).await.extractions(), "accepted").len(), 1);

    assert_eq!(voice.shown("call-1").await.len(), 1);
    let events = voice.responses().await;
    let of_call: Vec<String> =
        events.iter().map(|event| String::from_utf8(event.key.clone().unwrap()).unwrap()).collect();
    assert_eq!(BTreeSet::from_iter(of_call.iter().map(String::as_str)), BTreeSet::from(["call-1", "call-2"]));
    assert_eq!(events.len(), 2, "{of_call:?}");
    let first = events.iter().map(payload).find(|event| event["data"]["call_id"] == "call-1").unwrap();
    assert_eq!(first["data"]["extraction_id"], accepted[0]);
    assert_eq!(first["event_id"], voice.shown("call-1").await[0]["event_id"]);
}

/// `10` and `11` are the hours of a booking.
fn booking(hour: u8) -> String {
    let data = json!({ "dentist": "Dr. Smith", "date": "2027-03-01", "time": format!("{hour}:00"), "patient_name": "Ada Byron" });
    format!("BOOKING_CONFIRMATION: {data}")
}

#[tokio::test]
async fn what_is_said_again_after_something_else_is_said_anew() {
    let voice = Voice::start().await;
    let statuses = async |text: String| {
        let taken = voice.say("call-1", &text).await.extractions();
        taken.iter().map(|one| one["status"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let all = [booking(10), booking(11), booking(10)].join(" ");
    for (text, expected) in [
        (format!("Ten it is. {}", booking(10)), vec!["accepted"]),
        (format!("Eleven then. {}", booking(11)), vec!["accepted"]),
        (format!("Yes, eleven. {}", booking(11)), vec!["repeated"]),
        // The first text comes late once more.
        (format!("Ten it is. {}", booking(10)), vec!["repeated"]),
        (format!("Back to ten. {}", booking(10)), vec!["accepted"]),
        (format!("The whole call: {all}"), vec!["repeated"; 3]),
        (format!("And more: {all} {}", booking(12)), vec!["repeated", "repeated", "repeated", "accepted"]),
    ] {
        assert_eq!(statuses(text.clone()).await, expected, "{text}");
    }
    for (hour, expected) in [(12, "repeated"), (10, "accepted"), (10, "repeated"), (12, "accepted")] {
        let data = json!({ "dentist": "Dr. Smith", "date": "2027-03-01", "time": format!("{hour}:00"), "patient_name": "Ada Byron" });
        assert_eq!(voice.respond("call-1", "BOOKING_CONFIRMATION", data).await.json()["status"], expected);
    }
    let times = |all: &[Value]| all.iter().map(|one| one["data"]["time"].clone()).collect::<Vec<_>>();
    let said = ["10:00", "11:00", "10:00", "12:00", "10:00", "12:00"];
    assert_eq!(times(&voice.shown("call-1").await), said);
    let events: Vec<_> = voice.responses().await.iter().map(payload).collect();
    assert_eq!(times(&events), said);
    let ids: BTreeSet<_> = events.iter().map(|event| event["event_id"].to_string()).collect();
    assert_eq!(ids.len(), said.len());
}

#[tokio::test]
async fn a_text_in_pieces_says_anew_what_comes_after_something_else() {
    let voice = Voice::without_kafka().await;
    let all = [booking(10), booking(10), booking(11), booking(10)].join(" and ");
    let (one, two) = all.split_at(all.len() / 2);
    let mut taken = Vec::new();
    for (piece, last) in [(one, false), (two, true)] {
        let url = voice.url(&format!("/api/v1/calls/call/output?final={last}"));
        let request = voice.client.post(url).header("content-type", "text/plain").body(piece.to_owned());
        taken.extend(voice.send(request).await.extractions());
    }
    let statuses: Vec<_> = taken.iter().map(|one| one["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["accepted", "repeated", "accepted", "accepted"]);
}

#[tokio::test]
async fn the_same_post_at_the_same_time_is_one_extraction() {
    let voice = Voice::without_kafka().await;
    let text = r#"PATIENT_CREATION: {"name": "Ada Byron", "phone": "555-1234"}"#;
    for round in 0..20 {
        let call = format!("call-{round}");
        let data = json!({ "name": "Ada Byron", "phone": "555-1234" });
        let (text_a, text_b, data) = tokio::join!(
            voice.say(&call, text),
            voice.say(&call, text),
            voice.respond(&call, "PATIENT_CREATION", data)
        );
        let taken = [text_a.extractions(), text_b.extractions(), vec![data.json()]].concat();
        assert_eq!((ids(&taken, "accepted").len(), ids(&taken, "repeated").len()), (1, 2), "{taken:?}");
        assert_eq!(voice.shown(&call).await.len(), 1);
    }
    let rows = voice.rows().await;
    assert!(rows.contains(&("extractions".to_owned(), 20)) && rows.contains(&("outbox".to_owned(), 20)), "{rows:?}");
}

#[tokio::test]
async fn a_piece_that_is_sent_again_with_its_key_is_taken_once() {
    let voice = Voice::without_kafka().await;
    let piece = async |key: &str, text: &str, last: bool| {
        let url = voice.url(&format!("/api/v1/calls/call/output?final={last}"));
        let request = voice.client.post(url).header("content-type", "text/plain").header("idempotency-key", key);
        voice.send(request.body(text.to_owned())).await
    };
    let first = piece("piece-0001", "PATIENT_CREATION: {\"name\": \"Ada ", false).await;
    let again = piece("piece-0001", "PATIENT_CREATION: {\"name\": \"Ada ", false).await;
    assert_eq!((first.status, &first.body), (again.status, &again.body));
    let other = piece("piece-0001", "PATIENT_CREATION: {\"name\": \"Eve ", false).await;
    assert_eq!((other.status, other.content_type.as_str()), (409, "application/problem+json"), "{}", other.body);
    let last = piece("piece-0002", "Byron\"}", true).await;
    let again = piece("piece-0002", "Byron\"}", true).await;
    assert_eq!(last.body, again.body);
    assert_eq!(ids(&last.extractions(), "accepted").len(), 1, "{}", last.body);
    let shown = voice.shown("call").await;
    assert_eq!(shown.len(), 1, "{shown:?}");
    assert_eq!(shown[0]["data"], json!({ "name": "Ada Byron" }));
}
