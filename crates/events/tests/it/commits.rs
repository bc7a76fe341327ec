//! Offsets that cannot be committed: what is handled stays handled, and whoever looks at the consumer is told.

use std::time::Duration;

use test_kit::{
    faulty_broker::{COORDINATOR_NOT_AVAILABLE, FaultyBroker, TOPIC_AUTHORIZATION_FAILED},
    wait::wait_until,
};

use crate::support::{LONG, Rig, Running, figure, said};

#[tokio::test(flavor = "multi_thread")]
async fn commits_that_fail_are_counted_and_readiness_fails_until_they_succeed() {
    for error in [TOPIC_AUTHORIZATION_FAILED, COORDINATOR_NOT_AVAILABLE] {
        figure("recorder", &[]);
        let broker = FaultyBroker::start().await;
        let rig = Rig::with(&broker.bootstrap(), &[]).await;
        rig.create_topics().await;
        let consumer = Running::consumer(rig.builder("w").stall_limit(Duration::from_secs(8)).build().unwrap()).await;
        let status = consumer.status.clone().unwrap();
        let failures = || figure("kafka_consumer_commit_failures_total", &[&rig.group()]);
        rig.send(said("call-1", "first")).await;
        rig.wait_for_effects(1).await;
        rig.wait_until_committed().await;
        assert_eq!(failures(), Some(0.0));
        broker.refuse_commits(Some(error));
        let (partition, _) = rig.send(said("call-1", "second")).await;
        rig.wait_for_effects(2).await;
        let name = format!("ai-responses[{partition}]");
        // Whoever loses its partitions meanwhile, as on a loaded machine, begins to count anew.
        wait_until("readiness says so", LONG * 3, || async {
            status.check().is_err_and(|why| why.contains("commit") && why.contains(&name))
        })
        .await;
        assert!(broker.refused() > 0);
        wait_until("failures are counted", LONG, || async { failures().unwrap() > 0.0 }).await;
        broker.refuse_commits(None);
        rig.send(said("call-1", "third")).await;
        wait_until("readiness is back", LONG, || async { status.check().is_ok() }).await;
        rig.wait_until_committed().await;
        assert_eq!(rig.effects().await.len(), 3);
        assert_eq!(figure("kafka_consumer_rebuilds_total", &[&rig.group(), "stalled"]), Some(0.0));
        consumer.stop().await;
    }
}
