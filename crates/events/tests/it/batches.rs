//! Many events in one transaction, and the one that is bad.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use events::{
    consume::{BatchHandler, Batching, BuildError, Consumer, Raw, Received},
    contract::{
        schema::voice::PatientCreationV1,
        topics::{AI_RESPONSES, DEAD_LETTER_QUEUE, TopicSpec},
    },
    flow::{error::HandlerError, retry::RetryPolicy},
    publish::Tx,
};
use test_kit::kafka;

use crate::support::{DoAsSaid, Rig, Running, said};

/// Notes all of a batch with one statement; fails as a name says: `reject`, `panic`, `flaky`.
struct NoteAll {
    flaky_until: tokio::sync::Mutex<u32>,
}

impl BatchHandler for NoteAll {
    const NAME: &'static str = "note-all";
    type Item = Received<PatientCreationV1>;

    async fn apply(&self, batch: &[&Self::Item], tx: &mut Tx) -> Result<(), HandlerError> {
        for event in batch {
            match event.data.name.as_str() {
                "reject" => return Err(HandlerError::reject("said_so", "one of them is bad")),
                "panic" => panic!("told to panic"),
                "flaky" => {
                    let mut left = self.flaky_until.lock().await;
                    if *left > 0 {
                        *left -= 1;
                        return Err(HandlerError::retry("not yet"));
                    }
                }
                _ => {}
            }
        }
        sqlx::query(
            "INSERT INTO effects (event_id, call_id, name, worker)
             SELECT *, 'w' FROM unnest($1::uuid[], $2::text[], $3::text[])",
        )
        .bind(batch.iter().map(|event| event.id.0).collect::<Vec<_>>())
        .bind(batch.iter().map(|event| event.data.call_id.clone()).collect::<Vec<_>>())
        .bind(batch.iter().map(|event| event.data.name.clone()).collect::<Vec<_>>())
        .execute(tx.connection())
        .await?;
        Ok(())
    }
}

