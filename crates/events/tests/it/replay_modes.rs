//! One table of replays for each way to take records.

use std::collections::BTreeMap;

use events::{
    contract::{
        codec,
        envelope::Envelope,
        event::{Event, NewEvent},
        schema::{
            dead_letter::{DeadLetterReceiptV1, ReplayOutcome},
            voice::BookingConfirmationV1,
        },
        topics::{AI_RESPONSES, DEAD_LETTER_QUEUE, DEAD_LETTER_RECEIPTS},
    },
    kafka::admin,
};
use test_kit::{
    kafka,
    raw_produce::{self, Compression, RawRecord},
};
use uuid::Uuid;

use crate::{
    modes::{Mode, NAME},
    support::{LONG, Rig, said},
};

fn value<E: Event>(event: NewEvent<E>) -> Option<Vec<u8>> {
    Some(codec::encode(&Envelope::seal(event, "another-service")).unwrap())
}

fn letter(case: &str) -> String {
    Uuid::new_v5(&Uuid::NAMESPACE_OID, case.as_bytes()).to_string()
}

/// A replay whose key is what it is a case of.
fn replay(rig: &Rig, case: &str, value: Option<Vec<u8>>, group: &str, handler: Option<&str>) -> RawRecord {
    let headers = [
        ("x-target-group", Some(rig.config.topic_names().group(group))),
        ("x-target-handler", handler.map(str::to_owned)),
        ("x-dead-letter-id", Some(letter(case))),
        ("x-replay-id", Some(Uuid::new_v4().to_string())),
    ];
    let headers = headers.into_iter().filter_map(|(name, value)| Some((name.into(), Some(value?.into_bytes()))));
    RawRecord { key: Some(case.into()), value, headers: headers.collect() }
}

/// What each case came to: the receipts of its letter, with the handler that they name.
async fn receipts(rig: &Rig, at_least: usize) -> BTreeMap<String, Vec<(String, ReplayOutcome)>> {
    let topic = rig.topic(&DEAD_LETTER_RECEIPTS);
    let mut all: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for record in kafka::read_topic(&rig.servers(), &topic, at_least, LONG).await {
        let receipt: Envelope<DeadLetterReceiptV1> = serde_json::from_slice(&record.payload.unwrap()).unwrap();
        let receipt = receipt.data;
        assert_eq!(receipt.group, rig.group());
        all.entry(receipt.dead_letter_id).or_default().push((receipt.handler, receipt.outcome));
    }
    all
}

async fn stands_the_table(mode: Mode) {
    let rig = Rig::new().await;
    admin::ensure(&rig.config, "test", &[&AI_RESPONSES, &DEAD_LETTER_QUEUE, &DEAD_LETTER_RECEIPTS]).await.unwrap();
    let (relay, _) = rig.relay();
    let event = said("own", "replayed");
    let booking: BookingConfirmationV1 = serde_json::from_value(serde_json::json!({
        "call_id": "unwanted", "dentist": "Dr. Smith", "date": "2027-01-25", "time": "10:00", "patient_name": "John",
        "extraction_id": "x",
    }))
    .unwrap();
    let ours = "test-group";
    let records = [
        replay(&rig, "own", value(event.clone()), ours, None),
        replay(&rig, "named", value(said("named", "")), ours, Some(NAME)),
        replay(&rig, "other group", value(said("other group", "")), "another", None),
        replay(&rig, "other group, unreadable", Some(b"no event".to_vec()), "another", None),
        replay(&rig, "other handler", value(said("other handler", "")), ours, Some("another")),
        replay(&rig, "unwanted", value(NewEvent::fact(booking)), ours, None),
        replay(&rig, "tombstone", None, ours, None),
        replay(&rig, "unreadable", Some(b"no event".to_vec()), ours, None),
        replay(&rig, "empty", Some(Vec::new()), ours, None),
        // The same letter in another run.
        replay(&rig, "own", value(event), ours, None),
    ];
    raw_produce::produce(&rig.servers(), &rig.topic(&AI_RESPONSES), 0, &records, Compression::None).await;
    let consumer = mode.consume(&rig, ours).await;
    rig.wait_until_committed().await;
    // What holds anything is a raw record.
    let raw = mode == Mode::RawBatch;
    let (applied, failed) = (ReplayOutcome::Applied, ReplayOutcome::Failed);
    let by = |handler: &str, outcome| vec![(handler.to_owned(), outcome)];
    let of_content = |handler: &str| if raw { by(NAME, applied) } else { by(handler, failed) };
    // A batch is read for its one handler, which its letters name.
    let reader = if mode == Mode::Batch { NAME } else { "" };
    let expected: BTreeMap<_, _> = [
        ("own", [by(NAME, applied), by(NAME, ReplayOutcome::Duplicate)].concat()),
        ("named", by(NAME, applied)),
        ("other handler", by("another", failed)),
        ("unwanted", of_content("")),
        ("tombstone", of_content("")),
        ("unreadable", of_content(reader)),
        ("empty", of_content(reader)),
    ]
    .map(|(case, outcomes)| (letter(case), outcomes))
    .into();
    assert_eq!(receipts(&rig, 8).await, expected, "{mode:?}");
    let mut handled: Vec<String> = rig.effects().await.into_iter().map(|(key, _)| key).collect();
    handled.sort();
    let of_raw = ["empty", "named", "own", "tombstone", "unreadable", "unwanted"];
    assert_eq!(handled, if raw { &of_raw[..] } else { &["named", "own"] }, "{mode:?}");
    let letters = kafka::read_topic_to_end(&rig.servers(), &rig.topic(&DEAD_LETTER_QUEUE)).await;
    let mut kept: Vec<_> = letters.iter().map(|letter| str::from_utf8(letter.key.as_ref().unwrap()).unwrap()).collect();
    kept.sort();
    assert_eq!(kept, if raw { &[][..] } else { &["empty", "unreadable"] }, "{mode:?}");
    consumer.stop().await;
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_stands_the_table_of_replays() {
    stands_the_table(Mode::Handler).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_stands_the_table_of_replays() {
    stands_the_table(Mode::Listener).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_handler_stands_the_table_of_replays() {
    stands_the_table(Mode::Batch).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_handler_of_raw_records_stands_the_table_of_replays() {
    stands_the_table(Mode::RawBatch).await;
}
