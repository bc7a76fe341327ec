//! Every record that a topic can hold can be kept, however large it is once it is unpacked.

use std::collections::BTreeMap;

use events::{
    consume::{Consumer, Listener, Received},
    contract::{
        schema::voice::PatientCreationV1,
        topics::{AI_RESPONSES, DEAD_LETTER_QUEUE},
    },
    flow::error::HandlerError,
};
use test_kit::{
    kafka::{self, TestRecord},
    raw_produce::{self, Compression, RawRecord},
};

use crate::support::{Rig, Running, said};

const MIB: usize = 1 << 20;

/// Writes it as a batch of its own, small on its way however large it is. Returns its offset in partition 0.
async fn write(rig: &Rig, record: &RawRecord) -> i64 {
    let topic = rig.topic(&AI_RESPONSES);
    raw_produce::produce(&rig.servers(), &topic, 0, std::slice::from_ref(record), Compression::Gzip).await
}

/// All kinds of large: each part of a record by itself, many of what is small, and all of it.
fn large_ones() -> BTreeMap<&'static str, RawRecord> {
    let (name, small) = (b"x-own".to_vec(), Some(b"small".to_vec()));
    let record = |key: usize, value: usize, headers| RawRecord {
        key: Some(vec![b'k'; key]),
        value: Some(vec![b'v'; value]),
        headers,
    };
    BTreeMap::from([
        ("a value", record(5, 2 * MIB, vec![(name.clone(), small.clone())])),
        ("a value past the client's whole queue", record(5, 70 * MIB, vec![(name.clone(), small.clone())])),
        ("a key", record(2 * MIB, 5, vec![(name.clone(), small.clone())])),
        ("a header", record(5, 5, vec![(name.clone(), Some(vec![b'h'; 2 * MIB]))])),
        ("a header's name", record(5, 5, vec![(vec![b'n'; 30_000], small.clone())])),
        ("many headers", record(5, 5, vec![(name.clone(), small); 50_000])),
        ("as many headers as a client can read", record(5, 5, vec![(Vec::new(), Some(Vec::new())); 100_000])),
        ("everything", record(MIB, MIB, vec![(name, Some(vec![b'h'; MIB])); 2])),
    ])
}

/// What the letter and, where it leaves something out, the table that it names hold of the record.
async fn kept(rig: &Rig, letter: &TestRecord) -> RawRecord {
    let own = letter.headers.iter().filter(|(name, _)| !name.starts_with("dlq."));
    let mut kept = RawRecord {
        key: letter.key.clone(),
        value: letter.payload.clone(),
        headers: own.map(|(name, value)| (name.clone().into_bytes(), Some(value.clone()))).collect(),
    };
    let Some(omitted) = letter.header("dlq.omitted") else { return kept };
    assert_eq!(letter.header("dlq.kept_in"), Some(&b"dead_letter_bytes"[..]));
    let id = String::from_utf8(letter.header("dlq.id").unwrap().to_vec()).unwrap();
    let (key, value, names, values): (_, _, Vec<Vec<u8>>, Vec<Vec<u8>>) =
        sqlx::query_as("SELECT key, value, header_names, header_values FROM dead_letter_bytes WHERE dlq_id = $1")
            .bind(id)
            .fetch_one(rig.pool())
            .await
            .unwrap();
    for part in std::str::from_utf8(omitted).unwrap().split(',') {
        match part {
            "key" => assert_eq!(kept.key.take(), None),
            "value" => assert_eq!(kept.value.take(), None),
            "headers" => assert_eq!(std::mem::take(&mut kept.headers), []),
            other => panic!("{other}?"),
        }
    }
    RawRecord { key, value, headers: names.into_iter().zip(values.into_iter().map(Some)).collect() }
}

