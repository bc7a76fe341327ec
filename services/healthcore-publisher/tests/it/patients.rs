//! A caller's data are one patient, whoever calls how often and says it in which way.

use std::collections::BTreeSet;

use serde_json::json;
use test_kit::wait::wait_until;

use crate::support::{LONG, Record, patient};

/// The patient that an event of the voice AI came to, and the type of the event that told it.
async fn became(
    record: &Record,
    call: &str,
    data: events::contract::schema::voice::PatientCreationV1,
) -> (i64, String) {
    let id = record.told(call, data).await;
    let caused = record.caused_by(id).await;
    assert_eq!(caused.len(), 1, "{caused:?}");
    assert_eq!(caused[0].correlation.as_deref(), Some(call));
    let patient = caused[0].data["patient_id"].as_i64().unwrap();
    assert_eq!(caused[0].key, patient.to_string());
    (patient, caused[0].event_type.clone())
}

#[tokio::test]
async fn a_patient_is_known_by_contact_and_birth_date_or_where_none_is_said_by_name() {
    let record = Record::start().await;
    let (ada, born) = ("ada@example.org", Some("1985-12-10"));
    let (first, told) = became(&record, "call-1", patient("call-1", "Ada Byron", ada, born)).await;
    assert_eq!(told, "patient.created");
    let updated = (first, "patient.updated".to_owned());
    for (what, name, contact, birth, same) in [
        ("the address in capitals, and a second surname", "Ada Byron Lovelace", "ADA@EXAMPLE.ORG", born, true),
        ("no birth date, and the name as it is now", "ada byron lovelace", ada, None, true),
        ("no birth date, and another name", "Annabella Byron", ada, None, false),
        ("another birth date: a child with the same address", "Ada Byron Lovelace", ada, Some("2015-01-01"), false),
        ("another address", "Ada Byron Lovelace", "other@example.org", born, false),
        ("a name and nothing else", "Ada Byron Lovelace", "", None, false),
    ] {
        let call = format!("call of {}", what.len());
        let before = record.patient_count().await;
        let came_to = became(&record, &call, patient(&call, name, contact, birth)).await;
        assert_eq!(came_to == updated, same, "{what}: {came_to:?}");
        assert_eq!(record.patient_count().await, before + i64::from(!same), "{what}");
    }
    let (by_phone, _) = became(&record, "phone-1", patient("phone-1", "Grace Hopper", "555-1234", born)).await;
    let again = became(&record, "phone-2", patient("phone-2", "Grace Hopper", "555-1234", born)).await;
    assert_eq!(again, (by_phone, "patient.updated".to_owned()));
}

#[tokio::test]
async fn a_number_said_in_another_way_is_the_same_number() {
    let record = Record::start().await;
    let said = |call: &str, phone: &str| {
        let e164 = Some("+12025550123".to_owned());
        events::contract::schema::voice::PatientCreationV1 {
            phone_e164: e164,
            ..patient(call, "Grace Hopper", phone, Some("1906-12-09"))
        }
    };
    let (first, _) = became(&record, "call-1", said("call-1", "(202) 555-0123")).await;
    let again = became(&record, "call-2", said("call-2", "2025550123")).await;
    assert_eq!(again, (first, "patient.updated".to_owned()));
}

#[tokio::test]
async fn who_corrects_himself_within_a_call_stays_one_patient() {
    let record = Record::start().await;
    let (first, _) = became(&record, "call", patient("call", "Ada Byron", "ada@exmaple.org", None)).await;
    let correction = patient("call", "ada byron", "ada@example.org", Some("1985-12-10"));
    let id = record.told("call", correction).await;
    let caused = record.caused_by(id).await;
    assert_eq!(caused.len(), 1, "{caused:?}");
    let data = &caused[0].data;
    assert_eq!((&data["patient_id"], &data["email"]), (&json!(first), &json!("ada@example.org")));
    assert_eq!(data["changed"], json!(["date_of_birth", "email", "last_contact_at", "name"]));
    // What was not said again stays.
    let more = patient("call", "ada byron", "555-1234", Some("1985-12-10"));
    became(&record, "call", more).await;
    let (status, _, shown) = record.get(&format!("/api/v1/patients/{first}")).await;
    assert_eq!((status, &shown["email"], &shown["phone"]), (200, &json!("ada@example.org"), &json!("555-1234")));
    // Somebody else of the same call is somebody else.
    let (other, told) = became(&record, "call", patient("call", "Ralph Byron", "", None)).await;
    assert_eq!((other != first, told.as_str()), (true, "patient.created"));
    assert_eq!(record.patient_count().await, 2);
}

