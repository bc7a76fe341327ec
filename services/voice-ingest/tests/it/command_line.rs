//! The service's commands, and its end.

use std::time::{Duration, Instant};

use events::contract::topics::{AI_RESPONSES, TopicNames};
use serde_json::json;
use test_kit::{kafka, stack};

use crate::support::{LONG, Voice, command, header, payload, text};

const DATABASE: &str = "postgres://voice:not-to-be-seen@127.0.0.1:1/voice";

fn send(namespace: &str, call: &str, kind: &str, data: &str) -> std::process::Output {
    let arguments = ["send", "--call-id", call, "--type", kind, "--data", data];
    let servers = stack::kafka();
    let variables = [
        ("KAFKA_BOOTSTRAP_SERVERS", servers.as_str()),
        ("KAFKA_TOPIC_NAMESPACE", namespace),
        ("DATABASE_URL", DATABASE),
    ];
    command(&arguments, &variables)
}

#[tokio::test]
async fn send_puts_an_event_into_kafka_that_any_consumer_reads() {
    let namespace = kafka::namespace();
    let topic = TopicNames { namespace: namespace.clone(), ..TopicNames::default() }.in_kafka(&AI_RESPONSES);
    kafka::create_topic(&stack::kafka(), &topic, 2, &[]).await;
    let data =
        r#"{"name": "Test User", "email": "test@email.com", "phone": "555-1234", "date_of_birth": "01/15/1990"}"#;
    let sent = send(&namespace, "test-123", "PATIENT_CREATION", data);
    assert!(sent.status.success(), "{}", text(&sent.stderr));

    let records = kafka::read_topic(&stack::kafka(), &topic, 1, LONG).await;
    assert_eq!(records[0].key.as_deref(), Some(b"test-123".as_slice()));
    assert_eq!(header(&records[0], "ce_type"), "ai_response.patient_creation");
    let event = payload(&records[0]);
    assert_eq!(event["event_type"], "ai_response.patient_creation");
    assert_eq!(event["metadata"]["source"], "voice-ingest");
    assert_eq!(event["metadata"]["correlation_id"], "test-123");
    let data = &event["data"];
    assert_eq!((&data["call_id"], &data["name"]), (&json!("test-123"), &json!("Test User")));
    assert_eq!(data["date_of_birth"], "1990-01-15");
    let told = text(&sent.stdout);
    assert!(told.contains(event["event_id"].as_str().unwrap()), "{told}");
}