async fn consume(rig: &Rig, flaky: u32) -> Running {
    let consumer = Consumer::builder(rig.config.clone(), "test-group", "test-service", rig.outbox.clone())
        .handle_batches(
            NoteAll { flaky_until: tokio::sync::Mutex::new(flaky) },
            Batching { most: 100, wait: Duration::from_millis(50) },
        )
        .retry(RetryPolicy { base: Duration::from_millis(300), ..RetryPolicy::default() })
        .build()
        .unwrap();
    Running::consumer(consumer).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_one_transaction_and_its_bad_events_stand_alone() {
    let rig = Rig::new().await;
    rig.create_topics().await;
    let mut expected: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for number in 0..1_000 {
        let call = format!("call-{}", number % 70);
        let name = match number {
            123 | 124 | 900 => "reject".to_owned(),
            555 => "panic".to_owned(),
            _ => format!("n-{number}"),
        };
        rig.send(said(&call, &name)).await;
        if name.starts_with("n-") {
            expected.entry(call).or_default().push(name);
        }
    }
    let consumer = consume(&rig, 0).await;
    rig.wait_until_committed().await;
    let mut done: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (call, name) in rig.effects().await {
        done.entry(call).or_default().push(name);
    }
    assert_eq!(done, expected, "all but the bad ones, each key in its order");
    let letters = rig.dead_letters(4).await;
    let offsets: BTreeSet<_> = letters.iter().map(|letter| letter.header("dlq.id").unwrap().to_vec()).collect();
    assert_eq!((letters.len(), offsets.len()), (4, 4));
    assert!(letters.iter().all(|letter| letter.header("dlq.handler") == Some(b"note-all")));
    let transactions: i64 =
        sqlx::query_scalar("SELECT count(DISTINCT xmin::text) FROM effects").fetch_one(rig.pool()).await.unwrap();
    println!("{transactions} transactions for 996 effects");
    assert!(transactions < 150, "{transactions} transactions");
    consumer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_applied_once_whatever_batch_its_copies_are_in() {
    let rig = Rig::new().await;
    rig.create_topics().await;
    let events: Vec<_> = (0..50).map(|call| said(&format!("call-{call}"), "once")).collect();
    for event in events.iter().chain(&events) {
        rig.send(event.clone()).await;
    }
    let consumer = consume(&rig, 0).await;
    rig.wait_until_committed().await;
    // Beside what was claimed before stands what was not.
    for event in &events {
        rig.send(event.clone()).await;
        rig.send(said(&event.data.call_id, "new")).await;
    }
    rig.wait_until_committed().await;
    assert_eq!(rig.effects().await.len(), 100);
    consumer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_to_be_tried_again_holds_up_its_key_alone() {
    let rig = Rig::new().await;
    rig.create_topics().await;
    rig.send(said("call-slow", "flaky")).await;
    rig.send(said("call-slow", "behind it")).await;
    for call in 0..80 {
        rig.send(said(&format!("call-{call}"), "fine")).await;
    }
    // The batch and its parts down to the event alone, and then some tries of that.
    let consumer = consume(&rig, 10).await;
    rig.wait_for_effects(82).await;
    let names: Vec<String> = rig.effects().await.into_iter().map(|(_, name)| name).collect();
    assert_eq!(names[80..], ["flaky", "behind it"]);
    rig.wait_until_committed().await;
    assert!(kafka::read_topic_to_end(&rig.servers(), &rig.topic(&DEAD_LETTER_QUEUE)).await.is_empty());
    consumer.stop().await;
}

/// Keeps what stands in a topic, whatever it is.
struct Keep;

impl BatchHandler for Keep {
    const NAME: &'static str = "keep";
    type Item = Raw;

    fn topics(&self) -> Vec<&'static TopicSpec> {
        vec![&AI_RESPONSES]
    }

    async fn apply(&self, batch: &[&Raw], tx: &mut Tx) -> Result<(), HandlerError> {
        for raw in batch {
            let text =
                |bytes: &Option<Vec<u8>>| bytes.as_deref().map(|bytes| String::from_utf8_lossy(bytes).into_owned());
            sqlx::query("INSERT INTO effects (event_id, call_id, name, worker) VALUES (gen_random_uuid(), $1, $2, $3)")
                .bind(text(&raw.key).unwrap_or_default())
                .bind(text(&raw.payload).unwrap_or_default())
                .bind(raw.headers.text("colour").unwrap_or_default())
                .execute(tx.connection())
                .await?;
        }
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn raw_records_are_taken_whatever_they_hold() {
    let rig = Rig::new().await;
    rig.create_topics().await;
    rig.send_raw(Some(b"k"), b"no event at all", &[("colour", b"red"), ("colour", b"green")]).await;
    rig.send_raw(None, b"", &[]).await;
    let consumer = Consumer::builder(rig.config.clone(), "test-group", "test-service", rig.outbox.clone())
        .handle_batches(Keep, Batching::default())
        .build()
        .unwrap();
    let consumer = Running::consumer(consumer).await;
    rig.wait_for_effects(2).await;
    let kept: BTreeSet<(String, String, String)> =
        sqlx::query_as::<_, (String, String, String)>("SELECT call_id, name, worker FROM effects")
            .fetch_all(rig.pool())
            .await
            .unwrap()
            .into_iter()
            .collect();
    let expected = [("", "", ""), ("k", "no event at all", "green")];
    assert_eq!(kept, expected.map(|(a, b, c)| (a.to_owned(), b.to_owned(), c.to_owned())).into());
    consumer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_handler_with_company_is_refused_at_start() {
    let rig = Rig::new().await;
    let builder = || Consumer::builder(rig.config.clone(), "test-group", "test-service", rig.outbox.clone());
    let both = builder().handle_batches(Keep, Batching::default()).handle(DoAsSaid { worker: String::new() });
    assert!(matches!(both.build(), Err(BuildError::NotAlone("keep"))));
    let two = builder().handle_batches(Keep, Batching::default()).handle_batches(Keep, Batching::default());
    assert!(matches!(two.build(), Err(BuildError::NotAlone("keep"))));
}
