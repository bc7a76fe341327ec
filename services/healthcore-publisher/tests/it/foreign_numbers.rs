//! Patients of another application are found by their number, in whatever form it stands there.

use serde_json::json;
use sqlx::AssertSqlSafe;
use test_kit::wait::wait_until;

use crate::support::{LONG, Record};

const BORN: &str = "1970-01-01";

async fn say(record: &Record, call: &str, phone: &str) {
    let said = json!({ "call_id": call, "response_type": "PATIENT_CREATION",
                       "data": { "name": "Old Record", "phone": phone, "date_of_birth": BORN } });
    record.hear_raw(call.as_bytes(), said.to_string().as_bytes(), &[]).await;
}

/// A caller gives this number; the patient that he became.
async fn caller(record: &Record, call: &str, phone: &str) -> i64 {
    say(record, call, phone).await;
    let find = || sqlx::query_scalar::<_, i64>("SELECT patient_id FROM healthcore.patient_calls WHERE call_id = $1");
    wait_until("the caller is somebody", LONG, || async {
        find().bind(call).fetch_optional(record.pool()).await.unwrap().is_some()
    })
    .await;
    find().bind(call).fetch_one(record.pool()).await.unwrap()
}

async fn psql(record: &Record, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(record.pool()).await.unwrap();
}

async fn row(record: &Record, id: i64) -> (Option<String>, Option<String>) {
    let row = sqlx::query_as("SELECT phone, phone_e164 FROM healthcore.patients WHERE id = $1").bind(id);
    row.fetch_one(record.pool()).await.unwrap()
}

/// As text, `None` for NULL.
fn numbers(phone: &str, e164: &str) -> (Option<String>, Option<String>) {
    (Some(phone.to_owned()), Some(e164.to_owned()))
}

#[tokio::test]
async fn a_number_that_another_program_wrote_finds_its_patient() {
    let record = Record::start().await;
    psql(&record, "INSERT INTO healthcore.patients (name, phone, date_of_birth) VALUES ('Old Record', '(212) 555-0118', '1970-01-01')").await;
    assert_eq!(caller(&record, "call-1", "212-555-0118").await, 1);
    // Said in another form, the form as it was said last is kept, beside the same E.164.
    assert_eq!(row(&record, 1).await, numbers("212-555-0118", "+12125550118"));
    // Changed by another program: the new number is his, and at once; the old one is not any more.
    psql(&record, "UPDATE healthcore.patients SET phone = '1.212.555.0119' WHERE id = 1").await;
    assert_eq!(caller(&record, "call-2", "+1 212 555 0119").await, 1);
    assert_eq!(caller(&record, "call-3", "212 555 0118").await, 2);
    // Several at once.
    psql(&record, "INSERT INTO healthcore.patients (name, phone, date_of_birth)
                   SELECT 'Old Record', '(415) 555-' || lpad(n::text, 4, '0'), '1970-01-01' FROM generate_series(1, 1200) n").await;
    assert_eq!(caller(&record, "call-4", "+14155550700").await, 702);
    assert_eq!(caller(&record, "call-5", "1 415 555 1200").await, 1202);
    psql(&record, "UPDATE healthcore.patients SET phone = '+1 646 555 ' || right(phone, 4) WHERE id > 2").await;
    assert_eq!(caller(&record, "call-6", "646-555-0700").await, 702);
    assert_eq!(caller(&record, "call-7", "415-555-0701").await, 1203);
    // The rest is read without a caller, and reading tells nobody of a change.
    wait_until("all numbers are read", LONG, || async {
        let left =
            "SELECT count(*) FROM healthcore.patients WHERE phone IS DISTINCT FROM phone_e164_of OR phone_e164 IS NULL";
        sqlx::query_scalar::<_, i64>(left).fetch_one(record.pool()).await.unwrap() == 0
    })
    .await;
    let told = record.events().await;
    assert!(told.iter().all(|event| !event.data["changed"].to_string().contains("e164")));
    let updated = told.iter().filter(|event| event.is("patient.updated")).count();
    assert_eq!(updated, 1 + 1 + 1 + 2 + 1200 + 1, "callers, and what psql changed");
}

#[tokio::test]
async fn no_number_is_lost_to_one_that_cannot_be_read() {
    let record = Record::start().await;
    assert_eq!(caller(&record, "call-1", "+1 212 555 0118").await, 1);
    // The same call, the same name, and only the local part of the number.
    say(&record, "call-1", "555-0118").await;
    wait_until("the caller is heard again", LONG, || async { row(&record, 1).await.0.as_deref() == Some("555-0118") })
        .await;
    assert_eq!(row(&record, 1).await, numbers("555-0118", "+12125550118"));
    assert_eq!(caller(&record, "call-3", "(212) 555-0118").await, 1);
    // By another program, too, which cannot take the E.164 from its number either.
    psql(&record, "UPDATE healthcore.patients SET phone = '212-555-0118 ext. 7', phone_e164 = NULL WHERE id = 1").await;
    assert_eq!(caller(&record, "call-4", "+12125550118").await, 1);
    // A number that is taken away is nobody's.
    psql(&record, "UPDATE healthcore.patients SET phone = NULL WHERE id = 1").await;
    assert_eq!(row(&record, 1).await, (None, None));
    assert_eq!(caller(&record, "call-5", "212-555-0118").await, 2);
    // Only the E.164 was written: it is the number.
    psql(&record, "UPDATE healthcore.patients SET phone_e164 = '+12125550120' WHERE id = 1").await;
    assert_eq!(row(&record, 1).await, numbers("+12125550120", "+12125550120"));
    assert_eq!(caller(&record, "call-6", "212-555-0120").await, 1);
    // One that tells of another number than the text does is read again.
    psql(&record, "UPDATE healthcore.patients SET phone_e164 = '+12125550199' WHERE id = 1").await;
    assert_eq!(caller(&record, "call-7", "(212) 555-0120").await, 1);
    assert_eq!(row(&record, 1).await.1.as_deref(), Some("+12125550120"));
}

#[tokio::test]
async fn where_the_practice_is_decides_what_a_number_means_also_later() {
    let mut record = Record::with(&[("PHONE_REGION", "DE")]).await;
    psql(
        &record,
        "INSERT INTO healthcore.patients (name, phone, date_of_birth) VALUES
                   ('Old Record', '030 23125118', '1970-01-01'), ('Old Record', '(212) 555-0118', '1970-01-01')",
    )
    .await;
    assert_eq!(caller(&record, "call-1", "+49 30 23125118").await, 1);
    wait_until("both are looked at", LONG, || async {
        let left = "SELECT count(*) FROM healthcore.patients WHERE phone IS DISTINCT FROM phone_e164_of";
        sqlx::query_scalar::<_, i64>(left).fetch_one(record.pool()).await.unwrap() == 0
    })
    .await;
    assert_eq!(row(&record, 2).await.1, None);
    record.service.set_environment("PHONE_REGION", "US");
    record.service.restart().await;
    record.service.wait_ready().await;
    wait_until("the second is read by the other rules", LONG, || async { row(&record, 2).await.1.is_some() }).await;
    assert_eq!(row(&record, 1).await, numbers("+49 30 23125118", "+493023125118"));
}
