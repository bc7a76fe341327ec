//! What PostgreSQL and its driver say when something is wrong, provoked for real, and what the engine makes of it.

use std::time::Duration;

use events::flow::error::{Category, HandlerError};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, PgPool, Row, postgres::PgPoolOptions};
use test_kit::{private_postgres::PrivatePostgres, wait::wait_until};

use crate::support::LONG;

/// What an error comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    /// Waits for as long as all of its like fail.
    Outage,
    /// The same, told as a matter of time.
    Slow,
    /// Tried again, and counted.
    Collision,
    /// A dead letter at once.
    Refused,
}

fn class(error: sqlx::Error) -> Class {
    let error: HandlerError = error.into();
    match (&error, error.category(), error.blames()) {
        (HandlerError::Retry { .. }, Category::Dependency, Some(name)) if name == "postgres" => Class::Outage,
        (HandlerError::Retry { .. }, Category::Timeout, Some(name)) if name == "postgres" => Class::Slow,
        (HandlerError::Retry { .. }, Category::Processing, None) => Class::Collision,
        (HandlerError::Reject { code: "database_refused", .. }, ..) => Class::Refused,
        other => panic!("{other:?}"),
    }
}

/// A server of one's own, with a role that has its rights and its limits changed.
struct Server {
    postgres: PrivatePostgres,
    admin: PgConnection,
}

const SETUP: &str = "
    CREATE ROLE worker LOGIN PASSWORD 'old';
    CREATE TABLE people (id int PRIMARY KEY, name varchar(20) NOT NULL, age int CHECK (age >= 0), note text);
    CREATE TABLE pets (owner int REFERENCES people);
    CREATE TABLE slots (during int4range, EXCLUDE USING gist (during WITH &&));
    INSERT INTO people VALUES (1, 'one', 1, 'a'), (2, 'two', 2, 'b');
    CREATE FUNCTION refuse() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not this one'; END $$;
    CREATE TYPE colour AS ENUM ('red');
    GRANT ALL ON ALL TABLES IN SCHEMA public TO worker;
    GRANT ALL ON SCHEMA public TO worker";

/// A table with a trigger that has a plan of its own.
const PLANNED: &str = "
    CREATE TABLE planned (number int NOT NULL);
    GRANT ALL ON planned TO worker;
    CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      PERFORM 1 FROM people WHERE id = NEW.number;
      RETURN NEW;
    END $$;
    CREATE TRIGGER look BEFORE INSERT ON planned FOR EACH ROW EXECUTE FUNCTION look()";

impl Server {
    async fn start() -> Self {
        let postgres = PrivatePostgres::start().await;
        let mut admin = PgConnection::connect(&postgres.url()).await.unwrap();
        admin.execute("CREATE DATABASE shop").await.unwrap();
        let mut admin = PgConnection::connect(&postgres.url_of("postgres", "", "shop")).await.unwrap();
        admin.execute(SETUP).await.unwrap();
        Self { postgres, admin }
    }

    async fn worker(&self) -> PgConnection {
        self.try_worker().await.unwrap()
    }

    async fn try_worker(&self) -> Result<PgConnection, sqlx::Error> {
        PgConnection::connect(&self.postgres.url_of("worker", "old", "shop")).await
    }

    async fn run(&mut self, sql: &'static str) {
        self.admin.execute(sql).await.unwrap();
    }

    /// The statement, prepared, refused to the worker.
    async fn refused(&self, sql: &'static str) -> sqlx::Error {
        let mut worker = self.worker().await;
        sqlx::query(sql).fetch_all(&mut worker).await.expect_err(sql)
    }

    /// The last of several statements in one message is refused.
    async fn refused_in_one(&self, sql: &'static str) -> sqlx::Error {
        let mut worker = self.worker().await;
        sqlx::raw_sql(sql).fetch_all(&mut worker).await.expect_err(sql)
    }
}

/// Errors by what was done, with the SQLSTATE that came and what is expected of it.
#[derive(Default)]
struct Findings(Vec<String>);

impl Findings {
    fn note(&mut self, what: &str, state: &str, expected: Class, error: sqlx::Error) {
        let found = error.as_database_error().and_then(|refusal| refusal.code()).map(|code| code.into_owned());
        let said = error.to_string();
        let class = class(error);
        println!("{:<6} {class:<10} {what}", found.as_deref().unwrap_or("-"), class = format!("{class:?}"));
        if found.as_deref() != Some(state).filter(|state| !state.is_empty()) || class != expected {
            self.0.push(format!("{what}: {found:?} ({said}) is {class:?}, expected {state:?} to be {expected:?}"));
        }
    }

