//! What happens to a database while a consumer runs: a password rotated, a column renamed, a type altered. Once it is put
//! right every event has had its one effect, and nothing became a dead letter.

use std::time::Duration;

use events::{
    consume::{Consumer, Handler, Received},
    contract::{schema::voice::PatientCreationV1, topics::DEAD_LETTER_QUEUE},
    flow::{error::HandlerError, retry::RetryPolicy},
    publish::{MIGRATOR, Outbox, Tx},
};
use sqlx::{Connection, Executor, PgConnection, postgres::PgPoolOptions};
use test_kit::{kafka, private_postgres::PrivatePostgres, wait::wait_until};

use crate::support::{LONG, Rig, Running, said};

/// Reads a row and writes another, so that it holds both kinds of prepared statement.
struct Note;

impl Handler for Note {
    const NAME: &'static str = "note";
    type Event = PatientCreationV1;
    type Plan = ();

    async fn apply(&self, event: &Received<PatientCreationV1>, _: (), tx: &mut Tx) -> Result<(), HandlerError> {
        match &*event.data.name {
            "reads nothing" => return Ok(()),
            "wrong" => sqlx::query("SELECT nowhere FROM words").execute(tx.connection()).await.map(|_| ())?,
            _ => {}
        }
        let word: String = sqlx::query_scalar("SELECT word FROM words WHERE id = 1").fetch_one(tx.connection()).await?;
        sqlx::query("INSERT INTO noted (event_id, call_id, word) VALUES ($1, $2, $3)")
            .bind(event.id.0)
            .bind(&event.data.call_id)
            .bind(word)
            .execute(tx.connection())
            .await?;
        Ok(())
    }
}

const TABLES: &str = "
    CREATE TABLE words (id int PRIMARY KEY, word varchar(20) NOT NULL);
    INSERT INTO words VALUES (1, 'hello');
    CREATE TABLE noted (event_id uuid NOT NULL, call_id text NOT NULL, word text NOT NULL,
                        number int NOT NULL DEFAULT 1);
    CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      PERFORM 1 FROM words WHERE id = NEW.number;
      RETURN NEW;
    END $$;
    CREATE TRIGGER look BEFORE INSERT ON noted FOR EACH ROW EXECUTE FUNCTION look();
    CREATE ROLE worker LOGIN PASSWORD 'old';
    GRANT ALL ON ALL TABLES IN SCHEMA public TO worker;
    GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO worker;
    GRANT EXECUTE ON FUNCTION pg_control_system() TO worker";

/// Ends the worker's sessions, as a fail-over, a restart of the pooler or their own age would.
const END_SESSIONS: &str = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = 'worker'";

/// A consumer at a server of its own, as a role with a password.
struct Shop {
    rig: Rig,
    postgres: PrivatePostgres,
    consumer: Running,
    sent: usize,
}

impl Shop {
    async fn open() -> Self {
        let rig = Rig::new().await;
        rig.create_topics().await;
        let postgres = PrivatePostgres::start().await;
        let mut admin = PgConnection::connect(&postgres.url()).await.unwrap();
        admin.execute("CREATE DATABASE shop").await.unwrap();
        let mut admin = PgConnection::connect(&postgres.url_of("postgres", "", "shop")).await.unwrap();
        MIGRATOR.run(&mut admin).await.unwrap();
        admin.execute(TABLES).await.unwrap();
        let pool = PgPoolOptions::new()
            .max_connections(8)
            .min_connections(8)
            .acquire_timeout(Duration::from_secs(5))
            .connect(&postgres.url_of("worker", "old", "shop"))
            .await
            .unwrap();
        let consumer = Consumer::builder(rig.config.clone(), "test-group", "test-service", Outbox::new(pool, "test"))
            .handle(Note)
            .retry(RetryPolicy { base: Duration::from_millis(20), max_attempts: 4, ..RetryPolicy::default() });
        let consumer = Running::consumer(consumer.build().unwrap()).await;
        let mut shop = Self { rig, postgres, consumer, sent: 0 };
        // Many at a time, so that all connections have prepared their statements.
        shop.send(64, "before").await;
        shop.wait_until_noted().await;
        shop
    }

