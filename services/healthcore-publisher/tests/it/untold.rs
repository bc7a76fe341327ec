//! Whatever changes a field that an event carries is told, and `updated_at` is the moment of it.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use sqlx::PgConnection;

use crate::support::{Record, by, connect, run, try_run, types};

const APPOINTMENT: &str =
    "INSERT INTO healthcore.appointments (patient_id, patient_name, dentist, date, time, status, reason)
    VALUES (1, 'Ada', 'Dr. Smith', '2026-12-01', '10:00', 'STATUS', NULL)";

/// Other values for each column of a table; every column is here, so that one that is added tomorrow has to be thought of.
const PATIENT_COLUMNS: [(&str, &str); 7] = [
    ("name", "'Other'"),
    ("email", "'other@example.org'"),
    ("phone", "'555-9999'"),
    ("date_of_birth", "'1999-09-09'"),
    ("last_contact_at", "now()"),
    ("possible_duplicate_of", "2"),
    ("doubt", "'other_given_name'"),
];
const APPOINTMENT_COLUMNS: [(&str, &str); 8] = [
    ("patient_id", "2"),
    ("patient_name", "'Other'"),
    ("dentist", "'Dr. Other'"),
    ("date", "'2026-12-24'"),
    ("time", "'11:11'"),
    ("time_zone", "'Asia/Tokyo'"),
    ("reason", "'another reason'"),
    ("status", "'OTHER'"),
];
/// What no event carries: see `docs/EVENTS.md`.
const NOT_TOLD: [&str; 7] = ["service", "notes", "call_id", "cause", "correlation", "created_at", "updated_at"];

async fn columns(connection: &mut PgConnection, table: &str) -> BTreeSet<String> {
    let all = "SELECT column_name::text FROM information_schema.columns WHERE table_schema = 'healthcore' AND table_name = $1";
    let all: Vec<String> = sqlx::query_scalar(all).bind(table).fetch_all(connection).await.unwrap();
    all.into_iter().collect()
}

async fn updated_at(connection: &mut PgConnection, table: &str) -> chrono::DateTime<chrono::Utc> {
    let sql = sqlx::AssertSqlSafe(format!("SELECT max(updated_at) FROM healthcore.{table}"));
    sqlx::query_scalar(sql).fetch_one(connection).await.unwrap()
}

#[tokio::test]
async fn every_column_that_an_event_carries_is_told_of_when_it_changes() {
    let record = Record::without_kafka().await;
    let mut psql = connect(&record).await;
    run(&mut psql, "INSERT INTO healthcore.patients (name) VALUES ('Ada'), ('Grace'), ('Third')").await;

    let known: BTreeSet<String> = PATIENT_COLUMNS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let there = columns(&mut psql, "patients").await;
    let besides: BTreeSet<_> = there.difference(&known).map(String::as_str).collect();
    assert_eq!(besides, BTreeSet::from(["id", "created_at", "updated_at", "phone_e164", "phone_e164_of"]), "patients");
    for (column, value) in PATIENT_COLUMNS {
        let before = updated_at(&mut psql, "patients").await;
        let prepare = if column == "doubt" { "possible_duplicate_of = 2," } else { "" };
        let set = format!("UPDATE healthcore.patients SET {prepare} {column} = {value} WHERE id = 1");
        let events = by(&record, &mut psql, &set).await;
        assert_eq!(types(&events), ["patient.updated"], "{column}");
        assert!(events[0].data["changed"].as_array().unwrap().contains(&json!(column)), "{column}");
        assert!(updated_at(&mut psql, "patients").await > before, "{column}");
    }

    let known: BTreeSet<String> = APPOINTMENT_COLUMNS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let there = columns(&mut psql, "appointments").await;
    let besides: BTreeSet<_> =
        there.difference(&known).filter(|name| !NOT_TOLD.contains(&name.as_str())).cloned().collect();
    let derived = ["confirmed_at", "id", "starts_at"].map(str::to_owned);
    assert_eq!(besides, BTreeSet::from(derived), "appointments");
    for (status, told) in [
        ("booked", "appointment.booked"),
        ("needs_review", "appointment.held"),
        ("cancelled", "appointment.cancelled"),
        ("completed", "appointment.completed"),
    ] {
        for (column, value) in APPOINTMENT_COLUMNS {
            run(&mut psql, "DELETE FROM healthcore.appointments").await;
            run(&mut psql, &APPOINTMENT.replace("STATUS", status)).await;
            let before = updated_at(&mut psql, "appointments").await;
            let value = value.replace("OTHER", if status == "completed" { "cancelled" } else { "completed" });
            let events =
                by(&record, &mut psql, &format!("UPDATE healthcore.appointments SET {column} = {value}")).await;
            let last =
                events.last().unwrap_or_else(|| panic!("{column} of what is {status} changed and nothing was told"));
            if column == "status" {
                assert_ne!(last.event_type, told);
            } else {
                assert_eq!(last.event_type, told, "{column}");
            }
            let field = if column == "time_zone" { "starts_at" } else { column };
            assert_ne!(last.data[field], Value::Null, "{column}");
            assert!(updated_at(&mut psql, "appointments").await > before, "{column}");
        }
        for column in ["service", "notes"] {
            let before = updated_at(&mut psql, "appointments").await;
            let events = by(&record, &mut psql, &format!("UPDATE healthcore.appointments SET {column} = 'x'")).await;
            assert!(events.is_empty(), "{column}");
            assert!(updated_at(&mut psql, "appointments").await > before, "{column}");
        }
    }
}

