//! A worker that is killed with a thousand calls to the outside on their way.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{Router, extract::State, routing::get};
use chaos::worker::{self, AskedV1};
use events::contract::{codec, envelope::Envelope, event::NewEvent, headers};
use test_kit::{kafka, postgres::TestDatabase, process::ServiceProcess, stack, wait::wait_until};
use tokio::{net::TcpListener, sync::Semaphore};

const CALLS: usize = 1_000;
const LONG: Duration = Duration::from_secs(120);

/// Takes every question, and answers none before it is told to.
#[derive(Clone)]
struct Peer {
    asked: Arc<AtomicUsize>,
    waiting: Arc<AtomicUsize>,
    answers: Arc<Semaphore>,
}

impl Peer {
    async fn start() -> (Self, String) {
        let peer = Self { asked: Arc::default(), waiting: Arc::default(), answers: Arc::new(Semaphore::new(0)) };
        let app = Router::new().route("/answer", get(Self::answer)).with_state(peer.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/answer", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        (peer, url)
    }

    async fn answer(State(peer): State<Self>) -> &'static str {
        peer.asked.fetch_add(1, Ordering::SeqCst);
        peer.waiting.fetch_add(1, Ordering::SeqCst);
        let _answer = peer.answers.acquire().await;
        peer.waiting.fetch_sub(1, Ordering::SeqCst);
        "yes"
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_killed_with_a_thousand_calls_in_flight_does_nothing_twice() {
    let (database, namespace) = (TestDatabase::create().await, kafka::namespace());
    let topic = format!("{namespace}ai-responses");
    kafka::create_topic(&stack::kafka(), &topic, 6, &[]).await;
    for number in 0..CALLS {
        let asked = AskedV1 { run: 1, key: format!("key-{number}"), seq: 1, ..AskedV1::default() };
        let envelope = Envelope::seal(NewEvent::fact(asked), "test");
        let headers = headers::of(&envelope);
        let headers: Vec<(&str, &[u8])> = headers.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
        let value = codec::encode(&envelope).unwrap();
        kafka::produce(&stack::kafka(), &topic, Some(envelope.key().as_bytes()), &value, &headers).await;
    }
    let (peer, url) = Peer::start().await;
    let environment = [
        ("ROLES", "worker".to_owned()),
        ("DATABASE_URL", database.url().to_owned()),
        ("KAFKA_BOOTSTRAP_SERVERS", stack::kafka()),
        ("KAFKA_TOPIC_NAMESPACE", namespace.clone()),
        ("KAFKA_CONSUMER_SESSION_TIMEOUT_MS", "6000".to_owned()),
        // All of them look into the inbox at the same moment; a machine that is busy besides takes its time.
        ("DATABASE_MAX_CONNECTIONS", "40".to_owned()),
        ("KAFKA_CONSUMER_CONCURRENCY", CALLS.to_string()),
        ("PEER_URL", url.clone()),
        ("NOTARY_URL", url),
        ("HUSH", "hush".to_owned()),
        ("PEER_LIMIT_MS", LONG.as_millis().to_string()),
        ("WRITE_LOG", "writes".to_owned()),
        ("WORKER", "w".to_owned()),
        ("RUN", "1".to_owned()),
    ];
    let mut worker = ServiceProcess::spawn(worker::NAME, &environment).await;
    wait_until("all are asked at once", LONG, || async { peer.waiting.load(Ordering::SeqCst) == CALLS }).await;
    // A few get through, and their offsets are not committed yet when it dies.
    peer.answers.add_permits(100);
    let applied = || async {
        let effects = sqlx::query_as::<_, (i64, i64)>("SELECT count(*), count(DISTINCT event_id) FROM road.effects");
        effects.fetch_one(database.pool()).await.unwrap()
    };
    wait_until("some are applied", LONG, || async { applied().await.0 > 0 }).await;
    worker.kill9();
    let before = applied().await.0;

    peer.answers.add_permits(CALLS);
    worker.restart().await;
    let group = format!("{namespace}{}", worker::NAME);
    wait_until("all is committed", LONG, || async {
        let committed = kafka::committed(&stack::kafka(), &group, &topic).await;
        committed.iter().map(|(_, offset)| (*offset).max(0)).sum::<i64>() == CALLS as i64
    })
    .await;
    let asked = peer.asked.load(Ordering::SeqCst);
    let followed: i64 = sqlx::query_scalar("SELECT count(DISTINCT headers ->> 'ce_id') FROM road.outbox")
        .fetch_one(database.pool())
        .await
        .unwrap();
    println!(
        "{before} of {CALLS} applied when it was killed; {} were asked again; {:?} effects",
        asked - CALLS,
        applied().await
    );
    assert_eq!(applied().await, (CALLS as i64, CALLS as i64));
    assert_eq!(followed, CALLS as i64);
    assert!(asked >= 2 * CALLS - before as usize, "what was not applied was asked again");
    assert_eq!(kafka::read_topic_to_end(&stack::kafka(), &format!("{namespace}dead.letter.queue")).await.len(), 0);
}
