//! Lag where offsets are no count: markers of transactions, what was compacted away, a transaction that stays open; and while the
//! brokers are away.

use std::time::Duration;

use events::{
    contract::topics::{AI_RESPONSES, DEAD_LETTER_QUEUE},
    kafka::admin,
};
use test_kit::{
    broker::Broker,
    faulty_broker::FaultyBroker,
    interventions::OpenTransaction,
    kafka::{self, create_topic},
    stack,
    wait::wait_until,
};

use crate::{
    backlog::{counted, holding, told, told_of, topic, wait_until_told},
    support::{LONG, Rig, Running, figure, said, settings},
};

/// A partition stands still for longer than any of these tests takes, so that what is told is not owed to that.
const NEVER: Duration = Duration::from_secs(600);

async fn rig() -> Rig {
    figure("recorder", &[]);
    let rig = Rig::with(&stack::kafka(), &[]).await;
    rig.create_topics().await;
    rig
}

#[tokio::test(flavor = "multi_thread")]
async fn a_marker_at_the_end_of_a_topic_is_no_lag() {
    let rig = rig().await;
    let consumer = Running::consumer(holding(&rig.config).stall_limit(NEVER).build().unwrap()).await;
    OpenTransaction::begin(&rig.servers(), &topic(&rig.config), b"call-1", b"no event").await.commit().await;
    OpenTransaction::begin(&rig.servers(), &topic(&rig.config), b"call-2", b"never seen").await.abort().await;
    wait_until("the record is a dead letter", LONG, || async {
        counted(&rig.config, &AI_RESPONSES).await.values().all(|(count, _)| *count == 0)
            && kafka::read_topic_to_end(&rig.servers(), &rig.topic(&DEAD_LETTER_QUEUE)).await.len() == 1
    })
    .await;
    let handled = std::time::Instant::now();
    // Time for two looks: the first may have been before the markers came.
    tokio::time::sleep(Duration::from_secs(21)).await;
    wait_until_told("soon after all is handled", &rig.config, &AI_RESPONSES, 0).await;
    assert!(handled.elapsed() < Duration::from_secs(45), "{:?}", handled.elapsed());
    consumer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_compacted_away_is_no_lag() {
    figure("recorder", &[]);
    let broker = FaultyBroker::start().await;
    let config = settings(&broker.bootstrap(), &kafka::namespace(), &[]);
    let compacted = [
        ("cleanup.policy", "compact"),
        ("segment.ms", "100"),
        ("min.cleanable.dirty.ratio", "0.001"),
        ("max.compaction.lag.ms", "1000"),
    ];
    create_topic(&broker.bootstrap(), &topic(&config), 1, &compacted).await;
    admin::ensure(&config, "test", &[&AI_RESPONSES, &DEAD_LETTER_QUEUE]).await.unwrap();
    let consumer = Running::consumer(holding(&config).stall_limit(NEVER).build().unwrap()).await;
    wait_until("it fetches", LONG, || async { broker.fetched() > 2 }).await;
    broker.stop_fetches();
    wait_until("a fetch is swallowed", LONG, || async { broker.swallowed() > 0 }).await;
    let send = |key: &'static [u8]| async {
        kafka::produce(&broker.bootstrap(), &topic(&config), Some(key), b"x", &[]).await.1
    };
    for _ in 0..20 {
        send(b"again and again").await;
    }
    let is_compacted = || async {
        // A segment ends with what comes after its time, and the last one is never compacted.
        let end = send(b"a tail").await + 1;
        let left = counted(&config, &AI_RESPONSES).await[&0].0 as i64;
        println!("{left} of {end} are left");
        left + 15 < end
    };
    wait_until("most are compacted away", LONG * 2, is_compacted).await;
    wait_until("what is left is told", LONG, || async {
        let counted = counted(&config, &AI_RESPONSES).await;
        told(&config, &AI_RESPONSES).get(&0).is_some_and(|lag| *lag < counted[&0].0 + 15)
    })
    .await;
    consumer.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_stays_open_is_told_and_what_stands_behind_it_is_no_lag_until_it_ends() {
    let rig = rig().await;
    let consumer = Running::consumer(holding(&rig.config).build().unwrap()).await;
    let status = consumer.status.clone().unwrap();
    let (partition, _) = rig.send(said("call-1", "before")).await;
    let transaction = OpenTransaction::begin(&rig.servers(), &topic(&rig.config), b"call-1", b"no event").await;
    let behind = rig.send(said("call-1", "hold")).await;
    assert_eq!(behind.0, partition);
    rig.send(said("call-1", "behind it")).await;
    let blocked = || {
        told_of("kafka_consumer_blocked_by_transaction_seconds", &rig.config, &AI_RESPONSES, partition).unwrap_or(0.0)
    };
    wait_until("it is told for how long it has been open", LONG, || async { blocked() > 8.0 }).await;
    wait_until_told("while a transaction is open", &rig.config, &AI_RESPONSES, 0).await;
    let name = format!("ai-responses[{partition}]");
    wait_until("readiness names it and goes on", LONG, || async {
        status.check().is_ok_and(|what| what.contains(&name) && what.contains("transaction"))
    })
    .await;
    assert_eq!(figure("kafka_consumer_stalled", &[&rig.group()]), Some(0.0));
    transaction.commit().await;
    // Offsets cannot tell that one of three is the transaction's marker until what stands before it is handled.
    wait_until("once it has ended what stands behind it is told", LONG, || async {
        told(&rig.config, &AI_RESPONSES).get(&partition) == Some(&3)
    })
    .await;
    assert_eq!(counted(&rig.config, &AI_RESPONSES).await[&partition].0, 2);
    wait_until("it is open no more", LONG, || async { blocked() == 0.0 }).await;
    wait_until("readiness names it no more", LONG, || async {
        status.check() == Ok("takes records of 6 partitions".to_owned())
    })
    .await;
    consumer.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_brokers_are_away_the_lag_is_not_known() {
    figure("recorder", &[]);
    let mut broker = Broker::start().await;
    let config = settings(&broker.bootstrap(), &kafka::namespace(), &[]);
    admin::ensure(&config, "test", &[&AI_RESPONSES, &DEAD_LETTER_QUEUE]).await.unwrap();
    let consumer = Running::consumer(holding(&config).build().unwrap()).await;
    let status = consumer.status.clone().unwrap();
    wait_until_told("before", &config, &AI_RESPONSES, 0).await;
    broker.kill();
    wait_until("the lag is not known", LONG, || async { told(&config, &AI_RESPONSES).is_empty() }).await;
    assert!(status.check().is_ok(), "{:?}", status.check());
    broker.start_again().await;
    kafka::produce(&broker.bootstrap(), &topic(&config), None, b"no event", &[]).await;
    wait_until_told("after", &config, &AI_RESPONSES, 0).await;
    assert_eq!(told(&config, &AI_RESPONSES).len(), 6);
    consumer.stop().await;
}
