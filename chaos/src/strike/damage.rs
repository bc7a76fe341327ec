//! A batch that nobody has handled yet becomes unreadable on the broker's disk, and good again.

use std::time::{Duration, Instant};

use futures::future::join_all;
use tokio::{task::spawn_blocking, time::sleep};

use super::hush::still;
use crate::{
    history::{Halt, Outage},
    observe::group::GroupView,
    timeline::Strike,
    world::{Way, World},
};

/// A worker is started and has joined its group by then; that it is not ready before says nothing.
const STARTED: Duration = Duration::from_secs(8);
/// By then it has met the batch again and again.
const PATIENCE: Duration = Duration::from_secs(25);
const EVERY: Duration = Duration::from_millis(300);

pub(super) async fn strike(world: &World, strike: &Strike) -> Vec<Outage> {
    let way = world.way(strike.target);
    let mut broker = world.ground.broker.lock().await;
    let workers: Vec<_> = world.workers(&way).collect();
    let mut services = join_all(workers.iter().map(|worker| worker.service.lock())).await;
    let from = world.book.now();
    for (worker, service) in workers.iter().zip(&mut services) {
        world.book.ended_when_told(&worker.name, service.terminate().await);
    }
    sleep(strike.lasts).await;
    let damaged = open_record(world, &way).await;
    if let Some((partition, offset)) = damaged {
        broker.stop().await;
        broker.turn_a_bit(&way.topic, partition, offset);
        broker.start_again().await;
    } else {
        crate::say!("  left out, since all was handled");
    }
    for service in &mut services {
        service.restart().await;
    }
    drop(services);
    let outages = workers.iter().map(|worker| world.outage(strike.fault, worker, from)).collect();
    if let Some((partition, offset)) = damaged {
        // There is enough to do once it is good again.
        let _still = still(world);
        let told = is_told(world, &way, partition, offset).await;
        crate::say!("  {}/{partition} at {offset}: {}", way.topic, told.unwrap_or("nobody said anything"));
        let workers = workers.iter().map(|worker| worker.name.clone()).collect();
        world.book.seen().halts.push(Halt {
            workers,
            what: format!("{}/{partition}", way.topic),
            told: told.is_some(),
        });
        broker.stop().await;
        broker.turn_a_bit(&way.topic, partition, offset);
        broker.start_again().await;
    }
    outages
}

/// In the middle of what is to be handled, in the partition that has the most of it.
async fn open_record(world: &World, way: &Way) -> Option<(i32, i64)> {
    let (servers, way) = (world.ground.servers.clone(), way.clone());
    let asked = spawn_blocking(move || GroupView::open(&servers, &way.group, &way.topic).and_then(|view| view.spans()));
    let spans = asked.await.expect("asking does not panic").expect("Kafka runs, and nobody else strikes it");
    let (partition, span) = spans.into_iter().max_by_key(|(_, span)| span.open())?;
    (span.open() > 0).then(|| (partition, span.next().midpoint(span.end)))
}

/// That a worker says that it cannot go on, or goes on.
async fn is_told(world: &World, way: &Way, partition: i32, offset: i64) -> Option<&'static str> {
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        let unready = world.workers(way).any(|worker| !world.book.is_ready(&worker.name));
        if began.elapsed() > STARTED && unready {
            return Some("a worker said that it is not ready");
        }
        let (servers, way) = (world.ground.servers.clone(), way.clone());
        let asked = spawn_blocking(move || GroupView::open(&servers, &way.group, &way.topic)?.spans());
        let spans = asked.await.expect("asking does not panic");
        if spans.is_ok_and(|spans| spans.get(&partition).is_some_and(|span| span.next() > offset)) {
            return Some("the group got past it");
        }
        sleep(EVERY).await;
    }
    None
}
