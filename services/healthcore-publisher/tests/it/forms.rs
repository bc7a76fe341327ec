//! What is heard is brought to normal form or refused before anything is written; what other programs write, too; and what is
//! there nevertheless makes nothing unreadable.

use events::contract::{headers::dlq, topics::DEAD_LETTER_QUEUE};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, PgPool};
use test_kit::{kafka, stack, wait::wait_until};

use crate::support::{LONG, Record, published};

const CANARY: &str = "Kunigunde7351";

fn patient(call: &str, data: Value) -> Value {
    json!({ "call_id": call, "response_type": "PATIENT_CREATION", "data": data })
}

fn booking(call: &str, more: Value) -> Value {
    let mut data = json!({ "dentist": "Dr. Known", "date": "2027-03-03", "time": "10:00", "patient_name": "Ann Poe" });
    data.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({ "call_id": call, "response_type": "BOOKING_CONFIRMATION", "data": data })
}

/// One key for all of them, so that the last is handled when all are.
async fn hear(record: &Record, all: &[Value]) {
    for value in all {
        record.hear_raw(b"one", value.to_string().as_bytes(), &[]).await;
    }
    let last = patient("the-last", json!({ "name": "Last Comer" }));
    record.hear_raw(b"one", last.to_string().as_bytes(), &[]).await;
    wait_until("the last is handled", LONG, || async { calls_of(record, "Last Comer").await == 1 }).await;
}

async fn calls_of(record: &Record, name: &str) -> i64 {
    let calls = sqlx::query_scalar(
        "SELECT count(*) FROM healthcore.patient_calls c JOIN healthcore.patients p ON p.id = c.patient_id WHERE name = $1",
    );
    calls.bind(name).fetch_one(record.pool()).await.unwrap()
}

async fn run(pool: &PgPool, sql: impl Into<String>) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(sql.into())).execute(pool).await.map(|_| ())
}

#[tokio::test]
async fn the_same_said_in_another_form_is_one_patient_and_one_hour() {
    let record = Record::start().await;
    let said = |call: &str, name: &str, phone: &str| patient(call, json!({ "name": name, "phone": phone }));
    hear(
        &record,
        &[
            said("nfc-1", "Zoë Nfc", "212-555-0107"),
            said("nfc-2", "Zoe\u{308} Nfc", "+1 (212) 555-0107"),
            said("wide-1", "Zero Width", "212-555-0109"),
            said("wide-2", "Zero\u{200b} Wi\u{ad}dth", "212.555.0109"),
            said("wide-3", "\u{202e}Zero  Width\u{fe0f}", "(212) 555-0109"),
            said("of-null", "Christopher Null", "212-555-0110"),
            patient(
                "of-none",
                json!({ "name": "Anna None", "email": "N/A", "phone": "not provided", "date_of_birth": "unknown" }),
            ),
            booking("hour-1", json!({ "time": "2 PM" })),
            booking("hour-2", json!({ "time": "14:30:00", "service": "none", "notes": "k.A." })),
            booking("hour-3", json!({ "time": "3:15 p.m.", "date": "03/04/2027" })),
        ],
    )
    .await;
    for (name, calls) in [("Zoë Nfc", 2), ("Zero Width", 3), ("Christopher Null", 1), ("Anna None", 1)] {
        assert_eq!(calls_of(&record, name).await, calls, "{name}");
    }
    assert_eq!(record.patient_count().await, 5);
    let booked: Vec<(String, String, Option<String>, Option<String>)> =
        sqlx::query_as("SELECT date::text, time::text, service, notes FROM healthcore.appointments ORDER BY call_id")
            .fetch_all(record.pool())
            .await
            .unwrap();
    let hour = |date: &str, time: &str| (date.to_owned(), time.to_owned(), None, None);
    let expected = [hour("2027-03-03", "14:00:00"), hour("2027-03-03", "14:30:00"), hour("2027-03-04", "15:15:00")];
    assert_eq!(booked, expected);
}

