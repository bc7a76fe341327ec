//! An outside system that falls ill when it is told to, and a handler that asks such systems for some of its events.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU16, AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    extract::{Path, State},
    http::StatusCode,
    routing::get,
};
use events::{
    consume::{BatchHandler, Consumer, ConsumerBuilder, Handler, Plan, Received, ask},
    contract::{event::EventId, schema::voice::PatientCreationV1},
    flow::{
        error::HandlerError,
        retry::{Backoff, RetryPolicy},
    },
    publish::Tx,
};
use tokio::{net::TcpListener, time::sleep};

use crate::support::{Rig, Running};

/// Answers after 20 ms: 200; 500 to whoever asks for `refuse`; nothing for long to whoever asks for `hang`; or as it was told.
#[derive(Clone, Default)]
pub struct Peer {
    pub address: String,
    asked: Arc<AtomicUsize>,
    at_once: Arc<AtomicUsize>,
    most_at_once: Arc<AtomicUsize>,
    illness: Arc<AtomicU16>,
}

impl Peer {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let peer = Self { address: listener.local_addr().unwrap().to_string(), ..Self::default() };
        let app = Router::new().route("/{name}", get(Self::answer)).with_state(peer.clone());
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        peer
    }

    async fn answer(State(peer): State<Self>, Path(name): Path<String>) -> StatusCode {
        peer.asked.fetch_add(1, Ordering::SeqCst);
        let now = peer.at_once.fetch_add(1, Ordering::SeqCst) + 1;
        peer.most_at_once.fetch_max(now, Ordering::SeqCst);
        sleep(Duration::from_millis(20)).await;
        peer.at_once.fetch_sub(1, Ordering::SeqCst);
        match (peer.illness.load(Ordering::SeqCst), name.as_str()) {
            (0, "refuse") => StatusCode::INTERNAL_SERVER_ERROR,
            (0, "hang") | (1, _) => {
                sleep(Duration::from_secs(3_600)).await;
                StatusCode::OK
            }
            (0, _) => StatusCode::OK,
            (illness, _) => StatusCode::from_u16(illness).unwrap(),
        }
    }

    /// Answers this status to everybody.
    pub fn answers(&self, status: u16) {
        self.illness.store(status, Ordering::SeqCst);
    }

    /// Takes every request and answers none.
    pub fn hangs(&self) {
        self.illness.store(1, Ordering::SeqCst);
    }

    /// Is sound again.
    pub fn recovers(&self) {
        self.illness.store(0, Ordering::SeqCst);
    }

    /// How often it was asked.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    pub fn most_at_once(&self) -> usize {
        self.most_at_once.load(Ordering::SeqCst)
    }
}

/// How a handler says whom it asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Says {
    /// Nothing: `?` on an error blames the host.
    Nothing,
    /// Whom to blame, once it failed.
    WhomToBlame,
    /// Whom it is about to ask.
    WhomItAsks,
}

/// Asks the systems that the event's name lists, `ask <host:port>/<path> …`, one after the other; of another name nobody. Whoever is
/// called `stumble …` fails once by himself before.
pub struct AskSome {
    http: reqwest::Client,
    says: Says,
    stumbled: Mutex<HashSet<EventId>>,
}

impl AskSome {
    /// Its calls have the limit `patience`.
    pub fn new(says: Says, patience: Duration) -> Self {
        let http = reqwest::Client::builder().timeout(patience).no_proxy().build().unwrap();
        Self { http, says, stumbled: Mutex::default() }
    }

    async fn ask(&self, event: &Received<PatientCreationV1>) -> Result<(), HandlerError> {
        let name = &event.data.name;
        if name.starts_with("stumble") && self.stumbled.lock().unwrap().insert(event.id) {
            return Err(HandlerError::retry("stumbled"));
        }
        let whom = name.split_once("ask ").map_or("", |(_, whom)| whom);
        for asked in whom.split_whitespace() {
            let call = async { self.http.get(format!("http://{asked}")).send().await?.error_for_status() };
            let host = asked.split('/').next().unwrap().to_owned();
            match self.says {
                Says::Nothing => drop(call.await?),
                Says::WhomItAsks => drop(ask(host, call).await?),
                Says::WhomToBlame => drop(call.await.map_err(|error| HandlerError::dependency(host, error))?),
            }
        }
        Ok(())
    }
}

pub struct Answered;
impl Plan for Answered {}

impl Handler for AskSome {
    const NAME: &'static str = "ask-some";
    type Event = PatientCreationV1;
    type Plan = Answered;

    async fn prepare(&self, event: &Received<PatientCreationV1>) -> Result<Answered, HandlerError> {
        self.ask(event).await?;
        Ok(Answered)
    }

    async fn apply(&self, event: &Received<PatientCreationV1>, _: Answered, tx: &mut Tx) -> Result<(), HandlerError> {
        note(tx, event.id.0, &event.data.call_id, &event.data.name).await
    }
}

impl BatchHandler for AskSome {
    const NAME: &'static str = "ask-some-together";
    type Item = Received<PatientCreationV1>;

    async fn apply(&self, batch: &[&Self::Item], tx: &mut Tx) -> Result<(), HandlerError> {
        for event in batch {
            self.ask(event).await?;
            note(tx, event.id.0, &event.data.call_id, &event.data.name).await?;
        }
        Ok(())
    }
}

pub async fn note(tx: &mut Tx, id: uuid::Uuid, call: &str, name: &str) -> Result<(), HandlerError> {
    sqlx::query("INSERT INTO effects (event_id, call_id, name, worker) VALUES ($1, $2, $3, 'w')")
        .bind(id)
        .bind(call)
        .bind(name)
        .execute(tx.connection())
        .await?;
    Ok(())
}

/// Short, so that what hangs is noticed within a test.
pub const PATIENCE: Duration = Duration::from_secs(1);
/// Gives up after three attempts.
pub const THREE: RetryPolicy = RetryPolicy {
    backoff: Backoff::Exponential,
    base: Duration::from_millis(20),
    max_delay: Duration::from_secs(30),
    max_attempts: 3,
    total: Duration::from_secs(300),
};

pub fn builder(rig: &Rig) -> ConsumerBuilder {
    Consumer::builder(rig.config.clone(), "test-group", "test-service", rig.outbox.clone()).retry(THREE)
}

/// A consumer with [`AskSome`].
pub async fn ask_some(rig: &Rig, says: Says) -> Running {
    Running::consumer(builder(rig).handle(AskSome::new(says, PATIENCE)).build().unwrap()).await
}
