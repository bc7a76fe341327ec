//! Schema, pool and migrations.

use std::time::Duration;

use axum::{Router, body::Body, http::Request, routing::get};
use service_kit::{
    config::{ConnectionConfig, DatabaseConfig, HttpConfig},
    http::{Health, Problem, idempotency, router},
    lifecycle::Lifecycle,
    postgres::{self, Migrations},
};
use sqlx::{Connection, Executor, PgConnection, PgPool, migrate::Migrator};
use test_kit::{postgres::TestDatabase, private_postgres::PrivatePostgres, wait::wait_until};
use tower::ServiceExt;

const SETS: &[Migrations] = &[idempotency::MIGRATIONS];
static BROKEN: Migrator = sqlx::migrate!("tests/it/broken");
static INTERRUPTED: Migrator = sqlx::migrate!("tests/it/interrupted");
static CROSSED: Migrator = sqlx::migrate!("tests/it/crossed");

fn config(database: &TestDatabase, auto_migrate: bool) -> DatabaseConfig {
    DatabaseConfig { url: Some(database.url().into()), max_connections: 4, auto_migrate }
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
async fn a_start_outlives_a_database_that_goes_away_while_it_migrates() {
    let database = TestDatabase::create().await;
    let config = config(&database, true);
    let pool = postgres::connect(&config, "voice").await.unwrap();
    pool.execute("CREATE SEQUENCE public.attempts").await.unwrap();
    let sets = &[Migrations { migrator: &INTERRUPTED, table: "_migrations" }];
    let pool = postgres::prepare(&config, "voice", sets, "voice-ingest").await.unwrap();
    assert_eq!(text(&pool, "SELECT last_value::text FROM public.attempts").await, "2");
}

#[tokio::test]
async fn a_migration_that_meets_a_writer_with_another_order_is_tried_again() {
    let database = TestDatabase::create().await;
    let config = config(&database, true);
    let pool = postgres::connect(&config, "voice").await.unwrap();
    pool.execute("CREATE TABLE public.one (); CREATE TABLE public.two ()").await.unwrap();
    let mut writer = pool.acquire().await.unwrap();
    writer.execute("SET deadlock_timeout = '20s'; BEGIN; LOCK TABLE public.two").await.unwrap();
    let starts = tokio::spawn(async move {
        let sets = &[Migrations { migrator: &CROSSED, table: "_migrations" }];
        postgres::prepare(&config, "voice", sets, "voice-ingest").await.map(drop)
    });
    let has_one = "SELECT count(*) FROM pg_locks WHERE relation = 'public.one'::regclass AND granted";
    wait_until("the migration has its first table", Duration::from_secs(20), || async {
        sqlx::query_scalar::<_, i64>(has_one).fetch_one(&pool).await.unwrap() == 1
    })
    .await;
    // Now each has what the other wants, and the migration is the one that gives way.
    writer.execute("LOCK TABLE public.one").await.unwrap();
    writer.execute("COMMIT").await.unwrap();
    starts.await.unwrap().unwrap();
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
    let config = DatabaseConfig { url: Some(url.into()), ..config(&database, true) };
    let start = std::time::Instant::now();
    let error = format!("{:#}", postgres::connect(&config, "voice").await.unwrap_err());
    assert!(start.elapsed().as_secs() < 5 && error.contains("DATABASE_URL: cannot connect to sb_test_"), "{error}");
}

#[tokio::test]
async fn a_caller_whose_transaction_lost_a_race_is_told_to_try_again() {
    let database = TestDatabase::create().await;
    let pool = postgres::connect(&config(&database, true), "voice").await.unwrap();
    for (state, expected) in [("40P01", 503), ("40001", 503), ("57P03", 503), ("23503", 500), ("22P02", 500)] {
        let sql = format!("DO $$ BEGIN RAISE SQLSTATE '{state}'; END $$");
        let error = pool.execute(sqlx::AssertSqlSafe(sql)).await.unwrap_err();
        let answer = axum::response::IntoResponse::into_response(Problem::from(error));
        assert_eq!(answer.status(), expected, "{state}");
    }
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

#[tokio::test]
async fn readiness_tells_why_the_database_refuses() {
    let postgres = PrivatePostgres::start().await;
    let mut admin = PgConnection::connect(&postgres.url()).await.unwrap();
    admin.execute("CREATE ROLE worker LOGIN PASSWORD 'old'").await.unwrap();
    let url = postgres.url_of("worker", "old", "postgres");
    let config = DatabaseConfig { url: Some(url.into()), max_connections: 2, auto_migrate: true };
    let pool = postgres::connect(&config, "voice").await.unwrap();
    let (health, lifecycle) = (Health::new(), Lifecycle::new());
    postgres::register_check(&health, &pool);
    assert!(health.readiness(&lifecycle).await.checks["database"].ok);
    admin.execute("ALTER ROLE worker PASSWORD 'new'").await.unwrap();
    admin
        .execute("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = 'worker'")
        .await
        .unwrap();
    let readiness = health.readiness(&lifecycle).await;
    let problem = readiness.checks["database"].problem.as_deref();
    assert_eq!(problem, Some("the database refuses with SQLSTATE 28P01"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_of_another_type_costs_a_request_and_not_all_that_follow() {
    let database = TestDatabase::create().await;
    database.pool().execute("CREATE TABLE words (word varchar(20)); INSERT INTO words VALUES ('hello')").await.unwrap();
    let pool = postgres::connect(&config(&database, true), "public").await.unwrap();
    let health = Health::new();
    postgres::register_check(&health, &pool);
    let read = pool.clone();
    let routes = Router::new().route(
        "/word",
        get(move || async move {
            let word = sqlx::query_scalar::<_, String>("SELECT word FROM words").fetch_one(&read).await;
            word.map_err(Problem::from)
        }),
    );
    let http = HttpConfig {
        bind: ([127, 0, 0, 1], 0).into(),
        api_tokens_file: None,
        body_limit: 1 << 10,
        request_timeout: std::time::Duration::from_secs(5),
        connections: ConnectionConfig::default(),
    };
    let router = router(&http, routes, &health, &Lifecycle::new()).unwrap();
    let ask = || async {
        router.clone().oneshot(Request::get("/word").body(Body::empty()).unwrap()).await.unwrap().status().as_u16()
    };
    assert_eq!(futures::future::join_all((0..8).map(|_| ask())).await, [200; 8]);
    database.pool().execute("ALTER TABLE words ALTER word TYPE varchar(40)").await.unwrap();
    assert_eq!(ask().await, 503);
    wait_until("requests are answered again", std::time::Duration::from_secs(20), || async { ask().await == 200 })
        .await;
    for _ in 0..8 {
        assert_eq!(ask().await, 200);
    }
}
