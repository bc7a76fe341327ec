//! The `.env` files of earlier systems: what they set is honoured, what would lose records is refused.

use std::process::Command;

use serde_json::Value;
use test_kit::{kafka, stack, wait::wait_until};

use crate::support::{LONG, Place, System, binary, email, patient};

#[tokio::test(flavor = "multi_thread")]
async fn settings_of_the_earlier_systems_env_files_are_honoured() {
    let place = Place::new(stack::kafka()).await;
    let servers = serde_json::to_string(&place.servers.split(',').collect::<Vec<_>>()).unwrap();
    let system = System::with(
        place,
        &[
            ("KAFKA_BOOTSTRAP_SERVERS", &servers),
            ("KAFKA_TOPIC", "custom-topic"),
            ("KAFKA_GROUP_ID", "custom-group"),
            ("KAFKA_TOPIC_PREFIX", "clinic"),
            ("KAFKA_ENABLED", "True"),
        ],
    )
    .await;
    system.say("call-1", &patient(1)).await;
    let page = system.applied("call-1").await;

    let said = system.place.records("custom-topic", 1).await;
    assert_eq!(said[0].value["data"]["email"], email(1));
    let told = system.place.records("clinic.patient.created", 1).await;
    assert_eq!(told[0].value["data"]["patient_id"], page["extractions"][0]["patient_id"]);
    assert_eq!(told[0].value["event_type"], "patient.created", "the prefix is the topic's, not the event's");

    let (servers, place) = (stack::kafka(), &system.place);
    wait_until("the group has committed", LONG, || async {
        let committed = kafka::committed(&servers, &place.topic("custom-group"), &place.topic("custom-topic")).await;
        committed.iter().any(|(_, offset)| *offset == 1)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_kafka_off_calls_are_kept_and_published_once_it_is_on() {
    let place = Place::new(stack::kafka()).await;
    // Where nothing answers, so that whoever asks all the same is found out.
    let off = [("KAFKA_ENABLED", "False"), ("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")];
    let System { mut voice_ingest, mut healthcore_publisher, place } = {
        let system = System::with(place, &off).await;
        system.say("call-1", &patient(1)).await;
        let page = system.get(&system.voice_ingest, "/api/v1/calls/call-1").await;
        assert_eq!(page["extractions"][0]["status"], "accepted");
        system
    };
    for service in [&mut voice_ingest, &mut healthcore_publisher] {
        assert!(service.terminate().await.success(), "{}", service.log());
        assert!(!service.log().contains("127.0.0.1:1"), "nobody asks for Kafka: {}", service.log());
    }

    let system = System::with(place, &[("KAFKA_ENABLED", "True")]).await;
    let page: Value = system.applied("call-1").await;
    let events = system.place.records("ai-responses", 1).await;
    assert_eq!(events.len(), 1);
    assert_eq!(page["extractions"][0]["event_id"], events[0].id);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_meant_is_refused_by_name_and_with_what_is_allowed() {
    let cases = [
        ("KAFKA_ENABLED", "maybe", "allowed: true, false"),
        ("KAFKA_PRODUCER_ACKS", "1", "allowed: all"),
        ("KAFKA_CONSUMER_ENABLE_AUTO_COMMIT", "true", "allowed: false"),
        ("KAFKA_SSL_CA_FILE", "/nowhere/ca.pem", "allowed: the path of a readable PEM file"),
        ("KAFKA_BOOTSTRAP_SERVERS", "[localhost:9092", "allowed: host:port"),
    ];
    for service in ["voice-ingest", "healthcore-publisher"] {
        for (name, value, allowed) in cases {
            let output = Command::new(binary(service))
                .env_clear()
                .env("DATABASE_URL", stack::database())
                .env(name, value)
                .current_dir(std::env::temp_dir())
                .output()
                .unwrap();
            let stderr = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(2), "{service} with {name}={value}: {stderr}");
            assert!(stderr.contains(name) && stderr.contains(allowed), "{service}: {stderr}");
        }
    }
}
