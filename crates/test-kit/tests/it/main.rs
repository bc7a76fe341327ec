//! The kit itself, against the local stack.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::{Duration, Instant};

use sqlx::{Connection, PgConnection};
use test_kit::{
    broker::Broker,
    kafka,
    postgres::TestDatabase,
    private_postgres::PrivatePostgres,
    process::ServiceProcess,
    raw_produce::{self, Compression, RawRecord},
    stack,
    wait::{wait_for, wait_until},
};

const LONG: Duration = Duration::from_secs(30);

async fn exists(database: &str) -> bool {
    let pool = sqlx::PgPool::connect(&stack::database()).await.unwrap();
    sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)")
        .bind(database)
        .fetch_one(&pool)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_test_database_is_fresh_and_goes_with_its_test() {
    let database = TestDatabase::create().await;
    let other = TestDatabase::create().await;
    sqlx::raw_sql("CREATE TABLE things (id int)").execute(database.pool()).await.unwrap();
    let seen: Option<String> =
        sqlx::query_scalar("SELECT to_regclass('things')::text").fetch_one(other.pool()).await.unwrap();
    assert_eq!(seen, None, "a table of one is in the other");
    let by_url = sqlx::PgPool::connect(database.url()).await.unwrap();
    let name: String = sqlx::query_scalar("SELECT current_database()::text").fetch_one(&by_url).await.unwrap();
    assert_eq!(name, database.name());
    // A connection is still open, as of a service that was not stopped.
    drop(database);
    assert!(!exists(&name).await);
}

#[test]
fn a_test_database_may_be_dropped_where_no_runtime_is() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let database = runtime.block_on(TestDatabase::create());
    let name = database.name().to_owned();
    drop(runtime);
    drop(database);
    assert!(!tokio::runtime::Runtime::new().unwrap().block_on(exists(&name)));
}

#[tokio::test]
async fn what_is_produced_is_read_with_key_headers_and_place() {
    let servers = stack::kafka();
    let topic = format!("{}things", kafka::namespace());
    kafka::create_topic(&servers, &topic, 3, &[("max.message.bytes", "2000")]).await;
    kafka::create_topic(&servers, &topic, 3, &[]).await;
    assert_eq!(kafka::read_topic_to_end(&servers, &topic).await, []);

    let headers: [(&str, &[u8]); 3] = [("ce_id", b"1"), ("twice", b"a"), ("twice", &[0xff])];
    let (partition, offset) = kafka::produce(&servers, &topic, Some(b"key"), b"payload", &headers).await;
    for number in 0..20 {
        kafka::produce(&servers, &topic, None, number.to_string().as_bytes(), &[]).await;
    }
    let records = kafka::read_topic(&servers, &topic, 21, LONG).await;
    assert_eq!(records.len(), 21);
    let first = records.iter().find(|one| (one.partition, one.offset) == (partition, offset)).unwrap();
    assert_eq!(first.key.as_deref(), Some(b"key".as_slice()));
    assert_eq!(first.payload.as_deref(), Some(b"payload".as_slice()));
    assert_eq!(first.header("twice"), Some(b"a".as_slice()));
    assert_eq!(first.headers.len(), 3);
    assert!(first.timestamp_ms.unwrap() > 0);
    assert_eq!(kafka::read_topic_to_end(&servers, &topic).await.len(), 21);
}

