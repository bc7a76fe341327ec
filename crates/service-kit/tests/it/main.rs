//! Against a real PostgreSQL.

#![allow(clippy::unwrap_used, reason = "a test says what failed by failing")]

mod idempotency;
mod pooler;
mod postgres;
mod vanished;