    async fn admin(&self) -> PgConnection {
        PgConnection::connect(&self.postgres.url_of("postgres", "", "shop")).await.unwrap()
    }

    async fn send(&mut self, count: usize, name: &str) {
        for _ in 0..count {
            self.rig.send(said(&format!("call-{}", self.sent), name)).await;
            self.sent += 1;
        }
    }

    async fn noted(&self) -> usize {
        // One that comes while the database has another name asks again.
        let url = self.postgres.url_of("postgres", "", "shop");
        let Ok(mut admin) = PgConnection::connect(&url).await else { return 0 };
        let count = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM noted").fetch_one(&mut admin).await;
        count.map_or(0, |count| usize::try_from(count).unwrap())
    }

    async fn wait_until_noted(&self) {
        wait_until(&format!("{} events are noted", self.sent), LONG, || async {
            let letters = self.letters().await;
            assert!(letters.is_empty(), "{} dead letters, the first for {:?}", letters.len(), letters[0]);
            self.noted().await >= self.sent
        })
        .await;
    }

    /// SQLSTATE and words of each dead letter.
    async fn letters(&self) -> Vec<String> {
        let topic = self.rig.topic(&DEAD_LETTER_QUEUE);
        let letters = kafka::read_topic_to_end(&self.rig.servers(), &topic).await;
        let message = |letter: &kafka::TestRecord| {
            String::from_utf8_lossy(letter.header("dlq.message").unwrap_or_default()).into_owned()
        };
        letters.iter().map(message).collect()
    }

    /// Breaks something, sends events, waits until readiness tells the cause, and puts it right.
    async fn survives(mut self, at: &str, broken: &str, cause: &str, mended: &str) {
        let mut admin = PgConnection::connect(&self.postgres.url_of("postgres", "", at)).await.unwrap();
        admin.execute(sqlx::AssertSqlSafe(broken.to_owned())).await.unwrap();
        admin.execute(END_SESSIONS).await.unwrap();
        self.send(24, "meanwhile").await;
        let status = self.consumer.status.clone().unwrap();
        wait_until(&format!("readiness tells of {cause}"), LONG, || async {
            let letters = self.letters().await;
            assert!(letters.is_empty(), "{} dead letters, the first for {:?}", letters.len(), letters[0]);
            status.check().is_ok_and(|said| said.contains(cause))
        })
        .await;
        println!("meanwhile: {}", status.check().unwrap());
        admin.execute(sqlx::AssertSqlSafe(mended.to_owned())).await.unwrap();
        self.send(8, "afterwards").await;
        self.wait_until_noted().await;
        wait_until("readiness says nothing of it any more", LONG, || async {
            status.check().is_ok_and(|said| !said.contains("postgres"))
        })
        .await;
        self.end().await;
    }

