//! Workers come and go: every event has its effect once, and each key stays in order.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use events::{
    consume::{Consumer, Listener, Received},
    contract::{codec, envelope::Envelope, schema::voice::PatientCreationV1, topics::AI_RESPONSES},
    flow::error::HandlerError,
};
use test_kit::{
    raw_produce::{Compression, RawRecord, produce},
    wait::wait_until,
};
use tokio::sync::Semaphore;

use crate::support::{LONG, Rig, Running, figure, said};

#[tokio::test(flavor = "multi_thread")]
async fn two_workers_share_the_work_while_one_comes_and_the_other_goes() {
    let rig = Rig::new().await;
    rig.create_topics().await;
    const CALLS: usize = 30;
    const EVENTS: usize = 30;
    let first = rig.consume("first").await;
    let sender = async {
        for number in 0..EVENTS {
            let sends = (0..CALLS).map(|call| rig.send(said(&format!("call-{call}"), &format!("slow {number}"))));
            futures::future::join_all(sends).await;
        }
    };
    let workers = async {
        rig.wait_for_effects(100).await;
        let second = rig.consume("second").await;
        let status = second.status.clone().unwrap();
        wait_until("the second worker has partitions", LONG, || async { status.partitions() > 0 }).await;
        rig.wait_for_effects(400).await;
        first.stop().await;
        second
    };
    let ((), second) = tokio::join!(sender, workers);
    rig.wait_for_effects(CALLS * EVENTS).await;
    rig.wait_until_committed().await;
    second.stop().await;

    let effects = rig.effects().await;
    assert_eq!(effects.len(), CALLS * EVENTS, "one effect each");
    let mut of_call: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (call, name) in &effects {
        of_call.entry(call).or_default().push(name.trim_start_matches("slow ").parse().unwrap());
    }
    for (call, numbers) in of_call {
        assert_eq!(numbers, (0..EVENTS).collect::<Vec<_>>(), "{call} in order");
    }
    let workers: i64 =
        sqlx::query_scalar("SELECT count(DISTINCT worker) FROM effects").fetch_one(rig.pool()).await.unwrap();
    assert_eq!(workers, 2, "both worked");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_dies_leaves_nothing_undone_and_nothing_done_twice() {
    let rig = Rig::new().await;
    rig.create_topics().await;
    for call in 0..200 {
        rig.send(said(&format!("call-{}", call % 40), "slow 10")).await;
    }
    let dying = rig.consume("dying").await;
    rig.wait_for_effects(20).await;
    // No commit, no leave: the group finds out by the session's end.
    dying.abort();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let heir = rig.consume("heir").await;
    rig.wait_for_effects(200).await;
    rig.wait_until_committed().await;
    assert_eq!(rig.effects().await.len(), 200);
    heir.stop().await;
}

/// Hears nothing while its gate is shut.
#[derive(Clone)]
struct Gated {
    gate: Arc<Semaphore>,
    heard: Arc<Mutex<BTreeSet<String>>>,
}

impl Listener for Gated {
    const NAME: &'static str = "gated";
    type Event = PatientCreationV1;

    async fn hear(&self, event: &Received<PatientCreationV1>) -> Result<(), HandlerError> {
        let _open = self.gate.acquire().await.unwrap();
        self.heard.lock().unwrap().insert(event.data.call_id.clone());
        Ok(())
    }
}

/// Records of one partition, each of a call of its own.
async fn fill(rig: &Rig, partition: i32, calls: impl Iterator<Item = String>) {
    let record = |call: String| {
        let value = codec::encode(&Envelope::seal(said(&call, "noted"), "another-service")).unwrap();
        RawRecord { key: Some(call.into_bytes()), value: Some(value), headers: Vec::new() }
    };
    let records: Vec<_> = calls.map(record).collect();
    for batch in records.chunks(1_500) {
        produce(&rig.servers(), &rig.topic(&AI_RESPONSES), partition, batch, Compression::Gzip).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_that_was_paused_when_it_was_given_away_is_taken_again_when_it_comes_back() {
    figure("recorder", &[]);
    let rig = Rig::new().await;
    rig.create_topics().await;
    // More than are taken of a partition while none of it is done.
    const EACH: usize = 6_000;
    for partition in 0..6 {
        fill(&rig, partition, (0..EACH).map(|n| format!("call-{partition}-{n}"))).await;
    }
    let gated = |permits| Gated { gate: Arc::new(Semaphore::new(permits)), heard: Arc::default() };
    let worker = |listener: &Gated| {
        let builder = Consumer::without_database(rig.config.clone(), "test-group", "test-service");
        // So that no new client hides it.
        builder.listen(listener.clone()).stall_limit(Duration::from_secs(3_600)).build().unwrap()
    };
    let (first, second) = (gated(0), gated(Semaphore::MAX_PERMITS));
    let stays = Running::consumer(worker(&first)).await;
    wait_until("each partition has more in flight than it may", LONG, || async {
        let taken = figure("kafka_consumer_messages_consumed_total", &[&rig.group(), "ai-responses"]);
        taken.is_some_and(|taken| taken > 30_000.0)
    })
    .await;
    let goes = Running::consumer(worker(&second)).await;
    let status = goes.status.clone().unwrap();
    wait_until("the second has partitions", LONG, || async { status.partitions() > 0 }).await;
    first.gate.add_permits(1_000_000);
    goes.stop().await;
    let status = stays.status.clone().unwrap();
    wait_until("the first has all of them", LONG, || async { status.partitions() == 6 }).await;
    for partition in 0..6 {
        fill(&rig, partition, std::iter::once(format!("late-{partition}"))).await;
    }
    wait_until("what comes late is heard in each", LONG, || async {
        let heard = first.heard.lock().unwrap();
        (0..6).all(|partition| heard.contains(&format!("late-{partition}")))
    })
    .await;
    stays.stop().await;
}