#[tokio::test]
async fn what_no_decent_client_writes_is_read_by_a_plain_one() {
    let servers = stack::kafka();
    let topic = format!("{}things", kafka::namespace());
    kafka::create_topic(&servers, &topic, 2, &[("max.message.bytes", "100000")]).await;
    let tombstone = RawRecord { key: Some(b"key".to_vec()), ..RawRecord::default() };
    let odd = RawRecord {
        key: Some(vec![0, 0xff]),
        value: Some(b"odd".to_vec()),
        headers: [(&[0xff, b'x'][..], Some(&b"1"[..])), (b"", None), (b"twice", Some(b"a")), (b"twice", Some(b""))]
            .map(|(name, value)| (name.to_vec(), value.map(<[u8]>::to_vec)))
            .to_vec(),
    };
    let many = RawRecord {
        value: Some(Vec::new()),
        headers: vec![(b"again".to_vec(), Some(b"and again".to_vec())); 1000],
        ..RawRecord::default()
    };
    // Twenty times what the topic takes, and next to nothing when it is compressed.
    let large = RawRecord { value: Some(vec![b'z'; 2_000_000]), ..RawRecord::default() };
    let first = raw_produce::produce(&servers, &topic, 1, &[tombstone, odd, many], Compression::None).await;
    let second = raw_produce::produce(&servers, &topic, 1, &[large], Compression::Gzip).await;
    assert_eq!((first, second), (0, 3));

    let records = kafka::read_topic_to_end(&servers, &topic).await;
    let told: Vec<_> = records
        .iter()
        .map(|one| (one.partition, one.offset, one.key.as_deref(), one.payload.as_ref().map(Vec::len)))
        .collect();
    let expected = [
        (1, 0, Some(&b"key"[..]), None),
        (1, 1, Some(&[0, 0xff][..]), Some(3)),
        (1, 2, None, Some(0)),
        (1, 3, None, Some(2_000_000)),
    ];
    assert_eq!(told, expected);
    let headers = [(kafka::UNREADABLE, ""), ("", ""), ("twice", "a"), ("twice", "")]
        .map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()));
    assert_eq!(records[1].headers, headers);
    assert_eq!(records[2].headers.len(), 1000);
    assert!(records[2].timestamp_ms.unwrap() > 0);
}

#[tokio::test]
#[should_panic(expected = "refused to take records for")]
async fn what_the_broker_refuses_is_no_silence() {
    let servers = stack::kafka();
    let topic = format!("{}things", kafka::namespace());
    kafka::create_topic(&servers, &topic, 1, &[("max.message.bytes", "1000")]).await;
    let large = RawRecord { value: Some(vec![b'z'; 2_000]), ..RawRecord::default() };
    raw_produce::produce(&servers, &topic, 0, &[large], Compression::None).await;
}

#[tokio::test]
async fn what_a_group_has_committed_is_told_by_partition() {
    use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};

    let servers = stack::kafka();
    let namespace = kafka::namespace();
    let (topic, group) = (format!("{namespace}things"), format!("{namespace}group"));
    kafka::create_topic(&servers, &topic, 2, &[]).await;
    assert_eq!(kafka::committed(&servers, &group, &topic).await, [(0, -1), (1, -1)]);

    let mut offsets = rdkafka::TopicPartitionList::new();
    offsets.add_partition_offset(&topic, 1, rdkafka::Offset::Offset(7)).unwrap();
    let consumer: BaseConsumer =
        rdkafka::ClientConfig::new().set("bootstrap.servers", &servers).set("group.id", &group).create().unwrap();
    consumer.commit(&offsets, CommitMode::Sync).unwrap();
    assert_eq!(kafka::committed(&servers, &group, &topic).await, [(0, -1), (1, 7)]);
}

#[tokio::test]
#[should_panic(expected = "read only 1 records")]
async fn a_record_that_never_comes_fails_the_test_with_what_did_come() {
    let servers = stack::kafka();
    let topic = format!("{}things", kafka::namespace());
    kafka::create_topic(&servers, &topic, 1, &[]).await;
    kafka::produce(&servers, &topic, None, b"one", &[]).await;
    kafka::read_topic(&servers, &topic, 2, Duration::from_secs(1)).await;
}

