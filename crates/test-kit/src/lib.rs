//! What the tests of all crates share: a fresh database, topics of their own, a broker, a PostgreSQL and a registry to kill, a
//! service as a process, a client of another language, records as any client may write them, and what every handler has to
//! stand.
//!
//! For tests only. Whatever goes wrong here panics with what was tried and what to do, since there is nobody to hand an
//! error to. Only `conformance` knows Switchboard's events.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test reports by panicking and by printing, and has no caller to return an error to"
)]

pub mod broker;
pub mod broker_disk;
pub mod conformance;
mod daemon;
pub mod faulty_broker;
mod faulty_produce;
mod folder;
pub mod interventions;
pub mod kafka;
mod offset_commit;
pub mod pgbouncer;
mod ports;
pub mod postgres;
pub mod private_postgres;
pub mod process;
pub mod proxy;
pub mod python;
pub mod raw_produce;
pub mod registry;
pub mod stack;
pub mod wait;
