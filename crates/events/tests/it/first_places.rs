//! A replay of what has no id of its own is the record of its first place, if its letter vouches for that. Whoever copies a replay can
//! write any place into it, or none, and neither doubles nor hides a record.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
};

use chrono::DateTime;
use events::{
    consume::{Consumer, Handler, Received, Tombstone},
    contract::{
        event::EventId,
        replay::{Carrier, Replay, ReplayKey},
        schema::{conversation::ConversationStartedV1, voice::PatientCreationV1},
        topics::{AI_RESPONSES, CONVERSATION_EVENTS, DEAD_LETTER_QUEUE, DEAD_LETTER_RECEIPTS, TopicSpec},
    },
    flow::error::HandlerError,
    kafka::admin,
    publish::Tx,
};
use test_kit::{
    kafka::{self, TestRecord},
    raw_produce::{self, Compression, RawRecord},
    stack,
    wait::wait_until,
};
use uuid::Uuid;

use crate::{
    modes::{MODES, NAME},
    support::{LONG, Rig, Running},
};

const SECRET: &[u8] = b"a secret of thirty-two bytes, at least";
/// As the letters say it, and in milliseconds.
const TIME: (&str, &str) = ("2026-11-21T12:16:59.618Z", "1795263419618");

/// A file of this test's own.
struct KeyFile(PathBuf);

impl Drop for KeyFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

async fn signing_rig() -> (Rig, KeyFile) {
    let file = KeyFile(std::env::temp_dir().join(Uuid::new_v4().to_string()));
    std::fs::write(&file.0, [SECRET, b"\n"].concat()).unwrap();
    let rig = Rig::with(&stack::kafka(), &["--replay-signing-key-file", file.0.to_str().unwrap()]).await;
    create_topics(&rig, &AI_RESPONSES).await;
    (rig, file)
}

async fn create_topics(rig: &Rig, topic: &'static TopicSpec) {
    admin::ensure(&rig.config, "test", &[topic, &DEAD_LETTER_QUEUE, &DEAD_LETTER_RECEIPTS]).await.unwrap();
}

async fn send(rig: &Rig, topic: &TopicSpec, records: &[RawRecord]) {
    raw_produce::produce(&rig.servers(), &rig.topic(topic), 0, records, Compression::None).await;
}

/// As an earlier producer writes it.
fn without_id(call: &str) -> Vec<u8> {
    let record = serde_json::json!({ "call_id": call, "response_type": "PATIENT_CREATION", "data": { "name": "x" } });
    record.to_string().into_bytes()
}

fn original(key: &str) -> RawRecord {
    RawRecord { key: Some(key.into()), value: Some(without_id(key)), headers: Vec::new() }
}

/// The id of the letter that the handler wrote about what stood first in the topic.
fn letter_of(rig: &Rig) -> Uuid {
    EventId::derived(&["dead letter", &rig.group(), NAME, &rig.topic(&AI_RESPONSES), "0", "900", TIME.1]).0
}

/// What a letter says of the place that it is about.
fn place(rig: &Rig) -> Vec<(&'static str, String)> {
    let topic = rig.topic(&AI_RESPONSES);
    let told = [NAME, topic.as_str(), "0", "900", TIME.0].map(str::to_owned);
    ["dlq.handler", "dlq.topic", "dlq.partition", "dlq.offset", "dlq.timestamp"].into_iter().zip(told).collect()
}

/// A signed replay of the letter, with these headers besides.
fn replayed(rig: &Rig, key: &str, letter: Uuid, told: Vec<(&str, String)>) -> RawRecord {
    let replay = Replay { dead_letter_id: letter, replay_id: Uuid::from_u128(8), group: rig.group(), handler: None };
    let (topic, record) = (rig.topic(&AI_RESPONSES), original(key));
    let carrier = Carrier { topic: &topic, key: Some(key.as_bytes()), value: record.value.as_deref() };
    let headers = replay.headers(&carrier, Some(&ReplayKey::new(SECRET).unwrap()));
    let headers =
        headers.into_iter().chain(told).map(|(name, value)| (name.into(), Some(value.into_bytes()))).collect();
    RawRecord { headers, ..record }
}