#[tokio::test]
async fn a_private_broker_keeps_its_data_when_killed_and_when_stopped() {
    let mut broker = Broker::start().await;
    let servers = broker.bootstrap();
    kafka::create_topic(&servers, "things", 1, &[]).await;
    kafka::produce(&servers, "things", None, b"before", &[]).await;

    broker.kill();
    let (began, namesake) = (Instant::now(), servers.clone());
    // A producer that is waiting while the broker is away gets through once it is back.
    let waiting = tokio::spawn(async move { kafka::produce(&namesake, "things", None, b"meanwhile", &[]).await });
    broker.start_again().await;
    assert_eq!(broker.bootstrap(), servers);
    assert_eq!(waiting.await.unwrap(), (0, 1));
    assert!(began.elapsed() < LONG, "the old session was waited for");

    broker.stop().await;
    broker.start_again().await;
    let payloads: Vec<_> =
        kafka::read_topic_to_end(&servers, "things").await.into_iter().map(|one| one.payload.unwrap()).collect();
    assert_eq!(payloads, [b"before".to_vec(), b"meanwhile".to_vec()]);
}

async fn payloads(servers: &str) -> Vec<Vec<u8>> {
    kafka::read_topic_to_end(servers, "things").await.into_iter().map(|one| one.payload.unwrap()).collect()
}

#[tokio::test]
async fn a_log_is_as_it_was_once_its_older_copy_is_put_back() {
    let mut broker = Broker::start().await;
    let servers = broker.bootstrap();
    kafka::create_topic(&servers, "things", 1, &[]).await;
    for _ in 0..3 {
        kafka::produce(&servers, "things", None, b"before", &[]).await;
    }
    let copy = broker.copy_of("things");
    kafka::produce(&servers, "things", None, b"since", &[]).await;
    broker.kill();
    broker.put_back("things", &copy);
    broker.start_again().await;
    assert_eq!(payloads(&servers).await, vec![b"before".to_vec(); 3]);
    let raw = RawRecord { value: Some(b"after".to_vec()), ..RawRecord::default() };
    assert_eq!(raw_produce::produce(&servers, "things", 0, &[raw], Compression::None).await, 3);
}

#[tokio::test]
async fn a_bit_that_turned_on_disk_spoils_one_batch_until_it_is_turned_back() {
    let mut broker = Broker::start().await;
    let servers = broker.bootstrap();
    kafka::create_topic(&servers, "things", 1, &[]).await;
    for _ in 0..3 {
        kafka::produce(&servers, "things", None, &[b'a'; 100], &[]).await;
    }
    for whole in [false, true] {
        broker.stop().await;
        broker.turn_a_bit("things", 0, 1);
        broker.start_again().await;
        let is_whole: Vec<_> = payloads(&servers).await.iter().map(|payload| payload == &[b'a'; 100]).collect();
        assert_eq!(is_whole, [true, whole, true]);
    }
}