#[test]
fn send_refuses_what_the_interface_would_refuse_and_says_why() {
    let valid = r#"{"name": "Test User"}"#;
    for (call, kind, data, reasons) in [
        ("c", "PATIENT", valid, ["--type", "PATIENT_CREATION, BOOKING_CONFIRMATION"]),
        ("c", "PATIENT_CREATION", "{}", ["--data", "name: is missing"]),
        ("c", "PATIENT_CREATION", r#"{"name": Kanari7351}"#, ["--data", "grammar of JSON at line 1"]),
        ("c", "PATIENT_CREATION", r#"["Kanari7351"]"#, ["--data", "no JSON object"]),
        ("c", "PATIENT_CREATION", r#"{"name": "x", "email": "Kanari7351"}"#, ["--data", "email: is no e-mail address"]),
        ("c", "BOOKING_CONFIRMATION", valid, ["--data", "dentist: is missing"]),
        ("a/b", "PATIENT_CREATION", valid, ["--call-id", "1 to 128 letters"]),
        ("", "PATIENT_CREATION", valid, ["--call-id", "is empty or a placeholder"]),
    ] {
        let refused = send("never.", call, kind, data);
        let told = text(&refused.stderr);
        assert!(!refused.status.success(), "{told}");
        assert!(refused.stdout.is_empty(), "{}", text(&refused.stdout));
        assert!(reasons.iter().all(|reason| told.contains(reason)), "{reasons:?} not in {told}");
        assert!(!told.contains("Kanari7351"), "{told}");
        assert!(!told.contains("not-to-be-seen"), "{told}");
    }
}

#[test]
fn send_fails_in_time_when_kafka_is_away() {
    let arguments = ["send", "--call-id", "c", "--type", "PATIENT_CREATION", "--data", r#"{"name": "Test User"}"#];
    let began = Instant::now();
    let failed = command(&arguments, &[("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1"), ("DATABASE_URL", DATABASE)]);
    assert_eq!(failed.status.code(), Some(1));
    assert!(began.elapsed() < LONG / 2, "{:?}", began.elapsed());
    assert!(text(&failed.stderr).contains("127.0.0.1:1"), "{}", text(&failed.stderr));
    assert!(failed.stdout.is_empty());
}

#[tokio::test]
async fn healthcheck_answers_by_its_exit_code() {
    let mut voice = Voice::without_kafka().await;
    let bind = voice.service.base_url().replace("http://", "");
    let ask = || command(&["healthcheck"], &[("HTTP_BIND", &bind), ("DATABASE_URL", DATABASE)]);
    let healthy = ask();
    assert_eq!(healthy.status.code(), Some(0), "{}", text(&healthy.stderr));
    voice.service.kill9();
    let away = ask();
    assert_eq!(away.status.code(), Some(1));
    assert!(text(&away.stderr).contains("nothing answers"), "{}", text(&away.stderr));
}

#[test]
fn config_check_shows_every_setting_and_no_password() {
    let shown = command(&["config", "check"], &[("DATABASE_URL", DATABASE), ("KAFKA_SASL_PASSWORD", "not-to-be-seen")]);
    let all = text(&shown.stdout) + &text(&shown.stderr);
    assert_eq!(shown.status.code(), Some(0), "{all}");
    assert!(!all.contains("not-to-be-seen"), "{all}");
    for name in ["DATABASE_URL", "PHONE_REGION", "DATE_ORDER", "ROLES", "KAFKA_BOOTSTRAP_SERVERS", "HTTP_BIND"] {
        assert!(all.contains(name), "{name} is not in {all}");
    }
}

#[test]
fn a_wrong_setting_is_refused_by_its_name_before_anything_starts() {
    for (name, value, allowed) in [
        ("PHONE_REGION", "XX", "US"),
        ("DATE_ORDER", "backwards", "month-first"),
        ("ROLES", "consumer", "worker"),
        ("KAFKA_CONSUMER_ENABLE_AUTO_COMMIT", "true", "false"),
    ] {
        let refused = command(&["config", "check"], &[("DATABASE_URL", DATABASE), (name, value)]);
        let told = text(&refused.stderr);
        assert_eq!(refused.status.code(), Some(2), "{told}");
        assert!(told.contains(name) && told.contains(allowed), "{told}");
    }
}

#[tokio::test]
async fn sigterm_ends_it_with_zero_within_15_seconds() {
    let mut voice = Voice::start().await;
    voice.say("call", r#"PATIENT_CREATION: {"name": "Ada Byron"}"#).await.extractions();
    let began = Instant::now();
    let status = voice.service.terminate().await;
    assert_eq!(status.code(), Some(0));
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    assert!(voice.service.log().contains("voice-ingest has stopped"));
}

#[tokio::test]
async fn what_needs_no_database_asks_for_none() {
    let namespace = kafka::namespace();
    let servers = stack::kafka();
    let kafka_only = [("KAFKA_BOOTSTRAP_SERVERS", servers.as_str()), ("KAFKA_TOPIC_NAMESPACE", namespace.as_str())];
    let arguments = ["send", "--call-id", "c", "--type", "PATIENT_CREATION", "--data", r#"{"name": "Test User"}"#];
    let sent = command(&arguments, &kafka_only);
    assert!(sent.status.success(), "{}", text(&sent.stderr));
    let topic = TopicNames { namespace: namespace.clone(), ..TopicNames::default() }.in_kafka(&AI_RESPONSES);
    assert_eq!(kafka::read_topic(&stack::kafka(), &topic, 1, LONG).await.len(), 1, "the topic was made, too");

    let nonsense = [kafka_only[0], kafka_only[1], ("DATABASE_URL", "mysql://elsewhere")];
    assert!(command(&arguments, &nonsense).status.success(), "what is wrong with it is none of its business");

    let voice = Voice::without_kafka().await;
    let bind = voice.service.base_url().replace("http://", "");
    let healthy = command(&["healthcheck"], &[("HTTP_BIND", &bind)]);
    assert_eq!(healthy.status.code(), Some(0), "{}", text(&healthy.stderr));
}

#[test]
fn what_needs_a_database_says_that_it_is_missing() {
    for arguments in [&["run"][..], &["migrate"], &["relay", "status"]] {
        let refused = command(arguments, &[]);
        assert_eq!(refused.status.code(), Some(2), "{arguments:?}");
        assert!(text(&refused.stderr).contains("DATABASE_URL is not set"), "{}", text(&refused.stderr));
    }
    let shown = command(&["config", "check"], &[]);
    assert_eq!(shown.status.code(), Some(0), "{}", text(&shown.stderr));
    assert!(text(&shown.stdout).contains("DATABASE_URL"));
    assert!(text(&shown.stderr).contains("warning: DATABASE_URL is not set"), "{}", text(&shown.stderr));
    let wrong = command(&["config", "check"], &[("DATABASE_URL", "mysql://elsewhere")]);
    assert_eq!(wrong.status.code(), Some(2), "{}", text(&wrong.stdout));
}

#[tokio::test]
async fn relay_status_changes_nothing_and_waits_for_nobody() {
    let voice = Voice::start().await;
    voice.say("call", r#"PATIENT_CREATION: {"name": "Ada Byron"}"#).await.extractions();
    voice.wait_until_published().await;
    // As after a restore: ids of another cluster, which only a reset makes its own.
    let pool = voice.database.pool();
    sqlx::query("UPDATE voice.extractions SET xid = '4611686018427387904'").execute(pool).await.unwrap();
    let mut locked = pool.begin().await.unwrap();
    sqlx::query("LOCK TABLE voice.outbox, voice.outbox_cursor, voice.outbox_held, voice.extractions IN EXCLUSIVE MODE")
        .execute(&mut *locked)
        .await
        .unwrap();
    let url = voice.database.url().to_owned();
    for (what, says) in [("status", "rows held: 0"), ("held", "0 records held")] {
        let url = url.clone();
        let asked = tokio::task::spawn_blocking(move || command(&["relay", what], &[("DATABASE_URL", &url)]));
        let told = tokio::time::timeout(LONG, asked).await.expect("it waits for no lock").unwrap();
        assert!(told.status.success(), "{}", text(&told.stderr));
        assert!(text(&told.stdout).contains(says), "{}", text(&told.stdout));
    }
    locked.rollback().await.unwrap();
    let xid: String = sqlx::query_scalar("SELECT xid::text FROM voice.extractions").fetch_one(pool).await.unwrap();
    assert_eq!(xid, "4611686018427387904", "it is as it was");
}
