//! Migrations: applied under the database's advisory lock, each set with its own bookkeeping.

use std::collections::BTreeMap;

use anyhow::{Context, bail};
use sqlx::{AssertSqlSafe, Connection, PgPool, migrate::Migrator};
use tokio::time::Instant;

use super::{
    connect::{self, PAUSE, WAIT},
    name::checked_name,
    session_watch,
};
use crate::{chain::chain, config::DatabaseConfig};

/// One set of migrations and the table that says which of them are applied.
#[derive(Debug, Clone, Copy)]
pub struct Migrations {
    /// From `sqlx::migrate!`.
    pub migrator: &'static Migrator,
    /// The bookkeeping table's name, without a schema; never to be changed again.
    pub table: &'static str,
}

/// What a service does at its start: connects, then migrates (`DATABASE_AUTO_MIGRATE`) or checks that somebody has. Begins anew
/// for up to 30 s when the database goes away in between.
///
/// # Errors
/// As [`connect`](super::connect()), [`migrate`] and [`check_migrated`].
pub async fn prepare(
    config: &DatabaseConfig,
    schema: &str,
    sets: &[Migrations],
    service: &str,
) -> anyhow::Result<PgPool> {
    let start = Instant::now();
    loop {
        match prepare_once(config, schema, sets, service).await {
            Err(error) if is_away(&error) && start.elapsed() < WAIT => {
                tracing::warn!(error = chain(&error), "the database went away during the start; beginning anew");
                tokio::time::sleep(PAUSE).await;
            }
            done => return done,
        }
    }
}

async fn prepare_once(
    config: &DatabaseConfig,
    schema: &str,
    sets: &[Migrations],
    service: &str,
) -> anyhow::Result<PgPool> {
    let pool = connect::connect(config, schema).await?;
    for set in sets {
        if config.auto_migrate {
            migrate(&pool, schema, set.migrator, set.table).await?;
        } else {
            check_migrated(&pool, schema, set.migrator, set.table, service).await?;
        }
    }
    Ok(pool)
}

fn is_away(error: &anyhow::Error) -> bool {
    error.chain().filter_map(|cause| cause.downcast_ref::<sqlx::Error>()).any(|cause| {
        // The pool asks again and again for a connection and then tells nothing but that it had none.
        connect::is_passing(cause) || matches!(cause, sqlx::Error::PoolTimedOut)
    })
}

/// Creates the schema unless it is there. A role that may not create schemas can so use one that was made for it.
///
/// # Errors
/// The statement fails.
pub async fn create_schema(pool: &PgPool, schema: &str) -> anyhow::Result<()> {
    let schema = checked_name(schema)?;
    let there: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = $1)")
        .bind(schema)
        .fetch_one(pool)
        .await
        .with_context(|| format!("cannot look for the schema {schema}"))?;
    if there {
        return Ok(());
    }
    match sqlx::query(AssertSqlSafe(format!("CREATE SCHEMA IF NOT EXISTS \"{schema}\""))).execute(pool).await {
        Ok(_) => Ok(()),
        // IF NOT EXISTS does not see what another session has not committed yet.
        Err(sqlx::Error::Database(error)) if matches!(error.code().as_deref(), Some("23505" | "42P06")) => Ok(()),
        Err(error) => Err(error).with_context(|| format!("cannot create the schema {schema}")),
    }
}

/// A migration that meets writers which lock its tables in another order is the one that gives way, as a rule. So many tries are a
/// minute, and one transaction at a time of a busy program leaves room within a few.
const DEADLOCKS: u32 = 20;

/// Applies what is missing, one process at a time. Creates the schema first. Says every 5 s what it waits for. A deadlock with those
/// who write meanwhile is tried again.
///
/// # Errors
/// A migration fails, one that is applied differs from the one in this binary, or what it waits for is a session that does nothing for
/// 30 s.
pub async fn migrate(pool: &PgPool, schema: &str, migrator: &'static Migrator, table: &str) -> anyhow::Result<()> {
    for _ in 1..DEADLOCKS {
        match migrate_once(pool, schema, migrator, table).await {
            Err(error) if is_deadlock(&error) => {
                tracing::warn!(error = chain(&error), "others write meanwhile; the migration is tried again");
                tokio::time::sleep(PAUSE).await;
            }
            other => return other,
        }
    }
    migrate_once(pool, schema, migrator, table).await
}

