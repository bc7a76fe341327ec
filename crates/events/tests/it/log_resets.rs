//! A log that is not the one that was handled any more: a topic made anew, a broker put back to an older state, offsets that were
//! set by hand, records that went before they were handled. Nothing that is in the log then stays unhandled.

use events::{
    consume::ConsumerStatus,
    contract::topics::{AI_RESPONSES, SYSTEM_MONITORING},
};
use test_kit::{broker::Broker, interventions, kafka, wait::wait_until};

use crate::support::{LONG, Rig, Running, figure, said};

/// Events of 17 calls, each with a number of its own.
async fn send(rig: &Rig, numbers: std::ops::Range<usize>) {
    for number in numbers {
        rig.send(said(&format!("call-{}", number % 17), &format!("number {number}"))).await;
    }
}

async fn make_anew(rig: &Rig) {
    kafka::delete_topic(&rig.servers(), &rig.topic(&AI_RESPONSES)).await;
    rig.create_topics().await;
}

/// The reasons that were counted.
fn resets(rig: &Rig) -> Vec<&'static str> {
    let counted = |reason: &&str| {
        figure("kafka_consumer_log_resets_total", &[&rig.group(), "ai-responses", reason])
            .is_some_and(|count| count > 0.0)
    };
    ["shorter", "replaced", "retention"].into_iter().filter(counted).collect()
}

/// Of a log that grew past the old place before its worker asked, what stands below comes later (ADR 32): no order.
async fn has_each(rig: &Rig, count: usize) {
    rig.wait_for_effects(count).await;
    rig.wait_until_committed().await;
    assert_eq!(rig.effects().await.len(), count, "one effect for each event");
}

async fn has_all(rig: &Rig, count: usize) {
    has_each(rig, count).await;
    let effects = rig.effects().await;
    let mut of_call: std::collections::BTreeMap<&str, Vec<usize>> = std::collections::BTreeMap::new();
    for (call, name) in &effects {
        of_call.entry(call).or_default().push(name.trim_start_matches("number ").parse().unwrap());
    }
    for (call, numbers) in of_call {
        assert!(numbers.is_sorted(), "{call} in order: {numbers:?}");
    }
}

async fn is_announced(rig: &Rig) {
    let told = kafka::read_topic(&rig.servers(), &rig.topic(&SYSTEM_MONITORING), 1, LONG).await;
    let told = String::from_utf8_lossy(told[0].payload.as_deref().unwrap()).into_owned();
    assert!(told.contains("system.error") && told.contains("ai-responses"), "{told}");
}

