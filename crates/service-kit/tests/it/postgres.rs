//! Schema, pool and migrations.

use service_kit::{
    config::DatabaseConfig,
    http::{Health, idempotency},
    lifecycle::Lifecycle,
    postgres::{self, Migrations},
};
use sqlx::{PgPool, migrate::Migrator};
use test_kit::postgres::TestDatabase;

const SETS: &[Migrations] = &[idempotency::MIGRATIONS];
static BROKEN: Migrator = sqlx::migrate!("tests/it/broken");

fn config(database: &TestDatabase, auto_migrate: bool) -> DatabaseConfig {
    DatabaseConfig { url: database.url().into(), max_connections: 4, auto_migrate }
}

async fn text(pool: &PgPool, sql: &'static str) -> String {
    sqlx::query_scalar(sql).fetch_one(pool).await.unwrap()
}

#[tokio::test]
async fn a_service_works_in_its_own_schema_and_keeps_its_own_books() {
    let database = TestDatabase::create().await;
    let pool = postgres::prepare(&config(&database, true), "voice", SETS, "voice-ingest").await.unwrap();
    assert_eq!(text(&pool, "SHOW search_path").await, "voice");
    assert_eq!(text(&pool, "SHOW application_name").await, "voice");
    for table in ["idempotency_keys", "_idempotency_migrations"] {
        let found = sqlx::query_scalar::<_, i64>(
            "SELECT count(*) FROM pg_tables WHERE schemaname = 'voice' AND tablename = $1",
        );
        assert_eq!(found.bind(table).fetch_one(&pool).await.unwrap(), 1, "{table}");
    }
    postgres::prepare(&config(&database, true), "voice", SETS, "voice-ingest")
        .await
        .expect("a second time does nothing");
    postgres::prepare(&config(&database, true), "other", SETS, "other").await.expect("another service, another schema");
}

#[tokio::test]
async fn many_processes_may_start_at_once_on_an_empty_database() {
    let database = TestDatabase::create().await;
    let config = config(&database, true);
    let starts = (0..6).map(|_| postgres::prepare(&config, "voice", SETS, "voice-ingest"));
    for start in futures::future::join_all(starts).await {
        start.unwrap();
    }
}

#[tokio::test]
async fn without_auto_migrate_an_old_schema_is_refused_with_what_to_do() {
    let database = TestDatabase::create().await;
    let error =
        postgres::prepare(&config(&database, false), "voice", SETS, "voice-ingest").await.unwrap_err().to_string();
    assert!(error.contains("1 (idempotency keys)") && error.contains("voice-ingest migrate"), "{error}");
    postgres::prepare(&config(&database, true), "voice", SETS, "voice-ingest").await.unwrap();
    postgres::prepare(&config(&database, false), "voice", SETS, "voice-ingest").await.unwrap();
}

#[tokio::test]
async fn a_failed_migration_leaves_no_lock_behind() {
    let database = TestDatabase::create().await;
    let pool = postgres::connect(&config(&database, true), "voice").await.unwrap();
    let error = postgres::migrate(&pool, "voice", &BROKEN, "_migrations").await.unwrap_err();
    assert!(error.to_string().contains("cannot migrate the schema voice"), "{error:#}");
    let again = postgres::migrate(&pool, "voice", idempotency::MIGRATIONS.migrator, "_idempotency_migrations");
    tokio::time::timeout(std::time::Duration::from_secs(10), again).await.expect("the lock is free").unwrap();
}

#[tokio::test]
async fn a_schema_that_is_newer_than_the_binary_is_accepted() {
    let database = TestDatabase::create().await;
    let pool = postgres::prepare(&config(&database, true), "voice", SETS, "voice-ingest").await.unwrap();
    let newer = "INSERT INTO _idempotency_migrations VALUES (9999, 'of a later version', now(), true, ''::bytea, 0)";
    sqlx::query(newer).execute(&pool).await.unwrap();
    postgres::prepare(&config(&database, true), "voice", SETS, "voice-ingest").await.unwrap();
    postgres::prepare(&config(&database, false), "voice", SETS, "voice-ingest").await.unwrap();
}

#[tokio::test]
async fn a_database_that_does_not_exist_fails_at_once_without_the_password() {
    let database = TestDatabase::create().await;
    let url = format!("{}_missing", database.url().split('?').next().unwrap());
    let config = DatabaseConfig { url: url.into(), ..config(&database, true) };
    let start = std::time::Instant::now();
    let error = format!("{:#}", postgres::connect(&config, "voice").await.unwrap_err());
    assert!(start.elapsed().as_secs() < 5 && error.contains("DATABASE_URL: cannot connect to sb_test_"), "{error}");
}

#[tokio::test]
async fn readiness_asks_the_database() {
    let database = TestDatabase::create().await;
    let pool = postgres::connect(&config(&database, true), "voice").await.unwrap();
    let (health, lifecycle) = (Health::new(), Lifecycle::new());
    postgres::register_check(&health, &pool);
    assert!(health.readiness(&lifecycle).await.checks["database"].ok);
    pool.close().await;
    let readiness = health.readiness(&lifecycle).await;
    assert_eq!(readiness.checks["database"].problem.as_deref(), Some("the database does not answer"));
}
