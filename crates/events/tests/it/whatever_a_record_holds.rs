//! Whatever bytes a producer puts into a record: it is handled, or kept as a dead letter, and what stands behind it is handled.

use std::time::Duration;

use events::contract::{
    codec,
    envelope::Envelope,
    topics::{AI_RESPONSES, DEAD_LETTER_QUEUE},
};
use test_kit::{
    kafka,
    raw_produce::{Compression, RawRecord, produce},
    wait::wait_until,
};

use crate::support::{LONG, Rig, said};

type Header = (Vec<u8>, Option<Vec<u8>>);

fn header(name: &[u8], value: &[u8]) -> Header {
    (name.to_vec(), Some(value.to_vec()))
}

/// A good event with these headers.
fn good(call: &str, headers: Vec<Header>) -> RawRecord {
    let value = codec::encode(&Envelope::seal(said(call, "noted"), "another-service")).unwrap();
    RawRecord { key: Some(call.as_bytes().to_vec()), value: Some(value), headers }
}

async fn put(rig: &Rig, records: &[RawRecord]) -> i64 {
    produce(&rig.servers(), &rig.topic(&AI_RESPONSES), 0, records, Compression::None).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_whose_headers_cannot_be_read_is_a_dead_letter_and_the_rest_flows() {
    let rig = Rig::new().await;
    rig.create_topics().await;
    let names: [&[u8]; 3] = [b"\xff\xfe", b"half a letter \xc3", b"\xed\xa0\x80"];
    let bad = names.map(|name| {
        good(
            "call-2",
            vec![header(b"before", b"1"), header(name, b"?"), (b"without".to_vec(), None), header(b"after", b"2")],
        )
    });
    put(&rig, &[good("call-1", vec![])]).await;
    let first = put(&rig, &bad).await;
    put(&rig, &[good("call-2", vec![]), good("call-3", vec![])]).await;
    let worker = rig.consume("w").await;
    rig.wait_for_effects(3).await;
    let letters = rig.dead_letters(bad.len()).await;
    wait_until("all is committed", LONG, || async { rig.committed().await.contains(&(0, 6)) }).await;
    worker.stop().await;

    for ((letter, record), offset) in letters.iter().zip(&bad).zip(first..) {
        let text = |name: &str| letter.header(name).map(|value| String::from_utf8_lossy(value).into_owned());
        assert_eq!(text("dlq.category").as_deref(), Some("deserialization"));
        assert_eq!(text("dlq.code").as_deref(), Some("unreadable_headers"));
        assert_eq!(text("dlq.offset"), Some(offset.to_string()));
        assert_eq!((&letter.key, &letter.payload), (&record.key, &record.value), "the bytes are kept");
        let readable: Vec<_> = letter.headers.iter().filter(|(name, _)| !name.starts_with("dlq.")).collect();
        assert_eq!(readable.len(), 3, "those that can be read are kept: {readable:?}");
        assert_eq!((letter.header("before"), letter.header("after")), (Some(&b"1"[..]), Some(&b"2"[..])));
    }
    assert_eq!(rig.effects().await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_looks_strange_and_can_be_read_is_handled() {
    let rig = Rig::new().await;
    rig.create_topics().await;
    let many = (0..5_000).map(|n| header(format!("h{n}").as_bytes(), b"v")).collect();
    let mut no_text = good("call-key", vec![]);
    no_text.key = Some(vec![0, 255, 0]);
    let mut no_key = good("call-none", vec![]);
    no_key.key = None;
    let mut empty_key = good("call-empty", vec![]);
    empty_key.key = Some(vec![]);
    let mut long_key = good("call-long", vec![]);
    long_key.key = Some(vec![b'k'; 300_000]);
    let records = [
        good("call-nameless", vec![header(b"", b"?")]),
        good("call-nul", vec![header(b"a\0b", b"?"), header(b"\0", b"\0")]),
        good("call-null", vec![(b"null".to_vec(), None), header(b"empty", b"")]),
        good("call-many", many),
        good("call-large", vec![header(b"large", &[7; 400_000])]),
        good("call-twice", vec![header(b"same", b"1"), header(b"same", b"2")]),
        good("call-long-name", vec![header(&[b'n'; 40_000], b"?")]),
        good(
            "call-noise",
            vec![header(b"traceparent", b"\xff"), header(b"ce_id", b"\xff\0"), header(b"content-type", b"")],
        ),
        no_text,
        no_key,
        empty_key,
        long_key,
    ];
    for record in &records {
        put(&rig, std::slice::from_ref(record)).await;
    }
    let worker = rig.consume("w").await;
    rig.wait_for_effects(records.len()).await;
    wait_until("all is committed", LONG, || async { rig.committed().await.contains(&(0, records.len() as i64)) }).await;
    assert_eq!(rig.effects().await.len(), records.len());
    assert_eq!(kafka::read_topic_to_end(&rig.servers(), &rig.topic(&DEAD_LETTER_QUEUE)).await.len(), 0);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn values_that_are_no_event_are_dead_letters_with_their_bytes() {
    let rig = Rig::new().await;
    rig.create_topics().await;
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    let values: Vec<Vec<u8>> = vec![
        vec![],
        vec![0],
        vec![0, 0, 0, 0, 1],
        b"\xff\xfe\x00".to_vec(),
        b"null".to_vec(),
        deep.into_bytes(),
        br#"{"event_id":"1e400","event_type":1e400}"#.to_vec(),
        vec![b' '; 900_000],
    ];
    for (number, value) in values.iter().enumerate() {
        let key = Some(format!("bad-{number}").into_bytes());
        put(&rig, &[RawRecord { key, value: Some(value.clone()), headers: vec![] }]).await;
    }
    put(&rig, &[good("call-1", vec![])]).await;
    let worker = rig.consume("w").await;
    rig.wait_for_effects(1).await;
    let letters = rig.dead_letters(values.len()).await;
    let mut kept: Vec<_> = letters.iter().map(|letter| letter.payload.clone().unwrap_or_default()).collect();
    let mut wanted = values.clone();
    kept.sort();
    wanted.sort();
    assert!(kept == wanted, "the bytes are kept");
    let limit = Duration::from_secs(30);
    wait_until("all is committed", limit, || async { rig.committed().await.contains(&(0, 1 + values.len() as i64)) })
        .await;
    worker.stop().await;
}
