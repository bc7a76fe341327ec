//! How long the inbox remembers: as long as the topics can hold their records, whatever becomes of their settings.

use std::time::Duration;

use clap::Parser;
use events::{
    consume::{Consumer, Handler, Received, RetentionConfig},
    contract::{
        schema::analytics::AnalyticsUpdateV1,
        topics::{AI_RESPONSES, BUSINESS_ANALYTICS, TopicSpec},
    },
    flow::error::HandlerError,
    publish::Tx,
};
use test_kit::{kafka, wait::wait_until};
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::support::{LONG, Rig, figure, recorder};

#[derive(Parser)]
struct Settings {
    #[command(flatten)]
    retention: RetentionConfig,
}

fn retention(days: Option<&str>) -> RetentionConfig {
    let set = days.into_iter().flat_map(|days| ["--inbox-retention-days", days]);
    Settings::parse_from(["test"].into_iter().chain(set)).retention
}

const DAY_MS: i64 = 24 * 3600 * 1000;

/// Gives a topic a retention, and segments of a week.
async fn keep(rig: &Rig, spec: &TopicSpec, days: i64) {
    let retention = if days < 0 { -1 } else { days * DAY_MS }.to_string();
    let week = (7 * DAY_MS).to_string();
    kafka::alter_topic(&rig.servers(), &rig.topic(spec), &[("retention.ms", &retention), ("segment.ms", &week)]).await;
}

/// A claim of this age.
async fn claim(rig: &Rig, consumer: &str, days: i32) {
    sqlx::query(
        "INSERT INTO inbox (consumer, event_id, handled_at)
         VALUES ($1, gen_random_uuid(), clock_timestamp() - make_interval(days => $2))",
    )
    .bind(consumer)
    .bind(days)
    .execute(rig.pool())
    .await
    .unwrap();
}

/// The ages of the claims that are there, in days.
async fn claims(rig: &Rig, consumer: &str) -> Vec<i32> {
    sqlx::query_scalar(
        "SELECT extract(day FROM clock_timestamp() - handled_at)::int FROM inbox WHERE consumer = $1 ORDER BY 1",
    )
    .bind(consumer)
    .fetch_all(rig.pool())
    .await
    .unwrap()
}

fn days_kept(rig: &Rig) -> Option<f64> {
    figure("inbox_retention_seconds", &[&rig.group()]).map(|seconds| seconds / 86400.0)
}

async fn until_kept(rig: &Rig, days: f64) {
    wait_until(&format!("claims are kept for {days} days"), LONG, || async { days_kept(rig) == Some(days) }).await;
}

type Ended = JoinHandle<Result<(), events::consume::TooShort>>;

fn start(rig: &Rig, days: Option<&str>) -> (DropGuard, Ended) {
    recorder();
    let consumer = rig.builder("w").build().unwrap();
    let keeper = consumer.inbox_keeper(&retention(days)).unwrap().every(Duration::from_millis(100));
    let stop = CancellationToken::new();
    let running = tokio::spawn(keeper.run(rig.pool().clone(), stop.clone()));
    (stop.drop_guard(), running)
}

async fn refusal(running: Ended) -> String {
    let ended = tokio::time::timeout(LONG, running).await.expect("it is refused");
    ended.unwrap().unwrap_err().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn claims_are_kept_as_long_as_the_topics_can_hold_their_records() {
    let rig = Rig::new().await;
    rig.create_topics().await;
    for days in [1, 16, 18, 39, 41, 4000] {
        claim(&rig, "do-as-said", days).await;
    }
    // Those of a consumer of other topics are its own affair.
    claim(&rig, "another", 400).await;
    keep(&rig, &AI_RESPONSES, -1).await;
    let (_stop, _running) = start(&rig, None);
    until_kept(&rig, f64::INFINITY).await;
    assert_eq!(claims(&rig, "do-as-said").await, [1, 16, 18, 39, 41, 4000]);
    // A week more for a segment, three days more for what may be published again.
    for (retention, kept, left) in [(30, 40.0, &[1, 16, 18, 39][..]), (7, 17.0, &[1, 16])] {
        keep(&rig, &AI_RESPONSES, retention).await;
        until_kept(&rig, kept).await;
        wait_until("what is older is forgotten", LONG, || async { claims(&rig, "do-as-said").await == left }).await;
    }
    // The catalogue says seven days.
    keep(&rig, &AI_RESPONSES, 1).await;
    claim(&rig, "do-as-said", 18).await;
    wait_until("a round has passed", LONG, || async { claims(&rig, "do-as-said").await == [1, 16] }).await;
    assert_eq!(claims(&rig, "another").await, [400]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_setting_that_is_shorter_than_a_topics_retention_is_refused_at_the_start() {
    let rig = Rig::new().await;
    rig.create_topics().await;
    claim(&rig, "do-as-said", 50).await;
    keep(&rig, &AI_RESPONSES, 60).await;
    let (_stop, running) = start(&rig, Some("14"));
    let refused = refusal(running).await;
    println!("{refused}");
    for part in
        ["INBOX_RETENTION_DAYS is 14", &rig.topic(&AI_RESPONSES), "67 days", "Unset INBOX_RETENTION_DAYS", "67 or more"]
    {
        assert!(refused.contains(part), "{refused}");
    }
    keep(&rig, &AI_RESPONSES, -1).await;
    let (_stop, running) = start(&rig, Some("3650"));
    let refused = refusal(running).await;
    assert!(refused.contains("for ever (retention.ms=-1)"), "{refused}");
    assert_eq!(claims(&rig, "do-as-said").await, [50]);
}

/// Hears of figures, which are kept for thirty days.
struct NoteFigure;

impl Handler for NoteFigure {
    const NAME: &'static str = "note-figure";
    type Event = AnalyticsUpdateV1;
    type Plan = ();

    async fn apply(&self, _: &Received<AnalyticsUpdateV1>, _: (), _: &mut Tx) -> Result<(), HandlerError> {
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_setting_that_is_shorter_than_the_catalogue_is_refused_without_asking_kafka() {
    let rig = Rig::new().await;
    let consumer = Consumer::builder(rig.config.clone(), "test-group", "test-service", rig.outbox.clone())
        .handle(NoteFigure)
        .build()
        .unwrap();
    let refused = consumer.inbox_keeper(&retention(Some("14"))).unwrap_err().to_string();
    println!("{refused}");
    assert!(refused.contains(&rig.topic(&BUSINESS_ANALYTICS)) && refused.contains("30 days"), "{refused}");
    consumer.inbox_keeper(&retention(Some("40"))).unwrap();
    consumer.inbox_keeper(&retention(None)).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_forgotten_while_a_topics_retention_is_raised_above_the_setting() {
    let rig = Rig::new().await;
    rig.create_topics().await;
    let (_stop, running) = start(&rig, Some("20"));
    until_kept(&rig, 20.0).await;
    keep(&rig, &AI_RESPONSES, 60).await;
    until_kept(&rig, f64::INFINITY).await;
    for days in [19, 21, 66] {
        claim(&rig, "do-as-said", days).await;
    }
    // Many rounds.
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(claims(&rig, "do-as-said").await, [19, 21, 66]);
    assert!(!running.is_finished(), "the service goes on");
    keep(&rig, &AI_RESPONSES, 7).await;
    wait_until("what is older is forgotten", LONG, || async { claims(&rig, "do-as-said").await == [19] }).await;
}
