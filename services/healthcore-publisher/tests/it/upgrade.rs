//! A record that an earlier release wrote: what it booked and cannot stay booked waits for a person, and nothing is lost.

use std::borrow::Cow;

use service_kit::{postgres, road};
use sqlx::migrate::Migrator;
use test_kit::{postgres::TestDatabase, process::ServiceProcess};

use crate::support::published;

#[tokio::test]
async fn what_was_booked_twice_or_at_no_time_is_held_when_the_record_is_brought_up_to_date() {
    let database = TestDatabase::create().await;
    let pool = database.pool_in("healthcore").await;
    let all = sqlx::migrate!();
    let earlier: &'static Migrator =
        Box::leak(Box::new(Migrator { migrations: Cow::Owned(all.iter().take(2).cloned().collect()), ..all }));
    postgres::create_schema(&pool, "healthcore").await.unwrap();
    postgres::migrate(&pool, "healthcore", road::MIGRATIONS.migrator, road::MIGRATIONS.table).await.unwrap();
    postgres::migrate(&pool, "healthcore", earlier, "_migrations").await.unwrap();
    sqlx::raw_sql(
        "INSERT INTO patients (name) VALUES ('Ada'), ('Grace');
         INSERT INTO appointments (patient_id, patient_name, dentist, date, time, time_zone, call_id) VALUES
           (1, 'Ada', 'Dr. Smith', '2027-02-01', '10:00', 'UTC', 'call-1'),
           (2, 'Grace', 'Dr Smith', '2027-02-01', '10:00', 'UTC', 'call-2'),
           (2, 'Grace', 'Dr. Jones', '2027-02-01', '10:00', 'UTC', NULL),
           (1, 'Ada', 'Dr. Night', '2027-03-28', '02:30', 'Europe/Berlin', NULL);
         -- What no event could tell came past the triggers.
         SET session_replication_role = replica;
         INSERT INTO appointments (patient_id, patient_name, dentist, date, time, time_zone) VALUES
           (1, 'Ada', 'Dr. End', 'infinity', '10:00', 'Europe/Berlin');
         RESET session_replication_role",
    )
    .execute(&pool)
    .await
    .unwrap();
    let told_before = published_count(&pool).await;

    let environment = vec![("DATABASE_URL", database.url().to_owned()), ("KAFKA_ENABLED", "false".to_owned())];
    let mut service = ServiceProcess::spawn("healthcore-publisher", &environment).await;
    service.wait_ready().await;

    let rows: Vec<(String, Option<String>)> =
        sqlx::query_as("SELECT status, reason FROM appointments ORDER BY id").fetch_all(&pool).await.unwrap();
    let rows: Vec<_> = rows.iter().map(|(status, reason)| (status.as_str(), reason.as_deref())).collect();
    let expected = [
        ("booked", None),
        ("needs_review", Some("slot_taken")),
        ("booked", None),
        ("needs_review", Some("time_does_not_exist")),
        ("booked", None),
    ];
    assert_eq!(rows, expected);
    let told = published(&pool).await.split_off(told_before);
    let mut told: Vec<_> =
        told.iter().map(|event| (event.data["appointment_id"].as_i64().unwrap(), event.event_type.as_str())).collect();
    told.sort_unstable();
    let twice = |id| [(id, "appointment.cancelled"), (id, "appointment.held")];
    assert_eq!(told, [twice(2), twice(4)].concat());
}

async fn published_count(pool: &sqlx::PgPool) -> usize {
    let count: i64 = sqlx::query_scalar("SELECT count(*) FROM outbox").fetch_one(pool).await.unwrap();
    usize::try_from(count).unwrap()
}
