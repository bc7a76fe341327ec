//! Records through the crate's producer, each with its awaited delivery.

use std::{collections::VecDeque, sync::Arc, time::Instant};

use events::kafka::producer::{Delivery, OutRecord, Producer};

use crate::{
    Bench,
    books::Books,
    load::{LONG, Place, Ready, audit, blocking, produce},
    report::{Figure, Goal},
};

/// Made beforehand, so that making them is not measured, and sent over and over.
pub const DISTINCT: usize = 50_000;
/// Sends that are on their way at a time; the oldest is awaited before another is begun.
const WINDOW: usize = 3_000;

pub async fn line(bench: &mut Bench) {
    let count = bench.count(1_000_000, 200_000);
    let mut place = Arc::new(Place::new().await);
    let ready: Arc<Vec<Ready>> = Arc::new((0..DISTINCT).map(Ready::number).collect());
    let mut figure = Figure {
        name: "produce".to_owned(),
        unit: "records/s",
        limit_is: "a raw producer loop with the same settings".to_owned(),
        goal: Goal::ratio(0.85),
        ..Figure::default()
    };
    for round in 1..=bench.rounds {
        place.create_topics().await;
        let raw = Arc::clone(&ready);
        figure.limits.push(blocking(&place, move |place| produce(place, raw.iter().cycle().take(count), true)).await);
        place.delete_topics().await;

        Arc::get_mut(&mut place).unwrap().move_on();
        place.create_topics().await;
        let records: Vec<OutRecord> = ready.iter().map(|ready| out_record(&place, ready)).collect();
        let producer = Producer::new(&place.config, "bench", LONG).unwrap();
        let (began, before) = (Instant::now(), place.servers.read());
        // As a service's tasks do, on a thread of the runtime; the main thread's heap is that of all lines before.
        tokio::spawn(send(producer, records, count)).await.unwrap();
        let (took, spent) = (began.elapsed(), before.until(&place.servers.read(), count));
        blocking(&place, move |place| audit(place, &Books::cycling(&place.servers, DISTINCT, count), count)).await;
        place.delete_topics().await;
        Arc::get_mut(&mut place).unwrap().move_on();

        let rate = count as f64 / took.as_secs_f64();
        eprintln!("produce {round}/{}: raw {:.0}, ours {rate:.0} records/s", bench.rounds, figure.limits[round - 1]);
        figure.values.push(rate);
        figure.spent.push(spent);
    }
    bench.report.add(figure);
}

/// Sends the records over and over, and awaits each one's delivery.
async fn send(producer: Producer, records: Vec<OutRecord>, count: usize) {
    let mut window = VecDeque::with_capacity(WINDOW);
    for record in records.iter().cycle().take(count) {
        if window.len() == WINDOW
            && let Some(oldest) = window.pop_front()
        {
            delivered(oldest).await;
        }
        window.push_back(producer.enqueue(record).await.unwrap());
    }
    for delivery in window {
        delivered(delivery).await;
    }
}

async fn delivered(delivery: Delivery) {
    delivery.await.unwrap();
}

fn out_record(place: &Place, ready: &Ready) -> OutRecord {
    let headers = ready.headers.iter().map(|(name, value)| ((*name).to_owned(), value.clone().into_bytes()));
    OutRecord {
        topic: place.topic.clone(),
        key: Some(ready.key.clone().into_bytes()),
        payload: Some(ready.payload.clone()),
        headers: headers.collect(),
    }
}