    fn done(self) {
        assert!(self.0.is_empty(), "\n{}", self.0.join("\n"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_is_not_let_in_is_an_outage() {
    let mut server = Server::start().await;
    let mut findings = Findings::default();
    let url = server.postgres.url_of("worker", "old", "shop");
    let pool =
        PgPoolOptions::new().max_connections(1).acquire_timeout(Duration::from_secs(2)).connect(&url).await.unwrap();

    server.run("ALTER ROLE worker PASSWORD 'new'").await;
    // Who is in stays in.
    sqlx::query("SELECT 1").execute(&pool).await.unwrap();
    findings.note("password rotated, new connection", "28P01", Class::Outage, server.try_worker().await.unwrap_err());
    server.run("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = 'worker'").await;
    let error = pool.begin().await.unwrap_err();
    findings.note("password rotated, pool", "28P01", Class::Outage, error);
    server.run("ALTER ROLE worker PASSWORD 'old' NOLOGIN").await;
    findings.note("role without login", "28000", Class::Outage, server.try_worker().await.unwrap_err());
    server.run("ALTER ROLE worker LOGIN CONNECTION LIMIT 0").await;
    findings.note("connection limit of the role", "53300", Class::Outage, server.try_worker().await.unwrap_err());
    server.run("ALTER ROLE worker CONNECTION LIMIT -1").await;
    let missing = PgConnection::connect(&server.postgres.url_of("worker", "old", "no_shop")).await.unwrap_err();
    findings.note("database renamed", "3D000", Class::Outage, missing);
    server.run("REVOKE CONNECT ON DATABASE shop FROM public").await;
    findings.note("no right to connect", "42501", Class::Outage, server.try_worker().await.unwrap_err());
    server.run("GRANT CONNECT ON DATABASE shop TO public").await;
    let mut outside = PgConnection::connect(&server.postgres.url()).await.unwrap();
    outside.execute("ALTER DATABASE shop ALLOW_CONNECTIONS false").await.unwrap();
    findings.note("database closed", "55000", Class::Outage, server.try_worker().await.unwrap_err());
    findings.done();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_ends_a_session_is_an_outage() {
    let mut server = Server::start().await;
    let mut findings = Findings::default();
    let mut worker = server.worker().await;
    worker.execute("BEGIN").await.unwrap();
    server.run("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = 'worker'").await;
    findings.note("session ended", "57P01", Class::Outage, worker.execute("SELECT 1").await.unwrap_err());

    let mut worker = server.worker().await;
    worker.execute("SET idle_in_transaction_session_timeout = '20ms'; BEGIN").await.unwrap();
    ended(&mut server).await;
    findings.note("idle within a transaction", "25P03", Class::Outage, worker.execute("SELECT 1").await.unwrap_err());
    let mut worker = server.worker().await;
    worker.execute("SET idle_session_timeout = '20ms'").await.unwrap();
    ended(&mut server).await;
    findings.note("idle", "57P05", Class::Outage, worker.execute("SELECT 1").await.unwrap_err());

    let mut worker = server.worker().await;
    server.postgres.stop_immediately().await;
    let error = worker.execute("SELECT 1").await.unwrap_err();
    let is_known = matches!(&error, sqlx::Error::Io(_)) || error.as_database_error().is_some();
    assert!(is_known && class(error) == Class::Outage);
    findings.note("server gone", "", Class::Outage, server.try_worker().await.unwrap_err());
    findings.done();
}

async fn ended(server: &mut Server) {
    for _ in 0..500 {
        let there = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'worker'";
        if sqlx::query_scalar::<_, i64>(there).fetch_one(&mut server.admin).await.unwrap() == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the worker's session goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_that_the_statement_does_not_know_is_an_outage() {
    let mut server = Server::start().await;
    let mut findings = Findings::default();
    let mut worker = server.worker().await;
    let read = "SELECT name FROM people WHERE id = $1";
    sqlx::query(read).bind(1).fetch_one(&mut worker).await.unwrap();

    server.run("ALTER TABLE people RENAME name TO full_name").await;
    let error = sqlx::query(read).bind(1).fetch_one(&mut worker).await.unwrap_err();
    findings.note("column renamed under a prepared statement", "42703", Class::Outage, error);
    server.run("ALTER TABLE people RENAME full_name TO name").await;
    sqlx::query(read).bind(1).fetch_one(&mut worker).await.unwrap();
    server.run("ALTER TABLE people ALTER name TYPE varchar(40)").await;
    let error = sqlx::query(read).bind(1).fetch_one(&mut worker).await.unwrap_err();
    findings.note("column of another type under a prepared statement", "0A000", Class::Outage, error);
    worker.clear_cached_statements().await.unwrap();
    server.run("REVOKE ALL ON people FROM worker").await;
    let error = sqlx::query(read).bind(1).fetch_one(&mut worker).await.unwrap_err();
    findings.note("right revoked", "42501", Class::Outage, error);
    server.run("GRANT ALL ON people TO worker; ALTER TABLE people RENAME TO persons").await;
    let error = sqlx::query(read).bind(1).fetch_one(&mut worker).await.unwrap_err();
    findings.note("table renamed", "42P01", Class::Outage, error);
    server.run("ALTER TABLE persons RENAME TO people").await;

    for (what, state, sql) in [
        ("schema gone", "3F000", "CREATE TABLE old_schema.people ()"),
        ("function gone", "42883", "SELECT gone(1)"),
        ("column of another type in a comparison", "42883", "SELECT * FROM people WHERE name = 7"),
        ("type gone", "42704", "SELECT 'red'::shade"),
        ("unique index gone", "42P10", "INSERT INTO pets VALUES (1) ON CONFLICT (owner) DO NOTHING"),
        ("column that came to two tables", "42702", "SELECT name FROM people a, people b"),
        ("value of another type", "42804", "INSERT INTO people (id, name) VALUES ('1'::text, 'x')"),
        ("role gone", "22023", "SET ROLE nobody_here"),
        ("words of a newer server", "42601", "SELEKT 1"),
    ] {
        let expected = if state == "22023" { Class::Refused } else { Class::Outage };
        findings.note(what, state, expected, server.refused(sql).await);
    }
    server.run(PLANNED).await;
    let insert = "INSERT INTO planned VALUES (1)";
    worker.execute(insert).await.unwrap();
    server.run("ALTER TABLE planned ALTER number TYPE bigint").await;
    let error = worker.execute(insert).await.unwrap_err();
    findings.note("column of another type under a trigger", "42804", Class::Outage, error);
    let error = server.refused_in_one("PREPARE one AS SELECT 1; PREPARE one AS SELECT 1").await;
    findings.note("prepared before, by another client of a pooler", "42P05", Class::Outage, error);
    findings.note("not prepared here", "26000", Class::Outage, server.refused("EXECUTE nothing").await);
    findings.note("cursor of another session", "34000", Class::Outage, server.refused("FETCH nothing").await);

    let text = sqlx::query("SELECT name FROM people").fetch_one(&mut worker).await.unwrap();
    findings.note("column not there", "", Class::Outage, text.try_get::<String, _>("full_name").unwrap_err());
    findings.note("column of another type", "", Class::Outage, text.try_get::<i32, _>(0).unwrap_err());
    findings.note("fewer columns", "", Class::Outage, text.try_get::<String, _>(7).unwrap_err());
    let unknown = sqlx::query("SELECT $1").bind(Shade).fetch_one(&mut worker).await.unwrap_err();
    findings.note("type that this database has not", "", Class::Outage, unknown);
    findings.done();
}

/// A value of a type that a migration has yet to make.
struct Shade;

impl sqlx::Type<sqlx::Postgres> for Shade {
    fn type_info() -> sqlx::postgres::PgTypeInfo {
        sqlx::postgres::PgTypeInfo::with_name("shade")
    }
}

impl sqlx::Encode<'_, sqlx::Postgres> for Shade {
    fn encode_by_ref(
        &self,
        _: &mut sqlx::postgres::PgArgumentBuffer,
    ) -> Result<sqlx::encode::IsNull, sqlx::error::BoxDynError> {
        Ok(sqlx::encode::IsNull::Yes)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_may_not_write_or_is_slow_is_waited_for() {
    let mut server = Server::start().await;
    let mut findings = Findings::default();
    let write = "INSERT INTO people VALUES (7, 'seven')";
    server.run("ALTER ROLE worker SET default_transaction_read_only = on").await;
    findings.note("read only", "25006", Class::Outage, server.refused(write).await);
    server.run("ALTER ROLE worker RESET default_transaction_read_only").await;
    findings.note(
        "statement timeout",
        "57014",
        Class::Slow,
        server.refused_in_one("SET statement_timeout = '20ms'; SELECT pg_sleep(30)").await,
    );
    server.run("BEGIN; LOCK TABLE people").await;
    let locked = "SET lock_timeout = '20ms'; SELECT * FROM people";
    findings.note("lock timeout", "55P03", Class::Slow, server.refused_in_one(locked).await);
    server.run("COMMIT").await;

    let url = server.postgres.url_of("worker", "old", "shop");
    let small = PgPoolOptions::new().max_connections(1).acquire_timeout(Duration::from_secs(1));
    let pool = small.connect(&url).await.unwrap();
    let _taken = pool.acquire().await.unwrap();
    findings.note("no connection free", "", Class::Outage, pool.acquire().await.unwrap_err());
    let closing: PgPool = pool.clone();
    tokio::spawn(async move { closing.close().await });
    wait_until("the pool closes", LONG, || async { pool.is_closed() }).await;
    findings.note("pool closed", "", Class::Outage, pool.acquire().await.unwrap_err());
    findings.done();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_transaction_did_meanwhile_is_tried_again() {
    let server = Server::start().await;
    let mut findings = Findings::default();
    let twice = server.refused("INSERT INTO people VALUES (1, 'again')").await;
    findings.note("row that is there by now", "23505", Class::Collision, twice);
    let overlap = "INSERT INTO slots VALUES ('[1,5)'), ('[2,3)')";
    findings.note("slot that is taken by now", "23P01", Class::Collision, server.refused(overlap).await);
    let orphan = server.refused("INSERT INTO pets VALUES (77)").await;
    findings.note("row that is to come with another event", "23503", Class::Collision, orphan);
    let (mut one, mut two) = (server.worker().await, server.worker().await);
    let missing = sqlx::query("SELECT name FROM people WHERE id = 77").fetch_one(&mut one).await.unwrap_err();
    findings.note("row to read that is to come", "", Class::Collision, missing);

    for worker in [&mut one, &mut two] {
        worker.execute("BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT sum(age) FROM people").await.unwrap();
    }
    one.execute("UPDATE people SET age = 5 WHERE id = 1; COMMIT").await.unwrap();
    let late = two.execute("UPDATE people SET age = 6 WHERE id = 1").await.unwrap_err();
    findings.note("not as if one after the other", "40001", Class::Collision, late);

    two.execute("ROLLBACK; BEGIN; UPDATE people SET age = 1 WHERE id = 1").await.unwrap();
    one.execute("BEGIN; UPDATE people SET age = 1 WHERE id = 2").await.unwrap();
    let (first, second) = tokio::join!(
        one.execute("UPDATE people SET age = 2 WHERE id = 1; COMMIT"),
        two.execute("UPDATE people SET age = 2 WHERE id = 2; COMMIT"),
    );
    findings.note("deadlock", "40P01", Class::Collision, first.err().or(second.err()).unwrap());
    findings.done();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_record_is_to_blame_for_is_refused() {
    let server = Server::start().await;
    let mut findings = Findings::default();
    for (what, state, sql) in [
        ("text too long", "22001", "INSERT INTO people VALUES (3, repeat('x', 21))"),
        ("number out of range", "22003", "SELECT 99999999999::int"),
        ("no date", "22008", "SELECT '2026-02-30'::date"),
        ("no number", "22P02", "SELECT 'x'::int"),
        ("division by zero", "22012", "SELECT 1 / 0"),
        ("nothing where something must be", "23502", "INSERT INTO people VALUES (4, NULL)"),
        ("check", "23514", "INSERT INTO people VALUES (5, 'five', -1)"),
        ("a trigger's word", "P0001", "SELECT refuse()"),
        ("more than one row", "21000", "SELECT (SELECT id FROM people)"),
    ] {
        findings.note(what, state, Class::Refused, server.refused(sql).await);
    }
    let mut worker = server.worker().await;
    let nul = sqlx::query("INSERT INTO people VALUES (6, $1)").bind("a\0b").execute(&mut worker).await.unwrap_err();
    findings.note("NUL in a text", "22021", Class::Refused, nul);
    let large = "CREATE TEMP TABLE keys (key text PRIMARY KEY);
                 INSERT INTO keys SELECT string_agg(md5(n::text), '') FROM generate_series(1, 500) n";
    findings.note("key too large for its index", "54000", Class::Refused, server.refused_in_one(large).await);
    let unheard = server.refused_in_one("BEGIN; SAVEPOINT a; ROLLBACK; SAVEPOINT b").await;
    findings.note("transaction ended by the handler", "25P01", Class::Refused, unheard);
    let mut worker = server.worker().await;
    worker.execute("BEGIN").await.unwrap();
    worker.execute("SELECT 1 / 0").await.unwrap_err();
    let unheard = worker.execute("SELECT 1").await.unwrap_err();
    findings.note("failure that went unheard", "25P02", Class::Refused, unheard);
    let state = worker.execute(AssertSqlSafe("ROLLBACK; DO $$ BEGIN RAISE SQLSTATE 'SB001'; END $$".to_owned()));
    findings.note("state of a trigger's own", "SB001", Class::Refused, state.await.unwrap_err());
    findings.done();
}
