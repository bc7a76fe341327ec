//! Whoever may write a topic may write any headers: those of a replay say something only together and well-formed.

use std::collections::BTreeMap;

use events::{
    contract::{
        codec,
        envelope::Envelope,
        topics::{AI_RESPONSES, DEAD_LETTER_QUEUE, DEAD_LETTER_RECEIPTS},
    },
    kafka::admin,
};
use proptest::{
    prelude::{Just, Strategy, any},
    sample::select,
    strategy::ValueTree,
    test_runner::TestRunner,
};
use test_kit::{
    kafka,
    raw_produce::{self, Compression, RawRecord},
    wait::wait_until,
};

use crate::{
    modes::{MODES, Mode, NAME},
    support::{LONG, Rig, said},
};

type Header = (Vec<u8>, Option<Vec<u8>>);

const LETTER: &str = "11111111-1111-5111-8111-111111111111";
const RUN: &str = "22222222-2222-4222-8222-222222222222";

fn header(name: &str, value: &[u8]) -> Header {
    (name.into(), Some(value.to_vec()))
}

fn good_event(call: &str, headers: Vec<Header>) -> RawRecord {
    let value = codec::encode(&Envelope::seal(said(call, "good"), "another-service")).unwrap();
    RawRecord { key: Some(call.into()), value: Some(value), headers }
}

/// As an earlier producer writes it.
fn without_id(call: &str) -> Vec<u8> {
    let record =
        serde_json::json!({ "call_id": call, "response_type": "PATIENT_CREATION", "data": { "name": "good" } });
    record.to_string().into_bytes()
}

async fn send(rig: &Rig, records: &[RawRecord]) {
    raw_produce::produce(&rig.servers(), &rig.topic(&AI_RESPONSES), 0, records, Compression::None).await;
}

async fn rig() -> Rig {
    let rig = Rig::new().await;
    admin::ensure(&rig.config, "test", &[&AI_RESPONSES, &DEAD_LETTER_QUEUE, &DEAD_LETTER_RECEIPTS]).await.unwrap();
    rig
}

