//! The practice's country changes while an earlier process still runs: all numbers are read by the new rules in the end, piece
//! by piece, and nobody waits.

use test_kit::{process::ServiceProcess, stack, wait::wait_until};

use crate::support::{LONG, Record, connect, run};

async fn count(record: &Record, what: &str) -> i64 {
    let sql = sqlx::AssertSqlSafe(format!("SELECT count(*) FROM healthcore.patients WHERE {what}"));
    sqlx::query_scalar(sql).fetch_one(record.pool()).await.unwrap()
}

async fn wait_until_none(record: &Record, what: &str) {
    wait_until(&format!("none is left of {what}"), LONG, || async { count(record, what).await == 0 }).await;
}

#[tokio::test]
async fn numbers_are_read_by_one_countrys_rules_while_two_processes_go_by_two() {
    let record = Record::with(&[("PHONE_REGION", "FR"), ("KAFKA_ENABLED", "false")]).await;
    let mut psql = connect(&record).await;
    let insert = |from: i32, to: i32| {
        format!(
            "INSERT INTO healthcore.patients (name, phone)
             SELECT 'Ada Byron', '06' || lpad(n::text, 8, '7') FROM generate_series({from}, {to}) n"
        )
    };
    run(&mut psql, &insert(1, 1200)).await;
    wait_until_none(&record, "phone IS DISTINCT FROM phone_e164_of OR phone_e164 NOT LIKE '+33%'").await;
    // Somebody works on one of them; the others do not wait for him, nor does he for them.
    let mut desk = connect(&record).await;
    run(&mut desk, "BEGIN; SELECT FROM healthcore.patients WHERE id = 700 FOR UPDATE").await;
    let environment = vec![
        ("DATABASE_URL", record.database.url().to_owned()),
        ("PHONE_REGION", "GB".to_owned()),
        ("KAFKA_ENABLED", "false".to_owned()),
        ("KAFKA_BOOTSTRAP_SERVERS", stack::kafka()),
    ];
    let mut other = ServiceProcess::spawn("healthcore-publisher", &environment).await;
    other.wait_ready().await;
    wait_until_none(&record, "id < 700 AND phone_e164 NOT LIKE '+44%'").await;
    run(&mut desk, "COMMIT").await;
    wait_until_none(&record, "phone_e164 NOT LIKE '+44%'").await;
    // Both run, and what is written now is read by the rules of the later one.
    run(&mut psql, &insert(2001, 4000)).await;
    wait_until_none(&record, "phone IS DISTINCT FROM phone_e164_of").await;
    assert_eq!(count(&record, "phone_e164 NOT LIKE '+44%'").await, 0);
    let left: Option<i64> =
        sqlx::query_scalar("SELECT again_after FROM healthcore.phone_reading").fetch_one(record.pool()).await.unwrap();
    assert_eq!(left, None);
}
