//! What the caller was told is booked is in the book, or waits for a person with the reason.

use serde_json::json;

use crate::support::{Published, Record, booking, patient, types};

/// Status and reason.
type State<'a> = (&'a str, Option<&'a str>);

const BOOKED: State<'_> = ("booked", None);

/// Patient, status and reason of all appointments.
async fn assert_appointments(record: &Record, expected: &[(Option<i64>, State<'_>)]) {
    let all = record.appointments().await;
    let all: Vec<_> =
        all.iter().map(|(patient, status, reason)| (*patient, (status.as_str(), reason.as_deref()))).collect();
    assert_eq!(all, expected);
}

fn told(event: &Published) -> (&str, Option<&str>) {
    (&event.event_type, event.correlation.as_deref())
}

#[tokio::test]
async fn a_booking_belongs_to_the_patient_of_its_call() {
    let record = Record::start().await;
    record.told("call-1", patient("call-1", "John Doe", "555-1234", None)).await;
    record.told("call-2", patient("call-2", "John Smith", "555-9876", None)).await;
    // The caller is called by the first name alone.
    let id = record.told("call-1", booking("call-1", "John", "Dr. Smith", "10:00")).await;
    assert_appointments(&record, &[(Some(1), BOOKED)]).await;
    let caused = record.caused_by(id).await;
    assert_eq!(caused.iter().map(told).collect::<Vec<_>>(), [("appointment.booked", Some("call-1"))]);
    assert_eq!(caused[0].key, "1", "one patient's facts are in order");
    let expected = json!({
        "appointment_id": 1, "patient_id": 1, "patient_name": "John", "dentist": "Dr. Smith", "date": "2026-12-01",
        "time": "10:00", "starts_at": "2026-12-01T10:00:00.000Z", "status": "booked"
    });
    assert_eq!(caused[0].data, expected);
}

#[tokio::test]
async fn a_booking_in_another_call_is_found_by_the_name_if_only_one_has_it() {
    let record = Record::start().await;
    record.told("call-1", patient("call-1", "John Doe", "555-1234", None)).await;
    record.told("call-2", booking("call-2", "john DOE", "Dr. Smith", "10:00")).await;
    assert_appointments(&record, &[(Some(1), BOOKED)]).await;
    // A second John Doe: now the name tells nothing.
    record.told("call-3", patient("call-3", "John Doe", "555-9876", None)).await;
    let id = record.told("call-4", booking("call-4", "John Doe", "Dr. Smith", "11:00")).await;
    assert_appointments(&record, &[(Some(1), BOOKED), (None, ("needs_review", Some("unknown_patient")))]).await;
    assert_eq!(types(&record.caused_by(id).await), ["appointment.held"], "what needs review is confirmed to nobody");
}

#[tokio::test]
async fn a_booking_is_not_for_whom_its_title_contradicts() {
    let record = Record::start().await;
    const HELD: State<'_> = ("needs_review", Some("unknown_patient"));
    record.told("call-1", patient("call-1", "Mrs. Roe", "555-1234", None)).await;
    // In another call, in hers, and before her.
    record.told("call-2", booking("call-2", "Mr. Roe", "Dr. Smith", "10:00")).await;
    record.told("call-1", booking("call-1", "Mr. Roe", "Dr. Smith", "11:00")).await;
    record.told("call-3", booking("call-3", "Herr Doe", "Dr. Smith", "12:00")).await;
    record.told("call-3", patient("call-3", "Frau Doe", "555-9876", None)).await;
    assert_appointments(&record, &[(None, HELD), (None, HELD), (None, HELD)]).await;
    // The other title is hers, and none tells nothing.
    record.told("call-4", booking("call-4", "Ms. Roe", "Dr. Smith", "13:00")).await;
    record.told("call-5", booking("call-5", "Roe", "Dr. Smith", "14:00")).await;
    record.told("call-6", patient("call-6", "Mr. Roe", "555-5555", None)).await;
    record.told("call-7", booking("call-7", "Mister Roe", "Dr. Smith", "15:00")).await;
    let expected = [(None, HELD), (None, HELD), (None, HELD), (Some(1), BOOKED), (Some(1), BOOKED), (Some(3), BOOKED)];
    assert_appointments(&record, &expected).await;
}

#[tokio::test]
async fn a_booking_before_its_patient_is_known_waits_and_is_booked_then() {
    let record = Record::start().await;
    let early = record.told("call", booking("call", "Ada Byron", "Dr. Smith", "10:00")).await;
    assert_appointments(&record, &[(None, ("needs_review", Some("unknown_patient")))]).await;
    let held = record.caused_by(early).await;
    assert_eq!((types(&held), held[0].key.as_str()), (vec!["appointment.held"], "appointment-1"));
    assert_eq!((&held[0].data["status"], &held[0].data["reason"]), (&json!("held"), &json!("unknown_patient")));
    // Another call does not take it.
    record.told("other", patient("other", "Grace Hopper", "555-1234", None)).await;
    assert_appointments(&record, &[(None, ("needs_review", Some("unknown_patient")))]).await;

    let id = record.told("call", patient("call", "Ada Byron", "ada@example.org", None)).await;
    assert_appointments(&record, &[(Some(2), BOOKED)]).await;
    let caused = record.caused_by(id).await;
    assert_eq!(caused.iter().map(told).collect::<Vec<_>>(), [("patient.created", Some("call"))]);
    // The cause of a booking is what announced it, whatever made it possible.
    let caused = record.caused_by(early).await;
    let expected = [("appointment.held", Some("call")), ("appointment.booked", Some("call"))];
    assert_eq!(caused.iter().map(told).collect::<Vec<_>>(), expected);
    assert_eq!((caused[1].key.as_str(), &caused[1].data["patient_id"]), ("2", &json!(2)));
}

#[tokio::test]
async fn what_a_person_decided_of_a_booking_stays() {
    const HELD: State<'_> = ("needs_review", Some("call back: wrong insurance"));
    let record = Record::start().await;
    record.told("other", patient("other", "Ann Poe", "ann@example.org", None)).await;
    record.told("call", booking("call", "Tom Zed", "Dr. Smith", "10:00")).await;
    record.told("call", booking("call", "Tom Zed", "Dr. Jones", "11:00")).await;
    for decided in [
        "UPDATE healthcore.appointments SET patient_id = 1, status = 'booked', reason = NULL WHERE id = 1",
        "UPDATE healthcore.appointments SET reason = 'call back: wrong insurance' WHERE id = 2",
    ] {
        sqlx::query(decided).execute(record.database.pool()).await.unwrap();
    }
    record.told("call", patient("call", "Tom Zed", "tom@example.org", None)).await;
    assert_appointments(&record, &[(Some(1), BOOKED), (None, HELD)]).await;
}

#[tokio::test]
async fn the_second_who_wants_a_slot_waits_for_a_person() {
    let record = Record::start().await;
    for (number, name) in ["Ada Byron", "Grace Hopper"].into_iter().enumerate() {
        let call = format!("call-{}", number + 1);
        record.told(&call, patient(&call, name, &format!("555-000{number}"), None)).await;
    }
    record.told("call-1", booking("call-1", "Ada Byron", "Dr. Smith", "10:00")).await;
    let second = record.told("call-2", booking("call-2", "Grace Hopper", "dr. smith", "10:00")).await;
    assert_appointments(&record, &[(Some(1), BOOKED), (Some(2), ("needs_review", Some("slot_taken")))]).await;
    let caused = record.caused_by(second).await;
    assert_eq!((types(&caused), caused[0].key.as_str()), (vec!["appointment.held"], "2"), "two were promised one slot");
    // Another dentist at that time, and that dentist at another.
    record.told("call-3", booking("call-3", "Grace Hopper", "Dr. Jones", "10:00")).await;
    record.told("call-4", booking("call-4", "Grace Hopper", "Dr. Smith", "10:30")).await;
    assert_eq!(record.appointments().await.iter().filter(|(_, status, _)| status == "booked").count(), 3);
    let (_, _, held) = record.get("/api/v1/appointments/?status=needs_review").await;
    assert_eq!(held["items"].as_array().unwrap().len(), 1);
    assert_eq!(held["items"][0]["reason"], "slot_taken");
}

#[tokio::test]
async fn a_booking_that_waited_finds_its_slot_taken() {
    let record = Record::start().await;
    record.told("early", booking("early", "Ada Byron", "Dr. Smith", "10:00")).await;
    record.told("quick", patient("quick", "Grace Hopper", "555-1234", None)).await;
    record.told("quick", booking("quick", "Grace Hopper", "Dr. Smith", "10:00")).await;
    let id = record.told("early", patient("early", "Ada Byron", "555-9876", None)).await;
    assert_appointments(&record, &[(Some(2), ("needs_review", Some("slot_taken"))), (Some(1), BOOKED)]).await;
    assert_eq!(record.caused_by(id).await.iter().map(told).collect::<Vec<_>>(), [("patient.created", Some("early"))]);
}

#[tokio::test]
async fn the_same_booking_again_is_one_appointment() {
    let record = Record::start().await;
    record.told("call-1", patient("call-1", "Ada Byron", "555-1234", None)).await;
    record.told("call-1", booking("call-1", "Ada Byron", "Dr. Smith", "10:00")).await;
    // In the same call, and by a call that confirms it.
    for call in ["call-1", "call-2"] {
        let id = record.told(call, booking(call, "Ada Byron", "Dr. Smith", "10:00")).await;
        // Told again, so that the page of the call that confirms it can say so; of the journey that it belongs to.
        let caused = record.caused_by(id).await;
        assert_eq!(caused.iter().map(told).collect::<Vec<_>>(), [("appointment.booked", Some("call-1"))]);
        assert_eq!(caused[0].data["appointment_id"], 1);
    }
    assert_appointments(&record, &[(Some(1), BOOKED)]).await;
}

#[tokio::test]
async fn a_slot_wanted_by_many_at_once_is_given_once() {
    let record = Record::start().await;
    let names: Vec<String> = (b'A'..=b'P').map(|letter| format!("Caller {}", char::from(letter))).collect();
    for name in &names {
        record.hear(name, patient(name, name, &format!("{}@example.org", name.replace(' ', ".")), None)).await;
    }
    let wanted = futures::future::join_all(
        names.iter().map(|name| record.hear(name, booking(name, name, "Dr. Smith", "10:00"))),
    )
    .await;
    for id in &wanted {
        record.wait_until_handled(*id).await;
    }
    let all = record.appointments().await;
    let booked = all.iter().filter(|(_, status, _)| status == "booked").count();
    let held = all.iter().filter(|(_, _, reason)| reason.as_deref() == Some("slot_taken")).count();
    assert_eq!((booked, held), (1, names.len() - 1));
    let announced = record.events().await.iter().filter(|event| event.is("appointment.booked")).count();
    assert_eq!(announced, 1);
}

#[tokio::test]
async fn the_time_that_a_caller_is_told_is_the_practices() {
    let record = Record::with(&[("PRACTICE_TIME_ZONE", "Europe/Berlin")]).await;
    record.told("call", patient("call", "Ada Byron", "555-1234", None)).await;
    let id = record.told("call", booking("call", "Ada Byron", "Dr. Smith", "10:00")).await;
    let data = &record.caused_by(id).await[0].data;
    assert_eq!((&data["time"], &data["starts_at"]), (&json!("10:00"), &json!("2026-12-01T09:00:00.000Z")));
}
