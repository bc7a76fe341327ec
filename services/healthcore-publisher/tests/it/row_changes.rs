//! Whoever changes a row, the change is published, in the same transaction, as the contract writes it. Every event here is
//! compared with the contract's own (see `support`).

use serde_json::json;
use test_kit::wait::wait_for;

use crate::support::{LONG, Record, by, connect, published, run, types};

const APPOINTMENT: &str = "INSERT INTO healthcore.appointments (patient_id, patient_name, dentist, date, time)
    VALUES (1, 'Ada', 'Dr. Smith', '2026-12-01', '10:00')";

#[tokio::test]
async fn a_change_of_a_patient_by_any_program_is_published() {
    let record = Record::without_kafka().await;
    let mut psql = connect(&record).await;
    let insert = "INSERT INTO healthcore.patients (name, email, phone, date_of_birth)
        VALUES ('Ada \"A\" Byr\u{f6}n', 'ada@example.org', '555-1234', '1985-12-10')";
    let events = by(&record, &mut psql, insert).await;
    assert_eq!(types(&events), ["patient.created"]);
    assert_eq!((&events[0].key, &events[0].correlation, &events[0].causation), (&"1".to_owned(), &None, &None));
    let all = json!({ "patient_id": 1, "name": "Ada \"A\" Byr\u{f6}n", "email": "ada@example.org", "phone": "555-1234",
                      "date_of_birth": "1985-12-10" });
    assert_eq!(events[0].data, all);

    let update = "UPDATE healthcore.patients SET phone = NULL, name = 'Ada', updated_at = now()";
    let events = by(&record, &mut psql, update).await;
    assert_eq!(types(&events), ["patient.updated"]);
    let now = json!({ "patient_id": 1, "name": "Ada", "email": "ada@example.org", "date_of_birth": "1985-12-10",
                      "changed": ["name", "phone"] });
    assert_eq!(events[0].data, now);

    for nothing in ["UPDATE healthcore.patients SET name = name", "UPDATE healthcore.patients SET updated_at = now()"] {
        assert_eq!(types(&by(&record, &mut psql, nothing).await), [""; 0], "{nothing}");
    }
    let many = "INSERT INTO healthcore.patients (name) SELECT 'Patient ' || n FROM generate_series(2, 4) n";
    let events = by(&record, &mut psql, many).await;
    assert_eq!(events.iter().map(|event| event.key.as_str()).collect::<Vec<_>>(), ["2", "3", "4"]);

    let events = by(&record, &mut psql, "DELETE FROM healthcore.patients WHERE id = 1").await;
    assert_eq!((types(&events), &events[0].data), (vec!["patient.deleted"], &json!({ "patient_id": 1 })));
}

