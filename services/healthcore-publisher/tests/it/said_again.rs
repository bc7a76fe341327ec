//! What is said again is decided by what is so now: whose it is, whether the slot is free, what of the call it takes the place of.

use events::contract::schema::voice::BookingConfirmationV1;
use serde_json::json;

use crate::support::{Record, booking, by, connect, patient, run, types};

/// Patient, time, status and reason of all appointments, the oldest first.
async fn book(record: &Record) -> Vec<String> {
    let all = "SELECT concat_ws(' ', coalesce(patient_id::text, '?'), to_char(time, 'HH24:MI'), status, reason)
               FROM healthcore.appointments ORDER BY id";
    sqlx::query_scalar(all).fetch_all(record.pool()).await.unwrap()
}

#[tokio::test]
async fn what_is_held_is_booked_when_it_is_said_again_and_the_slot_is_free() {
    let record = Record::start().await;
    record.told("one", patient("one", "Lea Roe", "lea@example.org", None)).await;
    record.told("one", booking("one", "Lea Roe", "Dr. Smith", "10:00")).await;
    record.told("two", patient("two", "Moe Roe", "moe@example.org", None)).await;
    let first = record.told("two", booking("two", "Moe Roe", "Dr. Smith", "10:00")).await;
    assert_eq!(book(&record).await, ["1 10:00 booked", "2 10:00 needs_review slot_taken"]);
    let mut psql = connect(&record).await;
    run(&mut psql, "UPDATE healthcore.appointments SET status = 'cancelled' WHERE id = 1").await;
    let again =
        BookingConfirmationV1 { notes: Some("again".to_owned()), ..booking("two", "Moe Roe", "Dr. Smith", "10:00") };
    let again = record.told("two", again).await;
    assert_eq!(book(&record).await, ["1 10:00 cancelled", "2 10:00 booked"]);
    assert_eq!(types(&record.caused_by(first).await), ["appointment.held", "appointment.booked"]);
    assert_eq!(types(&record.caused_by(again).await), ["appointment.booked"]);
    // What a person wants to look at stays held.
    run(&mut psql, "UPDATE healthcore.appointments SET status = 'needs_review', reason = 'call back' WHERE id = 2")
        .await;
    record.told("two", booking("two", "Moe Roe", "Dr. Smith", "10:00")).await;
    assert_eq!(book(&record).await[1], "2 10:00 needs_review call back");
}

#[tokio::test]
async fn who_keeps_what_another_call_booked_does_not_keep_the_other_time_too() {
    let record = Record::start().await;
    record.told("one", patient("one", "Kim Roe", "kim@example.org", None)).await;
    record.told("one", booking("one", "Kim Roe", "Dr. Smith", "10:00")).await;
    record.told("two", booking("two", "Kim Roe", "Dr. Smith", "11:00")).await;
    assert_eq!(book(&record).await, ["1 10:00 booked", "1 11:00 booked"]);
    let kept = record.told("two", booking("two", "Kim Roe", "Dr. Smith", "10:00")).await;
    assert_eq!(book(&record).await, ["1 10:00 booked", "1 11:00 cancelled moved"]);
    assert_eq!(types(&record.caused_by(kept).await), ["appointment.booked"]);
    // Two services are two appointments, also where the confirmation names none.
    let with = |service: &str, time: &str| BookingConfirmationV1 {
        service: Some(service.to_owned()),
        ..booking("three", "Kim Roe", "Dr. Jones", time)
    };
    record.told("three", with("Cleaning", "10:00")).await;
    record.told("three", with("Filling", "11:00")).await;
    record.told("three", booking("three", "Kim Roe", "Dr. Jones", "10:00")).await;
    assert_eq!(book(&record).await[2..], ["1 10:00 booked", "1 11:00 booked"]);
}

#[tokio::test]
async fn what_the_practice_gave_to_a_name_is_the_patients_of_that_name() {
    let record = Record::start().await;
    let mut psql = connect(&record).await;
    let enter = "INSERT INTO healthcore.appointments (patient_name, dentist, date, time) VALUES ";
    run(&mut psql, &format!("{enter} ('Byron, Ada', 'Smith', '2026-12-01', '10:00')")).await;
    record.told("one", patient("one", "Ada Byron", "ada@example.org", None)).await;
    let id = record.told("one", booking("one", "Ada", "Dr. Smith", "10:00")).await;
    assert_eq!(book(&record).await, ["1 10:00 booked"]);
    let caused = record.caused_by(id).await;
    assert_eq!((types(&caused), caused[0].key.as_str()), (vec!["appointment.booked"], "1"));
    // Before the patient is known.
    run(&mut psql, &format!("{enter} ('Grace Hopper', 'Smith', '2026-12-01', '11:00')")).await;
    record.told("two", booking("two", "Grace Hopper", "Dr. Smith", "11:00")).await;
    record.told("two", patient("two", "Grace Hopper", "grace@example.org", None)).await;
    assert_eq!(book(&record).await[1..], ["2 11:00 booked", "? 11:00 cancelled already_booked"]);
    // Somebody else's name, and one that two have.
    run(
        &mut psql,
        &format!("{enter} ('Ada', 'Smith', '2026-12-01', '12:00'), ('Ada Byron', 'Smith', '2026-12-01', '13:00')"),
    )
    .await;
    record.told("one", booking("one", "Ada Byron", "Dr. Smith", "12:00")).await;
    record.told("three", patient("three", "Ada Byron", "555-0199", None)).await;
    record.told("one", booking("one", "Ada Byron", "Dr. Smith", "13:00")).await;
    assert_eq!(book(&record).await[3..5], ["? 12:00 booked", "? 13:00 booked"]);
    assert_eq!(book(&record).await[5..], ["1 12:00 cancelled moved", "1 13:00 needs_review slot_taken"]);
}

