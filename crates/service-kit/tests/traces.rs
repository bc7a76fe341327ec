//! One trace from a request over Kafka to what follows from it, as a collector gets it. A binary of its own: the subscriber
//! of a process is set once.

#![allow(clippy::unwrap_used, reason = "a test says what failed by failing")]

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Router, body::Bytes, extract::State, routing::post};
use clap::Parser;
use events::{
    consume::{Consumer, Handler, Received},
    contract::{
        event::NewEvent,
        schema::voice::{BookingConfirmationV1, PatientCreationV1},
    },
    flow::error::HandlerError,
    kafka::config::KafkaConfig,
    publish::{MIGRATOR, Outbox, Relay, Tx},
};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::any_value::Value,
    trace::v1::{Span, span::SpanKind},
};
use prost::Message;
use service_kit::{
    config::{ConnectionConfig, HttpConfig, TelemetryConfig},
    http::{self, Health},
    lifecycle::Lifecycle,
    telemetry,
};
use test_kit::{kafka, postgres::TestDatabase, stack, wait::wait_until};

const LONG: Duration = Duration::from_secs(60);
const CALLER: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

#[derive(Parser)]
struct Settings {
    #[command(flatten)]
    kafka: KafkaConfig,
}

struct BookThem;

impl Handler for BookThem {
    const NAME: &'static str = "book-them";
    type Event = PatientCreationV1;
    type Plan = ();

    async fn apply(&self, event: &Received<PatientCreationV1>, _: (), tx: &mut Tx) -> Result<(), HandlerError> {
        let booking = BookingConfirmationV1 {
            call_id: event.data.call_id.clone(),
            dentist: "Dr. Smith".to_owned(),
            date: "2026-12-01".parse().unwrap(),
            time: "10:00:00".parse().unwrap(),
            patient_name: event.data.name.clone(),
            service: None,
            notes: None,
            extraction_id: String::new(),
        };
        tx.publish(NewEvent::fact(booking)).await?;
        Ok(())
    }
}

struct RefuseTheBooking;

impl Handler for RefuseTheBooking {
    const NAME: &'static str = "refuse-the-booking";
    type Event = BookingConfirmationV1;
    type Plan = ();

    async fn apply(&self, _: &Received<BookingConfirmationV1>, _: (), _: &mut Tx) -> Result<(), HandlerError> {
        Err(HandlerError::reject("full", "the book is full"))
    }
}

async fn say(State(outbox): State<Outbox>) {
    let patient = PatientCreationV1 {
        call_id: "call-1".to_owned(),
        name: "Zoe Kanari".to_owned(),
        email: None,
        phone: None,
        phone_e164: None,
        date_of_birth: None,
        extraction_id: String::new(),
    };
    let mut tx = outbox.begin().await.unwrap();
    tx.publish(NewEvent::fact(patient)).await.unwrap();
    tx.commit().await.unwrap();
}

type Spans = Arc<Mutex<Vec<Span>>>;