    async fn end(self) {
        self.rig.wait_until_committed().await;
        let mut admin = self.admin().await;
        let (rows, events): (i64, i64) =
            sqlx::query_as("SELECT count(*), count(DISTINCT event_id) FROM noted").fetch_one(&mut admin).await.unwrap();
        assert_eq!((rows, events), (self.sent as i64, self.sent as i64));
        assert!(self.letters().await.is_empty());
        self.consumer.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_is_rotated_makes_nothing_a_dead_letter() {
    let shop = Shop::open().await;
    shop.survives("shop", "ALTER ROLE worker PASSWORD 'new'", "28P01", "ALTER ROLE worker PASSWORD 'old'").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_is_shut_out_makes_nothing_a_dead_letter() {
    let shop = Shop::open().await;
    shop.survives("shop", "ALTER ROLE worker NOLOGIN", "28000", "ALTER ROLE worker LOGIN").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_renamed_makes_nothing_a_dead_letter() {
    let shop = Shop::open().await;
    // From outside, and with everybody out of it.
    let renamed = "ALTER DATABASE shop ALLOW_CONNECTIONS false;
                   SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = 'shop';
                   ALTER DATABASE shop RENAME TO closed";
    let mended = "ALTER DATABASE closed RENAME TO shop; ALTER DATABASE shop ALLOW_CONNECTIONS true";
    let mut admin = PgConnection::connect(&shop.postgres.url()).await.unwrap();
    for statement in renamed.split(';') {
        admin.execute(statement).await.unwrap();
    }
    shop.survives("postgres", "SELECT 1", "3D000", mended).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_that_is_renamed_makes_nothing_a_dead_letter() {
    let shop = Shop::open().await;
    let (renamed, mended) = ("ALTER TABLE words RENAME word TO greeting", "ALTER TABLE words RENAME greeting TO word");
    shop.survives("shop", renamed, "42703", mended).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_that_is_revoked_makes_nothing_a_dead_letter() {
    let shop = Shop::open().await;
    shop.survives("shop", "REVOKE ALL ON words FROM worker", "42501", "GRANT ALL ON words TO worker").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_makes_nothing_a_dead_letter() {
    let shop = Shop::open().await;
    let (standby, primary) = (
        "ALTER ROLE worker SET default_transaction_read_only = on",
        "ALTER ROLE worker RESET default_transaction_read_only",
    );
    shop.survives("shop", standby, "25006", primary).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_stays_locked_makes_nothing_a_dead_letter() {
    let mut shop = Shop::open().await;
    let mut admin = shop.admin().await;
    admin.execute("ALTER ROLE worker SET lock_timeout = '30ms'").await.unwrap();
    admin.execute(END_SESSIONS).await.unwrap();
    admin.execute("BEGIN; LOCK TABLE words IN ACCESS EXCLUSIVE MODE").await.unwrap();
    shop.send(24, "meanwhile").await;
    let status = shop.consumer.status.clone().unwrap();
    wait_until("readiness tells of the lock", LONG, || async {
        status.check().is_ok_and(|said| said.contains("55P03"))
    })
    .await;
    // Four attempts are this consumer's limit: many times that pass.
    tokio::time::sleep(Duration::from_secs(3)).await;
    admin.execute("COMMIT").await.unwrap();
    shop.wait_until_noted().await;
    shop.end().await;
}

/// Nobody puts it right: the sessions that planned for the old type have to go.
#[tokio::test(flavor = "multi_thread")]
async fn a_type_that_is_altered_is_met_once_and_not_by_every_connection() {
    for altered in [
        // What the handler reads: "cached plan must not change result type".
        "ALTER TABLE words ALTER word TYPE varchar(40)",
        // The parameter of a statement within a trigger: "type of parameter does not match that when preparing the plan".
        "ALTER TABLE noted ALTER number TYPE bigint",
    ] {
        let mut shop = Shop::open().await;
        shop.admin().await.execute(altered).await.unwrap();
        for _ in 0..16 {
            shop.send(1, "afterwards").await;
            // Others, which do not meet it, prove meanwhile that the database answers.
            shop.rig.send(said("call-none", "reads nothing")).await;
        }
        shop.wait_until_noted().await;
        shop.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_event_with_a_wrong_statement_is_given_up_and_stops_nobody() {
    let mut shop = Shop::open().await;
    shop.rig.send(said("call-wrong", "wrong")).await;
    let began = std::time::Instant::now();
    while shop.letters().await.is_empty() {
        assert!(began.elapsed() < LONG, "the wrong one is still tried");
        shop.send(4, "beside it").await;
    }
    assert_eq!(shop.letters().await, ["postgres: the database refused with SQLSTATE 42703"]);
    wait_until("all others are noted", LONG, || async { shop.noted().await == shop.sent }).await;
    shop.rig.wait_until_committed().await;
    shop.consumer.stop().await;
}
