//! What PostgreSQL cannot store: in the ids of a journey it stops nobody, in the data it is refused by its name.

use events::{
    consume::{Consumer, Handler, Received},
    contract::{
        envelope::Envelope,
        event::NewEvent,
        schema::{healthcore::PatientDeletedV1, voice::PatientCreationV1},
        topics::DEAD_LETTER_QUEUE,
    },
    flow::error::HandlerError,
    publish::Tx,
};
use serde_json::Value;
use test_kit::kafka;

use crate::support::{Rig, Running, said};

/// Puts all that it is given into columns, settings and an event.
struct StoreAll;

impl Handler for StoreAll {
    const NAME: &'static str = "store-all";
    type Event = PatientCreationV1;
    type Plan = ();

    async fn apply(&self, event: &Received<PatientCreationV1>, _: (), tx: &mut Tx) -> Result<(), HandlerError> {
        let metadata = &event.metadata;
        let ids = [&metadata.correlation_id, &metadata.causation_id, &metadata.tenant_id].map(Option::as_deref);
        for text in ids.into_iter().flatten().chain([metadata.source.as_str()]) {
            sqlx::query("SELECT set_config('switchboard.correlation_id', $1, true)")
                .bind(text)
                .execute(tx.connection())
                .await?;
        }
        sqlx::query("INSERT INTO effects (event_id, call_id, name, worker) VALUES ($1, $2, $3, $4)")
            .bind(event.id.0)
            .bind(ids.map(Option::unwrap_or_default).join(" "))
            .bind(&event.data.name)
            .bind(&metadata.source)
            .execute(tx.connection())
            .await?;
        tx.publish(NewEvent::derived(PatientDeletedV1 { patient_id: 7 }, event.id, "told")).await?;
        Ok(())
    }
}

async fn consume(rig: &Rig) -> Running {
    let consumer = Consumer::builder(rig.config.clone(), "test-group", "test-service", rig.outbox.clone());
    Running::consumer(consumer.handle(StoreAll).build().unwrap()).await
}

fn record(name: &str, change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let mut record = serde_json::to_value(Envelope::seal(said("call-1", name), "another-service")).unwrap();
    change(&mut record);
    record.to_string().into_bytes()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_whose_ids_hold_what_a_database_refuses_is_applied_all_the_same() {
    let rig = Rig::new().await;
    rig.create_topics().await;
    let hostile = ["\0", "call\0-7", &"\0".repeat(5000), "\u{1b}\u{7f}\r\n", &"x".repeat(100_000)];
    let mut sent = 0;
    for name in ["source", "correlation_id", "causation_id", "tenant_id"] {
        for text in hostile {
            let value = record("fine", |record| record["metadata"][name] = text.into());
            rig.send_raw(Some(b"call-1"), &value, &[("correlation_id", b"a\0b"), ("ce_type", b"\0")]).await;
            sent += 1;
        }
    }
    let consumer = consume(&rig).await;
    rig.wait_until_committed().await;
    let letters = kafka::read_topic_to_end(&rig.servers(), &rig.topic(&DEAD_LETTER_QUEUE)).await;
    let told: Vec<_> =
        letters.iter().map(|letter| String::from_utf8_lossy(letter.header("dlq.message").unwrap())).collect();
    assert!(told.is_empty(), "{} of {sent} are dead letters: {}", told.len(), told[0]);
    let journeys: Vec<Option<String>> =
        sqlx::query_scalar("SELECT headers ->> 'correlation_id' FROM outbox").fetch_all(rig.pool()).await.unwrap();
    assert_eq!(journeys.len(), sent);
    assert!(journeys.iter().flatten().all(|id| id.len() <= 256 && !id.chars().any(char::is_control)), "{journeys:?}");
    consumer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn data_that_cannot_be_stored_is_a_dead_letter_that_says_so_and_its_key_goes_on() {
    let rig = Rig::new().await;
    rig.create_topics().await;
    let poison = record("Jane\0Roe", |record| record["metadata"]["correlation_id"] = "call\0-1".into());
    rig.send_raw(Some(b"call-1"), &poison, &[]).await;
    let unread = record("fine", |record| record["data"]["not_read"] = "\0".into());
    rig.send_raw(Some(b"call-1"), &unread, &[]).await;
    let of_no_type = record("fine", |record| record["event_type"] = "ai_response.patient_creation\0".into());
    rig.send_raw(Some(b"call-1"), &of_no_type, &[]).await;
    rig.send(said("call-1", "after it")).await;
    let consumer = consume(&rig).await;
    rig.wait_for_effects(2).await;
    rig.wait_until_committed().await;
    let letters = rig.dead_letters(1).await;
    assert_eq!(letters.len(), 1);
    let letter = &letters[0];
    assert_eq!(letter.payload.as_deref(), Some(&poison[..]), "bytes untouched");
    let header = |name: &str| String::from_utf8(letter.header(name).unwrap().to_vec()).unwrap();
    assert_eq!((header("dlq.category"), header("dlq.code")), ("schema_validation".into(), "unstorable_text".into()));
    assert_eq!(header("dlq.correlation_id"), "call\u{fffd}-1");
    assert!(header("dlq.message").contains("U+0000") && !header("dlq.message").contains("Jane"));
    consumer.stop().await;
}
