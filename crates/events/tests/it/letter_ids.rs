//! Each dead letter has an id of its own, the same however often it is written.

use std::collections::{BTreeMap, BTreeSet};

use events::{
    consume::{Consumer, Handler, Received},
    contract::{codec, envelope::Envelope, event::NewEvent, schema::voice::PatientCreationV1},
    flow::error::HandlerError,
    publish::Tx,
};
use test_kit::kafka::TestRecord;

use crate::support::{Rig, Running, said};

/// Refuses everything.
struct Refuse<const N: usize>;

impl<const N: usize> Handler for Refuse<N> {
    const NAME: &'static str = if N == 1 { "first" } else { "second" };
    type Event = PatientCreationV1;
    type Plan = ();

    async fn apply(&self, _: &Received<PatientCreationV1>, _: (), _: &mut Tx) -> Result<(), HandlerError> {
        Err(HandlerError::reject("said_so", "told to be rejected"))
    }
}

async fn consume_both(rig: &Rig) -> Running {
    let builder = Consumer::builder(rig.config.clone(), "test-group", "test-service", rig.outbox.clone());
    Running::consumer(builder.handle(Refuse::<1>).handle(Refuse::<2>).build().unwrap()).await
}

async fn consume_one(rig: &Rig) -> Running {
    let builder = Consumer::builder(rig.config.clone(), "test-group", "test-service", rig.outbox.clone());
    Running::consumer(builder.handle(Refuse::<1>).build().unwrap()).await
}

const REPLAYED: &str = "11111111-1111-5111-8111-111111111111";

/// Sends an event as a replay with these headers besides those of any replay.
async fn replay(rig: &Rig, value: &[u8], id: &str, more: &[(&str, &str)]) {
    let group = rig.group();
    let run = "22222222-2222-5222-8222-222222222222";
    let own = [("x-target-group", group.as_str()), ("x-dead-letter-id", id), ("x-replay-id", run)];
    let headers: Vec<(&str, &[u8])> = own.iter().chain(more).map(|(name, value)| (*name, value.as_bytes())).collect();
    rig.send_raw(Some(b"call-1"), value, &headers).await;
}

fn encoded(event: &NewEvent<PatientCreationV1>) -> Vec<u8> {
    codec::encode(&Envelope::seal(event.clone(), "another-service")).unwrap()
}

fn header<'a>(letter: &'a TestRecord, name: &str) -> &'a str {
    std::str::from_utf8(letter.header(name).unwrap_or_default()).unwrap()
}

/// Handlers and ids of the letters behind the first `after`.
async fn ids(rig: &Rig, after: usize, count: usize) -> BTreeMap<String, String> {
    let letters = rig.dead_letters(after + count).await;
    assert_eq!(letters.len(), after + count);
    letters[after..]
        .iter()
        .map(|letter| (header(letter, "dlq.handler").to_owned(), header(letter, "dlq.id").to_owned()))
        .collect()
}