#[tokio::test]
async fn a_change_of_an_appointment_by_any_program_is_published() {
    let record = Record::without_kafka().await;
    let mut psql = connect(&record).await;
    run(&mut psql, "INSERT INTO healthcore.patients (name) VALUES ('Ada'), ('Grace')").await;
    let set = |what: &str| format!("UPDATE healthcore.appointments SET {what} WHERE id = 1");

    let events = by(&record, &mut psql, APPOINTMENT).await;
    assert_eq!((types(&events), events[0].key.as_str()), (vec!["appointment.booked"], "1"));
    assert_eq!((&events[0].data["time"], &events[0].data["status"]), (&json!("10:00"), &json!("booked")));

    for nothing in ["dentist = dentist", "notes = 'by phone', service = 'cleaning'", "updated_at = now()"] {
        assert_eq!(types(&by(&record, &mut psql, &set(nothing)).await), [""; 0], "{nothing}");
    }
    // Moved: by time, by zone, to somebody else's chair, to another patient.
    for moved in ["time = '11:30'", "date = '2026-12-02'", "time_zone = 'Europe/Berlin'", "dentist = 'Dr. Jones'"] {
        assert_eq!(types(&by(&record, &mut psql, &set(moved)).await), ["appointment.booked"], "{moved}");
    }
    // The one who had it is told, too.
    let events = by(&record, &mut psql, &set("patient_id = 2, patient_name = 'Grace'")).await;
    assert_eq!(types(&events), ["appointment.cancelled", "appointment.booked"]);
    let told = |n: usize| (events[n].key.as_str(), &events[n].data["reason"], &events[n].data["patient_name"]);
    assert_eq!(told(0), ("1", &json!("other_patient"), &json!("Ada")));
    assert_eq!(told(1), ("2", &json!(null), &json!("Grace")));
    assert_eq!(events[1].data["starts_at"], "2026-12-02T10:30:00.000Z");

    let events = by(&record, &mut psql, &set("status = 'cancelled', reason = 'ill'")).await;
    assert_eq!((types(&events), &events[0].data["reason"]), (vec!["appointment.cancelled"], &json!("ill")));
    assert_eq!(events[0].data["status"], "cancelled");
    for change in ["reason = 'moved away'", "reason = NULL", "time = '12:00'", "dentist = 'Dr. Roe'"] {
        assert_eq!(types(&by(&record, &mut psql, &set(change)).await), ["appointment.cancelled"], "{change}");
    }
    assert_eq!(types(&by(&record, &mut psql, &set("status = 'booked', reason = NULL")).await), ["appointment.booked"]);
    let events = by(&record, &mut psql, &set("status = 'completed'")).await;
    assert_eq!((types(&events), &events[0].data["status"]), (vec!["appointment.completed"], &json!("completed")));
    assert_eq!(types(&by(&record, &mut psql, "DELETE FROM healthcore.appointments WHERE id = 1").await), [""; 0]);

    run(&mut psql, APPOINTMENT).await;
    let events = by(&record, &mut psql, "DELETE FROM healthcore.appointments WHERE status = 'booked'").await;
    assert_eq!((types(&events), &events[0].data["reason"]), (vec!["appointment.cancelled"], &json!("deleted")));

    // Nobody's yet, and told as that.
    let held =
        APPOINTMENT.replace("time)", "time, status, reason)").replace("'10:00')", "'10:00', 'needs_review', 'x')");
    let events = by(&record, &mut psql, &held).await;
    assert_eq!((types(&events), &events[0].data["reason"]), (vec!["appointment.held"], &json!("x")));
    assert_eq!(events[0].data["status"], "held");
    let why = "UPDATE healthcore.appointments SET reason = 'y' WHERE status = 'needs_review'";
    assert_eq!(types(&by(&record, &mut psql, why).await), ["appointment.held"]);
    let events = by(&record, &mut psql, "UPDATE healthcore.appointments SET status = 'booked', reason = NULL").await;
    assert_eq!(types(&events), ["appointment.booked"]);
    let unknown = APPOINTMENT.replace("VALUES (1,", "VALUES (NULL,").replace("10:00", "10:30");
    let events = by(&record, &mut psql, &unknown).await;
    assert_eq!(events[0].key, format!("appointment-{}", events[0].data["appointment_id"]));
    run(&mut psql, "UPDATE healthcore.appointments SET status = 'needs_review', reason = 'x' WHERE patient_id IS NULL")
        .await;
    let events = by(&record, &mut psql, "DELETE FROM healthcore.appointments WHERE status = 'needs_review'").await;
    assert_eq!((types(&events), &events[0].data["reason"]), (vec!["appointment.cancelled"], &json!("deleted")));
}

#[tokio::test]
async fn a_booked_appointment_that_goes_back_to_review_is_taken_back() {
    let record = Record::without_kafka().await;
    let mut psql = connect(&record).await;
    run(&mut psql, "INSERT INTO healthcore.patients (name) VALUES ('Ada')").await;
    run(&mut psql, APPOINTMENT).await;
    let back = "UPDATE healthcore.appointments SET status = 'needs_review', reason = 'the dentist is ill'";
    let events = by(&record, &mut psql, back).await;
    assert_eq!(types(&events), ["appointment.cancelled", "appointment.held"]);
    assert!(events.iter().all(|event| event.data["reason"] == "the dentist is ill"));
}

#[tokio::test]
async fn the_cause_that_a_writer_names_is_in_its_events_and_in_no_others() {
    let record = Record::without_kafka().await;
    let mut psql = connect(&record).await;
    let cause = "0190a0a0-0000-7000-8000-000000000001";
    let named = format!(
        "BEGIN; SELECT set_config('switchboard.correlation_id', 'call-1', true),
                       set_config('switchboard.causation_id', '{cause}', true);
         INSERT INTO healthcore.patients (name) VALUES ('Ada'); COMMIT;"
    );
    let events = by(&record, &mut psql, &named).await;
    assert_eq!(events[0].correlation.as_deref(), Some("call-1"));
    assert_eq!(events[0].causation.as_deref(), Some(cause));
    // On the same connection, which now has the settings as empty strings.
    let events = by(&record, &mut psql, "INSERT INTO healthcore.patients (name) VALUES ('Grace')").await;
    assert_eq!((&events[0].correlation, &events[0].causation), (&None, &None));
}

