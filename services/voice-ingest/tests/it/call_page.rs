//! `GET /api/v1/calls/{call_id}`: what became of what was said.

use chrono::DateTime;
use events::contract::{
    event::EventId,
    schema::healthcore::{
        AppointmentBookedV1, AppointmentCancelledV1, AppointmentCompletedV1, AppointmentHeldV1, PatientCreatedV1,
        PatientUpdatedV1,
    },
    topics::{APPOINTMENT_BOOKED, PATIENT_CREATED},
};
use serde_json::{Value, json};
use test_kit::wait::wait_until;

use crate::support::{LONG, Voice, appointment};

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
async fn a_booking_is_applied_by_its_cause_and_by_nothing_else() {
    let voice = Voice::start().await;
    for call in ["one", "other"] {
        voice.say(call, BOOKING).await.extractions();
    }
    let cause = event_id(&voice.wait_for_status("one", "published").await);
    voice.wait_for_status("other", "published").await;
    let booked = |id, time| AppointmentBookedV1(appointment(id, Some(4), "Dr. Smith", "2026-12-01", time));
    // Of the same call, with the same slot and the same name, and caused by something else or by nothing.
    voice.tell("one", Some(EventId::new()), booked(1, "10:00")).await;
    voice.tell("one", None, booked(2, "10:00")).await;
    voice.tell("other", None, booked(3, "10:00")).await;
    // One patient's facts stay in order: what must not apply came first.
    voice.tell("one", Some(cause), booked(9, "11:00")).await;
    let shown = voice.wait_for_status("one", "applied").await;
    assert_eq!((&shown["appointment_id"], &shown["patient_id"]), (&json!(9), &json!(4)));
    assert_eq!(shown["appointment"], json!({ "dentist": "Dr. Smith", "date": "2026-12-01", "time": "11:00" }));
    assert_eq!(voice.shown("other").await[0]["status"], "published");
}