#[tokio::test]
async fn a_booking_that_was_given_by_name_goes_to_the_patient_of_its_call() {
    let record = Record::start().await;
    record.told("old", patient("old", "Max Poe", "212-555-0131", Some("1950-01-01"))).await;
    let first = record.told("call", booking("call", "Max Poe", "Dr. Smith", "10:00")).await;
    assert_eq!(book(&record).await, ["1 10:00 booked"]);
    record.told("call", patient("call", "Max Poe", "212-555-0132", Some("1990-01-01"))).await;
    assert_eq!(book(&record).await, ["2 10:00 booked"]);
    let told = record.caused_by(first).await;
    assert_eq!(types(&told), ["appointment.booked", "appointment.cancelled", "appointment.booked"]);
    let whose: Vec<_> = told.iter().map(|event| (event.key.as_str(), event.correlation.as_deref())).collect();
    assert_eq!(whose, [("1", Some("call")), ("1", Some("call")), ("2", Some("call"))]);
    assert_eq!(told[1].data["reason"], "other_patient");
    // It stays that call's: whatever becomes of it is told as what that call announced.
    let mut psql = connect(&record).await;
    let events = by(&record, &mut psql, "UPDATE healthcore.appointments SET time = '12:00'").await;
    assert_eq!(events[0].causation, Some(first.to_string()));
    // The two come by two topics: their moments tell which was the later.
    let moments = "SELECT convert_from(payload, 'UTF8')::jsonb->>'timestamp' FROM healthcore.outbox
                   WHERE topic LIKE 'healthcore.appointment.%' ORDER BY id";
    let moments: Vec<String> = sqlx::query_scalar(moments).fetch_all(record.pool()).await.unwrap();
    assert!(moments[1] < moments[2], "{moments:?}");
    // Of a caller who books for somebody else it stays where it is.
    record.told("eve", patient("eve", "Eve Roe", "212-555-0140", None)).await;
    record.told("wife", booking("wife", "Eve Roe", "Dr. Jones", "12:00")).await;
    record.told("wife", patient("wife", "Sam Roe", "212-555-0141", None)).await;
    assert_eq!(book(&record).await.last().unwrap(), "3 12:00 booked");
}

#[tokio::test]
async fn of_two_of_one_name_in_a_call_nobody_gets_the_booking() {
    let record = Record::start().await;
    record.told("call", patient("call", "John Doe", "212-555-0201", Some("1960-01-01"))).await;
    record.told("call", patient("call", "John Doe", "212-555-0201", Some("1990-02-02"))).await;
    record.told("call", booking("call", "John Doe", "Dr. Smith", "10:00")).await;
    assert_eq!(book(&record).await, ["? 10:00 needs_review unknown_patient"]);
    // Nor does one of them when his data are said once more.
    record.told("call", patient("call", "John Doe", "212-555-0201", Some("1960-01-01"))).await;
    assert_eq!(book(&record).await, ["? 10:00 needs_review unknown_patient"]);
}

#[tokio::test]
async fn nobody_is_overwritten_by_one_who_could_be_either_of_two() {
    let record = Record::start().await;
    record.told("one", patient("one", "John Doe", "212-555-0201", Some("1960-01-01"))).await;
    record.told("two", patient("two", "John Doe", "212-555-0201", Some("1990-02-02"))).await;
    let mut said = patient("three", "John Doe", "212-555-0201", None);
    said.email = Some("son@example.com".to_owned());
    record.told("three", said.clone()).await;
    let (_, _, page) = record.get("/api/v1/patients/?limit=10").await;
    let emails: Vec<_> = page["items"].as_array().unwrap().iter().map(|one| one["email"].clone()).collect();
    assert_eq!(emails, [json!(null), json!(null), json!("son@example.com")]);
    let third = &page["items"][2];
    assert_eq!((&third["possible_duplicate_of"], &third["doubt"]), (&json!(1), &json!("name_in_part")));
    // The same said once more, in full and in part, is the same; with a birth date it is who was born then.
    said.call_id = "four".to_owned();
    record.told("four", said).await;
    record.told("five", patient("five", "John Doe", "212-555-0201", None)).await;
    record.told("six", patient("six", "John Doe", "212-555-0201", Some("1990-02-02"))).await;
    assert_eq!(record.patient_count().await, 3);
}
