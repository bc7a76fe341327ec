//! Batches keep the order of a key, whatever became of those before: what cannot be read, what waits, what was refused.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use events::{
    consume::{BatchHandler, Batching, Consumer, Received},
    contract::{
        codec,
        envelope::Envelope,
        schema::voice::PatientCreationV1,
        topics::{AI_RESPONSES, DEAD_LETTER_QUEUE},
    },
    flow::{breaker::BreakerPolicy, error::HandlerError, retry::RetryPolicy},
    publish::Tx,
};
use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, AlterConfig, ResourceSpecifier},
    client::DefaultClientContext,
};
use test_kit::{
    kafka,
    raw_produce::{self, Compression, RawRecord},
    wait::wait_until,
};

use crate::support::{LONG, Rig, Running, note, said};

/// Notes what it is handed; while it is shut, a batch with `wait` in it fails, and one with `ask` blames a peer.
#[derive(Clone, Default)]
struct Gate {
    is_shut: Arc<AtomicBool>,
    failures: Arc<AtomicU32>,
}

impl BatchHandler for Gate {
    const NAME: &'static str = "gate";
    type Item = Received<PatientCreationV1>;

    async fn apply(&self, batch: &[&Self::Item], tx: &mut Tx) -> Result<(), HandlerError> {
        for event in batch {
            if self.is_shut.load(Ordering::SeqCst) && ["wait", "ask"].contains(&event.data.name.as_str()) {
                self.failures.fetch_add(1, Ordering::SeqCst);
                return Err(match event.data.name.as_str() {
                    "ask" => HandlerError::dependency("peer", "is away"),
                    _ => HandlerError::retry("not yet"),
                });
            }
            if event.data.name == "reject" {
                return Err(HandlerError::reject("said_so", "told to be rejected"));
            }
            note(event, "", tx).await?;
        }
        Ok(())
    }
}

impl Gate {
    fn shut() -> Self {
        let gate = Self::default();
        gate.is_shut.store(true, Ordering::SeqCst);
        gate
    }

    fn open(&self) {
        self.is_shut.store(false, Ordering::SeqCst);
    }

    async fn consume(&self, rig: &Rig, max_attempts: u32) -> Running {
        let base = Duration::from_millis(20);
        let consumer = Consumer::builder(rig.config.clone(), "test-group", "test-service", rig.outbox.clone())
            .handle_batches(self.clone(), Batching { most: 100, wait: Duration::from_millis(20) })
            .retry(RetryPolicy { base, max_attempts, max_delay: 2 * base, ..RetryPolicy::default() })
            // A question that nobody answers must not be what the test waits for.
            .attempt_limit(10 * LONG)
            .breaker(BreakerPolicy { first_probe: base, longest: base, ..BreakerPolicy::default() })
            .build()
            .unwrap();
        Running::consumer(consumer).await
    }

    async fn wait_for_failures(&self, count: u32) {
        let goal = self.failures.load(Ordering::SeqCst) + count;
        wait_until("it fails again", LONG, || async { self.failures.load(Ordering::SeqCst) >= goal }).await;
    }
}

fn event(call: &str, name: &str) -> RawRecord {
    let value = codec::encode(&Envelope::seal(said(call, name), "another-service")).unwrap();
    RawRecord { key: Some(call.into()), value: Some(value), ..RawRecord::default() }
}

fn poison(call: &str) -> RawRecord {
    RawRecord { key: Some(call.into()), value: Some(b"no event at all".to_vec()), ..RawRecord::default() }
}

async fn send(rig: &Rig, records: &[RawRecord]) {
    raw_produce::produce(&rig.servers(), &rig.topic(&AI_RESPONSES), 0, records, Compression::None).await;
}

async fn letters(rig: &Rig) -> Vec<kafka::TestRecord> {
    kafka::read_topic_to_end(&rig.servers(), &rig.topic(&DEAD_LETTER_QUEUE)).await
}

