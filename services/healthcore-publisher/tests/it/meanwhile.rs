//! What changes while a booking is decided about: it is as if one came after the other.

use events::contract::event::EventId;
use sqlx::PgConnection;
use test_kit::wait::wait_until;

use crate::support::{LONG, Record, booking, connect, patient, run};

/// Patient, time, status and reason of all appointments, the oldest first.
type Book = Vec<(Option<i64>, String, String, Option<String>)>;

async fn book(record: &Record) -> Book {
    let all = "SELECT patient_id, to_char(time, 'HH24:MI'), status, reason FROM healthcore.appointments ORDER BY id";
    sqlx::query_as(all).fetch_all(record.pool()).await.unwrap()
}

fn entry(
    patient: i64,
    time: &str,
    status: &str,
    reason: Option<&str>,
) -> (Option<i64>, String, String, Option<String>) {
    (Some(patient), time.to_owned(), status.to_owned(), reason.map(str::to_owned))
}

/// Until so many handlers wait for a row.
async fn wait_until_blocked(record: &Record, count: i64) {
    wait_until("the handlers wait for a row", LONG, || async {
        let waiting = "SELECT count(*) FROM pg_stat_activity
            WHERE datname = current_database() AND wait_event_type = 'Lock' AND wait_event IN ('transactionid', 'tuple')";
        sqlx::query_scalar::<_, i64>(waiting).fetch_one(record.pool()).await.unwrap() >= count
    })
    .await;
}

/// Ada has 10:00. Another program changes that and has not committed yet when she confirms it by another call.
async fn confirmed_while(change: &str) -> (Record, EventId) {
    let record = Record::start().await;
    record.told("one", patient("one", "Ada Byron", "ada@example.org", None)).await;
    record.told("other", patient("other", "Grace Hopper", "grace@example.org", None)).await;
    record.told("one", booking("one", "Ada Byron", "Dr. Smith", "10:00")).await;
    let mut psql: PgConnection = connect(&record).await;
    run(&mut psql, &format!("BEGIN; {change}")).await;
    let again = record.hear("two", booking("two", "Ada Byron", "Dr. Smith", "10:00")).await;
    wait_until_blocked(&record, 1).await;
    run(&mut psql, "COMMIT").await;
    record.wait_until_handled(again).await;
    (record, again)
}

/// The confirmation is told of an appointment of Ada's at 10:00 that is booked.
async fn assert_booked(record: &Record, id: EventId) {
    let last = record.caused_by(id).await.pop().unwrap();
    assert!(last.is("appointment.booked"), "{last:?}");
    assert_eq!((last.data["patient_id"].as_i64(), last.data["time"].as_str()), (Some(1), Some("10:00")));
}

#[tokio::test]
async fn what_is_confirmed_while_it_is_called_off_is_booked_anew() {
    let (record, id) =
        confirmed_while("UPDATE healthcore.appointments SET status = 'cancelled', reason = 'ill' WHERE id = 1").await;
    let expected = [entry(1, "10:00", "cancelled", Some("ill")), entry(1, "10:00", "booked", None)];
    assert_eq!(book(&record).await, expected);
    assert_booked(&record, id).await;
}

#[tokio::test]
async fn what_is_confirmed_while_it_is_deleted_is_booked_anew() {
    let (record, id) = confirmed_while("DELETE FROM healthcore.appointments WHERE id = 1").await;
    assert_eq!(book(&record).await, [entry(1, "10:00", "booked", None)]);
    assert_booked(&record, id).await;
}

#[tokio::test]
async fn what_is_confirmed_while_it_is_put_off_is_booked_beside_it() {
    let (record, id) = confirmed_while("UPDATE healthcore.appointments SET time = '15:00' WHERE id = 1").await;
    assert_eq!(book(&record).await, [entry(1, "15:00", "booked", None), entry(1, "10:00", "booked", None)]);
    assert_booked(&record, id).await;
}

#[tokio::test]
async fn what_is_confirmed_while_it_is_given_to_another_is_held() {
    let (record, id) = confirmed_while(
        "UPDATE healthcore.appointments SET patient_id = 2, patient_name = 'Grace Hopper' WHERE id = 1",
    )
    .await;
    let expected = [entry(2, "10:00", "booked", None), entry(1, "10:00", "needs_review", Some("slot_taken"))];
    assert_eq!(book(&record).await, expected);
    let caused = record.caused_by(id).await;
    assert!(caused.iter().all(|event| event.data["patient_id"] == 1), "nothing of another is told: {caused:?}");
}

#[tokio::test]
async fn what_is_confirmed_while_its_call_moves_it_is_booked_beside_it() {
    let record = Record::start().await;
    record.told("one", patient("one", "Ada Byron", "ada@example.org", None)).await;
    record.told("one", booking("one", "Ada Byron", "Dr. Smith", "10:00")).await;
    // A front desk looks at the patient, so that the move takes its time.
    let mut psql = connect(&record).await;
    run(&mut psql, "BEGIN; SELECT FROM healthcore.patients WHERE id = 1 FOR UPDATE").await;
    let moved = record.hear("one", booking("one", "Ada Byron", "Dr. Smith", "11:00")).await;
    wait_until_blocked(&record, 1).await;
    let again = record.hear("two", booking("two", "Ada Byron", "Dr. Smith", "10:00")).await;
    wait_until_blocked(&record, 2).await;
    run(&mut psql, "COMMIT").await;
    record.wait_until_handled(moved).await;
    record.wait_until_handled(again).await;
    let expected = [
        entry(1, "10:00", "cancelled", Some("moved")),
        entry(1, "11:00", "booked", None),
        entry(1, "10:00", "booked", None),
    ];
    assert_eq!(book(&record).await, expected);
    assert_booked(&record, again).await;
}
