//! Records without a value: never dead letters.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use events::{
    consume::{BuildError, Consumer, Handler, Listener, Received, Tombstone},
    contract::{
        codec,
        envelope::Envelope,
        event::NewEvent,
        replay::{Carrier, Replay},
        schema::{
            conversation::ConversationStartedV1,
            dead_letter::{DeadLetterReceiptV1, ReplayOutcome},
            voice::PatientCreationV1,
        },
        topics::{AI_RESPONSES, CONVERSATION_EVENTS, DEAD_LETTER_QUEUE, DEAD_LETTER_RECEIPTS},
    },
    flow::{error::HandlerError, retry::RetryPolicy},
    kafka::admin,
    publish::Tx,
};
use test_kit::{
    kafka,
    raw_produce::{self, Compression, RawRecord},
    wait::wait_until,
};
use uuid::Uuid;

use crate::{
    modes::{MODES, Mode},
    support::{LONG, Rig, Running, figure, recorder, said, settings},
};

/// More than the brake lets pass of what is given up.
const MANY: usize = 120;

fn tombstone(key: &str) -> RawRecord {
    RawRecord { key: Some(key.into()), ..RawRecord::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn tombstones_are_no_dead_letters_whoever_takes_records() {
    recorder();
    for mode in MODES {
        let rig = Rig::new().await;
        rig.create_topics().await;
        let tombstones: Vec<_> = (0..MANY).map(|number| tombstone(&format!("gone-{number}"))).collect();
        raw_produce::produce(&rig.servers(), &rig.topic(&AI_RESPONSES), 0, &tombstones, Compression::None).await;
        rig.send(said("call-1", "alive")).await;
        // No value at all and an empty one are two things: nobody deletes by writing nothing.
        rig.send_raw(Some(b"empty"), b"", &[]).await;
        rig.send_raw(Some(b"framed"), b"\0\0\0\0\x01", &[]).await;
        let consumer = mode.consume(&rig, "test-group").await;
        rig.wait_until_committed().await;
        let letters = kafka::read_topic_to_end(&rig.servers(), &rig.topic(&DEAD_LETTER_QUEUE)).await;
        let raw = mode == Mode::RawBatch;
        assert_eq!(letters.len(), if raw { 0 } else { 2 }, "{mode:?}");
        assert_eq!(
            rig.effects().await.len(),
            if raw { MANY + 3 } else { 1 },
            "{mode:?}: a raw record can be a tombstone"
        );
        assert!(consumer.status.as_ref().unwrap().check().is_ok(), "{mode:?}");
        consumer.stop().await;
    }
    let skipped = figure("kafka_consumer_messages_processed_total", &["ai-responses", "skipped"]);
    assert!(skipped >= Some(3.0 * MANY as f64), "{skipped:?}");
    let tombstones = figure("kafka_consumer_tombstones_skipped_total", &["ai-responses"]);
    assert!(tombstones >= Some(3.0 * MANY as f64), "{tombstones:?}");
}

/// Who talks with whom, as far as the topic still says; fails as a user's name says.
struct Directory(Arc<AtomicU32>);

impl Handler for Directory {
    const NAME: &'static str = "directory";
    const TOMBSTONES: bool = true;
    type Event = ConversationStartedV1;
    type Plan = ();

    async fn apply(&self, event: &Received<ConversationStartedV1>, _: (), tx: &mut Tx) -> Result<(), HandlerError> {
        note(&event.key, &event.data.user_id, tx).await
    }

    async fn tombstone(&self, tombstone: &Tombstone, tx: &mut Tx) -> Result<(), HandlerError> {
        note(&tombstone.key, "is gone", tx).await?;
        match tombstone.key.as_str() {
            "flaky" if self.0.fetch_add(1, Ordering::SeqCst) < 2 => Err(HandlerError::retry("not yet")),
            "kept" => Err(HandlerError::reject("said_so", "this one has to stay")),
            _ => Ok(()),
        }
    }
}

async fn note(key: &str, what: &str, tx: &mut Tx) -> Result<(), HandlerError> {
    sqlx::query("INSERT INTO effects (event_id, call_id, name, worker) VALUES (gen_random_uuid(), $1, $2, '')")
        .bind(key)
        .bind(what)
        .execute(tx.connection())
        .await?;
    Ok(())
}

/// The same by ear.
#[derive(Clone, Default)]
struct Ear(Arc<Mutex<Vec<(String, String)>>>);

impl Listener for Ear {
    const NAME: &'static str = "ear";
    const TOMBSTONES: bool = true;
    type Event = ConversationStartedV1;

    async fn hear(&self, event: &Received<ConversationStartedV1>) -> Result<(), HandlerError> {
        self.0.lock().unwrap().push((event.key.clone(), event.data.user_id.clone()));
        Ok(())
    }

    async fn tombstone(&self, tombstone: &Tombstone) -> Result<(), HandlerError> {
        self.0.lock().unwrap().push((tombstone.key.clone(), "is gone".to_owned()));
        Ok(())
    }
}

/// One that asks for no tombstones.
struct Deaf;

impl Listener for Deaf {
    const NAME: &'static str = "deaf";
    type Event = ConversationStartedV1;

    async fn hear(&self, _: &Received<ConversationStartedV1>) -> Result<(), HandlerError> {
        Ok(())
    }
}

fn started(key: &str, user: &str) -> RawRecord {
    let event: ConversationStartedV1 =
        serde_json::from_value(serde_json::json!({ "conversation_id": key, "user_id": user })).unwrap();
    let value = codec::encode(&Envelope::seal(NewEvent::fact(event), "another-service")).unwrap();
    RawRecord { key: Some(key.into()), value: Some(value), headers: Vec::new() }
}

/// A replay of a tombstone for the handler, of one letter and in this run.
fn replayed(rig: &Rig, key: &str, run: u128) -> RawRecord {
    let replay = Replay {
        dead_letter_id: Uuid::from_u128(1),
        replay_id: Uuid::from_u128(run),
        group: rig.group(),
        handler: Some("directory".to_owned()),
    };
    let topic = rig.topic(&CONVERSATION_EVENTS);
    let headers = replay.headers(&Carrier { topic: &topic, key: Some(key.as_bytes()), value: None }, None);
    let headers = headers.into_iter().map(|(name, value)| (name.into(), Some(value.into_bytes()))).collect();
    RawRecord { headers, ..tombstone(key) }
}

async fn conversations(records: impl FnOnce(&Rig) -> Vec<RawRecord>) -> Rig {
    let rig = Rig::new().await;
    admin::ensure(&rig.config, "test", &[&CONVERSATION_EVENTS, &DEAD_LETTER_QUEUE, &DEAD_LETTER_RECEIPTS])
        .await
        .unwrap();
    let topic = rig.topic(&CONVERSATION_EVENTS);
    raw_produce::produce(&rig.servers(), &topic, 0, &records(&rig), Compression::None).await;
    rig
}

async fn direct(rig: &Rig, group: &str) -> Running {
    let consumer = Consumer::builder(rig.config.clone(), group, "test-service", rig.outbox.clone())
        .handle(Directory(Arc::default()))
        .retry(RetryPolicy { base: Duration::from_millis(20), ..RetryPolicy::default() })
        .build();
    Running::consumer(consumer.unwrap()).await
}

async fn wait_until_committed(rig: &Rig, group: &str, end: i64) {
    let (group, topic) = (rig.config.topic_names().group(group), rig.topic(&CONVERSATION_EVENTS));
    wait_until("all offsets are committed", LONG, || async {
        kafka::committed(&rig.servers(), &group, &topic).await.contains(&(0, end))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_asks_has_each_tombstone_once_and_in_its_turn() {
    let rig = conversations(|_| {
        vec![
            started("k", "first"),
            tombstone("k"),
            started("k", "second"),
            started("flaky", "first"),
            tombstone("flaky"),
            started("flaky", "second"),
            tombstone("k"),
        ]
    })
    .await;
    let consumer = direct(&rig, "test-group").await;
    wait_until_committed(&rig, "test-group", 7).await;
    consumer.stop().await;
    // Another group with the same inbox takes all of it again.
    let again = direct(&rig, "again").await;
    wait_until_committed(&rig, "again", 7).await;
    again.stop().await;
    let of = |key: &'static str, effects: &[(String, String)]| -> Vec<String> {
        effects.iter().filter(|(of, _)| of == key).map(|(_, what)| what.clone()).collect()
    };
    let effects = rig.effects().await;
    assert_eq!(of("k", &effects), ["first", "is gone", "second", "is gone"]);
    assert_eq!(of("flaky", &effects), ["first", "is gone", "second"]);
    assert!(kafka::read_topic_to_end(&rig.servers(), &rig.topic(&DEAD_LETTER_QUEUE)).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tombstone_that_its_handler_refuses_is_kept_without_a_value() {
    let rig = conversations(|_| vec![tombstone("kept"), tombstone("k")]).await;
    let consumer = direct(&rig, "test-group").await;
    wait_until_committed(&rig, "test-group", 2).await;
    let letters = rig.dead_letters(1).await;
    assert_eq!((letters.len(), letters[0].key.as_deref(), &letters[0].payload), (1, Some(&b"kept"[..]), &None));
    assert_eq!(letters[0].header("dlq.handler"), Some(&b"directory"[..]));
    assert_eq!(letters[0].header("dlq.code"), Some(&b"said_so"[..]));
    assert_eq!(rig.effects().await, [("k".to_owned(), "is gone".to_owned())]);
    consumer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tombstone_that_is_replayed_is_answered_for() {
    let rig = conversations(|rig| vec![replayed(rig, "k", 1), replayed(rig, "k", 2)]).await;
    let (relay, _) = rig.relay();
    let consumer = direct(&rig, "test-group").await;
    let receipts = kafka::read_topic(&rig.servers(), &rig.topic(&DEAD_LETTER_RECEIPTS), 2, LONG).await;
    let outcomes = receipts.iter().map(|receipt| {
        let receipt: Envelope<DeadLetterReceiptV1> = serde_json::from_slice(receipt.payload.as_ref().unwrap()).unwrap();
        receipt.data.outcome
    });
    assert_eq!(outcomes.collect::<Vec<_>>(), [ReplayOutcome::Applied, ReplayOutcome::Duplicate]);
    assert_eq!(rig.effects().await.len(), 1);
    consumer.stop().await;
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_that_asks_hears_of_tombstones_and_another_does_not() {
    let rig = conversations(|_| vec![started("k", "first"), tombstone("k"), started("k", "second")]).await;
    let ear = Ear::default();
    let consumer = Consumer::without_database(rig.config.clone(), "test-group", "test-service");
    let consumer = Running::consumer(consumer.listen(ear.clone()).listen(Deaf).build().unwrap()).await;
    wait_until_committed(&rig, "test-group", 3).await;
    let heard: Vec<_> = ear.0.lock().unwrap().iter().map(|(_, what)| what.clone()).collect();
    assert_eq!(heard, ["first", "is gone", "second"]);
    consumer.stop().await;
}

/// Nobody can mean anything by a tombstone in a topic that forgets by age alone.
struct Hopeful;

impl Listener for Hopeful {
    const NAME: &'static str = "hopeful";
    const TOMBSTONES: bool = true;
    type Event = PatientCreationV1;

    async fn hear(&self, _: &Received<PatientCreationV1>) -> Result<(), HandlerError> {
        Ok(())
    }
}

#[tokio::test]
async fn who_asks_for_tombstones_of_a_topic_without_compaction_is_refused_at_start() {
    let config = settings("127.0.0.1:1", "", &[]);
    let refused = Consumer::without_database(config.clone(), "test-group", "test-service").listen(Hopeful).build();
    assert!(matches!(refused, Err(BuildError::NoTombstones("hopeful", "ai-responses"))));
    for group in ["", "a\0group", &"g".repeat(250)] {
        let refused = Consumer::without_database(config.clone(), group, "test-service").listen(Deaf).build();
        assert!(matches!(refused, Err(BuildError::Name(name)) if name == group));
    }
}
