//! Dead letters that come again: to one group, to one handler, and answered with a receipt.

use std::{collections::BTreeMap, time::Duration};

use events::{
    consume::{Consumer, Handler, Listener, Received},
    contract::{
        codec,
        envelope::Envelope,
        event::NewEvent,
        replay::{Carrier, Replay},
        schema::{
            dead_letter::{DeadLetterReceiptV1, ReplayOutcome},
            voice::PatientCreationV1,
        },
        topics::{AI_RESPONSES, DEAD_LETTER_QUEUE, DEAD_LETTER_RECEIPTS},
    },
    flow::error::HandlerError,
    kafka::admin,
    publish::Tx,
};
use test_kit::kafka;
use uuid::Uuid;

use crate::support::{LONG, Rig, Running, note, said};

/// Sends an event as a replay to a group, and perhaps to one handler of it.
async fn replay(rig: &Rig, event: &NewEvent<PatientCreationV1>, run: &str, group: &str, handler: Option<&str>) {
    let (key, value) = (&event.data.call_id, codec::encode(&Envelope::seal(event.clone(), "another-service")).unwrap());
    let replay = Replay {
        dead_letter_id: LETTER,
        replay_id: run_id(run),
        group: rig.config.topic_names().group(group),
        handler: handler.map(str::to_owned),
    };
    let topic = rig.topic(&AI_RESPONSES);
    let headers = replay.headers(&Carrier { topic: &topic, key: Some(key.as_bytes()), value: Some(&value) }, None);
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
    rig.send_raw(Some(key.as_bytes()), &value, &headers).await;
}

const LETTER: Uuid = Uuid::from_u128(1);

/// The runs of a test, in the order of their names.
fn run_id(run: &str) -> Uuid {
    Uuid::from_u128(run.strip_prefix("run-").unwrap().parse().unwrap())
}

/// The receipts so far: run, group, handler, outcome.
async fn receipts(rig: &Rig, at_least: usize) -> Vec<(String, String, String, ReplayOutcome)> {
    let topic = rig.topic(&DEAD_LETTER_RECEIPTS);
    let records = kafka::read_topic(&rig.servers(), &topic, at_least, LONG).await;
    let mut receipts: Vec<_> = records
        .iter()
        .map(|record| {
            let value: Envelope<DeadLetterReceiptV1> =
                serde_json::from_slice(record.payload.as_deref().unwrap()).unwrap();
            let receipt = value.data;
            assert_eq!(receipt.dead_letter_id, LETTER.to_string());
            (receipt.replay_id, receipt.group, receipt.handler, receipt.outcome)
        })
        .collect();
    receipts.sort_by(|a, b| (&a.0, &a.2).cmp(&(&b.0, &b.2)));
    receipts
}

async fn consume_in(rig: &Rig, group: &'static str, worker: &str) -> Running {
    let consumer = Consumer::builder(rig.config.clone(), group, "test-service", rig.outbox.clone())
        .handle(NoteAs::<1>(worker.to_owned()))
        .build()
        .unwrap();
    Running::consumer(consumer).await
}

/// Two handlers of one event.
struct NoteAs<const N: usize>(String);

impl<const N: usize> Handler for NoteAs<N> {
    const NAME: &'static str = if N == 1 { "first" } else { "second" };
    type Event = PatientCreationV1;
    type Plan = ();

    async fn apply(&self, event: &Received<PatientCreationV1>, _: (), tx: &mut Tx) -> Result<(), HandlerError> {
        if event.data.name == "reject" {
            return Err(HandlerError::reject("said_so", "told to be rejected"));
        }
        note(event, &format!("{} {}", self.0, Self::NAME), tx).await
    }
}

async fn workers(rig: &Rig) -> BTreeMap<String, i64> {
    let rows: Vec<(String, i64)> =
        sqlx::query_as("SELECT worker, count(*) FROM effects GROUP BY 1").fetch_all(rig.pool()).await.unwrap();
    rows.into_iter().collect()
}

