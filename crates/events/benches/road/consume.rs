//! Record to effect.
//!
//! A handler's effect is a transaction, so there is no handler without one. Two lines take its place: records that no
//! handler wants go the whole road but for the handler (polled, copied, opened, scheduled, skipped, committed), and a
//! handler that does nothing pays for its transaction and its claim.

use std::{
    env,
    path::PathBuf,
    process::Command,
    sync::{Arc, Mutex, mpsc::sync_channel},
    time::{Duration, Instant},
};

use events::{
    consume::{Consumer, Handler, Received},
    contract::schema::voice::{BookingConfirmationV1, PatientCreationV1},
    flow::error::HandlerError,
    publish::Tx,
};
use rdkafka::Message;
use test_kit::kafka;
use tokio::{task::spawn_blocking, time::sleep};
use tokio_util::sync::CancellationToken;

use crate::{
    Bench,
    load::{Audit, LONG, Place, Ready, cpu_seconds, open, produce, read},
    report::{Figure, Goal},
};

/// Wants what the records are not.
struct Unwanted;

impl Handler for Unwanted {
    const NAME: &'static str = "unwanted";
    type Event = BookingConfirmationV1;
    type Plan = ();

    async fn apply(&self, _: &Received<BookingConfirmationV1>, _: (), _: &mut Tx) -> Result<(), HandlerError> {
        unreachable!("no record is of this type");
    }
}

/// Does nothing but the books.
struct Count(Arc<Mutex<Audit>>);

impl Handler for Count {
    const NAME: &'static str = "count";
    type Event = PatientCreationV1;
    type Plan = ();

    async fn apply(&self, event: &Received<PatientCreationV1>, _: (), _: &mut Tx) -> Result<(), HandlerError> {
        self.0.lock().unwrap().note(&event.data);
        Ok(())
    }
}

/// Rate and CPU seconds for a million.
struct Measured {
    rate: f64,
    cpu: f64,
}

pub async fn skip(bench: &mut Bench, name: &str, with_headers: bool) {
    let count = bench.count(1_000_000, 200_000);
    let place = Arc::new(Place::new().await);
    place.create_topics().await;
    blocking(&place, move |place| produce(place, (0..count).map(Ready::number), with_headers)).await;
    let (mut ours, mut cpu, mut counting, mut decoding) = (vec![], vec![], vec![], vec![]);
    for round in 1..=bench.rounds {
        counting.push(blocking(&place, move |place| count_only(place, count)).await);
        decoding.push(blocking(&place, move |place| open_elsewhere(place, count)).await);
        let builder = |group: &str| Consumer::builder(place.config.clone(), group, "bench", place.outbox());
        let consumer = builder(&format!("bench-{round}")).handle(Unwanted).build().unwrap();
        let measured = run(bench, &place, consumer, &format!("bench-{round}"), "skipped", count).await;
        eprintln!(
            "{name} {round}/{}: counting {:.0}, opening on a thread {:.0}, ours {:.0} records/s",
            bench.rounds,
            counting[round - 1],
            decoding[round - 1],
            measured.rate
        );
        ours.push(measured.rate);
        cpu.push(measured.cpu);
    }
    place.delete_topics().await;
    let figures = [
        ("", counting, "a raw BaseConsumer loop that only counts", 0.45),
        ("_decoding", decoding, "that loop, handing copies to a thread that opens them", 0.9),
    ];
    for (more, limits, limit_is, ratio) in figures {
        bench.report.add(Figure {
            name: format!("{name}{more}"),
            unit: "records/s",
            values: ours.clone(),
            limits,
            limit_is,
            goal: Goal { ratio: Some(ratio), ..Goal::default() },
            cpu: cpu.clone(),
        });
    }
}

pub async fn with_inbox(bench: &mut Bench) {
    let count = bench.count(50_000, 20_000);
    let place = Arc::new(Place::new().await);
    place.create_topics().await;
    blocking(&place, move |place| produce(place, (0..count).map(Ready::number), true)).await;
    let mut figure = Figure {
        name: "consume_with_inbox".to_owned(),
        unit: "events/s",
        limit_is: "begin, claim, commit by pgbench -M prepared, 32 clients",
        goal: Goal { ratio: Some(0.7), ..Goal::default() },
        ..Figure::default()
    };
    for round in 1..=bench.rounds {
        let limit = blocking(&place, move |place| pgbench(place, count)).await;
        figure.limits.extend(limit);
        sqlx::query("TRUNCATE inbox").execute(place.pool()).await.unwrap();
        let books = Arc::new(Mutex::new(Audit::of(count)));
        let group = format!("bench-{round}");
        let builder = Consumer::builder(place.config.clone(), &group, "bench", place.outbox());
        let consumer = builder.handle(Count(Arc::clone(&books))).build().unwrap();
        let measured = run(bench, &place, consumer, &group, "applied", count).await;
        books.lock().unwrap().end();
        let claimed: i64 = sqlx::query_scalar("SELECT count(*) FROM inbox").fetch_one(place.pool()).await.unwrap();
        assert_eq!(claimed as usize, count, "claims in the inbox");
        eprintln!(
            "consume_with_inbox {round}/{}: pgbench {:.0}, ours {:.0} events/s",
            bench.rounds,
            limit.unwrap_or(f64::NAN),
            measured.rate
        );
        figure.values.push(measured.rate);
        figure.cpu.push(measured.cpu);
    }
    place.delete_topics().await;
    bench.report.add(figure);
}

