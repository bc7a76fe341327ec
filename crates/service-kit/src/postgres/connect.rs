//! The pool, and waiting for a database that is still starting.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, anyhow, bail};
use events::publish::end_idle_sessions;
use futures::FutureExt;
use secrecy::ExposeSecret;
use sqlx::{
    AssertSqlSafe, Connection, Executor, PgConnection, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions, PgSslMode},
};
use tokio::time::Instant;

use super::{name::checked_name, pooler};
use crate::{chain::chain, config::DatabaseConfig, http::Health};

/// How long a start waits for the database: a container of PostgreSQL is ready within about 10 s, a failover within 30 s.
pub(super) const WAIT: Duration = Duration::from_secs(30);
/// How long one attempt, and later a request for a connection of the pool, may take.
const ACQUIRE: Duration = Duration::from_secs(5);
pub(super) const PAUSE: Duration = Duration::from_millis(500);
const BETWEEN_WARNINGS: Duration = Duration::from_secs(5);

/// A pool whose connections work in `schema` and nowhere else (`search_path`). Waits up to 30 s for a database that is away;
/// a wrong password or database name fails at once.
///
/// # Errors
/// The database cannot be reached or refuses; host, database and user are named, the password never.
pub async fn connect(config: &DatabaseConfig, schema: &str) -> anyhow::Result<PgPool> {
    connect_within(WAIT, config, schema).await
}

async fn connect_within(wait: Duration, config: &DatabaseConfig, schema: &str) -> anyhow::Result<PgPool> {
    let options = options(config, schema)?;
    let place = place(&options);
    warn_if_unverified(&options, &place);
    let start = Instant::now();
    let mut warned: Option<Instant> = None;
    loop {
        let attempt = tokio::time::timeout(ACQUIRE, PgConnection::connect_with(&options));
        let error = match attempt.await {
            Ok(Ok(connection)) => {
                let shared = pooler::shares_sessions(connection, &options).await;
                if shared {
                    bail!("DATABASE_URL: {place} {}", pooler::SHARED);
                }
                break;
            }
            Ok(Err(error)) if pooler::refuses_parameters(&error) => {
                return Err(error).with_context(|| format!("DATABASE_URL: {place} {}", pooler::REFUSED));
            }
            Ok(Err(error)) if !is_passing(&error) => {
                return Err(error).with_context(|| format!("DATABASE_URL: cannot connect to {place}"));
            }
            Ok(Err(error)) => error.into(),
            Err(_) => anyhow!("no answer within {} s", ACQUIRE.as_secs()),
        };
        if start.elapsed() >= wait {
            return Err(error)
                .with_context(|| format!("DATABASE_URL: cannot connect to {place} for {} s", wait.as_secs()));
        }
        if warned.is_none_or(|at| at.elapsed() >= BETWEEN_WARNINGS) {
            tracing::warn!(error = chain(&error), "waiting for the database {place}");
            warned = Some(Instant::now());
        }
        tokio::time::sleep(PAUSE).await;
    }
    let pool = PgPoolOptions::new().max_connections(config.max_connections).acquire_timeout(ACQUIRE);
    // A PgBouncer that is told to ignore the option drops it without a word.
    let path: Arc<str> = format!("SET search_path TO \"{schema}\"").into();
    let pool = pool.after_connect(move |connection, _| {
        let path = Arc::clone(&path);
        async move { connection.execute(AssertSqlSafe(path.to_string())).await.map(drop) }.boxed()
    });
    Ok(pool.connect_lazy_with(options))
}

fn options(config: &DatabaseConfig, schema: &str) -> anyhow::Result<PgConnectOptions> {
    checked_name(schema)?;
    // The parser's error may quote parts of the URL.
    let url = config.url.as_ref().context("DATABASE_URL is not set")?;
    let options: PgConnectOptions =
        url.expose_secret().parse().map_err(|_| anyhow!("DATABASE_URL is not a PostgreSQL URL"))?;
    let options = match options.get_application_name() {
        Some(_) => options,
        None => options.application_name(schema),
    };
    Ok(options.options([("search_path", schema)]))
}

