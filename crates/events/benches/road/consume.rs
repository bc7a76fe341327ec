//! Record to handler: polled, decoded, dispatched in order per key, committed, with a handler that does nothing; and with
//! one that waits for somebody else.

use std::{
    hint::black_box,
    sync::{Arc, mpsc::sync_channel},
    time::{Duration, Instant},
};

use events::{
    consume::{Consumer, Listener, Received},
    contract::schema::voice::PatientCreationV1,
    flow::error::HandlerError,
};
use rdkafka::{
    Message,
    message::{BorrowedHeaders, OwnedHeaders},
};
use test_kit::kafka;
use tokio::{task::block_in_place, time::sleep};
use tokio_util::sync::CancellationToken;

use crate::{
    Bench,
    books::{Books, Measured},
    load::{KEYS, LONG, Place, Ready, blocking, decode, produce, read},
    parallel_consumer::{self, ParallelConsumer, Pass},
    report::{Figure, Goal},
};

/// Does nothing but the books, after a while where there is one.
pub struct Hear {
    pub books: Arc<Books>,
    pub after: Duration,
}

impl Listener for Hear {
    const NAME: &'static str = "hear";
    type Event = PatientCreationV1;

    async fn hear(&self, event: &Received<PatientCreationV1>) -> Result<(), HandlerError> {
        if !self.after.is_zero() {
            sleep(self.after).await;
        }
        self.books.note(&event.data);
        Ok(())
    }
}

/// How many of its handlers run at a time: its own default.
const PARALLEL_CONSUMER_THREADS: usize = 16;

/// What reads the topic next.
#[derive(Clone, Copy)]
enum Turn {
    Counting,
    Decoding,
    Ours,
}

pub async fn noop(bench: &mut Bench, name: &str, with_headers: bool) {
    let count = bench.count(1_000_000, 200_000);
    let place = filled(&[], count, with_headers).await;
    let (mut counting, mut decoding) = (vec![], vec![]);
    let mut ours = Figure { unit: "records/s", ..Figure::default() };
    let mut turns = [Turn::Counting, Turn::Decoding, Turn::Ours];
    for round in 1..=bench.rounds {
        for turn in turns {
            match turn {
                Turn::Counting => {
                    counting.push(blocking(&place, move |place| count_only(place, count, with_headers)).await)
                }
                Turn::Decoding => {
                    decoding.push(blocking(&place, move |place| decode_elsewhere(place, count, with_headers)).await);
                }
                Turn::Ours => {
                    let measured = hear(&place, &format!("ours-{round}"), Duration::ZERO, count).await;
                    ours.values.push(measured.rate);
                    ours.spent.push(measured.spent);
                }
            }
        }
        // They share a process and its heap: none always comes behind the same other.
        turns.reverse();
        eprintln!(
            "{name} {round}/{}: counting {:.0}, decoding on a thread {:.0}, ours {:.0} records/s",
            bench.rounds,
            counting[round - 1],
            decoding[round - 1],
            ours.values[round - 1]
        );
    }
    let parallel = java_peer(bench, &place, name, count, PARALLEL_CONSUMER_THREADS, Duration::ZERO).await;
    place.delete_topics().await;
    let headers = if with_headers { ", headers read" } else { "" };
    let counting_is = format!("a raw BaseConsumer loop that only counts{headers}");
    let decoding_is = format!("that loop, handing copies to one thread that decodes{headers}");
    bench.report.add(Figure {
        name: name.to_owned(),
        limits: counting,
        limit_is: counting_is,
        goal: Goal::ratio(0.45),
        ..ours.clone()
    });
    bench.report.add(Figure {
        name: format!("{name}_decoding"),
        limits: decoding,
        limit_is: decoding_is,
        goal: Goal::ratio(0.9),
        ..ours.clone()
    });
    bench.report.add(Figure {
        name: format!("{name}_parallel_consumer"),
        limits: parallel.iter().map(|pass| pass.rate).collect(),
        limit_cpu: parallel.iter().map(|pass| pass.cpu).collect(),
        limit_is: format!("{}, {PARALLEL_CONSUMER_THREADS} threads", parallel_consumer::NAME),
        goal: Goal::ratio(4.0),
        ..ours
    });
}

/// What a call to somebody else takes.
const CALL: Duration = Duration::from_millis(100);

