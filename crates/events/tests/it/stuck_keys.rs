//! Keys with a record that the engine breaks over: nobody else is held up, however much stands behind it or beside it.

use events::{
    consume::{BatchHandler, Batching, Consumer, Received},
    contract::{
        codec,
        envelope::Envelope,
        event::{Event, NewEvent},
        schema::voice::PatientCreationV1,
        topics::AI_RESPONSES,
    },
    flow::error::HandlerError,
    publish::Tx,
};
use test_kit::{
    raw_produce::{self, Compression, RawRecord},
    wait::wait_until,
};

use crate::support::{LONG, Rig, Running, figure, note, said};

pub fn record<E: Event>(event: NewEvent<E>) -> RawRecord {
    let envelope = Envelope::seal(event, "another-service");
    let value = codec::encode(&envelope).unwrap();
    RawRecord { key: Some(envelope.key().into_bytes()), value: Some(value), headers: Vec::new() }
}

pub async fn put(rig: &Rig, partition: i32, records: &[RawRecord]) {
    for batch in records.chunks(1_000) {
        raw_produce::produce(&rig.servers(), &rig.topic(&AI_RESPONSES), partition, batch, Compression::Gzip).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stands_behind_a_record_that_no_client_gets_past_does_not_fill_its_partition() {
    figure("recorder", &[]);
    let rig = Rig::new().await;
    rig.create_topics().await;
    let mut records = vec![record(said("call-0", "bomb 100000"))];
    records.extend((0..8_000).map(|_| record(said("call-0", "behind it"))));
    records.push(record(said("call-1", "of another key")));
    put(&rig, 0, &records).await;
    let worker = rig.consume("w").await;
    rig.wait_for_effects(1).await;
    worker.stop().await;
}

/// Breaks the engine over one event.
struct Break;

struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("told to break the engine");
    }
}

impl BatchHandler for Break {
    const NAME: &'static str = "break";
    type Item = Received<PatientCreationV1>;

    async fn apply(&self, batch: &[&Received<PatientCreationV1>], tx: &mut Tx) -> Result<(), HandlerError> {
        for event in batch {
            if event.data.name == "bomb" {
                std::panic::panic_any(Bomb);
            }
            note(event, "w", tx).await?;
        }
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_of_a_batch_that_no_client_gets_past_holds_up_its_key_alone() {
    figure("recorder", &[]);
    let rig = Rig::new().await;
    rig.create_topics().await;
    let mut records: Vec<_> = (0..30).map(|call| record(said(&format!("call-{call}"), "quick"))).collect();
    records.push(record(said("call-x", "bomb")));
    records.extend((30..40).map(|call| record(said(&format!("call-{call}"), "quick"))));
    put(&rig, 0, &records).await;
    let consumer = Consumer::builder(rig.config.clone(), "test-group", "test-service", rig.outbox.clone())
        .handle_batches(Break, Batching { most: 100, ..Batching::default() })
        .build()
        .unwrap();
    let (consumer, status) = Running::begin(consumer);
    wait_until("readiness names the place", LONG, || async {
        status.check().is_err_and(|problem| problem.contains("[0] offset 30"))
    })
    .await;
    rig.wait_for_effects(40).await;
    // One for the batch, three for the record.
    assert_eq!(figure("kafka_consumer_rebuilds_total", &[&rig.group(), "broken"]), Some(4.0));
    consumer.stop().await;
}
