//! `GET /api/v1/calls/{call_id}`: what became of what was said.

use events::contract::{
    event::EventId,
    schema::healthcore::{AppointmentBookedV1, PatientCreatedV1, PatientUpdatedV1},
    topics::{APPOINTMENT_BOOKED, PATIENT_CREATED},
};
use serde_json::{Value, json};

use crate::support::{Voice, appointment};

const PATIENT: &str = r#"PATIENT_CREATION: {"name": "Ada Byron", "date_of_birth": "12/10/1985"}"#;
const BOOKING: &str = r#"BOOKING_CONFIRMATION: {"dentist": "Dr. Smith", "date": "2026-12-01", "time": "10:00",
    "patient_name": "Ada Byron"}"#;

fn event_id(extraction: &Value) -> EventId {
    EventId(extraction["event_id"].as_str().unwrap().parse().unwrap())
}

fn created(patient_id: i64) -> PatientCreatedV1 {
    PatientCreatedV1 { patient_id, name: "Ada Byron".to_owned(), email: None, phone: None, date_of_birth: None }
}

#[tokio::test]
async fn without_kafka_it_is_accepted_and_with_it_published() {
    let off = Voice::without_kafka().await;
    off.say("call", PATIENT).await.extractions();
    let shown = &off.shown("call").await[0];
    assert_eq!((&shown["status"], &shown["applied_at"]), (&json!("accepted"), &Value::Null));
    assert_eq!(shown["data"], json!({ "name": "Ada Byron", "date_of_birth": "1985-12-10" }));
    assert_eq!(shown["span"], json!({ "from": 0, "to": PATIENT.len() }));

    let on = Voice::start().await;
    on.say("call", PATIENT).await.extractions();
    on.wait_for_status("call", "published").await;
}

#[tokio::test]
async fn what_was_said_while_kafka_was_off_is_published_once_it_is_on() {
    let off = Voice::without_kafka().await;
    off.say("call", PATIENT).await.extractions();
    let on = off.again(&[]).await;
    on.wait_for_status("call", "published").await;
    assert_eq!(on.responses().await.len(), 1);
}

#[tokio::test]
async fn a_patient_in_the_record_is_applied_by_the_cause_alone() {
    let voice = Voice::start().await;
    voice.say("call-1", PATIENT).await.extractions();
    voice.say("call-2", PATIENT).await.extractions();
    let first = event_id(&voice.wait_for_status("call-1", "published").await);
    // Of the same journey, but caused by something else; and by nothing at all.
    voice.tell("call-2", Some(EventId::new()), created(5)).await;
    voice.tell("call-2", None, created(6)).await;
    voice.tell("another", Some(first), created(7)).await;
    let shown = voice.wait_for_status("call-1", "applied").await;
    assert_eq!((&shown["patient_id"], &shown["appointment_id"]), (&json!(7), &Value::Null));
    assert!(shown["applied_at"].is_string());

    let second = event_id(&voice.wait_for_status("call-2", "published").await);
    let returning = PatientUpdatedV1 {
        patient_id: 8,
        name: "Ada Byron".to_owned(),
        email: None,
        phone: None,
        date_of_birth: None,
        changed: vec!["last_contact_at".to_owned()],
    };
    voice.tell("call-2", Some(second), returning).await;
    assert_eq!(voice.wait_for_status("call-2", "applied").await["patient_id"], 8);
}

#[tokio::test]
async fn a_booking_is_applied_by_its_cause_or_by_journey_and_slot() {
    let voice = Voice::start().await;
    for call in ["by-cause", "by-slot", "other"] {
        voice.say(call, BOOKING).await.extractions();
    }
    let cause = event_id(&voice.wait_for_status("by-cause", "published").await);
    voice.wait_for_status("other", "published").await;
    let booked =
        |id, patient, dentist, time| AppointmentBookedV1(appointment(id, patient, dentist, "2026-12-01", time));
    // One patient's facts stay in order: what must not apply comes first.
    voice.tell("by-slot", Some(EventId::new()), booked(1, Some(4), "Dr. Smith", "10:30")).await;
    voice.tell("by-slot", Some(EventId::new()), booked(2, Some(4), "Dr. Jones", "10:00")).await;
    voice.tell("by-slot", Some(EventId::new()), booked(3, Some(4), "dr. smith", "10:00")).await;
    let shown = voice.wait_for_status("by-slot", "applied").await;
    assert_eq!((&shown["appointment_id"], &shown["patient_id"]), (&json!(3), &json!(4)));

    voice.tell("by-cause", Some(cause), booked(9, None, "Dr. Smith", "11:00")).await;
    let shown = voice.wait_for_status("by-cause", "applied").await;
    assert_eq!((&shown["appointment_id"], &shown["patient_id"]), (&json!(9), &Value::Null));
    assert_eq!(voice.shown("other").await[0]["status"], "published");
}

#[tokio::test]
async fn an_event_of_the_record_system_that_cannot_be_read_holds_nothing_up() {
    let voice = Voice::start().await;
    voice.say("call", PATIENT).await.extractions();
    let event = event_id(&voice.wait_for_status("call", "published").await);
    for value in [b"no JSON Ada".as_slice(), b"", br#"{"event_type": "patient.created", "data": {"name": "Ada"}}"#] {
        voice.tell_raw(&PATIENT_CREATED, b"7", value, &[]).await;
    }
    voice.tell_raw(&APPOINTMENT_BOOKED, b"7", br#"{"event_id": 5}"#, &[]).await;
    voice.tell("call", Some(event), created(7)).await;
    voice.wait_for_status("call", "applied").await;
}
