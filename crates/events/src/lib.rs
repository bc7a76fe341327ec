//! The event backbone's contract and its delivery road: events from a transaction to Kafka, and from Kafka to an effect that
//! happens once.
//!
//! # A handler
//!
//! Say which event it is for and what it does, inside the transaction that it is given. It never sees offsets, commits,
//! headers or retry loops:
//!
//! ```
//! use events::{
//!     consume::{Handler, Received},
//!     contract::schema::voice::PatientCreationV1,
//!     flow::error::HandlerError,
//!     publish::Tx,
//! };
//!
//! struct RegisterPatient;
//!
//! impl Handler for RegisterPatient {
//!     /// Part of the claim: under another name the whole topic would be handled again.
//!     const NAME: &'static str = "register-patient";
//!     type Event = PatientCreationV1;
//!     /// What `prepare` hands to `apply`; nothing, for a handler that makes no outside calls.
//!     type Plan = ();
//!
//!     async fn apply(&self, event: &Received<PatientCreationV1>, _: (), tx: &mut Tx) -> Result<(), HandlerError> {
//!         if event.data.name.is_empty() {
//!             // Never works: the event becomes a dead letter at once.
//!             return Err(HandlerError::reject("nameless", "a patient has a name"));
//!         }
//!         // `?` sorts the database's errors: away, a collision to be tried again, or refused.
//!         sqlx::query("INSERT INTO patients (name) VALUES ($1)").bind(&event.data.name).execute(tx.connection()).await?;
//!         Ok(())
//!     }
//! }
//! ```
//!
//! # A service
//!
//! A consumer is assembled with one line for each handler, a relay carries what transactions publish:
//!
//! ```no_run
//! # use events::{consume::{Handler, Received}, contract::schema::voice::PatientCreationV1, flow::error::HandlerError, publish::Tx};
//! # struct RegisterPatient;
//! # impl Handler for RegisterPatient {
//! #     const NAME: &'static str = "register-patient";
//! #     type Event = PatientCreationV1;
//! #     type Plan = ();
//! #     async fn apply(&self, _: &Received<PatientCreationV1>, _: (), _: &mut Tx) -> Result<(), HandlerError> { Ok(()) }
//! # }
//! use events::{
//!     consume::Consumer,
//!     contract::{event::NewEvent, schema::healthcore::PatientDeletedV1},
//!     kafka::config::KafkaConfig,
//!     publish::{MIGRATOR, Outbox, Relay},
//! };
//! use tokio_util::sync::CancellationToken;
//!
//! async fn run(kafka: KafkaConfig, pool: sqlx::PgPool, stop: CancellationToken) -> Result<(), Box<dyn std::error::Error>> {
//!     MIGRATOR.run(&pool).await?; // the tables of the outbox and the inbox, in the service's own schema
//!     let outbox = Outbox::new(pool.clone(), "my-service");
//!
//!     let consumer = Consumer::builder(kafka.clone(), "my-group", "my-service", outbox.clone())
//!         .handle(RegisterPatient)
//!         .build()?;
//!     let relay = tokio::spawn(Relay::new(pool, kafka, "my-service").run(stop.clone()));
//!     let consumer = tokio::spawn(consumer.run(stop.clone()));
//!
//!     // Anywhere in the service: what is written and what is published commit together.
//!     let mut tx = outbox.begin().await?;
//!     sqlx::query("DELETE FROM patients WHERE id = 1").execute(tx.connection()).await?;
//!     tx.publish(NewEvent::fact(PatientDeletedV1 { patient_id: 1 })).await?;
//!     tx.commit().await?;
//!
//!     stop.cancelled().await;
//!     relay.await?;
//!     Ok(consumer.await??)
//! }
//! ```
//!
//! | for | see |
//! |---|---|
//! | outside calls before the transaction | [`Handler::prepare`](consume::Handler::prepare) |
//! | outside systems that may be away | [`ask`](consume::ask) |
//! | a consumer without a database | [`Listener`](consume::Listener) |
//! | many events in one transaction | [`BatchHandler`](consume::BatchHandler) |
//! | what to answer when it fails | [`HandlerError`](flow::error::HandlerError) |
//! | publishing without a transaction | [`Producer`](kafka::producer::Producer) |
//! | a new event type | [`Event`](contract::event::Event) |
//!
//! Whole programs are in the crate's `examples`.
//!
//! # The wings
//!
//! Each imports only those below it.
//!
//! | wing | what it does |
//! |---|---|
//! | [`consume`] | record to effect: a handler is called once per event, inside the transaction of its effect |
//! | [`publish`] | row to record: what a transaction publishes is in Kafka if, and only if, it commits |
//! | [`kafka`] | the client: settings, topics, producers |
//! | [`contract`] | what is on the wire: envelope, headers, topics, event types |
//! | [`flow`] | pure decisions: scheduler, ledger, retry, breaker, brake |

pub mod consume;
pub mod contract;
pub mod flow;
pub mod kafka;
pub mod publish;
mod sabotage;
