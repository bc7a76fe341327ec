//! Against a real PostgreSQL, and through real sockets.

#![allow(clippy::unwrap_used, reason = "a test says what failed by failing")]

mod connections;
mod idempotency;
mod pooler;
mod postgres;
mod vanished;
