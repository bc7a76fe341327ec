//! What a log is known by, wherever a worker, a client or a broker is in the way of looking: nothing of another log is passed over, and
//! nothing of the one before is lost.

use std::{sync::atomic::Ordering::SeqCst, time::Duration};

use events::contract::{codec, envelope::Envelope, topics::AI_RESPONSES};
use test_kit::{
    broker::Broker,
    faulty_broker::{FaultyBroker, Unanswered},
    interventions::{self, OpenTransaction},
    kafka, stack,
    wait::wait_until,
};

use crate::{
    other_logs::{Ears, bookings, commit_again, listen, send},
    stuck_keys::{put, record},
    support::{LONG, Rig, Running, figure, said},
};

/// Looks at a partition are this far apart at the most.
const LOOKS: Duration = Duration::from_secs(3);

async fn make_anew(rig: &Rig) {
    kafka::delete_topic(&rig.servers(), &rig.topic(&AI_RESPONSES)).await;
    rig.create_topics().await;
}

fn is_found(rig: &Rig, times: f64) -> bool {
    let counted =
        |reason| figure("kafka_consumer_log_resets_total", &[&rig.group(), "ai-responses", reason]).unwrap_or_default();
    ["shorter", "replaced"].map(counted).iter().sum::<f64>() >= times
}