fn place(options: &PgConnectOptions) -> String {
    let database = options.get_database().unwrap_or("(default)");
    match options.get_socket() {
        Some(socket) => format!("{database} at {} as {}", socket.display(), options.get_username()),
        None => format!("{database} at {}:{} as {}", options.get_host(), options.get_port(), options.get_username()),
    }
}

fn warn_if_unverified(options: &PgConnectOptions, place: &str) {
    let host = options.get_host();
    let local = options.get_socket().is_some()
        || host.starts_with('/')
        || host == "localhost"
        || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
    if !local && !matches!(options.get_ssl_mode(), PgSslMode::VerifyFull) {
        tracing::warn!("DATABASE_URL: the connection to {place} is not verified; add sslmode=verify-full to the URL");
    }
}

/// Away, starting, stopping or full, or done with a session that was idle, as opposed to refusing us.
pub(super) fn is_passing(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) => true,
        sqlx::Error::Database(_) if pooler::refuses_parameters(error) => false,
        sqlx::Error::Database(error) => {
            error.code().is_some_and(|code| ["57P0", "53", "08", "25P03"].iter().any(|state| code.starts_with(state)))
        }
        _ => false,
    }
}

/// Asks the database for a sign of life, and whether it can be written to. Where it cannot, idle sessions are ended: new ones
/// may find the primary, or a setting that was changed back.
///
/// # Errors
/// What to show in `/readyz`, without names.
pub async fn ping(pool: &PgPool) -> Result<(), String> {
    let asked = async {
        let mut session = pool.acquire().await?;
        let read_only = sqlx::query_scalar("SELECT current_setting('transaction_read_only')::bool");
        Ok((read_only.fetch_one(&mut *session).await?, session))
    };
    match asked.await {
        Ok((false, _)) => Ok(()),
        Ok((true, session)) => {
            // It would be asked again and again if it went back to the others.
            let _ = session.close().await;
            end_idle_sessions(pool).await;
            Err("the database is read only (SQLSTATE 25006): a standby, or set so; nothing can be stored".into())
        }
        Err(sqlx::Error::PoolTimedOut) => Err("no connection is free".into()),
        Err(error) => Err(match error.as_database_error().and_then(|refusal| refusal.code()) {
            Some(state) => format!("the database refuses with SQLSTATE {state}"),
            None => "the database does not answer".into(),
        }),
    }
}

/// Adds the check `database`, and has sessions ended that a request finds out of date.
pub fn register_check(health: &Health, pool: &PgPool) {
    health.uses(pool);
    let pool = pool.clone();
    health.register("database", move || {
        let pool = pool.clone();
        async move { ping(&pool).await.map(|()| String::new()) }.boxed()
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(url: &str) -> DatabaseConfig {
        DatabaseConfig { url: Some(url.into()), max_connections: 2, auto_migrate: true }
    }

    #[test]
    fn the_place_is_named_without_the_password() {
        let options = options(&config("postgres://anna:secret@db.example:5433/shop"), "voice").unwrap();
        assert_eq!(place(&options), "shop at db.example:5433 as anna");
        assert_eq!(options.get_options(), Some("-c search_path=voice"));
        assert_eq!(options.get_application_name(), Some("voice"));
    }

    #[test]
    fn a_schema_is_a_plain_name() {
        for wrong in ["", "a b", "a,b", "Voice", "a\"", "1a"] {
            assert!(options(&config("postgres://h/d"), wrong).is_err(), "{wrong}");
        }
    }

    #[tokio::test]
    async fn a_database_that_is_away_is_given_up_after_a_while_and_named() {
        // Nothing listens on port 1.
        let error = connect_within(Duration::from_secs(1), &config("postgres://anna:secret@127.0.0.1:1/shop"), "voice")
            .await
            .unwrap_err();
        let error = format!("{error:#}");
        assert!(error.starts_with("DATABASE_URL: cannot connect to shop at 127.0.0.1:1 as anna"), "{error}");
        assert!(!error.contains("secret"), "{error}");
    }
}