/// What a replayer carries over from a letter.
fn carried(letter: &TestRecord) -> Vec<(&str, &str)> {
    let names = [
        "dlq.handler",
        "dlq.topic",
        "dlq.partition",
        "dlq.offset",
        "dlq.timestamp",
        "dlq.first_failed_at",
        "dlq.replays",
    ];
    names.into_iter().map(|name| (name, header(letter, name))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_that_two_handlers_refuse_makes_two_letters() {
    let rig = Rig::new().await;
    rig.create_topics().await;
    // Nothing tells whose letter it was.
    replay(&rig, &encoded(&said("call-1", "a")), REPLAYED, &[]).await;
    for round in 0..2 {
        let consumer = consume_both(&rig).await;
        rig.wait_until_committed().await;
        let all = ids(&rig, 0, 2 * (round + 1)).await;
        println!("{all:?}");
        let distinct: BTreeSet<_> = all.values().collect();
        assert_eq!((all.len(), distinct.len()), (2, 2), "each handler's own, and the same at a redelivery");
        consumer.stop().await;
        rig.forget_offsets().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_that_fails_again_keeps_its_id_and_another_handlers_does_not_get_it() {
    let rig = Rig::new().await;
    rig.create_topics().await;
    let event = encoded(&said("call-1", "a"));
    rig.send_raw(Some(b"call-1"), &event, &[]).await;
    let consumer = consume_both(&rig).await;
    let letters = rig.dead_letters(2).await;
    let first = letters.iter().find(|letter| header(letter, "dlq.handler") == "first").unwrap();
    let original = ids(&rig, 0, 2).await;
    let id = header(first, "dlq.id");

    replay(&rig, &event, id, &carried(first)).await;
    assert_eq!(ids(&rig, 2, 2).await, original, "the second one fails at the same record again, too");
    let again = rig.dead_letters(4).await;
    let of = |handler: &str| again[2..].iter().find(|letter| header(letter, "dlq.handler") == handler).unwrap();
    assert_eq!((header(of("first"), "dlq.replays"), header(of("second"), "dlq.replays")), ("1", "0"));
    assert_eq!(header(of("first"), "dlq.first_failed_at"), header(first, "dlq.first_failed_at"));
    assert_ne!(header(of("second"), "dlq.first_failed_at"), header(first, "dlq.first_failed_at"));

    // It names its handler, and nothing else is known of the letter.
    replay(&rig, &event, id, &[("x-target-handler", "first")]).await;
    assert_eq!(ids(&rig, 4, 1).await, [("first".to_owned(), id.to_owned())].into());
    // The handler is known and the place is not.
    replay(&rig, &event, id, &[("dlq.handler", "first")]).await;
    let told = ids(&rig, 5, 2).await;
    assert_eq!(told["first"], id);
    assert_ne!(told["second"], id);
    // It cannot even be read any more.
    replay(&rig, b"no event", id, &carried(first)).await;
    assert_eq!(ids(&rig, 7, 1).await, [(String::new(), id.to_owned())].into());
    consumer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_without_an_id_is_the_same_event_when_it_is_replayed() {
    let rig = Rig::new().await;
    rig.create_topics().await;
    let value = br#"{"call_id":"call-1","response_type":"PATIENT_CREATION","data":{"name":"Test User"}}"#;
    rig.send_raw(Some(b"call-1"), value, &[]).await;
    let consumer = Running::consumer(rig.builder("w").handle(Refuse::<1>).build().unwrap()).await;
    let letter = rig.dead_letters(1).await.remove(0);
    assert_eq!(header(&letter, "dlq.handler"), "first");
    rig.wait_for_effects(1).await;

    // The letter of a replay that failed is replayed, too.
    for round in 1..4 {
        let last = rig.dead_letters(round).await.remove(round - 1);
        replay(&rig, value, header(&last, "dlq.id"), &carried(&last)).await;
        let again = rig.dead_letters(round + 1).await.remove(round);
        for name in ["dlq.id", "dlq.event_id", "dlq.topic", "dlq.partition", "dlq.offset", "dlq.timestamp"] {
            assert_eq!(header(&again, name), header(&letter, name), "{name}, round {round}");
        }
        assert_eq!(header(&again, "dlq.replays"), round.to_string());
    }
    rig.wait_until_committed().await;
    assert_eq!(rig.effects().await.len(), 1, "the other handler had applied it");
    consumer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_only_one_handler_can_be_meant_the_letter_is_its_own() {
    let rig = Rig::new().await;
    rig.create_topics().await;
    let consumer = consume_one(&rig).await;
    replay(&rig, &encoded(&said("call-1", "a")), REPLAYED, &[]).await;
    assert_eq!(ids(&rig, 0, 1).await, [("first".to_owned(), REPLAYED.to_owned())].into());
    consumer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_replay_cannot_choose_its_letters_id_or_age() {
    let rig = Rig::new().await;
    rig.create_topics().await;
    let consumer = consume_one(&rig).await;
    let forged: [(&str, &[u8]); 3] = [
        ("x-dead-letter-id", REPLAYED.as_bytes()),
        ("dlq.first_failed_at", b"2020-01-01T00:00:00.000Z"),
        ("dlq.replays", b"7"),
    ];
    rig.send_raw(Some(b"call-1"), &encoded(&said("call-1", "a")), &forged).await;
    let letters = rig.dead_letters(1).await;
    assert_ne!(header(&letters[0], "dlq.id"), REPLAYED);
    assert!(!header(&letters[0], "dlq.first_failed_at").starts_with("2020"));
    assert_eq!(header(&letters[0], "dlq.replays"), "0");
    consumer.stop().await;
}
