//! Clients of another language: the producer and the consumer of an earlier system in Python, which know nothing of this one.

use std::process::Command;

use test_kit::python::{self, Package};

use crate::support::{System, patient};

/// Where the Python file is, what it needs.
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/foreign/plain_clients.py");
const NEEDS: Package = Package { name: "kafka-python", version: "3.0.12", extras: "", module: "kafka" };

fn script(system: &System, arguments: &[&str]) -> String {
    let mut command = Command::new(python::with(&NEEDS));
    command.arg(SCRIPT).arg(arguments[0]).arg(&system.place.servers).args(&arguments[1..]);
    let printed = python::run(&mut command, &format!("{SCRIPT} {}", arguments[0]));
    print!("{printed}");
    printed
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_producer_and_a_plain_consumer_of_another_language() {
    let system = System::start().await;
    script(&system, &["produce", &system.place.topic("ai-responses")]);

    let told = system.place.records("healthcore.patient.created", 1).await;
    let id = told[0].value["data"]["patient_id"].as_i64().unwrap();
    let patient_row = system.get(&system.healthcore_publisher, &format!("/api/v1/patients/{id}")).await;
    assert_eq!(patient_row["name"], "Test User");
    assert_eq!(patient_row["email"], "test@example.com");
    assert_eq!(patient_row["phone"], "555-1234");
    assert_eq!(patient_row["date_of_birth"], "1990-01-01");
    assert_eq!(told[0].headers["correlation_id"], "test-123");

    // So many at once that the producer has batches to compress.
    const CALLS: usize = 60;
    let texts = (0..CALLS).map(|number| (format!("call-{}", number % 3), patient(number)));
    for (call, text) in texts {
        system.say(&call, &text).await;
    }
    for call in 0..3 {
        system.applied(&format!("call-{call}")).await;
    }
    let count = CALLS.to_string();
    script(
        &system,
        &["consume", &system.place.topic("ai-responses"), "ai_response.patient_creation", "voice-ingest", &count],
    );
    let count = (CALLS + 1).to_string();
    let topic = system.place.topic("healthcore.patient.created");
    script(&system, &["consume", &topic, "patient.created", "healthcore-publisher", &count]);
}