/// How often each key was handled.
async fn handled(rig: &Rig) -> BTreeMap<String, usize> {
    let mut times = BTreeMap::new();
    for (key, _) in rig.effects().await {
        *times.entry(key).or_default() += 1;
    }
    times
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_id_holds_no_key_and_a_nul_makes_no_good_event_a_dead_letter() {
    let rig = rig().await;
    let (relay, status) = rig.relay();
    let group = rig.group();
    let replay = |letter: &[u8], run: &[u8]| {
        vec![header("x-target-group", group.as_bytes()), header("x-dead-letter-id", letter), header("x-replay-id", run)]
    };
    // It would stand in the key and in the payload of the receipt.
    let long = vec![b'1'; 600_000];
    let records = [
        good_event("long letter", replay(&long, RUN.as_bytes())),
        good_event("long run", replay(LETTER.as_bytes(), &long)),
        good_event("nul letter", replay(b"1111\x001111", RUN.as_bytes())),
        good_event("nul run", replay(LETTER.as_bytes(), b"2222\x002222")),
        good_event("proper", replay(LETTER.as_bytes(), RUN.as_bytes())),
    ];
    for record in &records {
        send(&rig, std::slice::from_ref(record)).await;
    }
    let consumer = Mode::Handler.consume(&rig, "test-group").await;
    rig.wait_until_committed().await;
    assert_eq!(handled(&rig).await.len(), records.len());
    wait_until("the outbox is drained or holds something", LONG, || async {
        let told = kafka::read_topic_to_end(&rig.servers(), &rig.topic(&DEAD_LETTER_RECEIPTS)).await;
        let held: i64 = sqlx::query_scalar("SELECT count(*) FROM outbox_held").fetch_one(rig.pool()).await.unwrap();
        held > 0 || told.iter().any(|receipt| receipt.key.as_deref() == Some(LETTER.as_bytes()))
    })
    .await;
    assert!(status.check().is_ok(), "{:?}", status.check());
    assert!(kafka::read_topic_to_end(&rig.servers(), &rig.topic(&DEAD_LETTER_QUEUE)).await.is_empty());
    assert_eq!(kafka::read_topic_to_end(&rig.servers(), &rig.topic(&DEAD_LETTER_RECEIPTS)).await.len(), 1);
    consumer.stop().await;
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_takes_nothing_over_from_headers_that_are_no_replay() {
    let rig = rig().await;
    let headers = vec![
        header("x-dead-letter-id", LETTER.as_bytes()),
        header("x-replay-id", RUN.as_bytes()),
        header("dlq.id", LETTER.as_bytes()),
        header("dlq.first_failed_at", b"2001-01-01T00:00:00.000Z"),
        header("dlq.replays", b"4294967295"),
    ];
    send(&rig, &[RawRecord { key: Some(b"k".into()), value: Some(b"no event".into()), headers }]).await;
    let consumer = Mode::Handler.consume(&rig, "test-group").await;
    rig.wait_until_committed().await;
    let letter = rig.dead_letters(1).await.remove(0);
    let text = |name: &str| str::from_utf8(letter.header(name).unwrap()).unwrap();
    assert_ne!(text("dlq.id"), LETTER, "a store that is keyed by it would lose the letter that has this id");
    assert!(!text("dlq.first_failed_at").starts_with("2001"), "{}", text("dlq.first_failed_at"));
    assert_eq!(text("dlq.replays"), "0");
    assert!(kafka::read_topic_to_end(&rig.servers(), &rig.topic(&DEAD_LETTER_RECEIPTS)).await.is_empty());
    consumer.stop().await;
}

/// What a header may say; mostly what a replayer writes, or few sets of headers would be whole.
fn values(of: &str, group: &str) -> Vec<Option<Vec<u8>>> {
    let text = |text: &str| Some(text.as_bytes().to_vec());
    let sound = match of {
        "x-target-group" => vec![text(group), text("another-group")],
        "x-target-handler" => vec![text(NAME), text("another-handler")],
        "dlq.handler" => vec![text(NAME), text("")],
        "dlq.topic" => vec![text("ai-responses")],
        "dlq.partition" => vec![text("0")],
        "dlq.offset" => vec![text("0"), text("7"), text("399")],
        "dlq.timestamp" => vec![text("2026-11-21T12:16:59.618Z")],
        _ => vec![text(LETTER), text(RUN)],
    };
    let garbage = [text(""), None, Some(vec![0xff, 0xfe]), text("with\0nul"), text("letter-1"), text(&"x".repeat(300))];
    sound.into_iter().cycle().take(48).chain(garbage).collect()
}

/// What the rules make of the headers, said once more and differently.
#[derive(Debug, PartialEq)]
enum Meaning {
    Everybody,
    /// A replay for us, and perhaps for a handler that we do not have.
    Ours {
        is_handled: bool,
    },
    OtherGroup,
}

fn meaning(headers: &[Header], group: &str) -> Meaning {
    let mut all: BTreeMap<&[u8], Vec<Option<&str>>> = BTreeMap::new();
    for (name, value) in headers {
        let text = value.as_deref().and_then(|value| str::from_utf8(value).ok());
        all.entry(name.as_slice()).or_default().push(text);
    }
    let once = |name: &str| match all.get(name.as_bytes()).map(Vec::as_slice) {
        Some([Some(text)]) => Some(*text),
        _ => None,
    };
    let is_name = |text: &str| !text.is_empty() && text.len() < 250 && !text.contains('\0');
    let ids = ["x-dead-letter-id", "x-replay-id"].map(|name| once(name).is_some_and(|id| id.len() == 36));
    let target = once("x-target-group").filter(|name| is_name(name));
    let handler = match all.contains_key("x-target-handler".as_bytes()) {
        true => once("x-target-handler").filter(|name| is_name(name)).map(Some),
        false => Some(None),
    };
    match (target, handler) {
        (Some(target), Some(handler)) if ids == [true, true] => match target == group {
            true => Meaning::Ours { is_handled: handler.is_none_or(|name| name == NAME) },
            false => Meaning::OtherGroup,
        },
        _ => Meaning::Everybody,
    }
}

/// Any of the headers, each up to twice, in any order.
fn drawn(runner: &mut TestRunner, group: &str) -> Vec<Header> {
    let names = [
        "x-target-group",
        "x-target-handler",
        "x-dead-letter-id",
        "x-replay-id",
        "dlq.handler",
        "dlq.topic",
        "dlq.partition",
        "dlq.offset",
        "dlq.timestamp",
    ];
    let one = |name: &'static str| {
        let values = select(values(name, group));
        // A header is there once most of the time, twice now and then.
        (select(vec![0, 1, 1, 1, 1, 1, 1, 1, 1, 2]), proptest::collection::vec(values, 2))
            .prop_map(move |(times, values)| values.into_iter().take(times).map(|value| (name.into(), value)).collect())
    };
    let all = names.map(one).into_iter().fold(Just(Vec::new()).boxed(), |before, next| {
        (before, next, any::<bool>())
            .prop_map(|(mut all, next, first): (Vec<Header>, Vec<Header>, bool)| {
                all.splice(if first { 0..0 } else { all.len()..all.len() }, next);
                all
            })
            .boxed()
    });
    all.new_tree(runner).unwrap().current()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_event_is_handled_once_unless_it_is_a_replay_for_others_whatever_its_headers() {
    let mut runner = TestRunner::default();
    for mode in MODES {
        let rig = rig().await;
        let group = rig.group();
        let mut records: Vec<_> =
            (0..400).map(|number| good_event(&number.to_string(), drawn(&mut runner, &group))).collect();
        // Half of them have no id of their own.
        for (number, record) in records.iter_mut().enumerate().step_by(2) {
            record.value = Some(without_id(&number.to_string()));
        }
        for records in records.chunks(50) {
            send(&rig, records).await;
        }
        let consumer = mode.consume(&rig, "test-group").await;
        rig.wait_until_committed().await;
        let handled = handled(&rig).await;
        let mut seen = [0; 3];
        let mut wrong = Vec::new();
        for (number, record) in records.iter().enumerate() {
            let meaning = meaning(&record.headers, &group);
            let times = handled.get(&number.to_string()).copied().unwrap_or(0);
            let (kind, expected) = match meaning {
                Meaning::Everybody => (0, 1),
                Meaning::Ours { is_handled } => (1, usize::from(is_handled)),
                Meaning::OtherGroup => (2, 0),
            };
            seen[kind] += 1;
            if times != expected {
                wrong.push((number, times, &record.headers));
            }
        }
        println!("{mode:?}: {} of {} wrong; for everybody, us, others: {seen:?}", wrong.len(), records.len());
        assert!(wrong.is_empty(), "{mode:?}: {} wrong, the first {:?}", wrong.len(), wrong[0]);
        assert!(seen.iter().all(|count| *count > 20), "{seen:?}");
        let letters = kafka::read_topic_to_end(&rig.servers(), &rig.topic(&DEAD_LETTER_QUEUE)).await;
        assert!(letters.is_empty(), "{mode:?}: {} dead letters of good events", letters.len());
        consumer.stop().await;
    }
}