fn is_deadlock(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<sqlx::Error>())
        .any(|error| matches!(error, sqlx::Error::Database(error) if error.code().as_deref() == Some("40P01")))
}

async fn migrate_once(pool: &PgPool, schema: &str, migrator: &'static Migrator, table: &str) -> anyhow::Result<()> {
    create_schema(pool, schema).await?;
    let mut own = Migrator::with_migrations(migrator.iter().cloned().collect());
    own.set_ignore_missing(true);
    own.dangerous_set_table_name(qualified(schema, table)?);
    // sqlx keeps its advisory lock when a migration fails; closing the connection frees it, giving it back would not.
    let mut connection = pool.acquire().await.context("cannot migrate: no connection")?.detach();
    let migrated = async {
        let session = session_watch::end_with_its_client(&mut connection).await?;
        tokio::select! {
            migrated = own.run_direct(None, &mut connection, false) => Ok(migrated?),
            why = session_watch::watch(pool, &session, schema) => Err(why),
        }
    };
    let migrated = migrated.await;
    // Not with a farewell that nobody takes.
    _ = tokio::time::timeout(PAUSE, connection.close()).await;
    migrated.with_context(|| format!("cannot migrate the schema {schema} (bookkeeping in {table})"))?;
    warn_if_newer(pool, schema, migrator, table).await
}

/// Fails unless every migration of this binary is applied.
///
/// # Errors
/// What is missing, and that `SERVICE migrate` applies it.
pub async fn check_migrated(
    pool: &PgPool,
    schema: &str,
    migrator: &'static Migrator,
    table: &str,
    service: &str,
) -> anyhow::Result<()> {
    let applied = applied(pool, schema, table).await?;
    let of_ours = migrator.iter().filter(|migration| !migration.migration_type.is_down_migration());
    let missing: Vec<String> = of_ours
        .filter(|migration| applied.get(&migration.version) != Some(&true))
        .map(|migration| format!("{} ({})", migration.version, migration.description))
        .collect();
    if !missing.is_empty() {
        bail!(
            "the schema {schema} is not up to date: {} of {table} not applied. Run `{service} migrate`, or set \
             DATABASE_AUTO_MIGRATE=true",
            missing.join(", ")
        );
    }
    warn_if_newer(pool, schema, migrator, table).await
}

async fn warn_if_newer(pool: &PgPool, schema: &str, migrator: &Migrator, table: &str) -> anyhow::Result<()> {
    let ours = migrator.iter().map(|migration| migration.version).max().unwrap_or(0);
    let newest = applied(pool, schema, table).await?.last_key_value().map_or(0, |(version, _)| *version);
    if newest > ours {
        tracing::warn!(schema, table, newest, ours, "the schema is newer than this version of the service");
    }
    Ok(())
}

/// Version and success of each applied migration; none when the bookkeeping table is not there.
async fn applied(pool: &PgPool, schema: &str, table: &str) -> anyhow::Result<BTreeMap<i64, bool>> {
    let sql = format!("SELECT version, success FROM {}", qualified(schema, table)?);
    match sqlx::query_as::<_, (i64, bool)>(AssertSqlSafe(sql)).fetch_all(pool).await {
        Ok(rows) => Ok(rows.into_iter().collect()),
        // No such table, or no such schema.
        Err(sqlx::Error::Database(error)) if matches!(error.code().as_deref(), Some("42P01" | "3F000")) => {
            Ok(BTreeMap::new())
        }
        Err(error) => {
            Err(error).with_context(|| format!("cannot read which migrations of {schema}.{table} are applied"))
        }
    }
}

fn qualified(schema: &str, table: &str) -> anyhow::Result<String> {
    Ok(format!("\"{}\".\"{}\"", checked_name(schema)?, checked_name(table)?))
}
