//! `healthcore-publisher tail`: events as lines of JSON.

use std::process::{Command, Output};

use serde_json::{Value, json};
use test_kit::stack;

use crate::support::{Record, booking, patient};

/// Run with these arguments and no other settings than where Kafka is.
fn tail(namespace: &str, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_healthcore-publisher"))
        .arg("tail")
        .args(arguments)
        .current_dir(std::env::temp_dir())
        .env_clear()
        .env("KAFKA_BOOTSTRAP_SERVERS", stack::kafka())
        .env("KAFKA_TOPIC_NAMESPACE", namespace)
        .output()
        .unwrap()
}

fn lines(output: &Output) -> Vec<Value> {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect()
}

#[tokio::test]
async fn it_prints_the_named_events_as_lines_of_json_and_ends() {
    let record = Record::start().await;
    record.told("call", patient("call", "Ada Byron", "555-1234", None)).await;
    record.told("call", patient("call", "Ada Byron", "555-9876", None)).await;
    record.told("call", booking("call", "Ada Byron", "Dr. Smith", "10:00")).await;
    let namespace = record.names.namespace.clone();
    test_kit::wait::wait_until("all three are in Kafka", crate::support::LONG, || async {
        let waiting = "SELECT count(*) FROM healthcore.outbox o, healthcore.outbox_cursor c
                       WHERE NOT pg_visible_in_snapshot(o.xid, c.snapshot)";
        sqlx::query_scalar::<_, i64>(waiting).fetch_one(record.pool()).await.unwrap() == 0
    })
    .await;
    let run = |arguments: &'static [&'static str]| {
        let namespace = namespace.clone();
        async move { tokio::task::spawn_blocking(move || tail(&namespace, arguments)).await.unwrap() }
    };

    let seen = lines(&run(&["--once", "patient.created", "appointment.booked"]).await);
    let mut types: Vec<&str> = seen.iter().map(|line| line["event"]["event_type"].as_str().unwrap()).collect();
    types.sort_unstable();
    assert_eq!(types, ["appointment.booked", "patient.created"]);
    let created = seen.iter().find(|line| line["event"]["event_type"] == "patient.created").unwrap();
    assert_eq!(created["topic"], format!("{namespace}healthcore.patient.created"));
    assert_eq!((&created["key"], &created["offset"]), (&json!("1"), &json!(0)));
    assert_eq!(created["event"]["data"]["name"], "Ada Byron");
    assert_eq!(created["event"]["metadata"]["correlation_id"], "call");

    assert_eq!(lines(&run(&["--once"]).await).len(), 3, "without names, all of them");
    assert_eq!(lines(&run(&["--once", "healthcore.patient.updated"]).await).len(), 1, "by the topic's name");
    assert_eq!(lines(&run(&["--once", "patient.deleted"]).await).len(), 0, "what never happened");
}

#[test]
fn an_event_type_that_there_is_not_is_refused_with_those_that_there_are() {
    let refused = tail("never.", &["--once", "patient.create"]);
    let told = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{told}");
    assert!(refused.stdout.is_empty());
    for known in [
        "patient.create",
        "patient.created",
        "patient.updated",
        "patient.deleted",
        "appointment.booked",
        "appointment.held",
        "appointment.cancelled",
        "appointment.completed",
    ] {
        assert!(told.contains(known), "{known} is not in {told}");
    }
}
