//! Row to record.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use events::{contract::event::EventId, publish::Relay};
use futures::TryStreamExt;
use rdkafka::{Message, consumer::BaseConsumer};
use sqlx::postgres::PgPoolCopyExt;
use tokio::{
    task::{JoinHandle, block_in_place},
    time::{MissedTickBehavior, interval, sleep},
};
use tokio_util::sync::CancellationToken;

use crate::{
    Bench,
    books::Books,
    cpu::Servers,
    load::{LONG, Place, Ready, audit, decode, event, produce},
    produce::DISTINCT,
    report::{Figure, Goal},
};

/// Rows that are written in one transaction before the drain.
const CHUNK: usize = 1_000;

struct Running {
    token: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    /// Starts the relay, and returns once it holds its lock and begins to read.
    async fn start(place: &Place) -> Self {
        let relay = Relay::new(place.pool().clone(), place.config.clone(), "voice-ingest");
        let (status, token) = (relay.status(), CancellationToken::new());
        let task = tokio::spawn(relay.run(token.clone()));
        while !status.is_active() {
            sleep(Duration::from_millis(1)).await;
        }
        Self { token, task }
    }

    async fn stop(self) {
        self.token.cancel();
        self.task.await.unwrap();
    }
}

pub async fn drain(bench: &mut Bench) {
    let count = bench.count(1_000_000, 100_000);
    let mut place = Place::new().await;
    eprintln!("relay_drain: writing {count} rows");
    for begin in (0..count).step_by(CHUNK) {
        write_rows(&place, begin..(begin + CHUNK).min(count)).await;
    }
    let raw: Vec<Ready> = (0..DISTINCT).map(Ready::number).collect();
    let mut figure = Figure {
        name: "relay_drain".to_owned(),
        unit: "rows/s",
        limit_is: "the slower of binary COPY of the rows and a raw producer loop".to_owned(),
        goal: Goal { at_least: Some(50_000.0), ratio: Some(0.6), ..Goal::default() },
        ..Figure::default()
    };
    for round in 1..=bench.rounds {
        let copied = copy_out(&place, count).await;
        place.create_topics().await;
        let produced = block_in_place(|| produce(&place, raw.iter().cycle().take(count), true));
        place.delete_topics().await;

        place.move_on();
        place.create_topics().await;
        // As `relay reset` does, but for the rewriting of every row, which here would only bloat the table.
        let again = "UPDATE outbox_cursor SET snapshot = '1:1:', step = NULL, step_id = NULL";
        sqlx::query(again).execute(place.pool()).await.unwrap();
        let relay = Running::start(&place).await;
        let (began, before) = (Instant::now(), place.servers.read());
        block_in_place(|| {
            let consumer = place.reader(&[]);
            while place.end(&consumer) < count {
                assert!(began.elapsed() < LONG, "the relay does not come to the end");
                std::thread::sleep(Duration::from_millis(50));
            }
        });
        let (rate, spent) = (count as f64 / began.elapsed().as_secs_f64(), before.until(&place.servers.read(), count));
        relay.stop().await;
        block_in_place(|| audit(&place, &Books::of(&place.servers, count), count));
        place.delete_topics().await;
        place.move_on();

        eprintln!(
            "relay_drain {round}/{}: COPY {copied:.0}, raw producer {produced:.0}, ours {rate:.0} rows/s",
            bench.rounds
        );
        figure.values.push(rate);
        figure.limits.push(copied.min(produced));
        figure.spent.push(spent);
    }
    bench.report.add(figure);
}

async fn write_rows(place: &Place, numbers: std::ops::Range<usize>) {
    let (mut keys, mut headers, mut payloads) = (vec![], vec![], vec![]);
    for ready in numbers.map(Ready::number) {
        let object: serde_json::Map<_, _> =
            ready.headers.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
        headers.push(serde_json::to_string(&object).unwrap());
        keys.push(ready.key);
        payloads.push(ready.payload);
    }
    sqlx::query(
        "INSERT INTO outbox (topic, key, headers, payload)
         SELECT 'ai-responses', key, headers::json, payload
         FROM unnest($1::text[], $2::text[], $3::bytea[]) WITH ORDINALITY AS row (key, headers, payload, n) ORDER BY n",
    )
    .bind(keys)
    .bind(headers)
    .bind(payloads)
    .execute(place.pool())
    .await
    .unwrap();
}

async fn copy_out(place: &Place, count: usize) -> f64 {
    let began = Instant::now();
    let rows = "COPY (SELECT id, topic, key, headers, payload, created_at FROM outbox) TO STDOUT (FORMAT binary)";
    let mut stream = place.pool().copy_out_raw(rows).await.unwrap();
    let mut bytes = 0;
    while let Some(chunk) = stream.try_next().await.unwrap() {
        bytes += chunk.len();
    }
    assert!(bytes > count * 300, "{bytes} bytes copied");
    count as f64 / began.elapsed().as_secs_f64()
}