/// A worker that has handled 30 events.
async fn worker_of(rig: &Rig) -> Running {
    figure("recorder", &[]);
    rig.create_topics().await;
    let worker = rig.consume("w").await;
    send(rig, 0..30).await;
    has_all(rig, 30).await;
    worker
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_is_made_anew_is_handled_from_its_beginning() {
    let rig = Rig::new().await;
    let worker = worker_of(&rig).await;
    make_anew(&rig).await;
    send(&rig, 30..60).await;
    has_each(&rig, 60).await;
    worker.stop().await;
    assert!(!resets(&rig).is_empty(), "it is counted");
    is_announced(&rig).await;
}

/// The leader epoch of the log before is later then than any that the new one has.
#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_is_made_anew_after_its_broker_was_is_handled_from_its_beginning() {
    let mut broker = Broker::start().await;
    let rig = Rig::with(&broker.bootstrap(), &[]).await;
    let worker = worker_of(&rig).await;
    broker.kill();
    broker.start_again().await;
    send(&rig, 30..60).await;
    has_all(&rig, 60).await;
    make_anew(&rig).await;
    send(&rig, 60..90).await;
    has_each(&rig, 90).await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_is_made_anew_and_is_longer_than_before_is_handled_from_its_beginning() {
    let rig = Rig::new().await;
    let worker = worker_of(&rig).await;
    // Nobody fetches while it grows past where the old one ended.
    worker.stop().await;
    make_anew(&rig).await;
    send(&rig, 30..130).await;
    let worker = rig.consume("w").await;
    has_all(&rig, 130).await;
    worker.stop().await;
    // Whoever comes next begins where it ended, and sees nothing strange.
    let before = rig.effects().await.len();
    let worker = rig.consume("w").await;
    send(&rig, 130..140).await;
    has_all(&rig, before + 10).await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn offsets_that_are_committed_ahead_of_the_log_skip_nothing() {
    figure("recorder", &[]);
    let rig = Rig::new().await;
    rig.create_topics().await;
    send(&rig, 0..50).await;
    interventions::commit(
        &rig.servers(),
        &rig.group(),
        &rig.topic(&AI_RESPONSES),
        &[(0, 1000), (1, 1000), (2, 1000), (3, 1000), (4, 1000), (5, 1000)],
    )
    .await;
    let worker = rig.consume("w").await;
    has_all(&rig, 50).await;
    send(&rig, 50..80).await;
    has_all(&rig, 80).await;
    worker.stop().await;
    assert_eq!(resets(&rig), ["shorter"]);
    is_announced(&rig).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_went_before_it_was_handled_is_told() {
    let rig = Rig::new().await;
    let worker = worker_of(&rig).await;
    worker.stop().await;
    send(&rig, 30..60).await;
    let topic = rig.topic(&AI_RESPONSES);
    let ends = kafka::ends(&rig.servers(), &topic).await;
    interventions::delete_records(&rig.servers(), &topic, &ends).await;
    send(&rig, 60..90).await;
    let worker = rig.consume("w").await;
    has_all_but_offsets(&rig, 60).await;
    wait_until("it is counted", LONG, || async { resets(&rig) == ["retention"] }).await;
    worker.stop().await;
    is_announced(&rig).await;
}

async fn has_all_but_offsets(rig: &Rig, count: usize) {
    rig.wait_for_effects(count).await;
    assert_eq!(rig.effects().await.len(), count);
}

/// A broker with 40 events, 10 of which it has lost again, as after its disk was put back to an earlier state.
async fn put_back(running: bool, more: usize) {
    let mut broker = Broker::start().await;
    let rig = Rig::with(&broker.bootstrap(), &[]).await;
    let mut worker = Some(worker_of(&rig).await);
    let status: ConsumerStatus = worker.as_ref().unwrap().status.clone().unwrap();
    let topic = rig.topic(&AI_RESPONSES);
    broker.stop().await;
    let copy = broker.copy_of(&topic);
    broker.start_again().await;
    send(&rig, 30..40).await;
    rig.wait_for_effects(40).await;
    rig.wait_until_committed().await;
    if !running {
        worker.take().unwrap().stop().await;
    }
    broker.stop().await;
    broker.put_back(&topic, &copy);
    broker.start_again().await;
    send(&rig, 40..40 + more).await;
    let worker = match worker {
        Some(worker) => worker,
        None => rig.consume("w").await,
    };
    // What the log had lost was handled; all that it got since is handled too.
    rig.wait_for_effects(40 + more).await;
    assert_eq!(rig.effects().await.len(), 40 + more);
    wait_until("it is counted", LONG, || async { !resets(&rig).is_empty() }).await;
    wait_until("and is well again", LONG, || async { status.check().is_ok() || !running }).await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_put_back_under_a_running_worker_loses_nothing_that_it_gets_then() {
    put_back(true, 5).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_put_back_and_grows_past_where_it_was_loses_nothing() {
    put_back(true, 60).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_put_back_between_two_workers_loses_nothing() {
    put_back(false, 60).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_a_person_decides_nothing_is_taken_and_readiness_says_so() {
    figure("recorder", &[]);
    let rig = Rig::with(&test_kit::stack::kafka(), &["--kafka-consumer-auto-offset-reset", "error"]).await;
    rig.create_topics().await;
    send(&rig, 0..30).await;
    let topic = rig.topic(&AI_RESPONSES);
    let says_so = |status: ConsumerStatus| async move {
        wait_until("readiness says so", LONG, || async {
            status.check().is_err_and(|problem| problem.contains("KAFKA_CONSUMER_AUTO_OFFSET_RESET"))
        })
        .await;
    };
    // Nothing committed.
    let (worker, _) = Running::begin(rig.builder("w").build().unwrap());
    says_so(worker.status.clone().unwrap()).await;
    worker.stop().await;
    assert_eq!(rig.effects().await.len(), 0);
    // As a person decides.
    let from: Vec<_> = (0..6).map(|partition| (partition, 0)).collect();
    interventions::commit(&rig.servers(), &rig.group(), &topic, &from).await;
    let worker = rig.consume("w").await;
    has_all(&rig, 30).await;
    assert!(worker.status.as_ref().unwrap().check().is_ok());
    // Another log under it.
    make_anew(&rig).await;
    send(&rig, 30..130).await;
    says_so(worker.status.clone().unwrap()).await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_begins_with_what_comes_from_now_on_misses_nothing_of_that() {
    figure("recorder", &[]);
    let rig = Rig::with(&test_kit::stack::kafka(), &["--kafka-consumer-auto-offset-reset", "latest"]).await;
    rig.create_topics().await;
    send(&rig, 0..30).await;
    let worker = rig.consume("w").await;
    let status = worker.status.clone().unwrap();
    wait_until("it has all partitions", LONG, || async { status.partitions() == 6 }).await;
    // Nothing was handled yet when the next one begins.
    worker.stop().await;
    send(&rig, 30..60).await;
    let worker = rig.consume("w").await;
    has_all(&rig, 30).await;
    // What goes before it is handled takes nothing with it that is left.
    worker.stop().await;
    let topic = rig.topic(&AI_RESPONSES);
    let ends = kafka::ends(&rig.servers(), &topic).await;
    send(&rig, 60..90).await;
    let before: Vec<_> = ends.iter().map(|(partition, end)| (*partition, end + 1)).collect();
    interventions::delete_records(&rig.servers(), &topic, &before).await;
    let worker = rig.consume("w").await;
    has_all_but_offsets(&rig, 54).await;
    worker.stop().await;
}
