//! A PgBouncer between a service and its database.

use service_kit::{
    config::{DatabaseConfig, Environment, parse},
    http::idempotency,
    postgres::{self, Migrations},
};
use test_kit::{pgbouncer::PgBouncer, postgres::TestDatabase};

const SETS: &[Migrations] = &[idempotency::MIGRATIONS];
const IGNORED: &str = "extra_float_digits,options";

fn config(url: String) -> DatabaseConfig {
    parse::<DatabaseConfig>(&Environment::from_map([("DATABASE_URL", url)])).unwrap().value
}

#[tokio::test]
async fn a_pool_that_shares_sessions_is_refused_at_start_with_the_remedy() {
    let database = TestDatabase::create().await;
    for (mode, ignored, told) in [
        ("transaction", IGNORED, "in transaction mode"),
        ("statement", IGNORED, "in transaction mode"),
        ("transaction", "", "refuses how a connection begins"),
        ("session", "", "refuses how a connection begins"),
    ] {
        let bouncer = PgBouncer::start(database.url(), mode, ignored).await;
        let refused = postgres::prepare(&config(bouncer.url(database.url())), "voice", SETS, "voice-ingest").await;
        let refused = service_kit::chain::chain(&refused.unwrap_err());
        assert!(refused.starts_with("DATABASE_URL: ") && refused.contains(told), "{mode} {ignored}: {refused}");
        assert!(refused.contains("pool_mode = session and ignore_startup_parameters"), "{refused}");
    }
}

#[tokio::test]
async fn a_pool_in_session_mode_serves() {
    let database = TestDatabase::create().await;
    let bouncer = PgBouncer::start(database.url(), "session", IGNORED).await;
    let pool = postgres::prepare(&config(bouncer.url(database.url())), "voice", SETS, "voice-ingest").await.unwrap();
    let path: String = sqlx::query_scalar("SHOW search_path").fetch_one(&pool).await.unwrap();
    assert_eq!(path, "voice");
    let tables: i64 =
        sqlx::query_scalar("SELECT count(*) FROM pg_tables WHERE schemaname = 'voice'").fetch_one(&pool).await.unwrap();
    assert!(tables >= 2);
}
