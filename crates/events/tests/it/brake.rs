//! A release that fails every record: the consumer stops before the topic is emptied into the dead letters.

use std::time::Duration;

use events::{
    contract::topics::SYSTEM_MONITORING,
    flow::{brake::BrakePolicy, retry::RetryPolicy},
};
use serde_json::Value;
use test_kit::{kafka, wait::wait_until};

use crate::support::{LONG, Rig, Running, said};

#[tokio::test(flavor = "multi_thread")]
async fn too_many_dead_letters_put_the_brake_on_until_a_person_takes_it_off() {
    let rig = Rig::new().await;
    rig.create_topics().await;
    // One partition, so that the run is one: one key.
    for _ in 0..100 {
        rig.send(said("call-1", "reject")).await;
    }
    rig.send(said("call-1", "fine")).await;
    let policy = BrakePolicy { run: 10, percent: 50 };
    let builder = rig.builder("w").retry(RetryPolicy::NEVER).brake(policy, LONG * 10);
    let consumer = Running::consumer(builder.build().unwrap()).await;
    let status = consumer.status.clone().unwrap();

    wait_until("the brake is on", LONG, || async { status.brake().is_some() }).await;
    let reason = status.check().unwrap_err();
    assert!(reason.starts_with("has stopped taking records"), "{reason}");
    assert!(reason.contains("do-as-said") && reason.contains("said_so"), "{reason}");
    // What was handed out when it was put on is finished; nothing more is.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let letters = rig.dead_letters(10).await.len();
    println!("{letters} dead letters when it stopped");
    assert!((10..100).contains(&letters), "{letters} dead letters");

    let mut releases = 0;
    wait_until("the rest is dealt with, ten and some at a time", LONG, || {
        if status.brake().is_some() {
            status.release_brake();
            releases += 1;
        }
        async { rig.effects().await.len() == 1 }
    })
    .await;
    assert!(releases > 0);
    let told = kafka::read_topic(&rig.servers(), &rig.topic(&SYSTEM_MONITORING), 2, LONG).await;
    let told: Vec<Value> =
        told.iter().map(|record| serde_json::from_slice(record.payload.as_deref().unwrap()).unwrap()).collect();
    for (nth, alert) in told.iter().enumerate() {
        let (kind, value) = if nth % 2 == 0 { ("raised", 10.0) } else { ("cleared", 0.0) };
        assert_eq!(alert["event_type"], format!("system.alert.{kind}"));
        assert_eq!(alert["data"]["value"], value);
        assert_eq!(alert["data"]["labels"]["code"], "said_so");
    }
    assert_eq!(rig.dead_letters(100).await.len(), 100);
    consumer.stop().await;
}
