//! With a key, a replay is what was signed with it; all else is everybody's.

use std::path::PathBuf;

use events::{
    contract::{
        codec,
        envelope::Envelope,
        replay::{Carrier, Replay, ReplayKey},
        topics::{AI_RESPONSES, DEAD_LETTER_QUEUE, DEAD_LETTER_RECEIPTS},
    },
    kafka::admin,
};
use test_kit::{
    kafka,
    raw_produce::{self, Compression, RawRecord},
    stack,
};
use uuid::Uuid;

use crate::{
    modes::{MODES, Mode},
    support::{LONG, Rig, figure, recorder, said},
};

const SECRET: &[u8] = b"a secret of thirty-two bytes, at least";

/// A file of this test's own.
struct KeyFile(PathBuf);

impl KeyFile {
    fn new() -> Self {
        let path = std::env::temp_dir().join(Uuid::new_v4().to_string());
        std::fs::write(&path, [SECRET, b"\n"].concat()).unwrap();
        Self(path)
    }
}

impl Drop for KeyFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[derive(Clone, Copy)]
enum Signed<'a> {
    Not,
    With(&'a [u8]),
    /// With the right key, for a record of another key.
    ForAnother,
}

fn replay(rig: &Rig, case: &str, group: &str, signed: Signed<'_>) -> RawRecord {
    let value = codec::encode(&Envelope::seal(said(case, "replayed"), "another-service")).unwrap();
    let replay = Replay {
        dead_letter_id: Uuid::new_v5(&Uuid::NAMESPACE_OID, case.as_bytes()),
        replay_id: Uuid::new_v4(),
        group: rig.config.topic_names().group(group),
        handler: None,
    };
    let topic = rig.topic(&AI_RESPONSES);
    let carrier = Carrier { topic: &topic, key: Some(case.as_bytes()), value: Some(&value) };
    let key = |secret| ReplayKey::new(secret).unwrap();
    let headers = match signed {
        Signed::Not => replay.headers(&carrier, None),
        Signed::With(secret) => replay.headers(&carrier, Some(&key(secret))),
        Signed::ForAnother => replay.headers(&Carrier { key: Some(b"another"), ..carrier }, Some(&key(SECRET))),
    };
    let headers = headers.into_iter().map(|(name, value)| (name.into(), Some(value.into_bytes()))).collect();
    RawRecord { key: Some(case.into()), value: Some(value), headers }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_key_only_what_is_signed_with_it_is_a_replay() {
    recorder();
    let file = KeyFile::new();
    for mode in MODES {
        let rig = Rig::with(&stack::kafka(), &["--replay-signing-key-file", file.0.to_str().unwrap()]).await;
        admin::ensure(&rig.config, "test", &[&AI_RESPONSES, &DEAD_LETTER_QUEUE, &DEAD_LETTER_RECEIPTS]).await.unwrap();
        let (relay, _) = rig.relay();
        let other_key: &[u8] = b"another secret of thirty-two bytes, too";
        let records = [
            replay(&rig, "ours, signed", "test-group", Signed::With(SECRET)),
            replay(&rig, "theirs, signed", "another-group", Signed::With(SECRET)),
            replay(&rig, "ours, not signed", "test-group", Signed::Not),
            replay(&rig, "theirs, not signed", "another-group", Signed::Not),
            replay(&rig, "theirs, signed by another", "another-group", Signed::With(other_key)),
            replay(&rig, "theirs, signed for another", "another-group", Signed::ForAnother),
        ];
        let topic = rig.topic(&AI_RESPONSES);
        raw_produce::produce(&rig.servers(), &topic, 0, &records, Compression::None).await;
        let consumer = mode.consume(&rig, "test-group").await;
        rig.wait_until_committed().await;
        let mut handled: Vec<_> = rig.effects().await.into_iter().map(|(key, _)| key).collect();
        handled.sort();
        let expected = [
            "ours, not signed",
            "ours, signed",
            "theirs, not signed",
            "theirs, signed by another",
            "theirs, signed for another",
        ];
        assert_eq!(handled, expected, "{mode:?}");
        let receipts = rig.topic(&DEAD_LETTER_RECEIPTS);
        let told = kafka::read_topic(&rig.servers(), &receipts, 1, LONG).await;
        let letter = Uuid::new_v5(&Uuid::NAMESPACE_OID, b"ours, signed").to_string();
        assert_eq!(told.iter().map(|receipt| receipt.key.as_deref()).collect::<Vec<_>>(), [Some(letter.as_bytes())]);
        consumer.stop().await;
        relay.stop().await;
    }
    for (reason, each) in [("unsigned", 2), ("forged", 2)] {
        let ignored = figure("replay_headers_ignored_total", &["ai-responses", reason]);
        assert!(ignored >= Some(f64::from(each) * MODES.len() as f64), "{reason}: {ignored:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_for_another_group_is_counted_apart_from_what_nobody_wants() {
    recorder();
    let of_others = || figure("kafka_consumer_messages_processed_total", &["ai-responses", "other_group"]);
    let before = of_others().unwrap_or(0.0);
    let rig = Rig::new().await;
    rig.create_topics().await;
    let records: Vec<_> =
        (0..50).map(|number| replay(&rig, &number.to_string(), "another-group", Signed::Not)).collect();
    raw_produce::produce(&rig.servers(), &rig.topic(&AI_RESPONSES), 0, &records, Compression::None).await;
    let consumer = Mode::Handler.consume(&rig, "test-group").await;
    rig.wait_until_committed().await;
    assert!(of_others() >= Some(before + 50.0), "{:?}", of_others());
    consumer.stop().await;
}