/// Runs a consumer until it has dealt with everything, and checks what it committed. The clock starts with the first
/// record that is dealt with, as it does for the plain loops: joining a group takes seconds.
async fn run(bench: &Bench, place: &Place, consumer: Consumer, group: &str, outcome: &str, count: usize) -> Measured {
    let before = bench.counted(PROCESSED, outcome);
    let done = || (bench.counted(PROCESSED, outcome) - before) as usize;
    let token = CancellationToken::new();
    let running = tokio::spawn(consumer.run(token.clone()));
    while done() == 0 {
        assert!(!running.is_finished(), "the consumer ended");
        sleep(Duration::from_millis(1)).await;
    }
    let (began, first, cpu) = (Instant::now(), done(), cpu_seconds());
    while done() < count {
        assert!(began.elapsed() < LONG, "{} of {count} dealt with", done());
        sleep(Duration::from_millis(5)).await;
    }
    let (took, used) = (began.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    token.cancel();
    running.await.unwrap().unwrap();
    assert_eq!(done(), count, "dealt with");
    let servers = place.config.kafka_bootstrap_servers.to_string();
    let committed = kafka::committed(&servers, &place.config.topic_names().group(group), &place.topic).await;
    let ends: i64 = committed.iter().map(|(_, offset)| offset).sum();
    assert_eq!(ends as usize, count, "committed offsets");
    let events = (count - first) as f64;
    Measured { rate: events / took, cpu: used / events * 1e6 }
}

const PROCESSED: &str = "kafka_consumer_messages_processed_total";

fn count_only(place: &Place, count: usize) -> f64 {
    let consumer = place.reader(&[]);
    let mut counted = 0_usize;
    let began = read(&consumer, count, |_| counted += 1);
    counted as f64 / began.elapsed().as_secs_f64()
}

fn open_elsewhere(place: &Place, count: usize) -> f64 {
    let consumer = place.reader(&[]);
    let (batches, inbound) = sync_channel::<Vec<Box<[u8]>>>(64);
    let opener = std::thread::spawn(move || {
        let values = inbound.iter().flatten();
        values.filter(|value| open(value).event_type == "ai_response.patient_creation").count()
    });
    let mut batch = Vec::new();
    let began = read(&consumer, count, |message| {
        batch.push(Box::from(message.payload().unwrap()));
        if batch.len() == 500 {
            batches.send(std::mem::take(&mut batch)).unwrap();
        }
    });
    batches.send(batch).unwrap();
    drop(batches);
    assert_eq!(opener.join().unwrap(), count, "opened");
    count as f64 / began.elapsed().as_secs_f64()
}

/// Transactions a second; `None` without pgbench.
fn pgbench(place: &Place, count: usize) -> Option<f64> {
    let script = std::env::temp_dir().join(format!("{}sql", place.topic));
    let claim = "INSERT INTO inbox (consumer, event_id) VALUES ('pgbench', gen_random_uuid()) ON CONFLICT DO NOTHING;";
    std::fs::write(&script, format!("BEGIN;\n{claim}\nCOMMIT;\n")).unwrap();
    let binary = env::var_os("STACK_PG_BIN").map_or(PathBuf::from("pgbench"), |bin| PathBuf::from(bin).join("pgbench"));
    let ran = Command::new(binary)
        .args(["-n", "-M", "prepared", "-c", "32", "-j", "2", "-t", &(count / 32).to_string(), "-f"])
        .arg(&script)
        .arg(place.url())
        .output();
    let _ = std::fs::remove_file(&script);
    let text = String::from_utf8(ran.ok()?.stdout).unwrap();
    let tps = text.lines().find_map(|line| line.strip_prefix("tps = ")).expect("pgbench tells its tps");
    Some(tps.split(' ').next().unwrap().parse().unwrap())
}

/// Blocking work on the place, away from the runtime's threads.
async fn blocking<T: Send + 'static>(place: &Arc<Place>, work: impl FnOnce(&Place) -> T + Send + 'static) -> T {
    let place = Arc::clone(place);
    spawn_blocking(move || work(&place)).await.unwrap()
}