#[tokio::test]
async fn what_has_no_form_is_a_dead_letter_that_names_field_and_remedy_and_no_value() {
    let record = Record::with(&[("RUST_LOG", "debug"), ("PRACTICE_TIME_ZONE", "Europe/Berlin")]).await;
    let born = |date: Value| patient("c", json!({ "name": CANARY, "date_of_birth": date }));
    let wrong = [
        (born(json!("2099-01-01")), "date_of_birth: is in the future"),
        (born(json!("1899-12-31")), "date_of_birth: is before 1900"),
        (born(json!("0000-01-01")), "date_of_birth: is no day"),
        (born(json!("infinity")), "date_of_birth: is no date"),
        (born(json!(19_850_115)), "date_of_birth: has the wrong type"),
        (patient("c", json!({ "name": CANARY, "phone": 5_551_234_567.5 })), "phone: has the wrong type"),
        (patient("c", json!({ "name": CANARY, "email": CANARY })), "email: is no e-mail address"),
        (patient("c", json!({ "name": "unknown", "phone": "212-555-0180" })), "name: was not said"),
        (patient("c", json!({ "name": "N/A" })), "name: was not said"),
        (patient("c", json!({ "name": "{{name}}" })), "name: was not said"),
        (patient("c", json!({ "name": "\u{200b}\u{2060}" })), "name: is missing"),
        (patient("c", json!({ "name": format!("{CANARY}\n") .repeat(2) })), "name: contains control"),
        (booking("c", json!({ "dentist": "TBD" })), "dentist: was not said"),
        (booking("c", json!({ "dentist": "Dr. [Name]" })), "dentist: was not said"),
        (booking("c", json!({ "patient_name": "keine Angabe" })), "patient_name: was not said"),
        (booking("c", json!({ "date": "0000-01-01" })), "date: is no day"),
        (booking("c", json!({ "date": "12027-01-01" })), "date: is no date"),
        (booking("c", json!({ "date": "9999-12-31" })), "date: is not in the years"),
        (booking("c", json!({ "date": "TBD" })), "date: was not said"),
        (booking("c", json!({ "time": "23:59:60" })), "time: is no time"),
        (booking("c", json!({ "time": "24:00" })), "time: is no time"),
        (booking("c", json!({ "time": "1.0 PM" })), "time: is no time"),
        (booking("c", json!({ "notes": format!("{CANARY}\u{1b}[31m") })), "notes: contains control"),
    ];
    hear(&record, &wrong.clone().map(|(value, _)| value)).await;
    assert_eq!(record.patient_count().await, 1);
    assert!(record.appointments().await.is_empty());

    let queue = record.names.in_kafka(&DEAD_LETTER_QUEUE);
    let letters = kafka::read_topic(&stack::kafka(), &queue, wrong.len(), LONG).await;
    assert_eq!(letters.len(), wrong.len());
    for (value, problem) in &wrong {
        let letter = letters.iter().find(|letter| letter.payload.as_deref() == Some(value.to_string().as_bytes()));
        let letter = letter.unwrap_or_else(|| panic!("no dead letter has {value}"));
        let header = |name: &str| String::from_utf8_lossy(letter.header(name).unwrap()).into_owned();
        let message = header(dlq::MESSAGE);
        assert!(message.contains(problem) && message.ends_with(')'), "{value}: {message}");
        assert_eq!(
            (header(dlq::CATEGORY).as_str(), header(dlq::CODE).as_str()),
            ("schema_validation", "invalid_extraction")
        );
        for (name, value) in &letter.headers {
            let told = String::from_utf8_lossy(value);
            assert!(
                !told.contains(CANARY) && !told.contains("5551234567") && !told.contains("19850115"),
                "{name}: {told}"
            );
        }
    }
    let log = record.service.log();
    assert!(!log.contains(CANARY) && !log.contains("5551234567") && !log.contains("19850115"), "{log}");
}

