//! The HTTP side of a service: [`serve`] and what every route shares.
//!
//! Every answer that is not a success is a [`Problem`] (RFC 9457) that says what is wrong, where, and what to do, and never
//! repeats what was sent: it may be personal data. The API is closed unless it listens on loopback ([`auth`]).
//! A connection has its place for as long as it is of use; see `pulse`. Does not limit a WebSocket, nor a body that a handler
//! reads as a stream by itself.

pub mod auth;
#[cfg(test)]
mod canaries;
mod connection;
mod connections;
mod consumer;
mod extract;
mod frame;
mod health;
pub mod idempotency;
mod json_error;
mod page;
mod problem;
mod pulse;
mod serve;
#[cfg(test)]
mod tests;

pub(crate) use consumer::consumer_routes;
pub use extract::{ApiJson, ApiPath, ApiQuery};
pub use frame::RequestId;
pub use health::{Answer, CheckResult, Health, Readiness};
pub use page::{Page, PageQuery};
pub use problem::{Details, FieldProblem, Problem};
pub use serve::{Routes, router, serve};