/// One signed replay, and what can be made of it without the key: headers of the place left out, or of another.
fn copies(rig: &Rig, letter: Uuid) -> Vec<RawRecord> {
    let mut told = vec![place(rig), Vec::new()];
    for name in 0..place(rig).len() {
        told.push(place(rig));
        told.last_mut().unwrap().remove(name);
        for value in ["", "7", "2026-11-22T00:00:00.000Z", "another"] {
            told.push(place(rig));
            told.last_mut().unwrap()[name].1 = value.to_owned();
        }
    }
    told.into_iter().map(|told| replayed(rig, "call-1", letter, told)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_replay_is_applied_once_whatever_place_its_copies_say() {
    for mode in MODES {
        for (order, is_known) in [("first", true), ("last", true), ("first", false)] {
            let (rig, _file) = signing_rig().await;
            let letter = if is_known { letter_of(&rig) } else { Uuid::from_u128(7) };
            let mut records = copies(&rig, letter);
            if order == "last" {
                records.reverse();
            }
            send(&rig, &AI_RESPONSES, &records).await;
            let consumer = mode.consume(&rig, "test-group").await;
            rig.wait_until_committed().await;
            let effects = rig.effects().await.len();
            println!("{mode:?}, the whole one {order}, of a known letter {is_known}: {effects} of {}", records.len());
            consumer.stop().await;
            assert_eq!(effects, 1, "{mode:?}, the whole one {order}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_copy_of_a_signed_replay_hides_a_record() {
    for mode in MODES {
        let (rig, _file) = signing_rig().await;
        // They say that they stood where the records of another producer will stand, for whatever letter.
        let mut records = Vec::new();
        for (number, offset) in (0..20).zip(20..) {
            let letter = if number % 2 == 0 { letter_of(&rig) } else { Uuid::from_u128(7) };
            let mut told = place(&rig);
            told[3].1 = i32::to_string(&offset);
            records.push(replayed(&rig, "call-1", letter, told));
        }
        send(&rig, &AI_RESPONSES, &records).await;
        let consumer = mode.consume(&rig, "test-group").await;
        rig.wait_until_committed().await;
        let others: Vec<_> = (0..20).map(|number| original(&format!("other-{number}"))).collect();
        send(&rig, &AI_RESPONSES, &others).await;
        rig.wait_until_committed().await;
        let handled = rig.effects().await.iter().filter(|(key, _)| key.starts_with("other")).count();
        consumer.stop().await;
        assert_eq!(handled, 20, "{mode:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn good_records_to_which_the_headers_of_one_replay_were_passed_on_are_all_handled() {
    for mode in MODES {
        let rig = Rig::new().await;
        create_topics(&rig, &AI_RESPONSES).await;
        let records: Vec<_> =
            (0..5).map(|number| replayed(&rig, &format!("call-{number}"), Uuid::from_u128(7), place(&rig))).collect();
        send(&rig, &AI_RESPONSES, &records).await;
        let consumer = mode.consume(&rig, "test-group").await;
        rig.wait_until_committed().await;
        assert_eq!(rig.effects().await.len(), 5, "{mode:?}");
        consumer.stop().await;
    }
}

/// When the first record was written, as the letter of another group says it.
async fn time_of_first(rig: &Rig) -> String {
    let refuse = Consumer::builder(rig.config.clone(), "another-group", "test-service", rig.outbox.clone())
        .handle(Timed(Arc::default()))
        .build()
        .unwrap();
    let refuse = Running::consumer(refuse).await;
    let letter = rig.dead_letters(1).await.remove(0);
    refuse.stop().await;
    String::from_utf8_lossy(letter.header("dlq.timestamp").unwrap()).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_applied_is_not_applied_again_when_a_letter_of_its_place_is_replayed() {
    for mode in MODES {
        let (rig, _file) = signing_rig().await;
        send(&rig, &AI_RESPONSES, &[original("call-1")]).await;
        let consumer = mode.consume(&rig, "test-group").await;
        rig.wait_for_effects(1).await;
        let told_time = time_of_first(&rig).await;
        let time = DateTime::parse_from_rfc3339(&told_time).unwrap().timestamp_millis();
        let topic = rig.topic(&AI_RESPONSES);
        let told = [
            ("dlq.handler", "another".to_owned()),
            ("dlq.topic", topic.clone()),
            ("dlq.partition", "0".to_owned()),
            ("dlq.offset", "0".to_owned()),
            ("dlq.timestamp", told_time),
        ];
        let letter = EventId::derived(&["dead letter", &rig.group(), "another", &topic, "0", "0", &time.to_string()]);
        let whole = replayed(&rig, "call-1", letter.0, told.to_vec());
        let without_place = replayed(&rig, "call-1", letter.0, Vec::new());
        send(&rig, &AI_RESPONSES, &[whole, without_place]).await;
        rig.wait_until_committed().await;
        let effects = rig.effects().await.len();
        consumer.stop().await;
        assert_eq!(effects, 1, "{mode:?}: nor when a copy of the replay says no place");
    }
}

/// Refuses until it is told not to; notes when the fact happened.
struct Timed(Arc<AtomicBool>);

impl Handler for Timed {
    const NAME: &'static str = "timed";
    type Event = PatientCreationV1;
    type Plan = ();

    async fn apply(&self, event: &Received<PatientCreationV1>, _: (), tx: &mut Tx) -> Result<(), HandlerError> {
        if !self.0.load(SeqCst) {
            return Err(HandlerError::reject("said_so", "not yet"));
        }
        note(event.id, &event.data.call_id, &event.occurred_at.to_rfc3339(), tx).await
    }
}

async fn note(id: EventId, key: &str, name: &str, tx: &mut Tx) -> Result<(), HandlerError> {
    sqlx::query("INSERT INTO effects (event_id, call_id, name, worker) VALUES ($1, $2, $3, '')")
        .bind(id.0)
        .bind(key)
        .bind(name)
        .execute(tx.connection())
        .await?;
    Ok(())
}

/// A replay of the letter with all that the letter says.
fn replay_of(rig: &Rig, letter: &TestRecord) -> RawRecord {
    let id = String::from_utf8_lossy(letter.header("dlq.id").unwrap()).into_owned();
    let own = [("x-target-group", rig.group()), ("x-dead-letter-id", id), ("x-replay-id", Uuid::new_v4().to_string())];
    let own = own.into_iter().map(|(name, value)| (name.to_owned(), value.into_bytes()));
    let headers = own.chain(letter.headers.iter().cloned());
    RawRecord {
        key: letter.key.clone(),
        value: letter.payload.clone(),
        headers: headers.map(|(name, value)| (name.into_bytes(), Some(value))).collect(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_of_what_says_no_time_has_the_time_of_its_first_place() {
    let rig = Rig::new().await;
    create_topics(&rig, &AI_RESPONSES).await;
    let is_open = Arc::<AtomicBool>::default();
    let consumer = Consumer::builder(rig.config.clone(), "test-group", "test-service", rig.outbox.clone())
        .handle(Timed(Arc::clone(&is_open)))
        .build()
        .unwrap();
    let consumer = Running::consumer(consumer).await;
    send(&rig, &AI_RESPONSES, &[original("call-1")]).await;
    let letter = rig.dead_letters(1).await.remove(0);
    is_open.store(true, SeqCst);
    send(&rig, &AI_RESPONSES, &[replay_of(&rig, &letter)]).await;
    rig.wait_for_effects(1).await;
    let told = rig.effects().await.remove(0).1;
    consumer.stop().await;
    let first = String::from_utf8_lossy(letter.header("dlq.timestamp").unwrap()).into_owned();
    assert_eq!(DateTime::parse_from_rfc3339(&told).unwrap(), DateTime::parse_from_rfc3339(&first).unwrap());
}

struct Forget<const N: usize>(Arc<AtomicBool>);

impl<const N: usize> Handler for Forget<N> {
    const NAME: &'static str = if N == 1 { "first" } else { "second" };
    const TOMBSTONES: bool = true;
    type Event = ConversationStartedV1;
    type Plan = ();

    async fn apply(&self, _: &Received<ConversationStartedV1>, _: (), _: &mut Tx) -> Result<(), HandlerError> {
        Ok(())
    }

    async fn tombstone(&self, tombstone: &Tombstone, tx: &mut Tx) -> Result<(), HandlerError> {
        if N == 2 && !self.0.load(SeqCst) {
            return Err(HandlerError::reject("said_so", "not yet"));
        }
        let time = tombstone.timestamp.unwrap().timestamp_millis();
        note(tombstone.id, &time.to_string(), Self::NAME, tx).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tombstone_is_the_same_when_it_is_replayed() {
    let rig = Rig::new().await;
    create_topics(&rig, &CONVERSATION_EVENTS).await;
    let is_open = Arc::<AtomicBool>::default();
    let consumer = Consumer::builder(rig.config.clone(), "test-group", "test-service", rig.outbox.clone())
        .handle(Forget::<1>(Arc::clone(&is_open)))
        .handle(Forget::<2>(Arc::clone(&is_open)))
        .build()
        .unwrap();
    let consumer = Running::consumer(consumer).await;
    send(&rig, &CONVERSATION_EVENTS, &[RawRecord { key: Some("k".into()), ..RawRecord::default() }]).await;
    let letter = rig.dead_letters(1).await.remove(0);
    is_open.store(true, SeqCst);
    let replay = replay_of(&rig, &letter);
    let mut without_place = replay.clone();
    without_place.headers.retain(|(name, _)| !name.starts_with(b"dlq."));
    send(&rig, &CONVERSATION_EVENTS, &[replay, without_place]).await;
    let topic = rig.topic(&CONVERSATION_EVENTS);
    wait_until("all is committed", LONG, || async {
        kafka::committed(&rig.servers(), &rig.group(), &topic).await.contains(&(0, 3))
    })
    .await;
    let effects = rig.effects().await;
    consumer.stop().await;
    let by: Vec<_> = effects.iter().map(|(_, name)| name.as_str()).collect();
    assert_eq!(by, ["first", "second"], "each forgets its key once");
    assert_eq!(effects[0].0, effects[1].0, "at the time of the first place");
}
