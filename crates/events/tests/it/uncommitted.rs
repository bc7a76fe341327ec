//! What is done behind a record that waits: how much of it there may be, and that it is told.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use events::{
    consume::{Consumer, Listener, Received},
    contract::{
        codec,
        envelope::Envelope,
        event::{Event, NewEvent},
        schema::voice::{BookingConfirmationV1, PatientCreationV1},
        topics::AI_RESPONSES,
    },
    flow::{error::HandlerError, retry::RetryPolicy},
};
use test_kit::{
    raw_produce::{self, Compression, RawRecord},
    wait::wait_until,
};

use crate::support::{LONG, Rig, Running, booking, figure, recorder, said};

/// Fails until the gate is open.
struct Wait {
    is_open: Arc<AtomicBool>,
    error: fn() -> HandlerError,
}

impl Listener for Wait {
    const NAME: &'static str = "wait";
    type Event = PatientCreationV1;

    async fn hear(&self, _: &Received<PatientCreationV1>) -> Result<(), HandlerError> {
        if self.is_open.load(Ordering::SeqCst) { Ok(()) } else { Err((self.error)()) }
    }
}

struct Count(Arc<AtomicUsize>);

impl Listener for Count {
    const NAME: &'static str = "count";
    type Event = BookingConfirmationV1;

    async fn hear(&self, _: &Received<BookingConfirmationV1>) -> Result<(), HandlerError> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

fn record<E: Event>(event: NewEvent<E>) -> RawRecord {
    let envelope = Envelope::seal(event, "another-service");
    let value = codec::encode(&envelope).unwrap();
    RawRecord { key: Some(envelope.key().into_bytes()), value: Some(value), headers: Vec::new() }
}

const BEHIND: usize = 20_000;
const MOST: usize = 1_000;
/// What may be taken of a partition before anybody learns that it is full, as what is in flight allows.
const IN_FLIGHT: usize = 6_000;

/// One record that waits, and all behind it in its partition that do not.
async fn hold(error: fn() -> HandlerError) {
    recorder();
    let rig = Rig::new().await;
    rig.create_topics().await;
    let waits = record(said("call-0", "waits"));
    let behind = (1..=BEHIND).map(|call| record(booking(&format!("call-{call}"))));
    let records: Vec<RawRecord> = std::iter::once(waits).chain(behind).collect();
    for batch in records.chunks(1_000) {
        let topic = rig.topic(&AI_RESPONSES);
        raw_produce::produce(&rig.servers(), &topic, 0, batch, Compression::Gzip).await;
    }
    let (is_open, heard) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
    let consumer = Consumer::without_database(rig.config.clone(), "test-group", "test-service")
        .listen(Wait { is_open: Arc::clone(&is_open), error })
        .listen(Count(Arc::clone(&heard)))
        .retry(RetryPolicy {
            base: Duration::from_millis(100),
            max_delay: Duration::from_millis(100),
            max_attempts: u32::MAX,
            total: Duration::MAX,
            ..RetryPolicy::default()
        })
        .most_uncommitted(MOST)
        // The watch must not take it for a client that has stopped.
        .stall_limit(Duration::from_secs(2))
        .build()
        .unwrap();
    let consumer = Running::consumer(consumer).await;
    let group = rig.group();
    let uncommitted = || figure("kafka_consumer_uncommitted_records", &[&group, "ai-responses", "0"]).unwrap_or(0.0);
    wait_until("the partition is past its limit", LONG, || async { uncommitted() > MOST as f64 }).await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    let (count, told) = (heard.load(Ordering::SeqCst), uncommitted());
    println!("{count} of {BEHIND} are done behind one that waits, {told} are told");
    assert!((MOST..MOST + IN_FLIGHT).contains(&count), "{count} were taken");
    assert_eq!(told as usize, count + 1);
    assert!(rig.committed().await.iter().all(|(_, offset)| *offset <= 0));
    let status = consumer.status.clone().unwrap();
    assert_eq!((status.stalled(), figure("kafka_consumer_rebuilds_total", &[&group, "stalled"])), (None, Some(0.0)));

    is_open.store(true, Ordering::SeqCst);
    rig.wait_until_committed().await;
    assert_eq!(heard.load(Ordering::SeqCst), BEHIND);
    wait_until("nothing is uncommitted", LONG, || async { uncommitted() == 0.0 }).await;
    consumer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_pauses_when_much_is_done_behind_a_record_that_waits() {
    hold(|| HandlerError::retry("not yet")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_pauses_when_much_is_done_behind_an_open_breaker() {
    hold(|| HandlerError::dependency("a-peer", "is away")).await;
}