#[tokio::test]
async fn what_an_event_cannot_carry_is_refused_when_it_is_written() {
    let record = Record::without_kafka().await;
    let pool = record.pool();
    run(
        pool,
        "INSERT INTO healthcore.patients (name) VALUES ('Ada Byron');
               INSERT INTO healthcore.appointments (patient_name, dentist, date, time, status)
               VALUES ('Ada Byron', 'Dr. Smith', '2027-03-03', '10:00', 'needs_review')",
    )
    .await
    .unwrap();
    let mut wrong = Vec::new();
    for name in [
        "''",
        "' '",
        "E'\\u200b\\u2060'",
        "'unknown'",
        "'<full name>'",
        "'k.A.'",
        "E'a\\nb'",
        "repeat('x', 201)",
        "'12'",
    ] {
        wrong.push(("patients", "name", name));
        wrong.push(("appointments", "patient_name", name));
        wrong.push(("appointments", "dentist", name));
    }
    for born in ["infinity", "-infinity", "0044-03-15 BC", "12027-01-01", "2099-01-01", "1899-12-31"] {
        wrong.push(("patients", "date_of_birth", born));
    }
    for date in ["infinity", "-infinity", "0001-01-01 BC", "12027-01-01", "1999-12-31", "2100-01-01"] {
        wrong.push(("appointments", "date", date));
    }
    for moment in ["infinity", "-infinity", "0044-03-15 BC", "12027-01-01"] {
        wrong.push(("patients", "created_at", moment));
        wrong.push(("appointments", "created_at", moment));
        wrong.push(("patients", "last_contact_at", moment));
    }
    wrong.extend([
        ("appointments", "time", "24:00:00"),
        ("appointments", "time", "23:59:60"),
        ("appointments", "notes", "repeat('x', 2001)"),
        ("appointments", "reason", "repeat('x', 2001)"),
        ("appointments", "service", "repeat('x', 201)"),
        ("patients", "email", "'nowhere@'"),
        ("patients", "email", "E'a@example.com\\r\\nBcc: b@example.com'"),
        ("patients", "phone", "'12'"),
        ("patients", "phone", "repeat('1', 65)"),
        ("patients", "phone_e164", "'212-555-0118'"),
    ]);
    for (table, column, value) in wrong {
        let quoted = if value.contains('\'') { value.to_owned() } else { format!("'{value}'") };
        let update = format!("UPDATE healthcore.{table} SET {column} = {quoted}");
        let refusal = run(pool, update.clone()).await.expect_err(&update);
        let refusal = refusal.into_database_error().unwrap();
        let refusal = refusal.downcast_ref::<sqlx::postgres::PgDatabaseError>();
        assert_eq!(refusal.code(), "23514", "{update}: {refusal}");
        assert!(refusal.message().starts_with(column) && refusal.hint().is_some(), "{update}: {refusal}");
        assert_eq!(refusal.detail(), None, "{update} tells of the row");
    }
    // A day that no table can have, at least, and an hour beyond all days.
    for wrong in ["UPDATE healthcore.patients SET name = NULL", "UPDATE healthcore.appointments SET time = '25:00'"] {
        run(pool, wrong).await.expect_err(wrong);
    }
}

