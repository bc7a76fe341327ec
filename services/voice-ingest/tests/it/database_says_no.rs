//! A database that is there and says no to everybody: callers are told to try again, probes tell why, and it ends by itself.

use sqlx::{AssertSqlSafe, Connection, PgConnection, postgres::PgConnectOptions};
use test_kit::wait::wait_until;

use crate::support::{LONG, Voice};

const PATIENT: &str = r#"PATIENT_CREATION: {"name": "Ada Byron"}"#;

/// Changes a setting of the database, and ends all sessions, which have it as it was.
async fn set(voice: &Voice, setting: &str) {
    let options: PgConnectOptions = voice.database.url().parse().unwrap();
    let own = [("default_transaction_read_only", "off"), ("statement_timeout", "0"), ("lock_timeout", "0")];
    let mut admin = PgConnection::connect_with(&options.options(own)).await.unwrap();
    let name = voice.database.name();
    let sql = format!(
        "ALTER DATABASE {name} SET {setting};
         SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{name}' AND pid <> pg_backend_pid()"
    );
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut admin).await.unwrap();
}

/// Writing and reading, as they are answered: 503 and when to try again.
async fn is_told_to_try_again(voice: &Voice, path: &str, is_read: bool) {
    let url = voice.url(path);
    let request = if is_read {
        voice.client.get(url)
    } else {
        voice.client.post(url).header("content-type", "text/plain").body(PATIENT)
    };
    let answer = request.send().await.unwrap();
    let (status, again) = (answer.status(), answer.headers().get("retry-after").cloned());
    let body = answer.text().await.unwrap();
    assert_eq!(status, 503, "{body}");
    assert_eq!(again.unwrap(), "5", "{body}");
}

#[tokio::test]
async fn a_database_that_is_read_only_makes_the_service_unready_until_it_is_writable_again() {
    let voice = Voice::without_kafka().await;
    voice.say("before", PATIENT).await.extractions();
    set(&voice, "default_transaction_read_only = on").await;
    // A session that was ended is one more reason to try again.
    wait_until("it is unready", LONG, || async { voice.get("/readyz").await.status == 503 }).await;
    let ready = voice.get("/readyz").await;
    let problem = ready.json()["checks"]["database"]["problem"].as_str().unwrap_or_default().to_owned();
    assert!(problem.contains("read only") && problem.contains("25006"), "{}", ready.body);
    is_told_to_try_again(&voice, "/api/v1/calls/during/output", false).await;
    assert_eq!(voice.get("/api/v1/calls/before").await.status, 200, "what can be read is read");
    assert_eq!(voice.get("/readyz").await.status, 503);

    // Sessions that are there keep their setting; nobody ends them now.
    let options: PgConnectOptions = voice.database.url().parse().unwrap();
    let options = options.options([("default_transaction_read_only", "off")]);
    let mut admin = PgConnection::connect_with(&options).await.unwrap();
    let sql = format!("ALTER DATABASE {} RESET default_transaction_read_only", voice.database.name());
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut admin).await.unwrap();
    wait_until("it is ready", LONG, || async { voice.get("/readyz").await.status == 200 }).await;
    wait_until("it stores again", LONG, || async { voice.say("after", PATIENT).await.status == 202 }).await;
}

#[tokio::test]
async fn a_lock_that_is_not_to_be_had_in_time_is_told_to_readers_and_writers_alike() {
    let voice = Voice::without_kafka().await;
    voice.say("before", PATIENT).await.extractions();
    for setting in ["statement_timeout", "lock_timeout"] {
        set(&voice, &format!("{setting} = '300ms'")).await;
        wait_until("it is ready", LONG, || async { voice.get("/readyz").await.status == 200 }).await;
        let mut holder = PgConnection::connect(voice.database.url()).await.unwrap();
        let lock = "SET statement_timeout = 0; SET lock_timeout = 0; BEGIN; LOCK TABLE voice.calls, voice.extractions";
        sqlx::raw_sql(lock).execute(&mut holder).await.unwrap();
        is_told_to_try_again(&voice, "/api/v1/calls/during/output", false).await;
        is_told_to_try_again(&voice, "/api/v1/calls/before", true).await;
        sqlx::raw_sql("ROLLBACK").execute(&mut holder).await.unwrap();
        assert_eq!(voice.get("/api/v1/calls/before").await.status, 200);
        voice.say(&format!("after-{setting}"), PATIENT).await.extractions();
        set(&voice, &format!("{setting} = 0")).await;
    }
}
