//! Outside systems that are away, and those that only look so.

use std::time::{Duration, Instant};

use events::{
    consume::{Handler, Received},
    contract::{
        schema::voice::{BookingConfirmationV1, PatientCreationV1},
        topics::{AI_RESPONSES, DEAD_LETTER_QUEUE},
    },
    flow::error::HandlerError,
    kafka::producer::Producer,
    publish::Tx,
};
use test_kit::{kafka, proxy::Proxy, wait::wait_until};
use tokio::time::sleep;

use crate::{
    peer::{Answered, PATIENCE, Peer, builder, note},
    support::{LONG, Rig, Running, booking, said},
};

/// Asks the peer, then notes the event.
struct AskPeer {
    http: reqwest::Client,
    base: String,
}

impl Handler for AskPeer {
    const NAME: &'static str = "ask-peer";
    type Event = PatientCreationV1;
    type Plan = Answered;

    async fn prepare(&self, event: &Received<PatientCreationV1>) -> Result<Answered, HandlerError> {
        self.http.get(format!("{}/{}", self.base, event.data.name)).send().await?.error_for_status()?;
        Ok(Answered)
    }

    async fn apply(&self, event: &Received<PatientCreationV1>, _: Answered, tx: &mut Tx) -> Result<(), HandlerError> {
        note(tx, event.id.0, &event.data.call_id, &event.data.name).await
    }
}

/// Needs nobody.
struct NoteBooking;

impl Handler for NoteBooking {
    const NAME: &'static str = "note-booking";
    type Event = BookingConfirmationV1;
    type Plan = ();

    async fn apply(&self, event: &Received<BookingConfirmationV1>, _: (), tx: &mut Tx) -> Result<(), HandlerError> {
        note(tx, event.id.0, &event.data.call_id, "booking").await
    }
}

async fn consumer(rig: &Rig, peer: &str) -> Running {
    let http = reqwest::Client::builder().timeout(PATIENCE).build().unwrap();
    let ask_peer = AskPeer { http, base: format!("http://{peer}") };
    let consumer = builder(rig).handle(ask_peer).handle(NoteBooking).build().unwrap();
    Running::consumer(consumer).await
}

async fn counted(rig: &Rig, condition: &'static str) -> i64 {
    let query = format!("SELECT count(*) FROM effects WHERE {condition}");
    sqlx::query_scalar(sqlx::AssertSqlSafe(query)).fetch_one(rig.pool()).await.unwrap()
}

/// `OUTAGE_SECONDS` makes the outage longer; what is printed are its figures.
#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_an_outside_system_makes_no_dead_letter_and_concerns_nobody_else() {
    let outage = std::env::var("OUTAGE_SECONDS").map_or(8, |seconds| seconds.parse().unwrap());
    let rig = Rig::new().await;
    rig.create_topics().await;
    let peer = Peer::start().await;
    let mut proxy = Proxy::before(&peer.address).await;
    let consumer = consumer(&rig, &proxy.address().to_string()).await;
    let producer = Producer::new(&rig.config, "another-service", LONG).unwrap();

    proxy.cut().await;
    let began = Instant::now();
    let (mut sent, mut slowest) = (0, Duration::ZERO);
    // A hundred events a second; those of the other handler are watched until they are done.
    while began.elapsed() < Duration::from_secs(outage) {
        for _ in 0..9 {
            producer.publish(said(&format!("call-{}", sent % 500), &format!("said-{sent}"))).await.unwrap();
            sent += 1;
        }
        let noticed = Instant::now();
        let bookings = counted(&rig, "name = 'booking'").await;
        producer.publish(booking(&format!("call-{}", sent % 500 + 1_000))).await.unwrap();
        wait_until("the other handler works", LONG, || async { counted(&rig, "name = 'booking'").await > bookings })
            .await;
        slowest = slowest.max(noticed.elapsed());
        sleep(Duration::from_millis(100)).await;
    }
    let asked_meanwhile = peer.asked();
    assert_eq!(counted(&rig, "name <> 'booking'").await, 0, "the peer was away");
    proxy.mend().await;
    let back = Instant::now();
    wait_until("all is made up for", LONG, || async { counted(&rig, "name <> 'booking'").await >= sent }).await;
    println!(
        "away for {outage} s: {sent} events waited, made up for {:.1} s after the return, at most {} at once; the other \
         handler's slowest took {slowest:?}",
        back.elapsed().as_secs_f64(),
        peer.most_at_once(),
    );
    assert_eq!(asked_meanwhile, 0);
    assert_eq!(counted(&rig, "name <> 'booking'").await, sent);
    assert!(peer.most_at_once() <= 32, "the return is no stampede");
    rig.wait_until_committed().await;
    let letters = kafka::read_topic_to_end(&rig.servers(), &rig.topic(&DEAD_LETTER_QUEUE)).await;
    assert!(letters.is_empty(), "{} dead letters", letters.len());
    // Order of each key, though they waited.
    let names: Vec<(String, String)> =
        sqlx::query_as("SELECT call_id, name FROM effects WHERE name <> 'booking' ORDER BY id")
            .fetch_all(rig.pool())
            .await
            .unwrap();
    let mut last = std::collections::HashMap::new();
    for (call, name) in names {
        let number: i64 = name.strip_prefix("said-").unwrap().parse().unwrap();
        assert!(last.insert(call.clone(), number).is_none_or(|before| before < number), "{call}: {number}");
    }
    consumer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_event_that_a_sound_system_fails_at_is_given_up_and_stops_nobody() {
    let rig = Rig::new().await;
    rig.create_topics().await;
    let peer = Peer::start().await;
    let consumer = consumer(&rig, &peer.address).await;
    rig.send(said("call-bad", "refuse")).await;
    rig.send(said("call-bad", "next")).await;
    let mut sent = 0;
    let letters = rig.topic(&DEAD_LETTER_QUEUE);
    while kafka::read_topic_to_end(&rig.servers(), &letters).await.is_empty() {
        assert!(sent < 500, "it is still tried, though the system answered others {sent} times");
        rig.send(said(&format!("call-{sent}"), "fine")).await;
        sent += 1;
    }
    println!("given up when the system had answered {sent} others");
    let letters = rig.dead_letters(1).await;
    assert_eq!(letters[0].header("dlq.category"), Some(&b"dependency"[..]));
    rig.wait_until_committed().await;
    assert_eq!(counted(&rig, "call_id = 'call-bad' AND name = 'next'").await, 1);
    assert_eq!(counted(&rig, "name = 'fine'").await, sent);
    consumer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_that_one_lone_event_meets_is_waited_out() {
    let rig = Rig::new().await;
    rig.create_topics().await;
    let peer = Peer::start().await;
    let mut proxy = Proxy::before(&peer.address).await;
    let consumer = consumer(&rig, &proxy.address().to_string()).await;
    proxy.cut().await;
    rig.send(said("call-1", "alone")).await;
    // Three attempts are this consumer's limit: longer than they and the breaker's first probes take.
    sleep(Duration::from_secs(6)).await;
    proxy.mend().await;
    rig.wait_for_effects(1).await;
    rig.wait_until_committed().await;
    assert!(kafka::read_topic_to_end(&rig.servers(), &rig.topic(&DEAD_LETTER_QUEUE)).await.is_empty());
    assert_eq!(rig.committed().await.len(), AI_RESPONSES.partitions as usize);
    consumer.stop().await;
}
