//! The service as a process, against a real Kafka and PostgreSQL.

#![allow(clippy::unwrap_used, reason = "a test says what failed by failing")]

mod api;
mod bookings;
mod conformance;
mod foreign_numbers;
mod forms;
mod patients;
mod poison;
mod row_changes;
mod support;
mod tail;
