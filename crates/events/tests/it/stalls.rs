//! What a consumer tells that has more to take and takes nothing, and what becomes of it.

use std::time::Duration;

use events::{
    contract::topics::{AI_RESPONSES, DEAD_LETTER_QUEUE},
    kafka::admin,
};
use test_kit::{broker::Broker, faulty_broker::FaultyBroker, kafka, wait::wait_until};

use crate::{
    backlog::{first_event, holding, told, told_of},
    support::{LONG, Rig, Running, figure, said, settings},
};

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

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_cannot_be_read_is_told_with_its_place_and_what_to_do() {
    figure("recorder", &[]);
    let mut broker = Broker::start().await;
    let config = settings(&broker.bootstrap(), &kafka::namespace(), &[]);
    admin::ensure(&config, "test", &[&AI_RESPONSES, &DEAD_LETTER_QUEUE]).await.unwrap();
    let name = config.topic_names().in_kafka(&AI_RESPONSES);
    let now = chrono::Utc::now().timestamp_millis();
    for (partition, value) in [(2, "sound"), (2, "to be damaged"), (2, "behind it"), (4, "another")] {
        kafka::produce_as_of(&broker.bootstrap(), &name, partition, value.as_bytes(), now).await;
    }
    broker.stop().await;
    broker.damage(&name, 2, b"to be damaged");
    broker.start_again().await;
    let (consumer, status) = Running::begin(holding(&config).build().unwrap());
    wait_until("readiness says what to do", LONG, || async {
        status.check().is_err_and(|why| why.contains("ai-responses[2]") && why.contains("offset 1"))
    })
    .await;
    wait_until("the rest is handled, and two are behind", LONG, || async {
        told(&config, &AI_RESPONSES).values().sum::<usize>() == 2
            && told_of("kafka_consumer_lag", &config, &AI_RESPONSES, 2) == Some(2.0)
    })
    .await;
    let group = config.topic_names().group("test-group");
    assert_eq!(figure("kafka_consumer_stalled", &[&group]), Some(1.0));
    assert_eq!(figure("kafka_consumer_rebuilds_total", &[&group, "stalled"]), Some(0.0), "a new client mends no disk");
    consumer.abort();
}
