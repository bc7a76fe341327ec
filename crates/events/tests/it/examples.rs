//! The examples do what they say, against the stack.

use std::process::Command;

use events::contract::topics::BUSINESS_ANALYTICS;
use test_kit::{kafka, process::ServiceProcess, stack, wait::wait_until};

use crate::support::{LONG, outbox_database, settings};

#[tokio::test(flavor = "multi_thread")]
async fn what_the_producer_creates_is_heard_and_counted() {
    let namespace = kafka::namespace();
    let database = outbox_database().await;
    let environment = [
        ("KAFKA_BOOTSTRAP_SERVERS", stack::kafka()),
        ("KAFKA_TOPIC_NAMESPACE", namespace.clone()),
        ("DATABASE_URL", database.url().to_owned()),
    ];
    let hearer = ServiceProcess::spawn("examples/hear_patients", &environment).await;
    let _counter = ServiceProcess::spawn("examples/count_patients", &environment).await;
    // Beside the tests' own folder, where cargo puts them.
    let examples = std::env::current_exe().unwrap().parent().unwrap().with_file_name("examples");
    for id in ["1", "2", "3"] {
        let mut create = Command::new(examples.join("create_patient"));
        create.args(["--id", id, "--name", "John Doe"]).envs(environment.iter().map(|(name, value)| (name, value)));
        let ended = tokio::task::spawn_blocking(move || create.status().unwrap()).await.unwrap();
        assert!(ended.success());
    }
    wait_until("all are heard", LONG, || async { hearer.log().matches("a patient was created").count() >= 3 }).await;
    assert!(!hearer.log().contains("John Doe"), "no names in logs");
    let topic = settings(&stack::kafka(), &namespace, &[]).topic_names().in_kafka(&BUSINESS_ANALYTICS);
    let figures = kafka::read_topic(&stack::kafka(), &topic, 3, LONG).await;
    let last: serde_json::Value = serde_json::from_slice(figures[2].payload.as_deref().unwrap()).unwrap();
    assert_eq!(last["data"]["metric_value"], 3.0);
    let counted: i64 = sqlx::query_scalar("SELECT sum(patients)::bigint FROM count_patients.patients_of_day")
        .fetch_one(database.pool())
        .await
        .unwrap();
    assert_eq!(counted, 3);
}