/// The last one is fine and is written behind the others.
async fn keep_all(rig: &Rig, records: &BTreeMap<&str, RawRecord>) -> usize {
    let mut offsets = BTreeMap::new();
    for (name, record) in records {
        offsets.insert(write(rig, record).await.to_string(), *name);
    }
    rig.send(said("call-1", "fine")).await;
    let consumer = rig.consume("w").await;
    rig.wait_until_committed().await;
    rig.wait_for_effects(1).await;
    let letters = rig.dead_letters(records.len()).await;
    assert_eq!(letters.len(), records.len());
    for letter in &letters {
        let name = offsets[std::str::from_utf8(letter.header("dlq.offset").unwrap()).unwrap()];
        let kept = kept(rig, letter).await;
        let size = |record: &RawRecord| {
            let headers = record.headers.iter().map(|(_, value)| value.as_ref().map_or(0, Vec::len)).sum::<usize>();
            (record.key.as_ref().map(Vec::len), record.value.as_ref().map(Vec::len), record.headers.len(), headers)
        };
        assert!(kept == records[name], "{name}: {:?} of {:?} bytes", size(&kept), size(&records[name]));
    }
    consumer.stop().await;
    letters.iter().filter(|letter| letter.header("dlq.omitted").is_some()).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_passes_its_topic_when_compressed_can_be_kept() {
    let rig = Rig::new().await;
    rig.create_topics().await;
    let records = large_ones();
    let without = keep_all(&rig, &records).await;
    println!("{without} of {} letters leave something out", records.len());
    assert_eq!(without, 2, "what the client can send, and others can read, travels in the letter");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_letter_can_carry_is_kept_in_the_database() {
    let rig = Rig::with(&test_kit::stack::kafka(), &["--kafka-producer-compression-type", "none"]).await;
    let queue = rig.topic(&DEAD_LETTER_QUEUE);
    kafka::create_topic(&rig.servers(), &queue, 1, &[("max.message.bytes", "3000")]).await;
    rig.create_topics().await;
    let mut records = large_ones();
    let noise = || -> Option<Vec<u8>> { Some(std::iter::repeat_with(|| fastrand::u8(..)).take(300_000).collect()) };
    let small = RawRecord { key: Some(b"k".to_vec()), value: Some(b"v".to_vec()), headers: vec![] };
    records.insert("a noisy value", RawRecord { value: noise(), ..small.clone() });
    records.insert("a noisy key", RawRecord { key: noise(), ..small.clone() });
    records.insert("a noisy header", RawRecord { headers: vec![(b"x".to_vec(), noise())], ..small.clone() });
    records.insert("a small one", small);
    let without = keep_all(&rig, &records).await;
    println!("{without} of {} letters leave something out", records.len());
    assert!((4..records.len()).contains(&without));
}

/// Given more than it takes, PostgreSQL ends the session, as if it were away for ever.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_database_cannot_take_either_stays_in_the_log() {
    let rig = Rig::new().await;
    rig.create_topics().await;
    let record = RawRecord { key: Some(b"k".to_vec()), value: Some(vec![b'v'; 600 * MIB]), ..RawRecord::default() };
    write(&rig, &record).await;
    drop(record);
    let consumer = rig.consume("w").await;
    let letters = rig.dead_letters(1).await;
    assert_eq!(letters[0].header("dlq.kept_in"), Some(&b"log"[..]));
    rig.wait_until_committed().await;
    consumer.stop().await;
}

struct Refuse;

impl Listener for Refuse {
    const NAME: &'static str = "refuse";
    type Event = PatientCreationV1;

    async fn hear(&self, _: &Received<PatientCreationV1>) -> Result<(), HandlerError> {
        Err(HandlerError::reject("said_so", "told to be rejected"))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_database_the_letter_says_until_when_the_log_has_the_bytes() {
    let rig = Rig::new().await;
    let queue = rig.topic(&DEAD_LETTER_QUEUE);
    kafka::create_topic(&rig.servers(), &queue, 1, &[("max.message.bytes", "3000")]).await;
    rig.create_topics().await;
    let offset = write(&rig, &large_ones()["a value past the client's whole queue"]).await;
    let consumer = Consumer::without_database(rig.config.clone(), "test-group", "test-service").listen(Refuse);
    let consumer = Running::consumer(consumer.build().unwrap()).await;
    rig.wait_until_committed().await;
    let letters = rig.dead_letters(1).await;
    let header = |name: &str| std::str::from_utf8(letters[0].header(name).unwrap()).unwrap();
    assert_eq!(
        (letters.len(), letters[0].key.as_deref(), letters[0].payload.as_deref()),
        (1, Some(&b"kkkkk"[..]), None)
    );
    assert_eq!((header("dlq.omitted"), header("dlq.kept_in")), ("value", "log"));
    assert_eq!((header("dlq.topic"), header("dlq.partition")), (rig.topic(&AI_RESPONSES).as_str(), "0"));
    assert_eq!((header("dlq.offset"), header("x-own")), (offset.to_string().as_str(), "small"));
    let time = |name| chrono::DateTime::parse_from_rfc3339(header(name)).unwrap();
    assert_eq!(time("dlq.kept_until") - time("dlq.timestamp"), chrono::TimeDelta::days(7));
    consumer.stop().await;
}
