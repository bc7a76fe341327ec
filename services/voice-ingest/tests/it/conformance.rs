//! Each handler against what every handler has to stand.

use events::contract::{
    event::{EventId, NewEvent},
    schema::healthcore::{
        AppointmentBookedV1, AppointmentCancelledV1, AppointmentCompletedV1, AppointmentHeldV1, PatientCreatedV1,
        PatientUpdatedV1,
    },
};
use serde_json::json;
use test_kit::conformance::Trial;
use voice_ingest::handlers::{
    NoteBooking, NoteCancellation, NoteCompletion, NoteHeldBooking, NoteNewPatient, NoteReturningPatient,
};

use crate::support::{Voice, appointment};

const EFFECTS: &str = "SELECT count(*) FROM extractions WHERE applied_at IS NOT NULL OR outcome IS NOT NULL";

/// What was said in the calls of a handler's trial; the events tell what became of it.
async fn said(voice: &Voice, of: &str, response_type: &str, data: impl Fn(u32) -> serde_json::Value) -> Vec<EventId> {
    let mut causes = Vec::new();
    for n in 0..4 {
        let call = format!("{of}-{n}");
        assert_eq!(voice.respond(&call, response_type, data(n)).await.status, 202);
        let cause = voice.shown(&call).await[0]["event_id"].as_str().unwrap().parse().unwrap();
        causes.push(EventId(cause));
    }
    causes
}

/// The cause and the call of an event of a handler's trial.
fn told(causes: &[EventId], of: &str, n: u32) -> (Option<EventId>, String) {
    (Some(causes[n as usize]), format!("{of}-{n}"))
}

/// What is told of appointments, by each of the handlers for it.
macro_rules! booking {
    ($voice:ident, $pool:ident, $handler:ident, $event:ident, $call:literal, $date:literal) => {
        let time = |n: u32| format!("1{n}:00");
        let causes = said(
            &$voice,
            $call,
            "BOOKING_CONFIRMATION",
            |n| json!({"dentist": "Dr. Smith", "date": $date, "time": time(n), "patient_name": "Ada Byron"}),
        )
        .await;
        Trial {
            handler: &|| $handler,
            pool: &$pool,
            effects: EFFECTS,
            event: &|n| {
                let (causation_id, call) = told(&causes, $call, n);
                let told = appointment(n.into(), Some(n.into()), "Dr. Smith", $date, &time(n));
                NewEvent { causation_id, ..NewEvent::fact($event(told)) }.correlated(call)
            },
        }
        .conforms()
        .await;
    };
}

#[tokio::test(flavor = "multi_thread")]
async fn every_handler_conforms() {
    let voice = Voice::without_kafka().await;
    let pool = voice.database.pool_in("voice").await;
    let caller = |n: u32| json!({"name": "Ada Byron", "email": format!("ada{n}@example.com")});
    let causes = said(&voice, "new", "PATIENT_CREATION", caller).await;
    Trial {
        handler: &|| NoteNewPatient,
        pool: &pool,
        effects: EFFECTS,
        event: &|n| {
            let (causation_id, call) = told(&causes, "new", n);
            let data = PatientCreatedV1 {
                patient_id: n.into(),
                name: "Ada Byron".to_owned(),
                email: None,
                phone: None,
                date_of_birth: None,
            };
            NewEvent { causation_id, ..NewEvent::fact(data) }.correlated(call)
        },
    }
    .conforms()
    .await;

    let causes = said(&voice, "known", "PATIENT_CREATION", caller).await;
    Trial {
        handler: &|| NoteReturningPatient,
        pool: &pool,
        effects: EFFECTS,
        event: &|n| {
            let (causation_id, call) = told(&causes, "known", n);
            let data = PatientUpdatedV1 {
                patient_id: n.into(),
                name: "Ada Byron".to_owned(),
                email: None,
                phone: None,
                date_of_birth: None,
                changed: vec!["last_contact_at".to_owned()],
            };
            NewEvent { causation_id, ..NewEvent::fact(data) }.correlated(call)
        },
    }
    .conforms()
    .await;

    booking!(voice, pool, NoteBooking, AppointmentBookedV1, "booked", "2030-01-07");
    booking!(voice, pool, NoteCompletion, AppointmentCompletedV1, "completed", "2030-01-08");
    booking!(voice, pool, NoteHeldBooking, AppointmentHeldV1, "held", "2030-01-09");
    booking!(voice, pool, NoteCancellation, AppointmentCancelledV1, "cancelled", "2030-01-10");
}