#[tokio::test]
async fn a_row_says_when_it_changed_last_whoever_writes_it() {
    let record = Record::without_kafka().await;
    let mut psql = connect(&record).await;
    run(&mut psql, "INSERT INTO healthcore.patients (name) VALUES ('Ada')").await;
    run(&mut psql, &APPOINTMENT.replace("STATUS", "booked")).await;
    for (table, change) in [("patients", "name = 'Grace'"), ("appointments", "time = '11:00'")] {
        let before = updated_at(&mut psql, table).await;
        for nothing in ["id = id", "updated_at = '2000-01-01'"] {
            // The identity of a row cannot even be written as it is.
            let _ = try_run(&mut psql, &format!("UPDATE healthcore.{table} SET {nothing}")).await;
            assert_eq!(updated_at(&mut psql, table).await, before, "{nothing} of {table}");
        }
        run(&mut psql, &format!("UPDATE healthcore.{table} SET {change}, updated_at = '2000-01-01'")).await;
        assert!(updated_at(&mut psql, table).await > before, "{table}");
        let refused = try_run(&mut psql, &format!("UPDATE healthcore.{table} SET id = DEFAULT")).await.unwrap_err();
        assert!(refused.contains("does not change"), "{refused}");
    }
}

#[tokio::test]
async fn what_replication_applies_is_told_as_any_other_change() {
    let record = Record::without_kafka().await;
    let mut psql = connect(&record).await;
    run(&mut psql, "SET session_replication_role = replica").await;
    let events = by(&record, &mut psql, "INSERT INTO healthcore.patients (name) VALUES ('By Replica')").await;
    assert_eq!((types(&events), &events[0].data["name"]), (vec!["patient.created"], &json!("By Replica")));
    let before = updated_at(&mut psql, "patients").await;
    let events = by(&record, &mut psql, "UPDATE healthcore.patients SET name = 'Otherwise'").await;
    assert_eq!(types(&events), ["patient.updated"]);
    assert!(updated_at(&mut psql, "patients").await > before);
    assert_eq!(types(&by(&record, &mut psql, &APPOINTMENT.replace("STATUS", "booked")).await), ["appointment.booked"]);
    assert_eq!(types(&by(&record, &mut psql, "DELETE FROM healthcore.appointments").await), ["appointment.cancelled"]);
    assert_eq!(types(&by(&record, &mut psql, "DELETE FROM healthcore.patients").await), ["patient.deleted"]);
    assert!(try_run(&mut psql, "TRUNCATE healthcore.appointments").await.is_err());
}

#[tokio::test]
async fn whose_appointment_it_becomes_is_not_told_as_that_call_s() {
    let record = Record::without_kafka().await;
    let mut psql = connect(&record).await;
    run(&mut psql, "INSERT INTO healthcore.patients (name) VALUES ('Ada'), ('Grace')").await;
    let cause = "0190a0a0-0000-7000-8000-000000000001";
    let announced = format!(
        "BEGIN; SELECT set_config('switchboard.correlation_id', 'call-1', true),
                       set_config('switchboard.causation_id', '{cause}', true);
         {}; COMMIT;",
        APPOINTMENT.replace("STATUS", "booked")
    );
    run(&mut psql, &announced).await;
    let whose = |event: &crate::support::Published| {
        (event.event_type.clone(), event.causation.clone(), event.correlation.clone())
    };
    let of_call = |told: &str| (told.to_owned(), Some(cause.to_owned()), Some("call-1".to_owned()));
    // Whatever becomes of it is told as what that call announced, whoever does it.
    for (change, told) in [
        ("time = '11:00'", "appointment.booked"),
        ("status = 'cancelled'", "appointment.cancelled"),
        ("status = 'booked'", "appointment.booked"),
    ] {
        let events = by(&record, &mut psql, &format!("UPDATE healthcore.appointments SET {change}")).await;
        assert_eq!(events.iter().map(whose).collect::<Vec<_>>(), [of_call(told)], "{change}");
    }
    let given = "UPDATE healthcore.appointments SET patient_id = 2";
    let events = by(&record, &mut psql, given).await;
    let nobodys = ("appointment.booked".to_owned(), None, None);
    assert_eq!(events.iter().map(whose).collect::<Vec<_>>(), [of_call("appointment.cancelled"), nobodys.clone()]);
    let events = by(&record, &mut psql, "UPDATE healthcore.appointments SET time = '12:00'").await;
    assert_eq!(events.iter().map(whose).collect::<Vec<_>>(), [nobodys]);
}
