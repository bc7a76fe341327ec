//! Another log than was handled, where little is known or much is under way: brokers that are slow, a transaction that is open, work
//! that waits, a partition that is paused.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use events::{
    consume::{Consumer, Listener, Received},
    contract::{
        schema::voice::{BookingConfirmationV1, PatientCreationV1},
        topics::AI_RESPONSES,
    },
    flow::{error::HandlerError, retry::RetryPolicy},
};
use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    consumer::{BaseConsumer, CommitMode, Consumer as _},
};
use test_kit::{
    faulty_broker::{FaultyBroker, Unanswered},
    interventions::{self, OpenTransaction},
    kafka,
    raw_produce::RawRecord,
    wait::wait_until,
};

use crate::{
    backlog::told,
    stuck_keys::{put, record},
    support::{LONG, Rig, Running, booking, figure, said},
};

pub async fn send(rig: &Rig, numbers: std::ops::Range<usize>) {
    for number in numbers {
        rig.send(said(&format!("call-{}", number % 17), &format!("number {number}"))).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn offsets_that_a_tool_commits_behind_an_open_transaction_are_trusted() {
    figure("recorder", &[]);
    let rig = Rig::new().await;
    rig.create_topics().await;
    send(&rig, 0..50).await;
    let topic = rig.topic(&AI_RESPONSES);
    let open = OpenTransaction::begin(&rig.servers(), &topic, b"call-1", b"no event").await;
    // As `kafka-consumer-groups --reset-offsets --to-latest` does.
    let (partition, offset) = rig.send(said("call-1", "behind it")).await;
    let mut ends = kafka::ends(&rig.servers(), &topic).await;
    ends[partition as usize].1 = offset + 1;
    interventions::commit(&rig.servers(), &rig.group(), &topic, &ends).await;
    let worker = rig.consume("w").await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    open.commit().await;
    send(&rig, 50..80).await;
    rig.wait_for_effects(30).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    worker.stop().await;
    assert_eq!(rig.effects().await.len(), 30);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_begins_with_what_comes_from_now_on_does_so_while_the_brokers_are_slow() {
    figure("recorder", &[]);
    let broker = FaultyBroker::start().await;
    let rig = Rig::with(&broker.bootstrap(), &["--kafka-consumer-auto-offset-reset", "latest"]).await;
    rig.create_topics().await;
    send(&rig, 0..30).await;
    broker.leave_unanswered(&[Unanswered::ListOffsets]);
    let (worker, status) = Running::begin(rig.builder("w").build().unwrap());
    // Longer than it is tried to learn what the logs are.
    tokio::time::sleep(Duration::from_secs(25)).await;
    broker.leave_unanswered(&[]);
    wait_until("it has its partitions", LONG, || async { status.partitions() == 6 }).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let effects = rig.effects().await.len();
    send(&rig, 30..40).await;
    rig.wait_for_effects(10).await;
    worker.stop().await;
    assert_eq!(effects, 0);
}

/// Commits what the group had, as a worker does that still has the deleted topic, with what the log was known by.
pub async fn commit_again(rig: &Rig, offsets: Vec<(i32, i64)>, known_by: &str) {
    let (servers, group, topic) = (rig.servers(), rig.group(), rig.topic(&AI_RESPONSES));
    let known_by = known_by.to_owned();
    tokio::task::spawn_blocking(move || {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", servers).set("group.id", group);
        let client: BaseConsumer = config.create().unwrap();
        let mut list = TopicPartitionList::new();
        for (partition, offset) in offsets.into_iter().filter(|(_, offset)| *offset > 0) {
            let mut of = list.add_partition(&topic, partition);
            of.set_offset(Offset::Offset(offset)).unwrap();
            of.set_metadata(known_by.as_str());
        }
        client.commit(&list, CommitMode::Sync).unwrap();
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_another_is_found_however_slow_the_first_look_was() {
    figure("recorder", &[]);
    let broker = FaultyBroker::start().await;
    let rig = Rig::with(&broker.bootstrap(), &[]).await;
    rig.create_topics().await;
    let worker = rig.consume("w").await;
    send(&rig, 0..30).await;
    rig.wait_for_effects(30).await;
    rig.wait_until_committed().await;
    worker.stop().await;
    let left = rig.committed().await;
    let topic = rig.topic(&AI_RESPONSES);
    kafka::delete_topic(&rig.servers(), &topic).await;
    rig.create_topics().await;
    send(&rig, 30..130).await;
    commit_again(&rig, left, "timestamp_ms=1").await;
    broker.leave_unanswered(&[Unanswered::ListOffsets]);
    let (worker, status) = Running::begin(rig.builder("w").build().unwrap());
    wait_until("it has its partitions", LONG, || async { status.partitions() == 6 }).await;
    broker.leave_unanswered(&[]);
    let waited = tokio::time::timeout(LONG + LONG / 3, async {
        while rig.effects().await.len() < 130 {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    })
    .await;
    assert!(waited.is_ok());
    worker.stop().await;
}

/// Hears of patients once it is open, and of bookings always: how many of each.
#[derive(Clone, Default)]
pub struct Ears {
    pub is_open: Arc<AtomicBool>,
    pub patients: Arc<AtomicUsize>,
    pub bookings: Arc<AtomicUsize>,
}

struct Wait(Ears);

impl Listener for Wait {
    const NAME: &'static str = "wait";
    type Event = PatientCreationV1;

    async fn hear(&self, _: &Received<PatientCreationV1>) -> Result<(), HandlerError> {
        if !self.0.is_open.load(SeqCst) {
            return Err(HandlerError::dependency("a-peer", "is away"));
        }
        self.0.patients.fetch_add(1, SeqCst);
        Ok(())
    }
}

struct Count(Ears);

impl Listener for Count {
    const NAME: &'static str = "count";
    type Event = BookingConfirmationV1;

    async fn hear(&self, _: &Received<BookingConfirmationV1>) -> Result<(), HandlerError> {
        self.0.bookings.fetch_add(1, SeqCst);
        Ok(())
    }
}

pub async fn listen(rig: &Rig, ears: &Ears) -> Running {
    let retry = RetryPolicy {
        base: Duration::from_millis(100),
        max_delay: Duration::from_millis(100),
        ..RetryPolicy::default()
    };
    let consumer = Consumer::without_database(rig.config.clone(), "test-group", "test-service")
        .listen(Wait(ears.clone()))
        .listen(Count(ears.clone()))
        .retry(retry)
        .most_uncommitted(1_000)
        .stall_limit(Duration::from_secs(8))
        .build()
        .unwrap();
    Running::consumer(consumer).await
}

/// Bookings of so many calls.
pub fn bookings(prefix: &str, count: usize) -> Vec<RawRecord> {
    (0..count).map(|call| record(booking(&format!("{prefix}-{call}")))).collect()
}

/// A record that waits, and a new log under it that is shorter than where that stands; `behind` are done behind it.
async fn another_log(behind: usize) {
    figure("recorder", &[]);
    let rig = Rig::new().await;
    rig.create_topics().await;
    let mut records = bookings("before", 5_000);
    records.push(record(said("held", "waits")));
    records.extend(bookings("call", behind));
    put(&rig, 0, &records).await;
    interventions::commit(&rig.servers(), &rig.group(), &rig.topic(&AI_RESPONSES), &[(0, 5_000)]).await;
    let ears = Ears::default();
    let consumer = listen(&rig, &ears).await;
    let heard = Arc::clone(&ears.bookings);
    wait_until("what is behind is done", LONG, || async { heard.load(SeqCst) >= behind.min(1_000) }).await;
    // Whoever is full is paused by then.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let before = heard.load(SeqCst);
    kafka::delete_topic(&rig.servers(), &rig.topic(&AI_RESPONSES)).await;
    rig.create_topics().await;
    put(&rig, 0, &bookings("anew", 3_000)).await;
    wait_until("it is found", LONG, || async {
        let counted = |reason| {
            figure("kafka_consumer_log_resets_total", &[&rig.group(), "ai-responses", reason]).unwrap_or_default()
        };
        counted("shorter") + counted("replaced") > 0.0
    })
    .await;
    // Time for two looks, and longer than nothing may come of another log where nothing keeps it back.
    tokio::time::sleep(Duration::from_secs(8)).await;
    assert_eq!(told(&rig.config, &AI_RESPONSES).get(&0), Some(&3_000), "nothing of it is committed");
    let rebuilds = figure("kafka_consumer_rebuilds_total", &[&rig.group(), "another_log"]).unwrap_or_default();
    assert!(rebuilds == 0.0, "another client was built, and the first had nothing to fetch");
    ears.is_open.store(true, SeqCst);
    wait_until("all of it is heard", LONG, || async { heard.load(SeqCst) >= before + 3_000 }).await;
    consumer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lag_of_another_log_is_counted_from_its_beginning_while_work_of_the_first_waits() {
    another_log(500).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_another_is_handled_from_its_beginning_though_its_partition_is_paused() {
    another_log(9_000).await;
}