#[tokio::test]
async fn what_is_rolled_back_is_never_published() {
    let record = Record::without_kafka().await;
    let mut psql = connect(&record).await;
    let rolled_back = "BEGIN; INSERT INTO healthcore.patients (name) VALUES ('Ada'); ROLLBACK;";
    assert!(by(&record, &mut psql, rolled_back).await.is_empty());
    let half = "BEGIN; INSERT INTO healthcore.patients (name) VALUES ('Ada'); SAVEPOINT s;
        INSERT INTO healthcore.patients (name) VALUES ('Grace'); ROLLBACK TO s; COMMIT;";
    let events = by(&record, &mut psql, half).await;
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].data["name"], "Ada");
}

#[tokio::test]
async fn truncate_is_refused_since_nobody_would_be_told() {
    let record = Record::without_kafka().await;
    let mut psql = connect(&record).await;
    run(&mut psql, "INSERT INTO healthcore.patients (name) VALUES ('Ada')").await;
    for table in ["patients CASCADE", "appointments"] {
        let sql = format!("TRUNCATE healthcore.{table}");
        let refused = sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut psql).await.unwrap_err().to_string();
        assert!(refused.contains("would not be published"), "{refused}");
    }
    assert_eq!(record.patient_count().await, 1);
}

#[tokio::test]
async fn a_writer_without_rights_on_the_outbox_publishes_all_the_same() {
    let record = Record::without_kafka().await;
    let mut psql = connect(&record).await;
    let role = format!("writer_{}", record.database.name());
    run(
        &mut psql,
        &format!(
            "CREATE ROLE {role}; GRANT USAGE ON SCHEMA healthcore TO {role};
             GRANT SELECT, INSERT, UPDATE, DELETE ON healthcore.patients, healthcore.appointments TO {role};
             -- A table of his own in a place that is looked into first must not be mistaken for the outbox.
             CREATE SCHEMA trap AUTHORIZATION {role}; SET ROLE {role};
             CREATE TABLE trap.outbox (topic text, key text, headers json, payload bytea);
             SET search_path = trap, healthcore, pg_temp"
        ),
    )
    .await;
    let refused = sqlx::raw_sql("SELECT count(*) FROM healthcore.outbox").execute(&mut psql).await.unwrap_err();
    assert!(refused.to_string().contains("permission denied"), "{refused}");
    run(&mut psql, "INSERT INTO patients (name) VALUES ('Ada'); UPDATE patients SET name = 'Grace'").await;
    run(&mut psql, APPOINTMENT).await;
    run(&mut psql, "DELETE FROM healthcore.appointments").await;
    let trapped: i64 = sqlx::query_scalar("SELECT count(*) FROM trap.outbox").fetch_one(&mut psql).await.unwrap();
    run(&mut psql, &format!("RESET ROLE; DROP OWNED BY {role} CASCADE; DROP ROLE {role}")).await;
    assert_eq!(trapped, 0);
    let events = published(record.pool()).await;
    let expected = ["patient.created", "patient.updated", "appointment.booked", "appointment.cancelled"];
    assert_eq!(types(&events), expected);
}

#[tokio::test]
async fn nobody_without_rights_can_publish_by_the_function_itself() {
    let record = Record::without_kafka().await;
    let mut psql = connect(&record).await;
    let role = format!("reader_{}", record.database.name());
    run(&mut psql, &format!("CREATE ROLE {role}; GRANT USAGE ON SCHEMA healthcore TO {role}; SET ROLE {role}")).await;
    let forged = "SELECT healthcore.publish_event('healthcore.patient.deleted', 'patient.deleted', '1', '{\"patient_id\": 1}', NULL, NULL)";
    let answer = sqlx::raw_sql(forged).execute(&mut psql).await.map(|_| ());
    run(&mut psql, &format!("RESET ROLE; DROP OWNED BY {role} CASCADE; DROP ROLE {role}")).await;
    assert!(answer.is_err_and(|error| error.to_string().contains("permission denied")), "an event was forged");
}

#[tokio::test]
async fn a_change_that_an_event_causes_belongs_to_the_event_s_trace() {
    // Nothing listens on port 1: the spans are made, and nobody gets them.
    let record = Record::with(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")]).await;
    let shape = json!({ "call_id": "call-1", "response_type": "PATIENT_CREATION", "data": { "name": "Ada Byron" } });
    let parent = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    record.hear_raw(b"call-1", shape.to_string().as_bytes(), &[("traceparent", parent)]).await;
    let parents = "SELECT headers->>'traceparent' FROM healthcore.outbox WHERE topic = 'healthcore.patient.created'";
    let written: Option<String> = wait_for("the patient is published", LONG, || async {
        sqlx::query_scalar(parents).fetch_optional(record.pool()).await.unwrap()
    })
    .await;
    let written = written.unwrap();
    assert!(written.starts_with("00-0af7651916cd43dd8448eb211c80319c-") && written.ends_with("-01"), "{written}");
    assert_ne!(written.as_bytes(), parent, "a child of the work, not of the event");
}