async fn rig() -> Rig {
    let rig = Rig::new().await;
    admin::ensure(&rig.config, "test", &[&AI_RESPONSES, &DEAD_LETTER_QUEUE, &DEAD_LETTER_RECEIPTS]).await.unwrap();
    rig
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_groups_on_one_topic_a_replay_reaches_one() {
    let rig = rig().await;
    // Each group has its own inbox, as two services have.
    let other = Rig::with_config(rig.config.clone()).await;
    let (ours, theirs) = (consume_in(&rig, "ours", "a").await, consume_in(&other, "theirs", "b").await);
    rig.send(said("call-1", "to both")).await;
    rig.wait_for_effects(1).await;
    other.wait_for_effects(1).await;
    replay(&rig, &said("call-2", "replayed"), "run-1", "theirs", None).await;
    rig.send(said("call-3", "to both")).await;
    rig.wait_for_effects(2).await;
    other.wait_for_effects(3).await;
    let names = |effects: Vec<(String, String)>| -> Vec<String> { effects.into_iter().map(|(_, name)| name).collect() };
    assert!(!names(rig.effects().await).contains(&"replayed".to_owned()));
    assert!(names(other.effects().await).contains(&"replayed".to_owned()));
    ours.stop().await;
    theirs.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_became_of_a_replay_is_told_with_the_effect() {
    let rig = rig().await;
    let (relay, _) = rig.relay();
    let consumer = consume_in(&rig, "test-group", "w").await;
    let event = said("call-1", "mended");
    replay(&rig, &event, "run-1", "test-group", None).await;
    assert_eq!(receipts(&rig, 1).await.last().unwrap().3, ReplayOutcome::Applied);
    replay(&rig, &event, "run-2", "test-group", None).await;
    assert_eq!(receipts(&rig, 2).await.last().unwrap().3, ReplayOutcome::Duplicate);
    replay(&rig, &said("call-1", "reject"), "run-3", "test-group", None).await;
    let all = receipts(&rig, 3).await;
    let group = rig.config.topic_names().group("test-group");
    let outcomes = [ReplayOutcome::Applied, ReplayOutcome::Duplicate, ReplayOutcome::Failed];
    let expected = outcomes.iter().enumerate().map(|(index, outcome)| {
        (run_id(&format!("run-{}", index + 1)).to_string(), group.clone(), "first".to_owned(), *outcome)
    });
    assert_eq!(all, expected.collect::<Vec<_>>());
    assert_eq!(rig.dead_letters(1).await.len(), 1, "what failed again is a dead letter again");
    consumer.stop().await;
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_for_one_handler_leaves_the_others_of_its_group_alone() {
    let rig = rig().await;
    let (relay, _) = rig.relay();
    let consumer = Consumer::builder(rig.config.clone(), "test-group", "test-service", rig.outbox.clone())
        .handle(NoteAs::<1>("w".to_owned()))
        .handle(NoteAs::<2>("w".to_owned()))
        .build()
        .unwrap();
    let consumer = Running::consumer(consumer).await;
    replay(&rig, &said("call-1", "corrected"), "run-1", "test-group", Some("second")).await;
    let told = receipts(&rig, 1).await;
    assert_eq!((told[0].2.as_str(), told[0].3), ("second", ReplayOutcome::Applied));
    rig.send(said("call-1", "to both")).await;
    rig.wait_for_effects(3).await;
    assert_eq!(workers(&rig).await, [("w first".to_owned(), 1), ("w second".to_owned(), 2)].into());
    replay(&rig, &said("call-1", "for nobody"), "run-2", "test-group", Some("third")).await;
    let told = receipts(&rig, 2).await;
    assert_eq!((told[1].2.as_str(), told[1].3), ("third", ReplayOutcome::Failed));
    consumer.stop().await;
    relay.stop().await;
}

/// Without a database the receipt follows the effect.
struct Hear;

impl Listener for Hear {
    const NAME: &'static str = "hear";
    type Event = PatientCreationV1;

    async fn hear(&self, _: &Received<PatientCreationV1>) -> Result<(), HandlerError> {
        tokio::time::sleep(Duration::from_millis(1)).await;
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_answers_too() {
    let rig = rig().await;
    let consumer = Consumer::without_database(rig.config.clone(), "test-group", "test-service").listen(Hear);
    let consumer = Running::consumer(consumer.build().unwrap()).await;
    let event = said("call-1", "mended");
    replay(&rig, &event, "run-1", "test-group", None).await;
    replay(&rig, &event, "run-2", "test-group", None).await;
    let outcomes: Vec<_> = receipts(&rig, 2).await.into_iter().map(|receipt| receipt.3).collect();
    assert_eq!(outcomes, [ReplayOutcome::Applied, ReplayOutcome::Duplicate]);
    consumer.stop().await;
}