async fn names(rig: &Rig) -> Vec<String> {
    rig.effects().await.into_iter().map(|(_, name)| name).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_given_up_once_and_in_its_turn() {
    let rig = Rig::new().await;
    rig.create_topics().await;
    let gate = Gate::shut();
    send(&rig, &[event("k", "wait"), poison("k"), event("k", "behind"), poison("k"), event("other", "fine")]).await;
    let consumer = gate.consume(&rig, 10_000).await;
    rig.wait_for_effects(1).await;
    gate.wait_for_failures(10).await;
    assert_eq!(letters(&rig).await.len(), 0, "what stands before it has not been handled");
    gate.open();
    rig.wait_until_committed().await;
    let letters = letters(&rig).await;
    let ids: BTreeSet<_> = letters.iter().map(|letter| letter.header("dlq.id").unwrap().to_vec()).collect();
    assert_eq!((letters.len(), ids.len()), (2, 2), "each once");
    assert_eq!(names(&rig).await, ["fine", "wait", "behind"]);
    consumer.stop().await;
}

/// `first` cannot be kept for as long as the letters' topic refuses it; nothing of its key may go on meanwhile.
async fn nothing_overtakes_what_cannot_be_kept(first: RawRecord) {
    let rig = Rig::new().await;
    let queue = rig.topic(&DEAD_LETTER_QUEUE);
    kafka::create_topic(&rig.servers(), &queue, 1, &[("max.message.bytes", "200")]).await;
    rig.create_topics().await;
    send(&rig, &[event("k", "before"), first, event("k", "behind"), event("other", "fine")]).await;
    let consumer = Gate::default().consume(&rig, 1).await;
    let status = consumer.status.clone().unwrap();
    rig.wait_for_effects(2).await;
    wait_until("the letter is refused", LONG, || async { status.check().is_err() }).await;
    send(&rig, &[event("other", "later")]).await;
    rig.wait_for_effects(3).await;
    let mut done = names(&rig).await;
    done.sort();
    assert_eq!(done, ["before", "fine", "later"]);
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", rig.servers()).create().unwrap();
    let mended = AlterConfig::new(ResourceSpecifier::Topic(&queue)).set("max.message.bytes", "2000000");
    admin.alter_configs([&mended], &AdminOptions::new()).await.unwrap();
    rig.wait_until_committed().await;
    assert_eq!(names(&rig).await.last().unwrap(), "behind");
    assert_eq!(letters(&rig).await.len(), 1);
    consumer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_overtakes_what_cannot_be_read_until_it_is_kept() {
    nothing_overtakes_what_cannot_be_kept(poison("k")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_overtakes_what_was_refused_until_it_is_kept() {
    nothing_overtakes_what_cannot_be_kept(event("k", "reject")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_of_repeats_says_nothing_of_a_system_that_is_away() {
    let rig = Rig::new().await;
    rig.create_topics().await;
    let gate = Gate::default();
    let consumer = gate.consume(&rig, 3).await;
    let known = event("known", "once");
    send(&rig, std::slice::from_ref(&known)).await;
    rig.wait_for_effects(1).await;
    gate.is_shut.store(true, Ordering::SeqCst);
    send(&rig, &[event("k", "ask")]).await;
    // Repeats are answered by the inbox alone.
    for _ in 0..12 {
        let next = gate.failures.load(Ordering::SeqCst) + 1;
        send(&rig, std::slice::from_ref(&known)).await;
        let may_fail = || async { gate.failures.load(Ordering::SeqCst) >= next || !letters(&rig).await.is_empty() };
        wait_until("the peer is asked again", LONG, may_fail).await;
    }
    assert_eq!(letters(&rig).await.len(), 0);
    gate.open();
    rig.wait_until_committed().await;
    assert_eq!(names(&rig).await, ["once", "ask"]);
    consumer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_calls_no_handler_does_not_take_the_question_whether_a_system_is_back() {
    let rig = Rig::new().await;
    rig.create_topics().await;
    let gate = Gate::shut();
    send(&rig, &[event("k", "ask")]).await;
    let consumer = gate.consume(&rig, 3).await;
    gate.wait_for_failures(5).await;
    for number in 0..60 {
        send(&rig, &[poison(&format!("poison-{number}"))]).await;
    }
    gate.open();
    rig.wait_until_committed().await;
    assert_eq!(names(&rig).await, ["ask"]);
    assert_eq!(letters(&rig).await.len(), 60);
    consumer.stop().await;
}