fn rebuilds(rig: &Rig) -> f64 {
    let counted = |reason| figure("kafka_consumer_rebuilds_total", &[&rig.group(), reason]).unwrap_or_default();
    ["stalled", "dead", "broken", "another_log"].map(counted).iter().sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_of_a_log_outlives_an_empty_one_that_takes_its_place() {
    figure("recorder", &[]);
    let rig = Rig::new().await;
    rig.create_topics().await;
    let mut records = bookings("before", 10);
    records.push(record(said("held", "waits")));
    put(&rig, 0, &records).await;
    let ears = Ears::default();
    let worker = listen(&rig, &ears).await;
    wait_until("what is before is done", LONG, || async { ears.bookings.load(SeqCst) == 10 }).await;
    tokio::time::sleep(LOOKS).await;
    make_anew(&rig).await;
    wait_until("it is found", LONG, || async { is_found(&rig, 1.0) }).await;
    // Longer than nothing may come of another log where nothing of the one before waits.
    tokio::time::sleep(Duration::from_secs(10)).await;
    ears.is_open.store(true, SeqCst);
    wait_until("what waited is heard", LONG, || async { ears.patients.load(SeqCst) == 1 }).await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_topic_that_is_made_anew_costs_one_client_however_many_partitions_it_has() {
    figure("recorder", &[]);
    let rig = Rig::new().await;
    rig.create_topics().await;
    let worker = rig.consume("w").await;
    send(&rig, 0..60).await;
    rig.wait_for_effects(60).await;
    rig.wait_until_committed().await;
    tokio::time::sleep(LOOKS).await;
    make_anew(&rig).await;
    wait_until("another client is built", LONG, || async { rebuilds(&rig) > 0.0 }).await;
    // Time for one more.
    tokio::time::sleep(Duration::from_secs(10)).await;
    worker.stop().await;
    assert!(rebuilds(&rig) == 1.0, "{} clients", rebuilds(&rig));
}

#[tokio::test(flavor = "multi_thread")]
async fn where_a_group_with_latest_began_is_known_by_the_record_before() {
    figure("recorder", &[]);
    let mut broker = Broker::start().await;
    let rig = Rig::with(&broker.bootstrap(), &["--kafka-consumer-auto-offset-reset", "latest"]).await;
    rig.create_topics().await;
    let topic = rig.topic(&AI_RESPONSES);
    broker.stop().await;
    let copy = broker.copy_of(&topic);
    broker.start_again().await;
    send(&rig, 0..60).await;
    let worker = rig.consume("w").await;
    let status = worker.status.clone().unwrap();
    wait_until("it has all partitions", LONG, || async { status.partitions() == 6 }).await;
    wait_until("where it began is committed", LONG, || async {
        rig.committed().await.iter().map(|(_, offset)| offset).sum::<i64>() == 60
    })
    .await;
    worker.stop().await;
    broker.stop().await;
    broker.put_back(&topic, &copy);
    broker.start_again().await;
    send(&rig, 100..300).await;
    let worker = rig.consume("w").await;
    rig.wait_for_effects(200).await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mark_outlives_a_worker_whose_look_was_not_answered() {
    figure("recorder", &[]);
    let broker = FaultyBroker::start().await;
    let rig = Rig::with(&broker.bootstrap(), &[]).await;
    rig.create_topics().await;
    let worker = rig.consume("w").await;
    send(&rig, 0..30).await;
    rig.wait_for_effects(30).await;
    rig.wait_until_committed().await;
    worker.stop().await;
    let left = rig.committed().await;
    make_anew(&rig).await;
    send(&rig, 30..130).await;
    commit_again(&rig, left, "timestamp_ms=1").await;
    broker.leave_unanswered(&[Unanswered::ListOffsets]);
    let (worker, status) = Running::begin(rig.builder("w").build().unwrap());
    wait_until("it has its partitions", LONG, || async { status.partitions() == 6 }).await;
    wait_until("it goes on", LONG, || async { rig.effects().await.len() > 60 }).await;
    // Offsets would be committed.
    tokio::time::sleep(LOOKS).await;
    worker.stop().await;
    broker.leave_unanswered(&[]);
    let worker = rig.consume("w").await;
    rig.wait_for_effects(130).await;
    worker.stop().await;
    assert_eq!(rig.effects().await.len(), 130);
}

/// A worker went on at its old place in another log, and was ended before that was looked at.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_held_against_what_was_known_before_its_last_commit() {
    figure("recorder", &[]);
    let rig = Rig::new().await;
    rig.create_topics().await;
    send(&rig, 0..100).await;
    let topic = rig.topic(&AI_RESPONSES);
    let half: Vec<_> = kafka::ends(&rig.servers(), &topic).await.into_iter().map(|(of, end)| (of, end / 2)).collect();
    commit_again(&rig, half, "anchor=1@1").await;
    let worker = rig.consume("w").await;
    rig.wait_for_effects(100).await;
    rig.wait_until_committed().await;
    worker.stop().await;
    assert!(is_found(&rig, 1.0));
    // What is committed now is known by its own log.
    let worker = rig.consume("w").await;
    send(&rig, 100..110).await;
    rig.wait_for_effects(110).await;
    worker.stop().await;
    assert!(!is_found(&rig, 7.0), "each partition was begun anew once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_other_log_is_found_while_work_of_the_first_waits() {
    figure("recorder", &[]);
    let broker = FaultyBroker::start().await;
    let rig = Rig::with(&broker.bootstrap(), &[]).await;
    rig.create_topics().await;
    let mut records = bookings("first", 900);
    records.push(record(said("held", "waits")));
    put(&rig, 0, &records).await;
    let ears = Ears::default();
    let worker = listen(&rig, &ears).await;
    wait_until("the first", LONG, || async { ears.bookings.load(SeqCst) >= 900 }).await;
    tokio::time::sleep(LOOKS).await;
    make_anew(&rig).await;
    put(&rig, 0, &bookings("second", 400)).await;
    wait_until("the second", LONG, || async { ears.bookings.load(SeqCst) >= 1_300 }).await;
    tokio::time::sleep(LOOKS).await;
    // The worker is cut off while the topic is made anew once more.
    broker.leave_unanswered(&[Unanswered::Fetch]);
    make_anew(&rig).await;
    put(&rig, 0, &bookings("third", 600)).await;
    broker.leave_unanswered(&[]);
    wait_until("the third", LONG * 2, || async { ears.bookings.load(SeqCst) >= 1_900 }).await;
    ears.is_open.store(true, SeqCst);
    wait_until("what waited is heard", LONG, || async { ears.patients.load(SeqCst) == 1 }).await;
    worker.stop().await;
}

/// Behind a transaction's last record stands its marker, and retention takes both.
async fn a_marker_that_retention_takes(policy: &str) {
    figure("recorder", &[]);
    let rig = Rig::with(&stack::kafka(), &["--kafka-consumer-auto-offset-reset", policy]).await;
    rig.create_topics().await;
    let topic = rig.topic(&AI_RESPONSES);
    let from: Vec<_> = (0..6).map(|partition| (partition, 0)).collect();
    interventions::commit(&rig.servers(), &rig.group(), &topic, &from).await;
    let value = codec::encode(&Envelope::seal(said("call-1", "in a transaction"), "another-service")).unwrap();
    OpenTransaction::begin(&rig.servers(), &topic, b"call-1", &value).await.commit().await;
    let worker = rig.consume("w").await;
    rig.wait_for_effects(1).await;
    // The lag is looked at, and what was found is committed.
    tokio::time::sleep(Duration::from_secs(13)).await;
    worker.stop().await;
    let ends = kafka::ends(&rig.servers(), &topic).await;
    interventions::delete_records(&rig.servers(), &topic, &ends).await;
    let (worker, status) = Running::begin(rig.builder("w").build().unwrap());
    wait_until("it has its partitions", LONG, || async { status.partitions() == 6 }).await;
    tokio::time::sleep(LOOKS).await;
    assert_eq!(status.check().map(drop), Ok(()));
    rig.send(said("call-1", "after it")).await;
    rig.wait_for_effects(2).await;
    worker.stop().await;
    let lost =
        figure("kafka_consumer_log_resets_total", &[&rig.group(), "ai-responses", "retention"]).unwrap_or_default();
    assert!(lost == 0.0, "nothing that was a record is gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_marker_that_retention_takes_is_no_loss() {
    a_marker_that_retention_takes("earliest").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_marker_that_retention_takes_leaves_nothing_to_a_person() {
    a_marker_that_retention_takes("error").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_marker_where_a_record_was_handled_is_another_log() {
    figure("recorder", &[]);
    let rig = Rig::new().await;
    rig.create_topics().await;
    let topic = rig.topic(&AI_RESPONSES);
    let worker = rig.consume("w").await;
    let mut partition = 0;
    for number in 0..4 {
        partition = rig.send(said("call-1", &format!("old {number}"))).await.0;
    }
    rig.wait_for_effects(4).await;
    rig.wait_until_committed().await;
    worker.stop().await;
    make_anew(&rig).await;
    for number in 0..2 {
        rig.send(said("call-1", &format!("new {number}"))).await;
    }
    let in_a_transaction = codec::encode(&Envelope::seal(said("call-1", "new 2"), "another-service")).unwrap();
    OpenTransaction::begin(&rig.servers(), &topic, b"call-1", &in_a_transaction).await.commit().await;
    wait_until("its marker stands behind it", LONG, || async {
        kafka::ends(&rig.servers(), &topic).await.contains(&(partition, 4))
    })
    .await;
    for number in 3..7 {
        rig.send(said("call-1", &format!("new {number}"))).await;
    }
    commit_again(&rig, vec![(partition, 4)], "timestamp_ms=1").await;
    let worker = rig.consume("w").await;
    rig.wait_for_effects(11).await;
    assert!(is_found(&rig, 1.0));
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_that_comes_late_holds_the_log_against_the_earlier_place_too() {
    figure("recorder", &[]);
    let broker = FaultyBroker::start().await;
    let rig = Rig::with(&broker.bootstrap(), &[]).await;
    rig.create_topics().await;
    let mut partition = 0;
    for number in 0..40 {
        partition = rig.send(said("call-1", &number.to_string())).await.0;
    }
    let all = kafka::read_topic_to_end(&rig.servers(), &rig.topic(&AI_RESPONSES)).await;
    let before = all.iter().find(|record| (record.partition, record.offset) == (partition, 19)).unwrap();
    // As a worker that went on in another log left it.
    let metadata = format!("timestamp_ms={} anchor=1@1", before.timestamp_ms.unwrap());
    commit_again(&rig, vec![(partition, 20)], &metadata).await;
    broker.leave_unanswered(&[Unanswered::ListOffsets]);
    let (worker, status) = Running::begin(rig.builder("w").build().unwrap());
    wait_until("it has its partitions", LONG, || async { status.partitions() == 6 }).await;
    broker.leave_unanswered(&[]);
    rig.wait_for_effects(40).await;
    assert!(is_found(&rig, 1.0));
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_compaction_took_where_a_group_left_off_is_no_other_log() {
    figure("recorder", &[]);
    let rig = Rig::new().await;
    let (servers, topic) = (rig.servers(), rig.topic(&AI_RESPONSES));
    let compacted = [
        ("cleanup.policy", "compact"),
        ("segment.ms", "100"),
        ("min.cleanable.dirty.ratio", "0.001"),
        ("max.compaction.lag.ms", "1000"),
    ];
    kafka::create_topic(&servers, &topic, 1, &compacted).await;
    rig.create_topics().await;
    let worker = rig.consume("w").await;
    for number in 0..4 {
        rig.send(said("call-1", &format!("before {number}"))).await;
    }
    rig.wait_for_effects(4).await;
    rig.wait_until_committed().await;
    worker.stop().await;
    wait_until("the record before the group's place is gone", LONG * 2, || async {
        // The last segment is never compacted, and ends with what comes after its time.
        rig.send(said("call-1", "behind it")).await;
        let left = kafka::read_topic_to_end(&servers, &topic).await;
        left.iter().all(|record| record.offset > 3)
    })
    .await;
    let worker = rig.consume("w").await;
    let left = kafka::read_topic_to_end(&servers, &topic).await.len();
    wait_until("what is left is handled", LONG, || async { rig.effects().await.len() >= 4 + left }).await;
    assert!(!is_found(&rig, 1.0), "it is told of no other log");
    // By what was handled since, another one is known.
    let (_, last) = rig.send(said("call-1", "the last")).await;
    wait_until("it is handled", LONG, || async { rig.effects().await.len() > 4 + left }).await;
    let before = rig.effects().await.len();
    tokio::time::sleep(LOOKS).await;
    make_anew(&rig).await;
    let anew = last as usize + 50;
    let records: Vec<_> = (0..anew).map(|number| record(said("call-2", &format!("anew {number}")))).collect();
    put(&rig, 0, &records).await;
    rig.wait_for_effects(before + anew).await;
    assert!(is_found(&rig, 1.0));
    worker.stop().await;
}
