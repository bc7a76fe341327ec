//! The database of a service: one schema of its own in the shared database, a pool, and migrations at start.
//!
//! Each set of migrations (the service's own, those of a library) has its own bookkeeping table in the schema, so their numbers
//! do not meet. What a newer version of the service has migrated is let be, so that a release can be rolled back.

mod connect;
mod migrate;
mod name;
mod pooler;
mod session_watch;

pub use connect::{connect, ping, register_check};
pub use migrate::{Migrations, check_migrated, create_schema, migrate, prepare};
