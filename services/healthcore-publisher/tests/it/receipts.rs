//! On a fresh installation nobody has made the topic of the receipts yet.

use events::contract::topics::DEAD_LETTER_RECEIPTS;
use test_kit::{kafka, stack, wait::wait_until};
use uuid::Uuid;

use crate::support::{LONG, Record};

#[tokio::test]
async fn the_first_replay_is_answered_though_nobody_has_made_the_topic_of_receipts() {
    let record = Record::start().await;
    let group = record.names.group("ai-response-processor");
    let (letter, run) = (Uuid::new_v4().to_string(), Uuid::new_v4().to_string());
    let headers = [
        ("x-target-group", group.as_bytes()),
        ("x-dead-letter-id", letter.as_bytes()),
        ("x-replay-id", run.as_bytes()),
    ];
    let value = br#"{"call_id": "call", "response_type": "PATIENT_CREATION", "data": {"name": "Ada Byron"}}"#;
    record.hear_raw(b"call", value, &headers).await;
    wait_until("it is applied", LONG, || async { record.patient_count().await == 1 }).await;
    let topic = record.names.in_kafka(&DEAD_LETTER_RECEIPTS);
    wait_until("its receipt is published", LONG, || async {
        let waiting = "SELECT count(*) FROM healthcore.outbox o, healthcore.outbox_cursor c
                       WHERE NOT pg_visible_in_snapshot(o.xid, c.snapshot)";
        sqlx::query_scalar::<_, i64>(waiting).fetch_one(record.pool()).await.unwrap() == 0
    })
    .await;
    let receipts = kafka::read_topic(&stack::kafka(), &topic, 1, LONG).await;
    assert_eq!(receipts[0].key.as_deref(), Some(letter.as_bytes()));
    let (status, _, ready) = record.get("/readyz").await;
    assert_eq!(status, 200, "{ready}");
}
