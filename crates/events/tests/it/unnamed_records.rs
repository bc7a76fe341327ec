//! Records that have no id of their own, in a log that is not the one that was handled any more: what stands at the place of
//! another record is not that record.

use events::contract::topics::AI_RESPONSES;
use test_kit::{
    kafka,
    raw_produce::{self, Compression, RawRecord},
};

use crate::{
    modes::Mode,
    support::{Rig, figure, said},
};

/// As an earlier producer writes it.
async fn send_without_id(rig: &Rig, call: &str) {
    let record = serde_json::json!({ "call_id": call, "response_type": "PATIENT_CREATION", "data": { "name": "x" } });
    rig.send_raw(Some(call.as_bytes()), record.to_string().as_bytes(), &[]).await;
}

async fn make_anew(rig: &Rig) {
    kafka::delete_topic(&rig.servers(), &rig.topic(&AI_RESPONSES)).await;
    rig.create_topics().await;
}

async fn wait_for_effects(rig: &Rig, count: usize) {
    rig.wait_for_effects(count).await;
    rig.wait_until_committed().await;
    assert_eq!(rig.effects().await.len(), count);
}

async fn handles_what_has_no_id_in_another_log(mode: Mode) {
    figure("recorder", &[]);
    let rig = Rig::new().await;
    rig.create_topics().await;
    let worker = mode.consume(&rig, "test-group").await;
    for number in 0..30 {
        send_without_id(&rig, &format!("before-{number}")).await;
    }
    wait_for_effects(&rig, 30).await;
    make_anew(&rig).await;
    for number in 0..30 {
        send_without_id(&rig, &format!("after-{number}")).await;
    }
    wait_for_effects(&rig, 60).await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_handles_what_has_no_id_in_another_log() {
    handles_what_has_no_id_in_another_log(Mode::Handler).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_hears_what_has_no_id_in_another_log() {
    handles_what_has_no_id_in_another_log(Mode::Listener).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_handler_handles_what_has_no_id_in_another_log() {
    handles_what_has_no_id_in_another_log(Mode::Batch).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn raw_records_of_another_log_are_other_records_whatever_they_hold() {
    figure("recorder", &[]);
    let rig = Rig::new().await;
    rig.create_topics().await;
    let worker = Mode::RawBatch.consume(&rig, "test-group").await;
    for (log, count) in [("before", 30), ("after", 60)] {
        for number in 0..10 {
            rig.send(said(&format!("event-{log}-{number}"), "x")).await;
            send_without_id(&rig, &format!("unnamed-{log}-{number}")).await;
        }
        let tombstones: Vec<_> = (0..10)
            .map(|number| RawRecord { key: Some(format!("gone-{log}-{number}").into()), ..RawRecord::default() })
            .collect();
        raw_produce::produce(&rig.servers(), &rig.topic(&AI_RESPONSES), 0, &tombstones, Compression::None).await;
        wait_for_effects(&rig, count).await;
        if log == "before" {
            make_anew(&rig).await;
        }
    }
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_of_one_place_of_two_logs_have_two_ids() {
    figure("recorder", &[]);
    let rig = Rig::new().await;
    rig.create_topics().await;
    let worker = rig.consume("w").await;
    let mut told = Vec::new();
    for log in 1..=2 {
        rig.send_raw(Some(b"k"), format!("no event {log}").as_bytes(), &[]).await;
        let letter = rig.dead_letters(log).await.remove(log - 1);
        assert_eq!(letter.payload, Some(format!("no event {log}").into_bytes()));
        told.push(
            ["dlq.id", "dlq.partition", "dlq.offset"]
                .map(|name| String::from_utf8_lossy(letter.header(name).unwrap()).into_owned()),
        );
        rig.wait_until_committed().await;
        if log == 1 {
            make_anew(&rig).await;
        }
    }
    worker.stop().await;
    assert_eq!(told[0][1..], told[1][1..], "one place");
    assert_ne!(told[0][0], told[1][0]);
}
