//! What the consumer tells of itself while it is behind, and what becomes of one whose client has stopped fetching.

use std::time::Duration;

use events::contract::topics::AI_RESPONSES;
use test_kit::{faulty_broker::FaultyBroker, kafka, wait::wait_until};

use crate::support::{LONG, Rig, Running, figure, said};

/// Sends one event and waits until it is handled and committed: what is looked at then is what comes after it.
async fn first_event(rig: &Rig) -> Running {
    figure("recorder", &[]);
    rig.create_topics().await;
    rig.send(said("call-1", "first")).await;
    // Looks at the lag every quarter of it.
    let consumer = Running::consumer(rig.builder("w").stall_limit(Duration::from_secs(3)).build().unwrap()).await;
    rig.wait_for_effects(1).await;
    consumer
}

#[tokio::test(flavor = "multi_thread")]
async fn lag_is_told_in_records_and_in_seconds_until_all_is_handled() {
    let rig = Rig::new().await;
    let consumer = first_event(&rig).await;
    let (group, status) = (rig.group(), consumer.status.clone().unwrap());
    rig.send(said("call-1", "slow 6000")).await;
    let (partition, _) = rig.send(said("call-1", "behind it")).await;
    let labels = [group.as_str(), "ai-responses", &partition.to_string()];
    wait_until("two records behind, for seconds", LONG, || async {
        figure("kafka_consumer_lag", &labels) == Some(2.0)
            && figure("kafka_consumer_lag_seconds", &labels).is_some_and(|seconds| (3.0..30.0).contains(&seconds))
    })
    .await;
    assert_eq!(status.check(), Ok("takes records of 6 partitions".to_owned()), "what is slow has not stalled");
    assert_eq!(figure("kafka_topic_partition_count", &["ai-responses"]), Some(6.0));
    rig.wait_for_effects(3).await;
    wait_until("nothing behind", LONG, || async {
        figure("kafka_consumer_lag", &labels) == Some(0.0) && figure("kafka_consumer_lag_seconds", &labels) == Some(0.0)
    })
    .await;
    assert_eq!(figure("kafka_consumer_rebuilds_total", &[&group, "stalled"]), Some(0.0));
    consumer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_transaction_leaves_at_the_end_of_a_topic_is_no_lag_and_no_stall() {
    let rig = Rig::new().await;
    let consumer = first_event(&rig).await;
    let (group, status) = (rig.group(), consumer.status.clone().unwrap());
    // Aborted: the record and its marker are in the log, and no reader ever gets them.
    let topic = rig.topic(&AI_RESPONSES);
    kafka::produce_and_abort(&rig.servers(), &topic, b"call-1", b"never seen").await;
    let lag = || {
        (0..6).filter_map(|of| figure("kafka_consumer_lag", &[&group, "ai-responses", &of.to_string()])).sum::<f64>()
    };
    wait_until("the end is ahead", LONG, || async { lag() > 0.0 }).await;
    wait_until("it is found that nothing is there", LONG, || async { lag() == 0.0 }).await;
    assert!(status.check().is_ok(), "{:?}", status.check());
    assert_eq!(figure("kafka_consumer_rebuilds_total", &[&group, "stalled"]), Some(0.0));
    consumer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_whose_fetches_have_stopped_says_so_and_gets_a_new_client_and_each_event_its_one_effect() {
    let broker = FaultyBroker::start().await;
    let rig = Rig::with(&broker.bootstrap(), &[]).await;
    let consumer = first_event(&rig).await;
    let (group, status) = (rig.group(), consumer.status.clone().unwrap());
    broker.stop_fetches();
    wait_until("a fetch is swallowed", LONG, || async { broker.swallowed() > 0 }).await;
    for number in 0..5 {
        rig.send(said("call-1", &number.to_string())).await;
    }
    wait_until("readiness tells it", LONG, || async {
        status.check().is_err_and(|why| why.contains("stalled") && why.contains("ai-responses["))
    })
    .await;
    // The client by itself would mend it after a minute, its time limit for an answer.
    wait_until("a new client takes them", Duration::from_secs(25), || async { rig.effects().await.len() >= 6 }).await;
    wait_until("readiness is back", LONG, || async { status.check().is_ok() }).await;
    rig.wait_until_committed().await;
    let names: Vec<String> = rig.effects().await.into_iter().map(|(_, name)| name).collect();
    assert_eq!(names, ["first", "0", "1", "2", "3", "4"]);
    assert_eq!(figure("kafka_consumer_rebuilds_total", &[&group, "stalled"]), Some(1.0));
    assert_eq!(figure("kafka_consumer_stalled", &[&group]), Some(0.0));
    consumer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_whose_client_is_dead_gets_a_new_one() {
    let broker = FaultyBroker::start().await;
    let rig = Rig::with(&broker.bootstrap(), &[]).await;
    let consumer = first_event(&rig).await;
    let (group, status) = (rig.group(), consumer.status.clone().unwrap());
    broker.fence_a_member();
    wait_until("its death is told", LONG, || async {
        figure("kafka_consumer_rebuilds_total", &[&group, "dead"]) == Some(1.0)
    })
    .await;
    rig.send(said("call-1", "second")).await;
    rig.wait_for_effects(2).await;
    wait_until("readiness is back", LONG, || async { status.check().is_ok() }).await;
    rig.wait_until_committed().await;
    assert_eq!(rig.effects().await.len(), 2);
    consumer.stop().await;
}