#[tokio::test]
async fn a_changed_password_ends_who_has_the_old_one() {
    let postgres = PrivatePostgres::start().await;
    let url = postgres.with_password("first").await;
    let mut connection = PgConnection::connect(&url).await.unwrap();
    postgres.change_password("second").await;
    sqlx::query("SELECT 1").execute(&mut connection).await.unwrap_err();
    let refused = PgConnection::connect(&url).await.unwrap_err();
    assert_eq!(refused.as_database_error().and_then(|error| error.code()).as_deref(), Some("28P01"));
    postgres.change_password("first").await;
    let mut connection = PgConnection::connect(&url).await.unwrap();
    sqlx::raw_sql("CREATE SCHEMA its_own").execute(&mut connection).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_being_let_in_when_the_password_changed_is_ended_with_the_others() {
    let postgres = PrivatePostgres::start().await;
    let url = postgres.with_password("first").await;
    let clients: Vec<_> = (0..16)
        .map(|_| {
            let url = url.clone();
            // Comes again as soon as it was ended, until it is refused, and returns its last session.
            tokio::spawn(async move {
                let mut last = None;
                while let Ok(mut connection) = PgConnection::connect(&url).await {
                    let _ = sqlx::query("SELECT 1").execute(&mut connection).await;
                    last = Some(connection);
                }
                last
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(500)).await;
    postgres.change_password("second").await;
    let mut outlived = Vec::new();
    for client in clients {
        let mut session = client.await.unwrap().unwrap();
        if sqlx::query("SELECT 1").execute(&mut session).await.is_ok() {
            outlived.push(session);
        }
    }
    postgres.end_sessions().await;
    for mut session in outlived {
        sqlx::query("SELECT 1").execute(&mut session).await.unwrap_err();
    }
}

#[tokio::test]
async fn a_private_postgres_keeps_what_was_committed_when_it_crashes() {
    let mut postgres = PrivatePostgres::start().await;
    let url = postgres.url();
    let mut connection = PgConnection::connect(&url).await.unwrap();
    sqlx::raw_sql("CREATE TABLE things (id int); INSERT INTO things VALUES (1)")
        .execute(&mut connection)
        .await
        .unwrap();
    sqlx::raw_sql("BEGIN; INSERT INTO things VALUES (2)").execute(&mut connection).await.unwrap();

    postgres.stop_immediately().await;
    sqlx::raw_sql("COMMIT").execute(&mut connection).await.unwrap_err();
    PgConnection::connect(&url).await.unwrap_err();
    postgres.start_again().await;
    assert_eq!(postgres.url(), url);
    let mut connection = PgConnection::connect(&url).await.unwrap();
    let things: Vec<i32> = sqlx::query_scalar("SELECT id FROM things").fetch_all(&mut connection).await.unwrap();
    assert_eq!(things, [1]);
    let fsync: String = sqlx::query_scalar("SHOW fsync").fetch_one(&mut connection).await.unwrap();
    assert_eq!(fsync, "on");
}

#[tokio::test]
async fn a_paused_service_is_silent_until_it_goes_on() {
    let mut service = ServiceProcess::spawn("examples/tiny_service", &[("GREETING", "hello".to_owned())]).await;
    service.wait_ready().await;
    let http = reqwest::Client::builder().timeout(Duration::from_millis(500)).build().unwrap();
    service.pause();
    let error = http.get(service.base_url()).send().await.unwrap_err();
    assert!(error.is_timeout(), "{error}");
    assert_eq!(service.ended(), None, "it is not gone");
    service.resume();
    service.wait_ready().await;

    let id = service.id().unwrap().to_string();
    assert!(std::process::Command::new("kill").arg(&id).status().unwrap().success());
    wait_until("its end is seen", LONG, || {
        let ended = service.ended().is_some();
        async move { ended }
    })
    .await;
    service.kill9();
    assert_eq!(service.id(), None);
}

#[tokio::test]
async fn a_service_is_the_same_after_a_kill_and_a_restart() {
    let mut service = ServiceProcess::spawn("examples/tiny_service", &[("GREETING", "hello".to_owned())]).await;
    service.wait_ready().await;
    let url = service.base_url();
    service.kill9();
    reqwest::get(&url).await.unwrap_err();

    service.restart().await;
    service.wait_ready().await;
    assert_eq!(service.base_url(), url);
    service.restart().await;
    service.wait_ready().await;
    // Nothing of the test's own environment (cargo sets CARGO), the same variables each time.
    assert_eq!(service.log(), "GREETING=Some(\"hello\") CARGO=None\n".repeat(3));
    assert!(!service.terminate().await.success(), "it knows nothing of SIGTERM");
}

#[tokio::test]
#[should_panic(expected = "ended while starting, exit status: 3")]
async fn a_service_that_ends_while_starting_is_not_waited_for() {
    let mut service = ServiceProcess::spawn("examples/tiny_service", &[("GREETING", "go away".to_owned())]).await;
    service.wait_ready().await;
}

#[tokio::test]
#[should_panic(expected = "waited 100ms in vain: pigs fly")]
async fn a_wait_in_vain_says_for_what() {
    wait_until("pigs fly", Duration::from_millis(100), || async { false }).await;
}

#[tokio::test]
#[should_panic(expected = "waited 100ms in vain: an answer")]
async fn a_look_that_hangs_is_bounded_too() {
    wait_until("an answer", Duration::from_millis(100), std::future::pending).await;
}

#[tokio::test]
async fn a_wait_returns_what_it_found() {
    let mut looks = 0;
    let found = wait_for("the third look", LONG, || {
        looks += 1;
        let found = (looks == 3).then_some(looks);
        async move { found }
    })
    .await;
    assert_eq!(found, 3);
}