/// One of the events of the record system, with its moment.
enum Told {
    Booked,
    Held(&'static str),
    Cancelled(&'static str),
    Completed,
}

async fn tell(voice: &Voice, cause: Option<EventId>, at_s: i64, told: &Told) {
    let data = |reason: &str| {
        let mut data = appointment(9, Some(4), "Dr. Smith", "2026-12-01", "10:00");
        data.reason = (!reason.is_empty()).then(|| reason.to_owned());
        data
    };
    let at = DateTime::from_timestamp(1_796_000_000 + at_s, 0).unwrap();
    match told {
        Told::Booked => voice.tell_at("call", cause, at, AppointmentBookedV1(data(""))).await,
        Told::Held(why) => voice.tell_at("call", cause, at, AppointmentHeldV1(data(why))).await,
        Told::Cancelled(why) => voice.tell_at("call", cause, at, AppointmentCancelledV1(data(why))).await,
        Told::Completed => voice.tell_at("call", cause, at, AppointmentCompletedV1(data(""))).await,
    }
}

#[tokio::test]
async fn of_what_happened_in_one_millisecond_the_more_final_is_shown() {
    let voice = Voice::start().await;
    voice.say("call", BOOKING).await.extractions();
    let cause = Some(event_id(&voice.wait_for_status("call", "published").await));
    let handled = async |voice: &Voice| -> i64 {
        sqlx::query_scalar("SELECT count(*) FROM voice.inbox").fetch_one(voice.database.pool()).await.unwrap()
    };
    let (mut at_s, mut told_so_far) = (0, 0);
    // In whatever order they come.
    for of_one_moment in [
        [Told::Booked, Told::Cancelled("staff")],
        [Told::Cancelled("staff"), Told::Booked],
        [Told::Completed, Told::Cancelled("staff")],
        [Told::Cancelled("staff"), Told::Completed],
    ] {
        at_s += 10;
        tell(&voice, cause, at_s, &Told::Held("unknown_patient")).await;
        voice.wait_for_status("call", "held").await;
        told_so_far += 1;
        for told in &of_one_moment {
            tell(&voice, cause, at_s + 1, told).await;
            // Each is applied before the next comes: their topics have no order among them.
            told_so_far += 1;
            wait_until("it is handled", LONG, || async { handled(&voice).await == told_so_far }).await;
        }
        assert_eq!(voice.shown("call").await[0]["status"], "cancelled");
    }
}

#[tokio::test]
async fn a_page_says_what_a_booking_is_now_and_why() {
    let voice = Voice::start().await;
    voice.say("call", BOOKING).await.extractions();
    let cause = Some(event_id(&voice.wait_for_status("call", "published").await));
    for (n, (told, status)) in [
        (Told::Held("unknown_patient"), "held"),
        (Told::Booked, "applied"),
        (Told::Cancelled("moved"), "cancelled"),
        (Told::Booked, "applied"),
        (Told::Completed, "applied"),
    ]
    .iter()
    .enumerate()
    {
        tell(&voice, cause, i64::try_from(n).unwrap(), told).await;
        let shown = voice.wait_for_status("call", status).await;
        let why = match told {
            Told::Held(why) | Told::Cancelled(why) => json!(why),
            Told::Booked | Told::Completed => Value::Null,
        };
        wait_until("the page says why", LONG, || async { voice.shown("call").await[0]["reason"] == why }).await;
        assert_eq!(shown["appointment_id"], 9);
    }
    assert!(voice.shown("call").await[0]["applied_at"].is_string());
}

#[tokio::test]
async fn what_happened_last_stands_in_whatever_order_it_is_told() {
    let voice = Voice::start().await;
    voice.say("call", BOOKING).await.extractions();
    let cause = Some(event_id(&voice.wait_for_status("call", "published").await));
    let reason_is = async |why: &str| {
        wait_until(why, LONG, || async { voice.shown("call").await[0]["reason"] == why }).await;
    };
    tell(&voice, cause, 10, &Told::Cancelled("moved")).await;
    voice.wait_for_status("call", "cancelled").await;
    // From other topics, late. Each topic is in order, so what comes behind shows that it was heard.
    tell(&voice, cause, 5, &Told::Booked).await;
    tell(&voice, cause, 4, &Told::Held("unknown_patient")).await;
    tell(&voice, cause, 9, &Told::Cancelled("earlier")).await;
    wait_until("all were handled", LONG, || async {
        let handled = "SELECT count(*) FROM voice.inbox WHERE consumer LIKE '%note-%'";
        sqlx::query_scalar::<_, i64>(handled).fetch_one(voice.database.pool()).await.unwrap() >= 4
    })
    .await;
    let shown = &voice.shown("call").await[0];
    assert_eq!((&shown["status"], &shown["reason"]), (&json!("cancelled"), &json!("moved")));
    // What is taken back to be looked at is told twice at once.
    tell(&voice, cause, 20, &Told::Held("the dentist is ill")).await;
    voice.wait_for_status("call", "held").await;
    tell(&voice, cause, 20, &Told::Cancelled("the dentist is ill")).await;
    tell(&voice, None, 30, &Told::Cancelled("by the journey and the number")).await;
    reason_is("by the journey and the number").await;
    voice.wait_for_status("call", "cancelled").await;
}

#[tokio::test]
async fn a_call_that_confirms_what_another_booked_follows_it() {
    let voice = Voice::start().await;
    for call in ["first", "second"] {
        voice.say(call, BOOKING).await.extractions();
    }
    let first = event_id(&voice.wait_for_status("first", "published").await);
    let second = event_id(&voice.wait_for_status("second", "published").await);
    let told = || appointment(9, Some(4), "Dr. Smith", "2026-12-01", "10:00");
    // The journey is that of the call that booked.
    voice.tell("first", Some(first), AppointmentBookedV1(told())).await;
    voice.tell("first", Some(second), AppointmentBookedV1(told())).await;
    for call in ["first", "second"] {
        assert_eq!(voice.wait_for_status(call, "applied").await["appointment_id"], 9);
    }
    voice.tell("first", Some(first), AppointmentCancelledV1(told())).await;
    for call in ["first", "second"] {
        voice.wait_for_status(call, "cancelled").await;
    }
    // A record that was begun anew gives numbers again: that one is somebody else's.
    voice.tell("third", Some(EventId::new()), AppointmentBookedV1(told())).await;
    voice.say("third", PATIENT).await.extractions();
    let patient = event_id(&voice.wait_for_status("third", "published").await);
    voice.tell("third", Some(patient), created(4)).await;
    voice.wait_for_status("third", "applied").await;
    for call in ["first", "second"] {
        assert_eq!(voice.shown(call).await[0]["status"], "cancelled");
    }
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
