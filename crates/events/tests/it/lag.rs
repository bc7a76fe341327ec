//! What the consumer tells of itself while it is behind.

use events::contract::topics::AI_RESPONSES;
use test_kit::{interventions::OpenTransaction, wait::wait_until};

use crate::{
    backlog::first_event,
    support::{LONG, Rig, figure, said},
};

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
    OpenTransaction::begin(&rig.servers(), &topic, b"call-1", b"never seen").await.abort().await;
    let lag = || {
        (0..6).filter_map(|of| figure("kafka_consumer_lag", &[&group, "ai-responses", &of.to_string()])).sum::<f64>()
    };
    // The marker stands before this one and, for the next worker, at the end.
    rig.send(said("call-1", "behind the marker")).await;
    rig.wait_for_effects(2).await;
    OpenTransaction::begin(&rig.servers(), &topic, b"call-1", b"never seen").await.abort().await;
    wait_until("it is found that nothing is there", LONG, || async { lag() == 0.0 }).await;
    assert!(status.check().is_ok(), "{:?}", status.check());
    assert_eq!(figure("kafka_consumer_rebuilds_total", &[&group, "stalled"]), Some(0.0));
    consumer.stop().await;
}
