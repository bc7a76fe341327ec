//! The event backbone's contract and its delivery road, in five wings; each imports only those below it.
//!
//! | wing | what it does |
//! |---|---|
//! | [`consume`] | record to effect: a [`Handler`](consume::Handler) is called once per event, inside the transaction of its effect |
//! | [`publish`] | row to record: what a transaction publishes is in Kafka if, and only if, it commits |
//! | [`kafka`] | the client: settings, topics, producer |
//! | [`contract`] | what is on the wire: envelope, headers, topics, event types |
//! | [`flow`] | pure decisions: retry, ledger, scheduler |
//!
//! A handler sees typed events and a transaction; never offsets, commits, headers or retry loops:
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
//!     const NAME: &'static str = "register-patient";
//!     type Event = PatientCreationV1;
//!     type Plan = ();
//!
//!     async fn apply(&self, event: &Received<PatientCreationV1>, _: (), tx: &mut Tx) -> Result<(), HandlerError> {
//!         sqlx::query("INSERT INTO patients (name) VALUES ($1)").bind(&event.data.name).execute(tx.connection()).await?;
//!         Ok(())
//!     }
//! }
//! ```

pub mod consume;
pub mod contract;
pub mod flow;
pub mod kafka;
pub mod publish;