pub async fn outside_call(bench: &mut Bench) {
    let count = bench.count(200_000, 30_000);
    let place = filled(&["--kafka-consumer-concurrency", &KEYS.to_string()], count, true).await;
    let mut ours = Figure { unit: "events/s", ..Figure::default() };
    for round in 1..=bench.rounds {
        let measured = hear(&place, &format!("ours-{round}"), CALL, count).await;
        eprintln!("outside_call {round}/{}: ours {:.0} events/s", bench.rounds, measured.rate);
        ours.values.push(measured.rate);
        ours.spent.push(measured.spent);
    }
    let parallel = java_peer(bench, &place, "outside_call", count, KEYS, CALL).await;
    place.delete_topics().await;
    bench.report.add(Figure {
        name: "outside_call".to_owned(),
        limits: vec![KEYS as f64 / CALL.as_secs_f64()],
        limit_is: format!("{KEYS} keys / {} ms", CALL.as_millis()),
        goal: Goal::ratio(0.9),
        ..ours.clone()
    });
    bench.report.add(Figure {
        name: "outside_call_parallel_consumer".to_owned(),
        limits: parallel.iter().map(|pass| pass.rate).collect(),
        limit_cpu: parallel.iter().map(|pass| pass.cpu).collect(),
        limit_is: format!("{}, {KEYS} threads", parallel_consumer::NAME),
        ..ours
    });
}

/// The Java peer's passes over the same topic, behind all others, so that nobody shares the machine with it. None where it was
/// not built.
async fn java_peer(
    bench: &Bench,
    place: &Arc<Place>,
    name: &str,
    count: usize,
    threads: usize,
    call: Duration,
) -> Vec<Pass> {
    let sleep_ms = call.as_millis() as u64;
    let theirs = blocking(place, move |place| ParallelConsumer::start(place, count, threads, sleep_ms)).await;
    let Some(mut theirs) = theirs else { return Vec::new() };
    let next = |round| {
        let pass = theirs.pass(&format!("{}theirs-{round}", place.config.kafka_topic_namespace));
        eprintln!("{name} {round}/{}: parallel-consumer {:.0} events/s", bench.rounds, pass.rate);
        pass
    };
    block_in_place(|| (1..=bench.rounds).map(next).collect())
}

/// A place whose topic has `count` events.
pub async fn filled(settings: &[&str], count: usize, with_headers: bool) -> Arc<Place> {
    let place = Arc::new(Place::with(settings).await);
    place.create_topics().await;
    blocking(&place, move |place| produce(place, (0..count).map(Ready::number), with_headers)).await;
    place
}

async fn hear(place: &Place, group: &str, after: Duration, count: usize) -> Measured {
    let books = Arc::new(Books::of(&place.servers, count));
    let builder = Consumer::without_database(place.config.clone(), group, "bench");
    let consumer = builder.listen(Hear { books: Arc::clone(&books), after }).build().unwrap();
    run(place, consumer, group, &books, count).await
}

/// Runs a consumer until its books are full, and checks what it committed. The clock runs from the first event that was
/// handled, as it does for the plain loops: joining a group takes seconds.
pub async fn run(place: &Place, consumer: Consumer, group: &str, books: &Books, count: usize) -> Measured {
    let token = CancellationToken::new();
    let running = tokio::spawn(consumer.run(token.clone()));
    let began = Instant::now();
    while !books.are_full() {
        assert!(!running.is_finished(), "the consumer ended");
        assert!(began.elapsed() < LONG, "{} of {count} events handled", books.noted());
        sleep(Duration::from_millis(5)).await;
    }
    token.cancel();
    running.await.unwrap().unwrap();
    let measured = books.close();
    assert_eq!(committed(place, group).await, count, "committed offsets");
    measured
}

/// How many records a group has done with.
pub async fn committed(place: &Place, group: &str) -> usize {
    let servers = place.config.kafka_bootstrap_servers.to_string();
    let committed = kafka::committed(&servers, &place.config.topic_names().group(group), &place.topic).await;
    committed.iter().map(|(_, offset)| (*offset).max(0) as usize).sum()
}

fn count_only(place: &Place, count: usize, with_headers: bool) -> f64 {
    let consumer = place.reader(&[]);
    let mut counted = 0_usize;
    let began = read(&consumer, count, |message| {
        counted += 1;
        if with_headers {
            black_box(message.headers());
        }
    });
    counted as f64 / began.elapsed().as_secs_f64()
}

fn decode_elsewhere(place: &Place, count: usize, with_headers: bool) -> f64 {
    let consumer = place.reader(&[]);
    let (batches, inbound) = sync_channel::<Vec<(Box<[u8]>, Option<OwnedHeaders>)>>(64);
    let books = Books::of(&place.servers, count);
    let decoder = std::thread::spawn(move || {
        inbound.iter().flatten().for_each(|(value, _)| books.note(&decode(&value).1));
        books
    });
    let mut batch = Vec::with_capacity(500);
    read(&consumer, count, |message| {
        let headers = message.headers().filter(|_| with_headers).map(BorrowedHeaders::detach);
        batch.push((Box::from(message.payload().unwrap()), headers));
        if batch.len() == batch.capacity() {
            batches.send(std::mem::replace(&mut batch, Vec::with_capacity(500))).unwrap();
        }
    });
    batches.send(batch).unwrap();
    drop(batches);
    decoder.join().unwrap().close().rate
}