/// Its address and what it gets.
async fn collector() -> (String, Spans) {
    let spans = Spans::default();
    let take = |State(spans): State<Spans>, body: Bytes| async move {
        let request = ExportTraceServiceRequest::decode(body).unwrap();
        let new = request.resource_spans.into_iter().flat_map(|of| of.scope_spans).flat_map(|of| of.spans);
        spans.lock().unwrap().extend(new);
    };
    let router = Router::new().route("/v1/traces", post(take)).with_state(spans.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (address, spans)
}

fn attribute(span: &Span, name: &str) -> String {
    let value = span.attributes.iter().find(|attribute| attribute.key == name).and_then(|it| it.value.clone());
    match value.and_then(|value| value.value) {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        other => panic!("{name} of {} is {other:?}", span.name),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_and_all_that_follows_from_it_are_one_trace() {
    let (endpoint, spans) = collector().await;
    let config = TelemetryConfig {
        rust_log: "warn".into(),
        log_format: None,
        otlp_endpoint: Some(endpoint),
        service_name: None,
    };
    telemetry::start(&config, "traced", "1.0.0").unwrap();
    let database = TestDatabase::create().await;
    MIGRATOR.run(database.pool()).await.unwrap();
    let namespace = kafka::namespace();
    let servers = stack::kafka();
    let arguments = ["test", "--kafka-bootstrap-servers", &servers, "--kafka-topic-namespace", &namespace];
    let kafka = Settings::parse_from(arguments).kafka;
    let outbox = Outbox::new(database.pool().clone(), "traced");
    let consumer = Consumer::builder(kafka.clone(), "traced", "traced", outbox.clone())
        .handle(BookThem)
        .handle(RefuseTheBooking)
        .build()
        .unwrap();
    let relay = Relay::new(database.pool().clone(), kafka, "voice-ingest");
    let lifecycle = Lifecycle::new();
    lifecycle.spawn("consumer", LONG, |stop| async move { Ok(consumer.run(stop).await?) });
    lifecycle.spawn("relay", LONG, |stop| async move {
        relay.run(stop).await;
        Ok(())
    });
    let routes = Router::new().route("/calls/{id}", post(say)).with_state(outbox);
    let bind = HttpConfig {
        bind: "127.0.0.1:0".parse().unwrap(),
        api_tokens_file: None,
        body_limit: 1024,
        request_timeout: Duration::from_secs(10),
        connections: ConnectionConfig::default(),
    };
    let address = http::serve(&bind, routes, &Health::new(), &lifecycle).await.unwrap();

    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = client.post(format!("http://{address}/calls/7")).header("traceparent", CALLER);
    assert_eq!(request.send().await.unwrap().status(), 200);
    let letters = format!("{namespace}dead.letter.queue");
    kafka::read_topic(&servers, &letters, 1, LONG).await;
    lifecycle.shutdown();
    lifecycle.join().await.unwrap();
    // What has not left by itself leaves at the end.
    tokio::task::spawn_blocking(telemetry::traces::finish).await.unwrap();
    wait_until("five spans", LONG, || async { spans.lock().unwrap().len() >= 5 }).await;

    let spans = spans.lock().unwrap().clone();
    let mut parent = "b7ad6b7169203331".to_owned();
    let road = [
        ("POST /calls/{id}", SpanKind::Server),
        ("send ai-responses", SpanKind::Producer),
        ("process ai-responses", SpanKind::Consumer),
        ("send ai-responses", SpanKind::Producer),
        ("process ai-responses", SpanKind::Consumer),
    ];
    for (name, kind) in road {
        let children: Vec<&Span> = spans.iter().filter(|span| hex(&span.parent_span_id) == parent).collect();
        let [span] = children[..] else { panic!("{} children of {parent}: {spans:#?}", children.len()) };
        assert_eq!((span.name.as_str(), span.kind), (name, kind as i32));
        assert_eq!(hex(&span.trace_id), "0af7651916cd43dd8448eb211c80319c", "one trace");
        if kind == SpanKind::Consumer {
            assert_eq!(span.links.iter().map(|link| hex(&link.span_id)).collect::<Vec<_>>(), [parent]);
            assert_eq!(attribute(span, "messaging.consumer.group.name"), format!("{namespace}traced"));
            assert!(attribute(span, "messaging.destination.partition.id").parse::<u8>().is_ok_and(|of| of < 6));
            assert!(["0", "1"].contains(&attribute(span, "messaging.kafka.message.offset").as_str()));
        }
        if kind != SpanKind::Server {
            assert_eq!(attribute(span, "messaging.system"), "kafka");
            assert_eq!(attribute(span, "messaging.destination.name"), "ai-responses");
            assert_eq!(format!("{} ai-responses", attribute(span, "messaging.operation.type")), span.name);
        }
        parent = hex(&span.span_id);
    }
    assert_eq!(spans.len(), road.len(), "{spans:#?}");
    let last = spans.iter().find(|span| hex(&span.span_id) == parent).unwrap();
    assert_eq!(attribute(last, "error.type"), "processing");
    assert!(!format!("{spans:?}").contains("Kanari"), "nothing personal");
}