#[tokio::test]
async fn a_returning_patient_is_told_of_though_nothing_but_the_contact_is_new() {
    let record = Record::start().await;
    let said = |call: &str| patient(call, "Ada Byron", "ada@example.org", Some("1985-12-10"));
    let (first, _) = became(&record, "call-1", said("call-1")).await;
    let (_, _, before) = record.get(&format!("/api/v1/patients/{first}")).await;
    let id = record.told("call-2", said("call-2")).await;
    let caused = record.caused_by(id).await;
    assert_eq!(caused.len(), 1, "{caused:?}");
    assert!(caused[0].is("patient.updated"));
    assert_eq!(caused[0].data["changed"], json!(["last_contact_at"]));
    assert_eq!(caused[0].data["patient_id"], first);
    assert_eq!(record.patient_count().await, 1);
    let (_, _, after) = record.get(&format!("/api/v1/patients/{first}")).await;
    assert!(after["last_contact_at"].as_str() > before["last_contact_at"].as_str(), "{before} {after}");
}

#[tokio::test]
async fn calls_at_the_same_time_with_one_contact_are_one_patient() {
    let record = Record::start().await;
    let calls: Vec<String> = (0..24).map(|number| format!("call-{number}")).collect();
    // Half of them by address, half by number; the first knows both, so that they meet.
    let both = events::contract::schema::voice::PatientCreationV1 {
        phone: Some("555-1234".to_owned()),
        ..patient("first", "Ada Byron", "ada@example.org", Some("1985-12-10"))
    };
    record.told("first", both).await;
    let contact = |number: usize| if number.is_multiple_of(2) { "555-1234" } else { "ADA@example.org" };
    let hear = calls
        .iter()
        .enumerate()
        .map(|(number, call)| record.hear(call, patient(call, "Ada Byron", contact(number), Some("1985-12-10"))));
    let known = futures::future::join_all(hear).await;
    // Nobody can write until all who get that far have looked whether she is known.
    for id in &known {
        record.wait_until_handled(*id).await;
    }
    let mut gate = record.pool().begin().await.unwrap();
    sqlx::query("LOCK TABLE healthcore.patients IN SHARE MODE").execute(&mut *gate).await.unwrap();
    let hear = calls.iter().map(|call| {
        let call = format!("new-{call}");
        let data = patient(&call, "Grace Hopper", "grace@example.org", Some("1906-12-09"));
        let record = &record;
        async move { record.hear(&call, data).await }
    });
    let new = futures::future::join_all(hear).await;
    wait_until("several wait for each other", LONG, || async {
        let waiting =
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        sqlx::query_scalar::<_, i64>(waiting).fetch_one(record.pool()).await.unwrap() >= 4
    })
    .await;
    gate.commit().await.unwrap();
    for id in &new {
        record.wait_until_handled(*id).await;
    }
    assert_eq!(record.patient_count().await, 2);
    let events = record.events().await;
    assert_eq!(events.iter().filter(|event| event.is("patient.created")).count(), 2);
    assert_eq!(events.iter().filter(|event| event.is("patient.updated")).count(), 24 + 23);
    let causes: BTreeSet<_> = events.iter().filter_map(|event| event.causation.clone()).collect();
    assert_eq!(causes.len(), 1 + 24 + 24, "each call is the cause of one event");
}

#[tokio::test]
async fn a_repeated_delivery_changes_nothing() {
    let record = Record::start().await;
    let envelope = events::contract::envelope::Envelope::seal(
        events::contract::event::NewEvent::fact(patient("call", "Ada Byron", "555-1234", None)).correlated("call"),
        "voice-ingest",
    );
    let value = events::contract::codec::encode(&envelope).unwrap();
    for _ in 0..3 {
        record.hear_raw(b"call", &value, &[]).await;
    }
    // Of the same key, so that it comes behind the others.
    record.told("call", patient("call", "Grace Hopper", "", None)).await;
    let told: Vec<String> = record.events().await.into_iter().map(|event| event.event_type).collect();
    assert_eq!(told, ["patient.created", "patient.created"]);
}
