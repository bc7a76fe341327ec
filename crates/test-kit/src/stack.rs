//! Where the local stack is, as `scripts/stack env` says it.

use std::{env, path::PathBuf};

/// `KAFKA_BOOTSTRAP_SERVERS`.
pub fn kafka() -> String {
    required("KAFKA_BOOTSTRAP_SERVERS")
}

/// `DATABASE_URL`: the server on which [`crate::postgres::TestDatabase`] makes its databases.
pub fn database() -> String {
    required("DATABASE_URL")
}

/// The folder with Kafka's jars, for a private [`crate::broker::Broker`].
pub fn kafka_libs() -> PathBuf {
    required("STACK_KAFKA_LIBS").into()
}

/// `SCHEMA_REGISTRY_URL`.
pub fn registry() -> String {
    required("SCHEMA_REGISTRY_URL")
}

/// The folder with the registry's jars, for a private [`crate::registry::Registry`].
pub fn registry_app() -> PathBuf {
    required("STACK_REGISTRY_APP").into()
}

/// The Java that runs the stack's Kafka, else the one on the path.
pub fn java() -> PathBuf {
    env::var_os("STACK_JAVA").map_or_else(|| "java".into(), PathBuf::from)
}

/// The folder with PostgreSQL's server programs, for a private [`crate::private_postgres::PrivatePostgres`].
pub fn postgres_programs() -> PathBuf {
    required("STACK_PG_BIN").into()
}

/// PgBouncer's program, for [`crate::pgbouncer::PgBouncer`].
pub fn pgbouncer() -> PathBuf {
    required("STACK_PGBOUNCER").into()
}

fn required(name: &str) -> String {
    match env::var(name) {
        Ok(value) if !value.is_empty() => value,
        _ => {
            panic!("{name} is not set; run: ./scripts/stack up and eval \"$(./scripts/stack env)\", or ./scripts/test")
        }
    }
}
