//! The service as a process, against a real Kafka and PostgreSQL.

#![allow(clippy::unwrap_used, reason = "a test says what failed by failing")]

mod api;
mod bookings;
mod conformance;
mod patients;
mod poison;
mod receipts;
mod row_changes;
mod support;
mod tail;
