//! Where the local stack is.

use std::{env, path::PathBuf};

fn required(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| {
        panic!("{name} is not set; run ./scripts/test, or: eval \"$(./scripts/stack env)\" after ./scripts/stack up")
    })
}

/// The brokers.
pub fn kafka() -> String {
    required("KAFKA_BOOTSTRAP_SERVERS")
}

/// The database server, by a database that exists.
pub fn database() -> String {
    required("DATABASE_URL")
}

/// Kafka's jars, for brokers of a test's own.
pub fn kafka_libs() -> PathBuf {
    required("STACK_KAFKA_LIBS").into()
}
