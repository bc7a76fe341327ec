//! Clients that vanish without a word to the server while they migrate.

use std::{
    future::pending,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

use service_kit::{
    config::DatabaseConfig,
    postgres::{self, Migrations},
};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, migrate::Migrator};
use test_kit::{postgres::TestDatabase, private_postgres::PrivatePostgres, wait::wait_until};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::{sleep, timeout},
};

static SLOW: Migrator = sqlx::migrate!("tests/it/slow");
const SETS: &[Migrations] = &[Migrations { migrator: &SLOW, table: "_migrations" }];
const LONG: Duration = Duration::from_secs(60);

/// What the way to the server forgets.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Forgets {
    /// The client hears that its connection ended.
    TheServersSide,
    /// Neither side hears anything.
    BothSides,
}

/// Stands before the server. Once told, it forgets the connections that it has, and the server hears nothing of that.
async fn forgetful(target: String, forgets: Forgets, now: Arc<AtomicBool>) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(&target).await.unwrap();
            tokio::spawn(pass(client, server, forgets, Arc::clone(&now)));
        }
    });
    address
}

async fn pass(mut client: TcpStream, mut server: TcpStream, forgets: Forgets, now: Arc<AtomicBool>) {
    let (mut up, mut down) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    while !now.load(SeqCst) {
        tokio::select! {
            read = client.read(&mut up) => match read {
                Ok(count) if count > 0 => server.write_all(&up[..count]).await.unwrap(),
                _ => return,
            },
            read = server.read(&mut down) => match read {
                Ok(count) if count > 0 => client.write_all(&down[..count]).await.unwrap(),
                _ => return,
            },
            () = sleep(Duration::from_millis(20)) => {}
        }
    }
    let _client = (forgets == Forgets::BothSides).then_some(client);
    pending::<()>().await;
}

async fn is_migrating(database: &TestDatabase) -> bool {
    let running =
        "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep')";
    sqlx::query_scalar(running).fetch_one(database.pool()).await.unwrap()
}

async fn a_start_that_is_forgotten_while_it_migrates(forgets: Forgets) {
    let database = TestDatabase::create().await;
    let (before, after) = database.url().split_once('@').unwrap();
    let (host, after) = after.split_once('/').unwrap();
    let now = Arc::<AtomicBool>::default();
    let way = forgetful(host.to_owned(), forgets, Arc::clone(&now)).await;
    let url = format!("{before}@{way}/{after}");
    let config = DatabaseConfig { url: Some(url.into()), max_connections: 4, auto_migrate: true };
    let start = tokio::spawn(async move { postgres::prepare(&config, "voice", SETS, "voice-ingest").await.map(drop) });
    wait_until("it migrates", LONG, || is_migrating(&database)).await;
    now.store(true, SeqCst);
    sleep(Duration::from_millis(200)).await;
    now.store(false, SeqCst);
    timeout(LONG, start).await.expect("it begins anew").unwrap().unwrap();
    let applied: i64 =
        sqlx::query_scalar("SELECT count(*) FROM voice._migrations").fetch_one(database.pool()).await.unwrap();
    assert_eq!(applied, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_does_not_wait_for_a_session_of_its_own_that_is_left_at_the_server() {
    a_start_that_is_forgotten_while_it_migrates(Forgets::TheServersSide).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_hears_no_more_of_its_migration_begins_anew() {
    a_start_that_is_forgotten_while_it_migrates(Forgets::BothSides).await;
}

/// The lock that all who migrate in this database take.
async fn take_the_lock(database: &TestDatabase) -> PgConnection {
    let mut connection = PgConnection::connect(database.url()).await.unwrap();
    lock(&mut connection).await;
    connection
}

async fn lock(connection: &mut PgConnection) {
    use sqlx::migrate::Migrate;
    connection.lock().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_gives_up_behind_a_session_that_does_nothing_and_names_it() {
    let database = TestDatabase::create().await;
    let config = DatabaseConfig { url: Some(database.url().into()), max_connections: 4, auto_migrate: true };
    let mut holder = take_the_lock(&database).await;
    let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut holder).await.unwrap();
    let start = timeout(LONG, postgres::prepare(&config, "voice", SETS, "voice-ingest")).await.expect("it ends");
    let error = format!("{:#}", start.unwrap_err());
    assert!(error.contains(&format!("pg_terminate_backend({pid})")), "{error}");
    holder.close().await.unwrap();
}

/// Each way ends with another refusal of who asks; what migrates is let be, as it is in already.
#[tokio::test(flavor = "multi_thread")]
async fn a_start_whose_migration_cannot_be_asked_for_any_more_gives_up_and_says_why() {
    let server = PrivatePostgres::start().await;
    let ways = [
        ("28000", "ALTER ROLE {role} NOLOGIN"),
        ("28P01", "ALTER ROLE {role} PASSWORD 'another'"),
        ("53300", "ALTER ROLE {role} CONNECTION LIMIT 1"),
    ];
    let starts = ways.map(|(code, way)| gives_up_after(&server, code, way));
    futures::future::join_all(starts).await;
}

async fn gives_up_after(server: &PrivatePostgres, code: &str, way: &'static str) {
    let name = format!("role_{}", code.to_lowercase());
    let mut admin = PgConnection::connect(&server.url()).await.unwrap();
    let create = format!("CREATE ROLE {name} LOGIN PASSWORD 'first'");
    admin.execute(AssertSqlSafe(create)).await.unwrap();
    let own = format!("CREATE DATABASE {name} OWNER {name}");
    admin.execute(AssertSqlSafe(own)).await.unwrap();
    // Whoever migrates here waits for it, and for longer than the watch does.
    let mut working = PgConnection::connect(&server.url_of("postgres", "", &name)).await.unwrap();
    lock(&mut working).await;
    let works = tokio::spawn(async move { working.execute("SELECT pg_sleep(120)").await.map(drop) });

    let url = server.url_of(&name, "first", &name);
    let config = DatabaseConfig { url: Some(url.into()), max_connections: 4, auto_migrate: true };
    let start = tokio::spawn(async move { postgres::prepare(&config, "voice", SETS, "voice-ingest").await.map(drop) });
    wait_until("it waits to migrate", LONG, || async {
        let waits = "SELECT count(*) FROM pg_stat_activity WHERE usename = $1 AND wait_event = 'advisory'";
        let mut asking = PgConnection::connect(&server.url()).await.unwrap();
        sqlx::query_scalar::<_, i64>(waits).bind(&name).fetch_one(&mut asking).await.unwrap() == 1
    })
    .await;
    admin.execute(AssertSqlSafe(way.replace("{role}", &name))).await.unwrap();
    let end = timeout(LONG, start).await.unwrap_or_else(|_| panic!("{code}: it ends")).unwrap();
    let error = format!("{:#}", end.unwrap_err());
    assert!(error.contains("nobody could ask for the session that migrates: "), "{code}: {error}");
    works.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_waits_for_another_that_works_however_long_it_takes() {
    let database = TestDatabase::create().await;
    let config = DatabaseConfig { url: Some(database.url().into()), max_connections: 4, auto_migrate: true };
    let mut holder = take_the_lock(&database).await;
    let works = tokio::spawn(async move { holder.execute("SELECT pg_sleep(40)").await.map(drop) });
    postgres::prepare(&config, "voice", SETS, "voice-ingest").await.unwrap();
    works.await.unwrap().unwrap();
}
