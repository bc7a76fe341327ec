//! From where the lag is counted: at start, over rebalances, with nothing committed, and where what was committed is not in the log.

use std::{collections::BTreeMap, time::Duration};

use events::{
    consume::Consumer,
    contract::{
        schema::{
            lead::{AiErrorV1, LeadCreatedV1, LeadMessageV1},
            voice::PatientCreationV1,
        },
        topics::{AI_ERROR, AI_RESPONSES, LEAD_CREATED, LEAD_MESSAGE},
    },
    kafka::{admin, config::KafkaConfig},
};
use test_kit::{
    faulty_broker::FaultyBroker,
    interventions::{add_partitions, commit, delete_records},
    kafka, stack,
    wait::wait_until,
};

use crate::{
    backlog::{Hold, holding, told, told_of, topic, wait_until_told},
    support::{LONG, Rig, Running, figure, said, settings},
};

async fn rig(more: &[&str]) -> Rig {
    figure("recorder", &[]);
    let rig = Rig::with(&stack::kafka(), more).await;
    rig.create_topics().await;
    rig
}

/// Sends to each partition what is heard at once, what holds the consumer up, and so many events behind it.
async fn fill(rig: &Rig, behind: usize) {
    let mut calls: BTreeMap<i32, String> = BTreeMap::new();
    for number in 0.. {
        let call = format!("call-{number}");
        let (partition, _) = rig.send(said(&call, "quick")).await;
        calls.entry(partition).or_insert(call);
        if calls.len() == 6 {
            break;
        }
    }
    for call in calls.values() {
        rig.send(said(call, "hold")).await;
        for number in 0..behind {
            rig.send(said(call, &number.to_string())).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_partition_is_told_to_be_done_whenever_the_first_look_comes() {
    // The first record of each is handled before the first look, or after it: as chance has it, hence some of them.
    let tries = (0..4).map(|_| async {
        let rig = rig(&[]).await;
        fill(&rig, 3).await;
        let consumer = Running::consumer(holding(&rig.config).build().unwrap()).await;
        wait_until_told("after the start", &rig.config, &AI_RESPONSES, 24).await;
        consumer.abort();
    });
    futures::future::join_all(tries).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lag_is_what_a_plain_client_counts_at_start_and_when_workers_come_and_go() {
    let rig = rig(&[]).await;
    fill(&rig, 3).await;
    let first = Running::consumer(holding(&rig.config).build().unwrap()).await;
    let of_first = first.status.clone().unwrap();
    wait_until_told("after the start", &rig.config, &AI_RESPONSES, 24).await;
    assert_eq!(of_first.check(), Ok("takes records of 6 partitions".to_owned()));
    let second = Running::consumer(holding(&rig.config).build().unwrap()).await;
    let of_second = second.status.clone().unwrap();
    wait_until("each has its share", LONG, || async {
        of_second.check() == Ok("takes records of 3 partitions".to_owned())
            && of_first.check() == Ok("takes records of 3 partitions".to_owned())
    })
    .await;
    wait_until_told("after another came", &rig.config, &AI_RESPONSES, 24).await;
    first.stop().await;
    wait_until("the second has all", LONG, || async { of_second.partitions() == 6 }).await;
    wait_until_told("after one went", &rig.config, &AI_RESPONSES, 24).await;
    assert_eq!(figure("kafka_consumer_rebuilds_total", &[&rig.group(), "stalled"]), Some(0.0));
    second.stop().await;
    // Nobody tells of them now, and nobody says that nothing is behind.
    assert_eq!(told(&rig.config, &AI_RESPONSES), BTreeMap::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_of_which_nothing_is_taken_is_told_of_three_topics_with_its_age() {
    figure("recorder", &[]);
    let broker = FaultyBroker::start().await;
    let config = settings(&broker.bootstrap(), &kafka::namespace(), &[]);
    let specs = [&AI_RESPONSES, &LEAD_CREATED, &LEAD_MESSAGE];
    admin::ensure(&config, "test", &specs).await.unwrap();
    let consumer = Consumer::without_database(config.clone(), "test-group", "test-service")
        .listen(Hold::<PatientCreationV1>::new())
        .listen(Hold::<LeadCreatedV1>::new())
        .listen(Hold::<LeadMessageV1>::new())
        .stall_limit(Duration::from_secs(600))
        .build()
        .unwrap();
    let consumer = Running::consumer(consumer).await;
    let status = consumer.status.clone().unwrap();
    assert_eq!(status.check(), Ok("takes records of 18 partitions".to_owned()));
    wait_until("it fetches", LONG, || async { broker.fetched() > 2 }).await;
    broker.stop_fetches();
    wait_until("a fetch is swallowed", LONG, || async { broker.swallowed() > 0 }).await;
    let an_hour_ago = chrono::Utc::now().timestamp_millis() - 3_600_000;
    for (behind, spec) in (1..).zip(specs) {
        let topic = config.topic_names().in_kafka(spec);
        for _ in 0..behind {
            kafka::produce_as_of(&broker.bootstrap(), &topic, behind, b"x", an_hour_ago).await;
        }
    }
    // Together: after a minute without an answer the client takes another connection, which does fetch.
    for (behind, spec) in (1..).zip(specs) {
        wait_until_told("while nothing is fetched", &config, spec, behind as usize).await;
        assert!(told_of("kafka_consumer_lag_seconds", &config, spec, behind).unwrap() > 3_500.0);
    }
    consumer.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn with_latest_what_comes_after_the_reader_began_is_behind() {
    figure("recorder", &[]);
    let broker = FaultyBroker::start().await;
    let rig = Rig::with(&broker.bootstrap(), &["--kafka-consumer-auto-offset-reset", "latest"]).await;
    rig.create_topics().await;
    let (partition, _) = rig.send(said("call-1", "before")).await;
    let consumer = Running::consumer(holding(&rig.config).build().unwrap()).await;
    wait_until("the reader began", LONG, || async { broker.fetched() > 2 }).await;
    rig.send(said("call-1", "hold")).await;
    for number in 0..3 {
        rig.send(said("call-1", &number.to_string())).await;
    }
    wait_until("what came since is told", LONG, || async {
        told(&rig.config, &AI_RESPONSES).get(&partition) == Some(&4)
    })
    .await;
    assert_eq!(told(&rig.config, &AI_RESPONSES).values().sum::<usize>(), 4);
    consumer.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn with_error_and_nothing_committed_the_lag_is_not_known_and_readiness_says_why() {
    let rig = rig(&["--kafka-consumer-auto-offset-reset", "error"]).await;
    let (bootstrap, topic) = (rig.servers(), topic(&rig.config));
    let (partition, _) = rig.send(said("call-1", "never heard")).await;
    for of in (0..6).filter(|of| *of != partition) {
        commit(&bootstrap, &rig.group(), &topic, &[(of, 0)]).await;
    }
    let (consumer, status) = Running::begin(holding(&rig.config).build().unwrap());
    let partition_name = format!("ai-responses[{partition}]");
    wait_until("readiness says why", LONG, || async {
        status
            .check()
            .is_err_and(|why| why.contains(&partition_name) && why.contains("KAFKA_CONSUMER_AUTO_OFFSET_RESET"))
    })
    .await;
    let known = told(&rig.config, &AI_RESPONSES);
    assert!(!known.contains_key(&partition) && known.values().all(|lag| *lag == 0) && known.len() == 5, "{known:?}");
    assert_eq!(figure("kafka_consumer_stalled", &[&rig.group()]), Some(1.0));
    consumer.stop().await;
}

/// A group whose committed offset is not in the log: 5 records, of which the first three are gone.
async fn outside_of_the_log(config: &KafkaConfig, committed: i64) {
    let (bootstrap, topic) = (config.kafka_bootstrap_servers.to_string(), topic(config));
    for _ in 0..5 {
        kafka::produce_as_of(&bootstrap, &topic, 0, b"x", chrono::Utc::now().timestamp_millis()).await;
    }
    delete_records(&bootstrap, &topic, &[(0, 3)]).await;
    commit(&bootstrap, &config.topic_names().group("test-group"), &topic, &[(0, committed)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_error_an_offset_that_is_not_in_the_log_is_told_too() {
    for committed in [1, 50] {
        let rig = rig(&["--kafka-consumer-auto-offset-reset", "error"]).await;
        outside_of_the_log(&rig.config, committed).await;
        for of in 1..6 {
            commit(&rig.servers(), &rig.group(), &topic(&rig.config), &[(of, 0)]).await;
        }
        let (consumer, status) = Running::begin(holding(&rig.config).build().unwrap());
        wait_until("readiness says why", LONG, || async {
            status.check().is_err_and(|why| why.contains("ai-responses[0]") && why.contains(&committed.to_string()))
        })
        .await;
        assert!(!told(&rig.config, &AI_RESPONSES).contains_key(&0));
        consumer.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_earliest_an_offset_that_is_not_in_the_log_means_all_that_is_left() {
    for committed in [1, 50] {
        figure("recorder", &[]);
        let broker = FaultyBroker::start().await;
        let config = settings(&broker.bootstrap(), &kafka::namespace(), &[]);
        admin::ensure(&config, "test", &[&AI_RESPONSES]).await.unwrap();
        outside_of_the_log(&config, committed).await;
        // It cannot begin to fetch: what is told comes from the rule alone.
        broker.stop_every_fetch();
        let (consumer, _) = Running::begin(holding(&config).stall_limit(LONG).build().unwrap());
        wait_until("what is left is told", LONG, || async { told(&config, &AI_RESPONSES).get(&0) == Some(&2) }).await;
        assert_eq!(told(&config, &AI_RESPONSES).values().sum::<usize>(), 2);
        consumer.abort();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_that_are_added_are_counted() {
    figure("recorder", &[]);
    let config = settings(&stack::kafka(), &kafka::namespace(), &[]);
    admin::ensure(&config, "test", &[&AI_ERROR]).await.unwrap();
    let consumer = Consumer::without_database(config.clone(), "test-group", "test-service")
        .listen(Hold::<AiErrorV1>::new())
        .stall_limit(Duration::from_secs(8));
    let consumer = Running::consumer(consumer.build().unwrap()).await;
    let count = || figure("kafka_topic_partition_count", &[AI_ERROR.name]);
    wait_until("the partitions are told", LONG, || async { count() == Some(f64::from(AI_ERROR.partitions)) }).await;
    add_partitions(&stack::kafka(), &config.topic_names().in_kafka(&AI_ERROR), 8).await;
    wait_until("the new ones are told", LONG, || async { count() == Some(8.0) }).await;
    consumer.stop().await;
}
