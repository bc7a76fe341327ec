//! Rows that a person changes with psql, or another application by its own SQL, are published as all others are.

use std::process::{Command, Stdio};

use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};
use test_kit::stack;

use crate::support::{Event, Place};

/// A plain client of the database: psql, or where there is none a connection that sets nothing.
async fn run(place: &Place, sql: &str) {
    let psql = Command::new("psql")
        .args(["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", place.database.url(), "--command", sql])
        .stdin(Stdio::null())
        .output();
    match psql {
        Ok(output) => assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr)),
        Err(_) => {
            let mut plain = PgConnection::connect(place.database.url()).await.unwrap();
            sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned())).execute(&mut plain).await.unwrap();
            plain.close().await.unwrap();
        }
    }
}

/// The events of one key.
async fn of(place: &Place, topic: &str, key: &str, at_least: usize) -> Vec<Event> {
    let mut events = place.records(topic, at_least).await;
    events.retain(|event| event.key == key);
    events
}

fn data(event: &Event) -> &Value {
    &event.value["data"]
}

fn time(event: &Event) -> &str {
    event.value["timestamp"].as_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn psql_changes_are_published_in_order() {
    let place = Place::new(stack::kafka()).await;
    let _service = place.service("healthcore-publisher", &[]).await;
    // Ids are 1 and 2: the record is new.
    run(&place, "INSERT INTO healthcore.patients (name, email, date_of_birth) VALUES ('Zoë Krüger', 'zoe@example.com', '1985-01-15')").await;
    run(&place, "INSERT INTO healthcore.patients (name) VALUES ('Ann Poe')").await;
    run(&place, "UPDATE healthcore.patients SET phone = '+49 30 23125100' WHERE id = 1").await;
    run(&place, "UPDATE healthcore.patients SET name = 'Zoë Krüger-Poe', email = NULL WHERE id = 1").await;
    run(&place, "UPDATE healthcore.patients SET name = name WHERE id = 1").await;
    run(
        &place,
        "INSERT INTO healthcore.appointments (patient_id, patient_name, dentist, date, time, time_zone)
         VALUES (1, 'Zoë Krüger-Poe', 'Dr. Smith', '2027-01-11', '09:00', 'Europe/Berlin'),
                (1, 'Zoë Krüger-Poe', 'Dr. Smith', '2027-02-11', '10:30', 'UTC'),
                (1, 'Zoë Krüger-Poe', 'Dr. Smith', '2027-03-11', '11:00', 'UTC')",
    )
    .await;
    run(&place, "UPDATE healthcore.appointments SET status = 'cancelled', reason = 'ill' WHERE id = 1").await;
    run(&place, "UPDATE healthcore.appointments SET status = 'completed' WHERE id = 2").await;
    run(&place, "DELETE FROM healthcore.appointments WHERE id = 3").await;
    run(&place, "DELETE FROM healthcore.appointments").await;
    run(&place, "BEGIN; UPDATE healthcore.patients SET phone = 'none' WHERE id = 1; ROLLBACK").await;
    run(&place, "DELETE FROM healthcore.patients WHERE id = 1").await;

    // The last change first: what was before it is published by then.
    let deleted = of(&place, "healthcore.patient.deleted", "1", 1).await;
    let created = of(&place, "healthcore.patient.created", "1", 2).await;
    let updated = of(&place, "healthcore.patient.updated", "1", 2).await;
    let booked = of(&place, "healthcore.appointment.booked", "1", 3).await;
    let cancelled = of(&place, "healthcore.appointment.cancelled", "1", 2).await;
    let completed = of(&place, "healthcore.appointment.completed", "1", 1).await;

    let born = |more: Value| {
        let mut patient = json!({"patient_id": 1, "date_of_birth": "1985-01-15"});
        patient.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        patient
    };
    let each = |events: &[Event]| events.iter().map(|event| data(event).clone()).collect::<Vec<_>>();
    assert_eq!(each(&created), [born(json!({"name": "Zoë Krüger", "email": "zoe@example.com"}))]);
    let phone = "+49 30 23125100";
    assert_eq!(
        each(&updated),
        [
            born(json!({"name": "Zoë Krüger", "email": "zoe@example.com", "phone": phone, "changed": ["phone"]})),
            born(json!({"name": "Zoë Krüger-Poe", "phone": phone, "changed": ["email", "name"]})),
        ],
        "what changed nothing and what was rolled back is not told"
    );
    assert_eq!(each(&deleted), [json!({"patient_id": 1})]);

    let appointment = |id: i64, date: &str, at: &str, starts_at: &str, status: &str| {
        json!({"appointment_id": id, "patient_id": 1, "patient_name": "Zoë Krüger-Poe", "dentist": "Dr. Smith", "date": date,
               "time": at, "starts_at": starts_at, "status": status})
    };
    let reason = |mut appointment: Value, reason: &str| {
        appointment["reason"] = reason.into();
        appointment
    };
    let first = |status| appointment(1, "2027-01-11", "09:00", "2027-01-11T08:00:00.000Z", status);
    let second = |status| appointment(2, "2027-02-11", "10:30", "2027-02-11T10:30:00.000Z", status);
    let third = |status| appointment(3, "2027-03-11", "11:00", "2027-03-11T11:00:00.000Z", status);
    assert_eq!(each(&booked), [first("booked"), second("booked"), third("booked")]);
    assert_eq!(each(&cancelled), [reason(first("cancelled"), "ill"), reason(third("cancelled"), "deleted")]);
    assert_eq!(each(&completed), [second("completed")]);

    // Topics have no common order, but the events tell when they happened.
    let history = [
        &created[0],
        &updated[0],
        &updated[1],
        &booked[0],
        &booked[1],
        &booked[2],
        &cancelled[0],
        &completed[0],
        &cancelled[1],
        &deleted[0],
    ];
    assert!(history.is_sorted_by_key(|event| time(event)), "{:#?}", history.map(time));
    for event in history {
        assert_eq!(event.headers["ce_id"], event.id);
        assert_eq!(event.headers["ce_type"], event.value["event_type"].as_str().unwrap());
        assert_eq!(
            event.value["metadata"],
            json!({"source": "healthcore-publisher", "version": "1.1", "actor": "role:postgres"})
        );
    }
}