/// Rows a second, each in a transaction of its own.
const RATE: usize = 1_000;
const WRITERS: usize = 8;

pub async fn latency(bench: &mut Bench) {
    let seconds = bench.count(20, 5);
    let mut place = Arc::new(Place::new().await);
    let (mut p50, mut p99) = (vec![], vec![]);
    for round in 1..=bench.rounds {
        place.create_topics().await;
        let relay = Running::start(&place).await;
        // A second to warm up is written but not counted.
        let count = RATE * (seconds + 1);
        let stop = Arc::new(AtomicBool::new(false));
        let consumer = place.reader(&[("fetch.wait.max.ms", "5")]);
        let tail = std::thread::spawn({
            let (stop, servers) = (Arc::clone(&stop), Arc::clone(&place.servers));
            move || tail(&consumer, &servers, count, &stop)
        });
        let began = Instant::now();
        let committed = write_evenly(&place, count).await;
        let rate = count as f64 / began.elapsed().as_secs_f64();
        let deadline = Instant::now() + Duration::from_secs(10);
        while !tail.is_finished() && Instant::now() < deadline {
            sleep(Duration::from_millis(10)).await;
        }
        stop.store(true, Ordering::Relaxed);
        let visible = tail.join().unwrap();
        relay.stop().await;
        place.delete_topics().await;
        Arc::get_mut(&mut place).unwrap().move_on();

        assert_eq!(visible.len(), count, "records that became visible");
        let warm = began + Duration::from_secs(1);
        let counted = committed.iter().filter(|(_, at)| *at >= warm);
        // Visible before the COMMIT's answer came back: as quick as can be.
        let late = |(id, at): &(EventId, Instant)| visible[id].saturating_duration_since(*at).as_secs_f64() * 1e3;
        let mut latencies: Vec<f64> = counted.map(late).collect();
        latencies.sort_by(f64::total_cmp);
        p50.push(latencies[latencies.len() / 2]);
        p99.push(latencies[latencies.len() * 99 / 100]);
        eprintln!(
            "relay_latency {round}/{}: {rate:.0} rows/s, p50 {:.1} ms, p99 {:.1} ms, longest {:.1} ms",
            bench.rounds,
            p50[round - 1],
            p99[round - 1],
            latencies[latencies.len() - 1]
        );
        assert!(rate > 0.95 * RATE as f64, "this machine does not commit {RATE} rows/s: {rate:.0}");
    }
    for (name, values, below) in [("relay_latency_p50", p50, 10.0), ("relay_latency_p99", p99, 50.0)] {
        bench.report.add(Figure {
            name: name.to_owned(),
            unit: "ms",
            values,
            limit_is: "none: from the return of COMMIT to a reader that tails the topic".to_owned(),
            goal: Goal::below(below),
            ..Figure::default()
        });
    }
}

/// Writes at an even pace. Returns when the COMMIT of each event returned.
async fn write_evenly(place: &Arc<Place>, count: usize) -> Vec<(EventId, Instant)> {
    let writers = (0..WRITERS).map(|writer| {
        let outbox = place.outbox();
        tokio::spawn(async move {
            let mut pace = interval(Duration::from_secs(1) * WRITERS as u32 / RATE as u32);
            pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
            let mut committed = Vec::new();
            // A key is always the same writer's, so its order is the writer's.
            for n in (writer..count).step_by(WRITERS) {
                pace.tick().await;
                let mut tx = outbox.begin().await.unwrap();
                let id = tx.publish(event(n)).await.unwrap();
                tx.commit().await.unwrap();
                committed.push((id, Instant::now()));
            }
            committed
        })
    });
    let mut all = Vec::new();
    for writer in writers.collect::<Vec<_>>() {
        all.extend(writer.await.unwrap());
    }
    all
}

/// When each event was seen.
fn tail(consumer: &BaseConsumer, servers: &Arc<Servers>, count: usize, stop: &AtomicBool) -> HashMap<EventId, Instant> {
    let books = Books::of(servers, count);
    let mut visible = HashMap::new();
    while visible.len() < count && !stop.load(Ordering::Relaxed) {
        let Some(message) = consumer.poll(Duration::from_millis(100)) else { continue };
        let at = Instant::now();
        let message = message.unwrap();
        let (id, event) = decode(message.payload().unwrap());
        books.note(&event);
        visible.insert(id, at);
    }
    if visible.len() == count {
        books.close();
    }
    visible
}
