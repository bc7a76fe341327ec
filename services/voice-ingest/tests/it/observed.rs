//! What the service tells of itself: every metric that is promised, each with its meaning, and what its checks say.

use std::collections::BTreeSet;

use events::{
    contract::schema::healthcore::PatientCreatedV1,
    kafka::metrics::{Kind, Metric, ROAD},
};
use serde_json::json;
use test_kit::wait::wait_until;

use crate::support::{LONG, Voice};

const PATIENT: &str = r#"PATIENT_CREATION: {"name": "Ada Byron", "date_of_birth": "12/10/1985"}"#;

/// Whether it has its meaning, and series with its labels.
fn is_told(metrics: &str, metric: &Metric) -> bool {
    let Metric { name, kind, labels, help } = metric;
    let series = if *kind == Kind::Histogram { format!("{name}_count") } else { (*name).to_owned() };
    let mut lines = metrics.lines().filter_map(|line| line.strip_prefix(&series)?.rsplit_once(' '));
    let has_labels = |inside: &str| {
        let names = inside.trim_matches(['{', '}']).split("\",").filter_map(|pair| Some(pair.split_once('=')?.0));
        names.collect::<BTreeSet<_>>() == labels.iter().copied().collect()
    };
    metrics.contains(&format!("# HELP {name} {help}\n")) && lines.any(|(inside, _)| has_labels(inside))
}

#[tokio::test]
async fn after_some_traffic_every_promised_metric_is_there_and_says_what_it_means() {
    let voice = Voice::start().await;
    voice.say("call-1", PATIENT).await.extractions();
    let said = voice.wait_for_status("call-1", "published").await;
    let cause = said["event_id"].as_str().unwrap().parse().map(events::contract::event::EventId).unwrap();
    let created =
        PatientCreatedV1 { patient_id: 7, name: "Ada Byron".to_owned(), email: None, phone: None, date_of_birth: None };
    voice.tell("call-1", Some(cause), created).await;
    voice.wait_for_status("call-1", "applied").await;
    // What comes last: the relay tells of the outbox every 2 s, the lag is asked for every 10 s.
    wait_until("the lag and the backlog are told", LONG, || async {
        let metrics = voice.get("/metrics").await.body;
        metrics.contains("\nkafka_consumer_lag_seconds{") && metrics.contains("\noutbox_backlog ")
    })
    .await;
    let metrics = voice.get("/metrics").await.body;
    // Without a registry there is none to tell of.
    let promised = ROAD.iter().filter(|of| of.name != "schema_registry_up");
    let missing: Vec<&str> = promised.filter(|of| !is_told(&metrics, of)).map(|of| of.name).collect();
    assert!(missing.is_empty(), "{missing:?} of\n{metrics}");
    for own in ["build_info", "http_requests_total", "http_request_duration_seconds"] {
        assert!(metrics.contains(&format!("# HELP {own} ")), "{own} of\n{metrics}");
    }
    assert!(!metrics.contains("Ada"), "nothing personal");
}

#[tokio::test]
async fn what_an_alert_needs_is_at_0_before_the_first_of_its_kind() {
    let voice = Voice::start().await;
    let value = async |series: &str| {
        let metrics = voice.get("/metrics").await.body;
        // A group has its installation's name before its own.
        metrics.lines().find_map(|line| line.split_once(series)?.1.trim().parse::<f64>().ok())
    };
    let handlers = ["", "extract", "note-booking", "note-new-patient"];
    for handler in handlers {
        let series = format!("dead_letters_total{{handler=\"{handler}\",category=\"schema_validation\"}}");
        wait_until(&format!("{series} is 0"), LONG, || async { value(&series).await == Some(0.0) }).await;
    }
    for reason in ["shorter", "replaced", "retention"] {
        let series = format!("voice-ingest\",topic=\"healthcore.appointment.booked\",reason=\"{reason}\"}}");
        wait_until(&format!("{series} is 0"), LONG, || async { value(&series).await == Some(0.0) }).await;
    }
    let rejected = r#"PATIENT_CREATION: {"name": "Ada Byron", "date_of_birth": "13/13/1985"}"#;
    voice.say("call-1", rejected).await.extractions();
    voice.say("call-1", rejected).await.extractions();
    let series = "dead_letters_total{handler=\"extract\",category=\"schema_validation\"}";
    assert_eq!(value(series).await, Some(1.0), "what is repeated is no letter");
}

#[tokio::test]
async fn readiness_says_what_each_part_is_doing() {
    let voice = Voice::start().await;
    // What is logged right after a query is not lost.
    wait_until("the relay tells", LONG, || async { voice.service.log().contains("the relay is active") }).await;
    wait_until("the relay is active and the consumer has its partitions", LONG, || async {
        let ready = voice.get("/readyz").await.json();
        ready["checks"]["relay"] == json!({ "ok": true, "detail": "active" })
            && ready["checks"]["consumer"]["detail"].as_str().is_some_and(|text| text.starts_with("takes records of "))
    })
    .await;
}
