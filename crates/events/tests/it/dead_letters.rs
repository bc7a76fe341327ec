//! What cannot be applied is kept, with its bytes and the reason, before its offset moves.

use std::collections::BTreeMap;

use events::{
    consume::{Handler, Received},
    contract::{
        schema::voice::PatientCreationV1,
        topics::{AI_RESPONSES, DEAD_LETTER_QUEUE},
    },
    flow::error::HandlerError,
    publish::Tx,
};
use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, AlterConfig, ResourceSpecifier},
    client::DefaultClientContext,
};
use test_kit::{
    kafka::{self, TestRecord},
    wait::wait_until,
};

use crate::support::{LONG, Rig, Running, note, said};

fn headers(record: &TestRecord) -> BTreeMap<&str, &str> {
    let all: BTreeMap<&str, &str> =
        record.headers.iter().map(|(name, value)| (name.as_str(), std::str::from_utf8(value).unwrap())).collect();
    assert_eq!(all.len(), record.headers.len(), "no header twice");
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn poison_becomes_a_dead_letter_with_every_header_right() {
    let rig = Rig::new().await;
    rig.create_topics().await;
    let poison = b"{\"no\": \"event\"}\xff";
    let (partition, offset) = rig.send_raw(Some(b"call-7"), poison, &[("x-own", b"kept"), ("dlq.code", b"old")]).await;
    rig.send(said("call-8", "fine")).await;
    let consumer = rig.consume("w").await;
    rig.wait_for_effects(1).await;
    rig.wait_until_committed().await;

    let letters = rig.dead_letters(1).await;
    let letter = &letters[0];
    assert_eq!(letters.len(), 1);
    assert_eq!(letter.key.as_deref(), Some(&b"call-7"[..]));
    assert_eq!(letter.payload.as_deref(), Some(&poison[..]), "bytes untouched");
    let mut headers = headers(letter);
    assert_eq!(headers.remove("x-own"), Some("kept"));
    let mut expect = |name: &str, value: &str| assert_eq!(headers.remove(name), Some(value), "{name}");
    expect("dlq.topic", &rig.topic(&AI_RESPONSES));
    expect("dlq.partition", &partition.to_string());
    expect("dlq.offset", &offset.to_string());
    expect("dlq.group", &rig.group());
    expect("dlq.handler", "");
    expect("dlq.service", "test-service");
    expect("dlq.service_version", env!("CARGO_PKG_VERSION"));
    expect("dlq.category", "deserialization");
    expect("dlq.code", "unknown_shape");
    expect("dlq.attempts", "1");
    expect("dlq.replays", "0");
    expect("dlq.event_id", "");
    expect("dlq.event_type", "");
    expect("dlq.correlation_id", "");
    for name in ["dlq.id", "dlq.fingerprint"] {
        let value: Option<uuid::Uuid> = headers.remove(name).and_then(|text| text.parse().ok());
        assert!(value.is_some(), "{name} is a UUID");
    }
    for name in ["dlq.timestamp", "dlq.first_failed_at", "dlq.failed_at"] {
        let value = headers.remove(name).unwrap_or_default();
        assert!(chrono::DateTime::parse_from_rfc3339(value).is_ok(), "{name} is a time: {value}");
    }
    for name in ["dlq.message", "dlq.chain"] {
        assert!(headers.remove(name).is_some_and(|text| text.contains("known shape")), "{name}");
    }
    assert!(headers.is_empty(), "nothing else: {headers:?}");
    consumer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_handler_refuses_panics_on_or_hushes_up_is_kept_and_its_key_goes_on() {
    let rig = Rig::new().await;
    rig.create_topics().await;
    let refused = said("call-1", "reject");
    rig.send(refused.clone()).await;
    rig.send(said("call-1", "after the refusal")).await;
    rig.send(said("call-2", "panic")).await;
    rig.send(said("call-2", "after the panic")).await;
    rig.send(said("call-3", "unheard")).await;
    let consumer = rig.consume("w").await;
    rig.wait_for_effects(2).await;
    let letters = rig.dead_letters(3).await;
    let letters: BTreeMap<_, _> = letters
        .iter()
        .map(|letter| (String::from_utf8_lossy(letter.key.as_deref().unwrap()).into_owned(), headers(letter)))
        .collect();
    let expect = |call: &str, wanted: [(&str, &str); 5]| {
        for (name, value) in wanted {
            assert_eq!(letters[call].get(name), Some(&value), "{call} {name}");
        }
    };
    let id = refused.id.to_string();
    expect(
        "call-1",
        [
            ("dlq.category", "processing"),
            ("dlq.code", "said_so"),
            ("dlq.attempts", "1"),
            ("dlq.handler", "do-as-said"),
            ("dlq.event_id", &id),
        ],
    );
    expect(
        "call-2",
        [
            ("dlq.category", "processing"),
            ("dlq.message", "the handler panicked"),
            ("dlq.attempts", "4"),
            ("dlq.event_type", "ai_response.patient_creation"),
            ("dlq.correlation_id", "call-2"),
        ],
    );
    // A COMMIT would have been answered well, and written nothing.
    expect(
        "call-3",
        [
            ("dlq.category", "processing"),
            ("dlq.code", "database_refused"),
            ("dlq.message", "the database refused with SQLSTATE 25P02"),
            ("dlq.attempts", "1"),
            ("dlq.correlation_id", "call-3"),
        ],
    );
    consumer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_failure_of_the_same_record_is_the_same_letter() {
    let rig = Rig::new().await;
    rig.create_topics().await;
    rig.send(said("call-1", "reject")).await;
    for round in 1..=2 {
        let consumer = rig.consume("w").await;
        rig.dead_letters(round).await;
        consumer.stop().await;
        rig.forget_offsets().await;
    }
    let letters = rig.dead_letters(2).await;
    assert_eq!(headers(&letters[0])["dlq.id"], headers(&letters[1])["dlq.id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_topic_that_refuses_holds_the_offset() {
    let rig = Rig::new().await;
    let queue = rig.topic(&DEAD_LETTER_QUEUE);
    kafka::create_topic(&rig.servers(), &queue, 1, &[("max.message.bytes", "200")]).await;
    rig.create_topics().await;
    let (partition, offset) = rig.send(said("call-1", "reject")).await;
    let consumer = rig.consume("w").await;
    let status = consumer.status.clone().unwrap();
    wait_until("readiness tells it", LONG, || async {
        status.check().is_err_and(|reason| reason.contains("dead letters"))
    })
    .await;
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    let committed = rig.committed().await;
    let at = committed.iter().find(|(of, _)| *of == partition).map_or(-1, |(_, offset)| *offset);
    assert!(at <= offset, "the offset moved past a record that is kept nowhere");

    mend(&rig, &queue).await;
    assert_eq!(rig.dead_letters(1).await.len(), 1);
    rig.wait_until_committed().await;
    wait_until("readiness is back", LONG, || async { status.check().is_ok() }).await;
    consumer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn readiness_stays_away_while_any_letter_is_refused() {
    let rig = Rig::new().await;
    let queue = rig.topic(&DEAD_LETTER_QUEUE);
    kafka::create_topic(&rig.servers(), &queue, 1, &[("max.message.bytes", "2500")]).await;
    rig.create_topics().await;
    // None of its parts is large, all together are.
    let random: Vec<u8> = std::iter::repeat_with(|| fastrand::u8(..)).take(3_000).collect();
    let (stuck, _) = rig.send_raw(Some(b"call-1"), &random, &[]).await;
    let consumer = rig.consume("w").await;
    let status = consumer.status.clone().unwrap();
    let unready = || status.check().is_err_and(|reason| reason.contains("cannot write dead letters"));
    wait_until("readiness tells it", LONG, || async { unready() }).await;
    for letters in 1..=3 {
        rig.send_raw(Some(format!("other-{letters}").as_bytes()), b"poison", &[]).await;
        rig.dead_letters(letters).await;
        assert!(unready(), "another's letter was taken, the first still waits: {:?}", status.check());
    }
    // Whoever has its partition now tells of it.
    let other = rig.consume("other").await;
    let refused = || other.status.clone().unwrap().check().is_err();
    wait_until("two share the partitions", LONG, || async { status.partitions() == 3 }).await;
    wait_until("one of them tells it", LONG, || async { unready() != refused() }).await;
    println!("partition {stuck} is {}", if unready() { "still ours" } else { "the other's" });
    mend(&rig, &queue).await;
    wait_until("both are ready", LONG, || async { !unready() && !refused() }).await;
    assert_eq!(rig.dead_letters(4).await.len(), 4);
    consumer.stop().await;
    other.stop().await;
}

/// A second handler of the same event, which refuses nothing.
struct AlsoNote;

impl Handler for AlsoNote {
    const NAME: &'static str = "also-note";
    type Event = PatientCreationV1;
    type Plan = ();

    async fn apply(&self, event: &Received<PatientCreationV1>, _: (), tx: &mut Tx) -> Result<(), HandlerError> {
        note(event, "also", tx).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_dead_letter_of_one_handler_does_not_cost_the_next_its_event() {
    let rig = Rig::new().await;
    let queue = rig.topic(&DEAD_LETTER_QUEUE);
    kafka::create_topic(&rig.servers(), &queue, 1, &[("max.message.bytes", "200")]).await;
    rig.create_topics().await;
    rig.send(said("call-1", "reject")).await;
    let consumer = Running::consumer(rig.builder("w").handle(AlsoNote).build().unwrap()).await;
    let status = consumer.status.clone().unwrap();
    wait_until("the dead letter is refused", LONG, || async { status.check().is_err() }).await;
    mend(&rig, &queue).await;
    rig.wait_until_committed().await;
    assert_eq!(rig.dead_letters(1).await[0].header("dlq.handler"), Some(&b"do-as-said"[..]));
    assert_eq!(rig.effects().await, [("call-1".to_owned(), "reject".to_owned())]);
    consumer.stop().await;
}

async fn mend(rig: &Rig, queue: &str) {
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", rig.servers()).create().unwrap();
    let mended = AlterConfig::new(ResourceSpecifier::Topic(queue)).set("max.message.bytes", "2000000");
    admin.alter_configs([&mended], &AdminOptions::new()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_reaches_only_its_group_and_keeps_the_first_failure() {
    let rig = Rig::new().await;
    rig.create_topics().await;
    let letter: [(&str, &[u8]); 2] = [
        ("x-dead-letter-id", b"11111111-1111-5111-8111-111111111111"),
        ("x-replay-id", b"22222222-2222-5222-8222-222222222222"),
    ];
    let others = [("x-target-group", &b"another-group"[..]), letter[0], letter[1]];
    rig.send_raw(Some(b"k"), b"poison for others", &others).await;
    let group = rig.group();
    let replay: [(&str, &[u8]); 5] = [
        ("x-target-group", group.as_bytes()),
        letter[0],
        letter[1],
        ("dlq.first_failed_at", b"2026-01-01T00:00:00.000Z"),
        ("dlq.replays", b"1"),
    ];
    rig.send_raw(Some(b"k"), b"poison for us", &replay).await;
    let consumer = rig.consume("w").await;
    rig.wait_until_committed().await;
    let letters = rig.dead_letters(1).await;
    assert_eq!(letters.len(), 1, "the other group's was skipped before decoding");
    let headers = headers(&letters[0]);
    assert_eq!(headers["dlq.id"], "11111111-1111-5111-8111-111111111111");
    assert_eq!(headers["dlq.first_failed_at"], "2026-01-01T00:00:00.000Z");
    assert_eq!(headers["dlq.replays"], "2");
    assert!(!headers.contains_key("x-target-group"));
    consumer.stop().await;
}
