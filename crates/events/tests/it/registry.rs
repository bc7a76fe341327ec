//! With a schema registry: its wire format both ways, and what happens while it is away or says no.

use std::{
    collections::BTreeMap,
    io::Write,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use events::{
    contract::{
        codec,
        envelope::Envelope,
        event::{Event as _, NewEvent},
        schema::{
            self,
            voice::{BookingConfirmationV1, PatientCreationV1},
        },
        topics::AI_RESPONSES,
    },
    kafka::producer::{OutRecord, Producer, SendError},
};
use serde_json::{Value, json};
use test_kit::{
    kafka::{self, TestRecord},
    python::{self, Package},
    registry::Registry,
    stack,
    wait::wait_until,
};

use crate::support::{LONG, Rig, said};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/foreign/registry_clients.py");
const NEEDS: Package = Package {
    name: "confluent-kafka",
    version: "2.16.0",
    extras: "[json,schemaregistry]",
    module: "confluent_kafka.schema_registry.json_schema",
};

async fn rig(registry: &str) -> Rig {
    let mut rig = Rig::new().await;
    rig.config.registry.schema_registry_url = Some(registry.parse().unwrap());
    rig.create_topics().await;
    rig
}

fn subject(rig: &Rig) -> String {
    format!("{}-{}", rig.topic(&AI_RESPONSES), PatientCreationV1::TYPE)
}

async fn publish(rig: &Rig, call: &str, name: &str) {
    let mut tx = rig.outbox.begin().await.unwrap();
    tx.publish(said(call, name)).await.unwrap();
    tx.commit().await.unwrap();
}

async fn records(rig: &Rig, at_least: usize) -> Vec<TestRecord> {
    let mut records = kafka::read_topic(&rig.servers(), &rig.topic(&AI_RESPONSES), at_least, LONG).await;
    records.sort_by_key(|record| (record.partition, record.offset));
    records
}

/// The schema id and the JSON behind it.
fn framed(record: &TestRecord) -> (u32, Value) {
    let payload = record.payload.as_ref().unwrap();
    assert_eq!(payload[0], 0, "no frame");
    (u32::from_be_bytes(payload[1..5].try_into().unwrap()), serde_json::from_slice(&payload[5..]).unwrap())
}

async fn ask(method: reqwest::Method, url: String, body: Option<Value>) -> Value {
    let client = reqwest::Client::new();
    let mut request = client.request(method, &url).header("content-type", "application/vnd.schemaregistry.v1+json");
    if let Some(body) = body {
        request = request.body(body.to_string());
    }
    let answer = request.send().await.unwrap();
    assert!(answer.status().is_success(), "{url}: {}", answer.status());
    answer.json().await.unwrap()
}

fn foreign(arguments: &[&str], input: &str) -> String {
    let mut child = Command::new(python::with(&NEEDS))
        .arg(SCRIPT)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{arguments:?}: {}{}", said(&output.stdout), said(&output.stderr));
    said(&output.stdout)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_registry_client_reads_ours_and_ours_reads_its_records() {
    let registry = stack::registry();
    let rig = rig(&registry).await;
    let (servers, topic) = (rig.servers(), rig.topic(&AI_RESPONSES));

    let (relay, _) = rig.relay();
    publish(&rig, "call-1", "by the relay").await;
    records(&rig, 1).await;
    let producer = Producer::new(&rig.config, "test", LONG).unwrap();
    producer.publish(said("call-1", "by the producer")).await.unwrap();
    let ids: Vec<_> = records(&rig, 2).await.iter().map(|record| framed(record).0).collect();
    assert_eq!(ids[0], ids[1], "one schema, one id");
    let url = |path: &str| format!("{registry}/{path}");
    let registered = ask(reqwest::Method::GET, url(&format!("schemas/ids/{}", ids[0])), None).await;
    let schema = schema::find_tagged(PatientCreationV1::TYPE, "v1").unwrap().schema();
    assert_eq!(&serde_json::from_str::<Value>(registered["schema"].as_str().unwrap()).unwrap(), schema);
    let level = ask(reqwest::Method::GET, url(&format!("config/{}", subject(&rig))), None).await;
    assert_eq!(level["compatibilityLevel"], "BACKWARD_TRANSITIVE");

    let read = foreign(&["consume", &servers, &registry, &topic, "2"], "");
    let read: Vec<Value> = read.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(read[0]["data"]["name"], "by the relay");
    assert_eq!(read[1]["data"]["name"], "by the producer");

    let line =
        |name| String::from_utf8(codec::encode(&Envelope::seal(said("call-1", name), "foreign")).unwrap()).unwrap();
    foreign(&["produce", &servers, &registry, &topic, &subject(&rig)], &line("foreign, in our schema"));
    foreign(&["produce", &servers, &registry, &topic], &line("foreign, in its own"));
    let ids: Vec<_> = records(&rig, 4).await.iter().map(|record| framed(record).0).collect();
    assert_eq!((ids[1], ids[1] == ids[3]), (ids[2], false));

    // What has no schema is passed on as it is.
    rig.send_raw(Some(b"call-1"), b"\0\0\0\0\x01no event", &[]).await;
    let worker = rig.consume("worker").await;
    rig.wait_for_effects(4).await;
    let names: Vec<_> = rig.effects().await.into_iter().map(|(_, name)| name).collect();
    assert_eq!(names, ["by the relay", "by the producer", "foreign, in our schema", "foreign, in its own"]);
    let letters = rig.dead_letters(1).await;
    assert_eq!(letters[0].payload.as_deref(), Some(&b"\0\0\0\0\x01no event"[..]));
    worker.stop().await;
    relay.stop().await;
}

/// As in a replay: the bytes and the headers of a record that was framed.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_framed_is_not_framed_again_on_any_way() {
    let rig = rig(&stack::registry()).await;
    let (relay, _) = rig.relay();
    publish(&rig, "call-1", "framed once").await;
    let original = records(&rig, 1).await.remove(0);
    let (payload, key) = (original.payload.clone().unwrap(), String::from_utf8(original.key.clone().unwrap()).unwrap());
    let text = |value: &[u8]| String::from_utf8(value.to_vec()).unwrap();
    let headers: Vec<_> = original.headers.iter().map(|(name, value)| (name.as_str(), text(value))).collect();
    let mut tx = rig.outbox.begin().await.unwrap();
    tx.publish_raw(&AI_RESPONSES, &key, &headers, &payload).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(records(&rig, 2).await[1].payload, original.payload, "by the relay");
    let producer = Producer::new(&rig.config, "test", LONG).unwrap();
    let record = OutRecord {
        topic: rig.topic(&AI_RESPONSES),
        key: original.key.clone(),
        payload: original.payload.clone(),
        headers: original.headers.clone(),
    };
    producer.send(&record).await.unwrap();
    assert_eq!(records(&rig, 3).await[2].payload, original.payload, "by the producer");
    // All are one event, and can be read.
    let worker = rig.consume("worker").await;
    rig.wait_until_committed().await;
    assert_eq!(rig.effects().await, [("call-1".to_owned(), "framed once".to_owned())]);
    worker.stop().await;
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_registry_is_away_events_wait_in_order_and_consumers_work() {
    const EVENTS: usize = 30;
    let mut registry = Registry::away();
    let rig = rig(&registry.url()).await;
    let (relay, status) = rig.relay();
    for number in 0..EVENTS {
        publish(&rig, &format!("call-{}", number % 3), &number.to_string()).await;
    }
    rig.send(said("plain", "plain JSON")).await;
    let worker = rig.consume("worker").await;
    rig.wait_for_effects(1).await;

    let producer = Producer::new(&rig.config, "test", Duration::from_secs(2)).unwrap();
    let begun = Instant::now();
    let away = producer.publish(said("call-9", "direct")).await.unwrap_err();
    assert!(matches!(&away, SendError::Registry(problem) if !problem.is_refusal()), "{away:?}");
    assert!(away.to_string().contains(&registry.url()), "{away}");
    assert!((1..10).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());

    assert_eq!(
        rig.effects().await,
        [("plain".to_owned(), "plain JSON".to_owned())],
        "an event went out without its schema"
    );
    assert!(status.is_active() && status.check().is_ok(), "nothing accepted is lost by it");

    registry.start().await;
    rig.wait_for_effects(EVENTS + 1).await;
    // Known ids need no registry.
    registry.kill();
    publish(&rig, "call-0", "without it").await;
    rig.wait_for_effects(EVENTS + 2).await;
    worker.stop().await;
    relay.stop().await;

    let mut calls: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for record in records(&rig, EVENTS + 2).await {
        let Ok(call) = String::from_utf8(record.key.clone().unwrap()) else { continue };
        if call != "plain" {
            let (_, value) = framed(&record);
            calls.entry(call).or_default().extend(value["data"]["name"].as_str().unwrap().parse::<usize>().ok());
        }
    }
    let expected = |call: usize| (call..EVENTS).step_by(3).collect::<Vec<_>>();
    assert_eq!(calls.into_values().collect::<Vec<_>>(), [expected(0), expected(1), expected(2)], "once, and in order");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_that_the_registry_refuses_holds_its_records_with_the_reason() {
    let registry = stack::registry();
    let rig = rig(&registry).await;
    let at = |kind: &str, subject: &str| format!("{registry}/{kind}/{subject}");
    // What was registered before needs a field that no event of ours has.
    let other = json!({ "$schema": "http://json-schema.org/draft-07/schema#", "type": "object", "additionalProperties": false,
        "properties": { "event_id": { "type": "integer" } }, "required": ["event_id"] });
    let body = json!({ "schemaType": "JSON", "schema": other.to_string() });
    let subject = subject(&rig);
    ask(reqwest::Method::PUT, at("config", &subject), Some(json!({ "compatibility": "BACKWARD" }))).await;
    ask(reqwest::Method::POST, format!("{}/versions", at("subjects", &subject)), Some(body)).await;

    let (relay, status) = rig.relay();
    publish(&rig, "call-1", "refused").await;
    let mut tx = rig.outbox.begin().await.unwrap();
    tx.publish(booking("call-2")).await.unwrap();
    tx.commit().await.unwrap();
    let sent = records(&rig, 1).await;
    assert_eq!(framed(&sent[0]).1["event_type"], BookingConfirmationV1::TYPE, "another event type goes on");
    wait_until("it is held", LONG, || async { status.check().is_err() }).await;
    let (key, reason): (String, String) =
        sqlx::query_as("SELECT key, reason FROM outbox_held").fetch_one(rig.pool()).await.unwrap();
    assert_eq!(key, "call-1");
    assert!(reason.contains("409") && reason.contains(&subject), "{reason}");

    let producer = Producer::new(&rig.config, "test", LONG).unwrap();
    let refused = producer.publish(said("call-1", "refused")).await.unwrap_err();
    assert!(refused.is_refusal() && refused.to_string().contains(&subject), "{refused}");
    let level = ask(reqwest::Method::GET, at("config", &subject), None).await;
    assert_eq!(level["compatibilityLevel"], "BACKWARD", "what an operator set is not altered");
    relay.stop().await;
}

fn booking(call: &str) -> NewEvent<BookingConfirmationV1> {
    let data = json!({ "call_id": call, "dentist": "Dr. Smith", "date": "2027-01-25", "time": "10:00",
        "patient_name": "John", "extraction_id": "x" });
    NewEvent::fact(serde_json::from_value(data).unwrap())
}
