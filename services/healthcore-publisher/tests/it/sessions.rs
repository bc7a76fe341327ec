//! What is written is read, told and kept by the same rules whatever the writer's session says.

use serde_json::json;

use crate::support::{Record, by, connect, run, try_run, types};

const SETTINGS: [&str; 6] = [
    "standard_conforming_strings = off",
    "standard_conforming_strings = off; SET backslash_quote = off; SET escape_string_warning = on",
    "standard_conforming_strings = off; SET backslash_quote = on; SET escape_string_warning = off",
    "transform_null_equals = on; SET array_nulls = off",
    "DateStyle = 'SQL, DMY'; SET IntervalStyle = 'iso_8601'; SET bytea_output = 'escape'; SET TimeZone = 'Asia/Tokyo'",
    "search_path = pg_catalog; SET plpgsql.variable_conflict = 'use_column'",
];

#[tokio::test]
async fn every_change_is_told_whatever_the_session_makes_of_a_backslash() {
    let record = Record::without_kafka().await;
    for (n, setting) in SETTINGS.into_iter().enumerate() {
        // A session of its own, in which no function has run yet.
        let mut psql = connect(&record).await;
        run(&mut psql, &format!("SET {setting}")).await;
        let insert = format!(
            "INSERT INTO healthcore.patients (name, email, phone, phone_e164, date_of_birth)
             VALUES ('Ada  M.\u{200b} Byron', 'Ada@Example.COM', '212-555-01{n:02}', '+121255501{n:02}', '1985-12-10')"
        );
        let events = by(&record, &mut psql, &insert).await;
        assert_eq!(types(&events), ["patient.created"], "{setting}");
        let data = &events[0].data;
        assert_eq!((&data["name"], &data["email"]), (&json!("Ada M. Byron"), &json!("Ada@example.com")), "{setting}");
        assert_eq!(data["date_of_birth"], "1985-12-10", "{setting}");
        let id = data["patient_id"].as_i64().unwrap();
        let insert = format!(
            "INSERT INTO healthcore.appointments (patient_id, patient_name, dentist, date, time)
             VALUES ({id}, 'Ada Byron', 'Dr. O''Brien-{n}', '2027-03-01', '10:00')"
        );
        assert_eq!(types(&by(&record, &mut psql, &insert).await), ["appointment.booked"], "{setting}");
        let again = format!(
            "INSERT INTO healthcore.appointments (patient_name, dentist, date, time)
             VALUES ('Grace Hopper', 'O\u{2019}Brien {n}, D.D.S.', '2027-03-01', '10:00')"
        );
        let refused = try_run(&mut psql, &again).await.unwrap_err();
        assert!(refused.contains("appointments_slot"), "{setting}: {refused}");
        for (status, told) in
            [("cancelled", "cancelled"), ("booked", "booked"), ("completed", "completed"), ("booked", "booked")]
        {
            let set = format!("UPDATE healthcore.appointments SET status = '{status}' WHERE patient_id = {id}");
            let events = by(&record, &mut psql, &set).await;
            assert_eq!(types(&events), [format!("appointment.{told}")], "{setting}");
        }
        let set = format!("UPDATE healthcore.patients SET email = 'q@example.com' WHERE id = {id}");
        let events = by(&record, &mut psql, &set).await;
        assert_eq!(
            (types(&events), &events[0].data["changed"]),
            (vec!["patient.updated"], &json!(["email"])),
            "{setting}"
        );
        for refused in ["email = 'a b@example.com'", "phone_e164 = '12125550100'", "name = '{{name}}'"] {
            let set = format!("UPDATE healthcore.patients SET {refused} WHERE id = {id}");
            assert!(try_run(&mut psql, &set).await.is_err(), "{setting}: {refused}");
        }
        let delete = format!("DELETE FROM healthcore.appointments WHERE patient_id = {id}");
        assert_eq!(types(&by(&record, &mut psql, &delete).await), ["appointment.cancelled"], "{setting}");
    }
}

/// A migration that replaces a function takes its settings away.
#[tokio::test]
async fn every_function_that_a_writer_runs_reads_its_texts_by_its_own_rule() {
    let record = Record::without_kafka().await;
    let without = "SELECT p.oid::regprocedure::text FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
        WHERE p.pronamespace = 'healthcore'::regnamespace AND l.lanname = 'plpgsql'
          AND NOT coalesce('standard_conforming_strings=on' = ANY (p.proconfig), false)";
    let without: Vec<String> = sqlx::query_scalar(without).fetch_all(record.pool()).await.unwrap();
    assert!(without.is_empty(), "{without:?}");
}