#[tokio::test]
async fn what_another_program_writes_is_brought_to_the_same_form() {
    let record = Record::without_kafka().await;
    let pool = record.pool();
    run(pool, "INSERT INTO healthcore.patients (name, email, phone) VALUES
                 (E' Zoe\\u0308\\u200b  Nfc ', ' zoe@EXAMPLE.com', 'N/A'),
                 ('Anna None', 'none', 'not provided'), ('Christopher Null', 'no@no.com', '000-000-0000');
               UPDATE healthcore.patients SET email = 'unknown' WHERE id = 1;
               INSERT INTO healthcore.appointments (patient_name, dentist, date, time, service, notes, status)
               VALUES (E'Zoe\\u0308 Nfc', 'Dr.  Smith', '2027-03-03', '10:00:59.5', 'string', E'a\\r\\nb', 'needs_review')")
    .await
    .unwrap();
    let patients: Vec<(String, Option<String>, Option<String>)> =
        sqlx::query_as("SELECT name, email, phone FROM healthcore.patients ORDER BY id").fetch_all(pool).await.unwrap();
    let (zoe, address) = ("Zoë Nfc".to_owned(), Some("zoe@example.com".to_owned()));
    let nobody = |name: &str| (name.to_owned(), None, None);
    assert_eq!(patients, [(zoe.clone(), address, None), nobody("Anna None"), nobody("Christopher Null")]);
    let booked: (String, String, String, Option<String>, Option<String>) =
        sqlx::query_as("SELECT patient_name, dentist, time::text, service, notes FROM healthcore.appointments")
            .fetch_one(pool)
            .await
            .unwrap();
    assert_eq!(booked, (zoe, "Dr. Smith".to_owned(), "10:00:00".to_owned(), None, Some("a\nb".to_owned())));
}

#[tokio::test]
async fn what_stood_in_the_way_of_a_patient_does_so_no_more() {
    let record = Record::start().await;
    hear(
        &record,
        &[
            patient("one", json!({ "name": "〇", "email": "x@भारत.com" })),
            patient("two", json!({ "name": "Sinead O\u{b4}Brien", "email": "[s@xn--mnchen-3ya.de](mailto:s@xn--mnchen-3ya.de)" })),
            patient("three", json!({ "name": "M\u{aa} José Gil", "email": "no email provided", "phone": "caller ID", "date_of_birth": "1985-01-XX" })),
            booking("four", json!({ "dentist": "〇", "service": 36, "notes": "Call {{agent}} back" })),
        ],
    )
    .await;
    let patients: Vec<(String, Option<String>)> =
        sqlx::query_as("SELECT name, email FROM healthcore.patients WHERE name <> 'Last Comer' ORDER BY id")
            .fetch_all(record.pool())
            .await
            .unwrap();
    let expected = [("〇", Some("x@भारत.com")), ("Sinead O'Brien", Some("s@münchen.de")), ("Mª José Gil", None)];
    assert_eq!(patients, expected.map(|(name, email)| (name.to_owned(), email.map(str::to_owned))));
    let booked: (String, Option<String>, Option<String>) =
        sqlx::query_as("SELECT dentist, service, notes FROM healthcore.appointments")
            .fetch_one(record.pool())
            .await
            .unwrap();
    assert_eq!(booked, ("〇".to_owned(), Some("36".to_owned()), Some("Call {{agent}} back".to_owned())));
}

#[tokio::test]
async fn a_dentist_has_one_slot_with_titles_of_other_languages_too() {
    let record = Record::without_kafka().await;
    let pool = record.database.pool_in("healthcore").await;
    let mut seen: Vec<String> = Vec::new();
    for spellings in [
        &[
            "Smith",
            "Smith, M.Sc.",
            "Dr. Smith MSc",
            "Dra. Smith",
            "Dott. Smith",
            "Dott.ssa Smith",
            "Dr.ssa Smith",
            "Zahnarzt Smith",
            "Zahnärztin Dr. Smith",
            "Smith, Zahnarzt",
        ][..],
        &["Smith Jr.", "Smith, Jr.", "Dr. Smith Junior", "Smith, Jr., DDS"],
        &["Иванов", "д-р Иванов", "Доктор Иванов"],
        &["山田", "山田先生", "山田 先生"],
        &["Κώστας", "ΚΩΣΤΑΣ"],
        &["O'Brien", "O\u{b4}Brien", "O`Brien", "O\u{2bb}Brien", "O\u{55a}Brien", "O\u{2019}Brien", "OBrien"],
        &["Mueller"],
        &["Müller", "Muller"],
        &["先生"],
        &["Jr."],
    ] {
        let keys: Vec<String> = sqlx::query_scalar("SELECT DISTINCT name_key(said) FROM unnest($1) said")
            .bind(spellings)
            .fetch_all(&pool)
            .await
            .unwrap();
        assert_eq!(keys.len(), 1, "{keys:?}");
        assert!(!keys[0].is_empty() && !seen.contains(&keys[0]), "{keys:?}");
        seen.extend(keys);
    }
}

/// Rows as they are from before the rules, or from where no trigger fires.
async fn write_past_the_rules(pool: &PgPool) {
    run(pool, "ALTER TABLE healthcore.patients DISABLE TRIGGER USER;
               ALTER TABLE healthcore.appointments DISABLE TRIGGER USER;
               INSERT INTO healthcore.patients (name, date_of_birth, last_contact_at, created_at) VALUES
                 ('Inf', 'infinity', NULL, now()), ('Bc', '0044-03-15 BC', NULL, now()), ('Far', '12027-01-01', NULL, now()),
                 ('Contact', NULL, 'infinity', now()), ('Created', NULL, NULL, '-infinity'), ('Sound', '1985-01-15', now(), now());
               INSERT INTO healthcore.appointments (patient_id, patient_name, dentist, date, time) VALUES
                 (6, 'Sound', 'Dr. A', 'infinity', '10:00'), (6, 'Sound', 'Dr. B', '0001-01-01 BC', '10:00'),
                 (6, 'Sound', 'Dr. C', '12027-01-01', '10:00'), (6, 'Sound', 'Dr. D', '2027-01-01', '24:00'),
                 (6, 'Sound', 'Dr. E', '2027-01-01', '10:00');
               ALTER TABLE healthcore.patients ENABLE TRIGGER USER;
               ALTER TABLE healthcore.appointments ENABLE TRIGGER USER;")
    .await
    .unwrap();
}

#[tokio::test]
async fn a_row_that_nobody_can_read_is_marked_and_its_list_is_read() {
    let record = Record::without_kafka().await;
    write_past_the_rules(record.pool()).await;
    let (status, _, page) = record.get("/api/v1/patients").await;
    assert_eq!(status, 200, "{page}");
    let marked = |page: &Value| -> Vec<Value> {
        page["items"].as_array().unwrap().iter().map(|item| item["unreadable"].clone()).collect()
    };
    let born = json!(["date_of_birth"]);
    let expected = [born.clone(), born.clone(), born, json!(["last_contact_at"]), json!(["created_at"]), Value::Null];
    assert_eq!(marked(&page), expected);
    assert_eq!(page["items"][0]["date_of_birth"], Value::Null);
    assert_eq!(page["items"][5]["date_of_birth"], "1985-01-15");
    let (status, _, page) = record.get("/api/v1/appointments").await;
    assert_eq!(status, 200, "{page}");
    let day = json!(["date", "starts_at"]);
    assert_eq!(marked(&page), [day.clone(), day.clone(), day, json!(["time"]), Value::Null]);
    for path in ["/api/v1/patients/1", "/api/v1/appointments/1", "/api/v1/appointments/4"] {
        assert_eq!(record.get(path).await.0, 200, "{path}");
    }
}

#[tokio::test]
async fn no_event_tells_what_its_schema_does_not_allow_and_an_old_row_is_corrected_field_by_field() {
    let record = Record::without_kafka().await;
    let pool = record.pool();
    write_past_the_rules(pool).await;
    run(
        pool,
        "UPDATE healthcore.patients SET email = 'p' || id || '@example.com';
               UPDATE healthcore.appointments SET status = 'cancelled', reason = 'ill'",
    )
    .await
    .unwrap();
    // The reader of the test is that of the contract: what breaks a schema panics here.
    let told = published(pool).await;
    assert_eq!(told.iter().filter(|event| event.is("patient.updated")).count(), 6);
    assert!(told.iter().all(|event| event.data.get("date_of_birth").is_none_or(|born| born == "1985-01-15")));
    let cancelled: Vec<_> = told.iter().filter(|event| event.is("appointment.cancelled")).collect();
    assert_eq!(cancelled.len(), 1, "on no day there is nothing to tell");
    assert_eq!(cancelled[0].data["dentist"], "Dr. E");
    run(pool, "UPDATE healthcore.patients SET date_of_birth = '1970-01-01' WHERE id = 1").await.unwrap();
    assert_eq!(published(pool).await.last().unwrap().data["date_of_birth"], "1970-01-01");
}

#[tokio::test]
async fn the_type_of_a_column_can_still_be_altered() {
    let record = Record::without_kafka().await;
    run(
        record.pool(),
        "ALTER TABLE healthcore.patients ALTER COLUMN name TYPE varchar(300);
                        ALTER TABLE healthcore.patients ALTER COLUMN phone TYPE varchar(100);
                        ALTER TABLE healthcore.appointments ALTER COLUMN dentist TYPE varchar(300);
                        INSERT INTO healthcore.patients (name, phone) VALUES ('Ada Byron', '212-555-0142')",
    )
    .await
    .unwrap();
    assert_eq!(record.get("/api/v1/patients").await.0, 200);
}
