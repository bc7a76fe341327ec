//! Records become effects: once each, in order per key, and no key waits for another.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use chrono::{DateTime, Utc};
use events::{
    consume::{BuildError, Handler, Received},
    contract::{
        schema::voice::PatientCreationV1,
        topics::{AI_RESPONSES, DEAD_LETTER_QUEUE},
    },
    flow::{
        error::HandlerError,
        retry::{Backoff, RetryPolicy},
    },
    kafka::producer::Producer,
    publish::Tx,
};
use test_kit::{kafka, wait::wait_until};

use crate::support::{LONG, Rig, Running, figure, recorder, said};

#[tokio::test(flavor = "multi_thread")]
async fn each_event_has_one_effect_however_often_it_is_delivered() {
    let rig = Rig::new().await;
    rig.create_topics().await;
    let repeated = said("call-0", "said thrice");
    for _ in 0..3 {
        rig.send(repeated.clone()).await;
    }
    for call in 1..50 {
        rig.send(said(&format!("call-{call}"), "once")).await;
    }
    let consumer = rig.consume("w").await;
    rig.wait_until_committed().await;
    let effects = rig.effects().await;
    assert_eq!(effects.len(), 50);
    assert_eq!(effects.iter().filter(|(call, _)| call == "call-0").count(), 1);
    consumer.stop().await;

    // Everything once more, as after a lost commit.
    let topic = rig.topic(&events::contract::topics::AI_RESPONSES);
    for record in test_kit::kafka::read_topic_to_end(&rig.servers(), &topic).await {
        rig.send_raw(record.key.as_deref(), &record.payload.unwrap_or_default(), &[]).await;
    }
    let consumer = rig.consume("w").await;
    rig.wait_until_committed().await;
    assert_eq!(rig.effects().await.len(), 50);
    consumer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_of_one_key_are_applied_in_order_and_keys_side_by_side() {
    let rig = Rig::new().await;
    rig.create_topics().await;
    for number in 0..40 {
        for call in 0..12 {
            // Some take longer than their successors, some fail first.
            let name = match (number + call) % 7 {
                0 => format!("slow {}", 5 + call),
                3 => "flaky 1".to_owned(),
                _ => format!("quick {number}"),
            };
            rig.send(said(&format!("call-{call}"), &name)).await;
        }
    }
    let ids: Vec<(String, uuid::Uuid)> = sent(&rig).await;
    let consumer = rig.consume("w").await;
    rig.wait_for_effects(480).await;
    let applied: Vec<(String, uuid::Uuid)> =
        sqlx::query_as("SELECT call_id, event_id FROM effects ORDER BY id").fetch_all(rig.pool()).await.unwrap();
    for call in 0..12 {
        let of_call = |all: &[(String, uuid::Uuid)]| -> Vec<uuid::Uuid> {
            all.iter().filter(|(key, _)| *key == format!("call-{call}")).map(|(_, id)| *id).collect()
        };
        assert_eq!(of_call(&applied), of_call(&ids));
    }
    consumer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_breaks_over_a_record_takes_it_again_before_the_rest_of_its_key() {
    recorder();
    let rig = Rig::new().await;
    rig.create_topics().await;
    for name in ["first", "bomb 2", "next", "last"] {
        rig.send(said("call-0", name)).await;
    }
    for call in 1..50 {
        rig.send(said(&format!("call-{call}"), "quick")).await;
    }
    let consumer = rig.consume("w").await;
    rig.wait_until_committed().await;
    let effects = rig.effects().await;
    let names: Vec<&str> = effects.iter().filter(|(call, _)| call == "call-0").map(|(_, name)| name.as_str()).collect();
    assert_eq!(names, ["first", "bomb 2", "next", "last"]);
    assert_eq!(effects.len(), 53);
    assert_eq!(figure("kafka_consumer_rebuilds_total", &[&rig.group(), "broken"]), Some(2.0));
    assert!(kafka::read_topic_to_end(&rig.servers(), &rig.topic(&DEAD_LETTER_QUEUE)).await.is_empty());
    consumer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_no_client_gets_past_is_told_and_holds_up_its_key_alone() {
    recorder();
    let rig = Rig::new().await;
    rig.create_topics().await;
    rig.send(said("call-0", "first")).await;
    let (partition, offset) = rig.send(said("call-0", "bomb 1000")).await;
    rig.send(said("call-0", "behind it")).await;
    for call in 1..50 {
        rig.send(said(&format!("call-{call}"), "quick")).await;
    }
    let consumer = rig.consume("w").await;
    rig.wait_for_effects(50).await;
    let status = consumer.status.clone().unwrap();
    let place = format!("does not get past {}[{partition}] offset {offset}", rig.topic(&AI_RESPONSES));
    wait_until("readiness names the place", LONG, || async {
        status.check().is_err_and(|problem| problem.contains(&place))
    })
    .await;
    // All else goes on, also on its partition and also what comes later.
    for call in 1..50 {
        rig.send(said(&format!("call-{call}"), "quick")).await;
    }
    rig.send(said("call-0", "behind it, too")).await;
    rig.wait_for_effects(99).await;
    assert_eq!(figure("kafka_consumer_rebuilds_total", &[&rig.group(), "broken"]), Some(3.0));
    assert!(status.check().is_err_and(|problem| problem.contains(&place)), "and stays so");
    consumer.stop().await;
    let committed = rig.committed().await;
    assert!(committed.contains(&(partition, offset)), "it is still to be handled: {committed:?}");
    assert!(rig.effects().await.iter().all(|(_, name)| !name.contains("behind it")), "its key waits");
}

async fn sent(rig: &Rig) -> Vec<(String, uuid::Uuid)> {
    let topic = rig.topic(&events::contract::topics::AI_RESPONSES);
    let mut records = test_kit::kafka::read_topic_to_end(&rig.servers(), &topic).await;
    records.sort_by_key(|record| (record.partition, record.offset));
    let id = |record: &test_kit::kafka::TestRecord| {
        let value: serde_json::Value = serde_json::from_slice(record.payload.as_deref().unwrap()).unwrap();
        value["event_id"].as_str().unwrap().parse().unwrap()
    };
    records.iter().map(|record| (String::from_utf8(record.key.clone().unwrap()).unwrap(), id(record))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_and_a_failing_key_hold_up_nobody() {
    let rig = Rig::new().await;
    rig.create_topics().await;
    rig.send(said("slow", "slow 3000")).await;
    rig.send(said("failing", "flaky 3")).await;
    for call in 0..100 {
        rig.send(said(&format!("call-{call}"), "quick")).await;
    }
    let consumer = rig.consume("w").await;
    rig.wait_for_effects(102).await;
    let effects = rig.effects().await;
    assert_eq!(effects.last().map(|(call, _)| call.as_str()), Some("slow"), "a hundred others were done before it");
    consumer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn poison_costs_one_dead_letter_and_its_neighbours_nothing() {
    let rig = Rig::new().await;
    rig.create_topics().await;
    let second = Duration::from_secs(1);
    let patient = RetryPolicy { backoff: Backoff::Fixed, base: second, max_attempts: 4, ..RetryPolicy::default() };
    let consumer = Running::consumer(rig.builder("w").retry(patient).build().unwrap()).await;
    rig.send(said("warm", "up")).await;
    rig.wait_for_effects(1).await;

    let (partition, _) = rig.send(said("poison", "flaky 1000")).await;
    let producer = Producer::new(&rig.config, "another-service", LONG).unwrap();
    let mut sent = BTreeMap::new();
    // For longer than the poison is tried: some come at each of its attempts, some while it waits, some when it is given up.
    for number in 0..400 {
        let name = number.to_string();
        sent.insert(name.clone(), Utc::now());
        producer.publish(said(&format!("call-{}", number % 40), &name)).await.unwrap();
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(rig.dead_letters(1).await.len(), 1);
    rig.wait_until_committed().await;
    assert_eq!(rig.dead_letters(1).await.len(), 1);
    let done: Vec<(String, String, DateTime<Utc>)> =
        sqlx::query_as("SELECT call_id, name, at FROM effects WHERE call_id LIKE 'call-%'")
            .fetch_all(rig.pool())
            .await
            .unwrap();
    assert_eq!(done.len(), 400);
    let records = kafka::read_topic_to_end(&rig.servers(), &rig.topic(&AI_RESPONSES)).await;
    let keys = records.iter().filter(|record| record.partition == partition).filter_map(|record| record.key.clone());
    let beside: BTreeSet<String> = keys.filter_map(|key| String::from_utf8(key).ok()).collect();
    let mut delays: Vec<f64> = done
        .iter()
        .filter(|(call, ..)| beside.contains(call))
        .map(|(_, name, at)| (*at - sent[name]).as_seconds_f64() * 1_000.0)
        .collect();
    delays.sort_by(f64::total_cmp);
    assert!(delays.len() > 20, "{} events share the poison's partition", delays.len());
    let (median, longest) = (delays[delays.len() / 2], delays[delays.len() - 1]);
    println!("from sent to done, beside poison: {median:.1} ms, at the longest {longest:.1} ms");
    // A neighbour that waited for it would have waited for a second.
    assert!(longest < 1_000.0, "a neighbour waited for {longest} ms");
    consumer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_offset_passes_open_work() {
    let rig = Rig::new().await;
    rig.create_topics().await;
    // One key, so one partition: the slow one first, others of other keys that share its partition behind it.
    let (partition, slow) = rig.send(said("slow", "slow 5000")).await;
    let mut behind = 0;
    for call in 0..60 {
        let (other, _) = rig.send(said(&format!("call-{call}"), "quick")).await;
        behind += usize::from(other == partition);
    }
    assert!(behind > 0, "some keys share the partition");
    let consumer = rig.consume("w").await;
    rig.wait_for_effects(60).await;
    tokio::time::sleep(std::time::Duration::from_millis(1_500)).await;
    assert_eq!(rig.effects().await.len(), 60, "the slow one is still at it");
    let committed = rig.committed().await;
    let at = committed.iter().find(|(of, _)| *of == partition).map_or(-1, |(_, offset)| *offset);
    assert!(at <= slow, "committed {at} while {slow} was open");
    rig.wait_until_committed().await;
    assert_eq!(rig.effects().await.len(), 61);
    consumer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_in_the_shape_of_an_earlier_producer_is_handled() {
    let rig = Rig::new().await;
    rig.create_topics().await;
    let value = br#"{"call_id":"test-123","response_type":"PATIENT_CREATION","data":{"name":"Test User",
        "email":"test@email.com","phone":"555-1234","date_of_birth":"01/15/1990"}}"#;
    rig.send_raw(None, value, &[]).await;
    let consumer = rig.consume("w").await;
    rig.wait_for_effects(1).await;
    assert_eq!(rig.effects().await, [("test-123".to_owned(), "Test User".to_owned())]);
    consumer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_stopped_finishes_what_it_began_and_commits_it() {
    let rig = Rig::new().await;
    rig.create_topics().await;
    for call in 0..20 {
        rig.send(said(&format!("call-{call}"), &format!("slow {}", 300 + 100 * call))).await;
    }
    let consumer = rig.consume("w").await;
    // Twenty keys fit side by side: as soon as one is done, all have been begun.
    wait_until("it is at work", LONG, || async { !rig.effects().await.is_empty() }).await;
    consumer.stop().await;
    assert_eq!(rig.effects().await.len(), 20, "done when it said that it has stopped");
    let committed: i64 = rig.committed().await.iter().map(|(_, offset)| (*offset).max(0)).sum();
    assert_eq!(committed, 20);
}

struct Impostor;

impl Handler for Impostor {
    const NAME: &'static str = "do-as-said";
    type Event = PatientCreationV1;
    type Plan = ();

    async fn apply(&self, _: &Received<PatientCreationV1>, _: (), _: &mut Tx) -> Result<(), HandlerError> {
        Ok(())
    }
}

#[tokio::test]
async fn two_handlers_of_one_name_are_refused_at_start() {
    let rig = Rig::new().await;
    let refused = rig.builder("w").handle(Impostor).build();
    assert!(matches!(refused, Err(BuildError::SameName("do-as-said"))));
}
