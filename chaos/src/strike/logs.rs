//! Logs that become other ones under their readers: a topic made anew, records deleted, a disk with an older copy.

use std::{collections::BTreeMap, time::Duration};

use futures::future::join_all;
use test_kit::kafka::read_topic_to_end;
use tokio::{task::spawn_blocking, time::sleep};

use super::hush::hush;
use crate::{
    history::Outage,
    observe::{
        admin,
        group::{GroupView, Span},
    },
    timeline::Strike,
    world::{Way, World},
};

/// What is written to the new log before a worker starts at the offset that its group has committed.
const SOME_WRITES: Duration = Duration::from_secs(1);

pub(super) async fn recreate(world: &World, strike: &Strike) -> Vec<Outage> {
    let way = world.way(strike.target);
    let Some(rest) = hush(world).await else { return Vec::new() };
    let broker = world.ground.broker.lock().await;
    replace(world, &way, admin::recreate(&world.ground.servers, &way.topic)).await;
    drop((broker, rest));
    sleep(strike.lasts).await;
    roll_a_worker(world, &way, strike).await
}

pub(super) async fn restore(world: &World, strike: &Strike) -> Vec<Outage> {
    let way = world.way(strike.target);
    let Some(rest) = hush(world).await else { return Vec::new() };
    let copy = world.ground.broker.lock().await.copy_of(&way.topic);
    drop(rest);
    sleep(strike.lasts).await;
    // What is lost was handled, and the group's committed offsets are beyond the end of the log.
    let Some(rest) = hush(world).await else { return Vec::new() };
    let mut broker = world.ground.broker.lock().await;
    replace(world, &way, async {
        broker.kill();
        broker.put_back(&way.topic, &copy);
        broker.start_again().await;
    })
    .await;
    drop((broker, rest));
    sleep(SOME_WRITES).await;
    roll_a_worker(world, &way, strike).await
}

/// Remembers what was there, and that the offsets mean something else from now on.
async fn replace(world: &World, way: &Way, by: impl Future<Output = ()>) {
    keep(world, way).await;
    let now = world.book.now();
    world.acts.note(&way.topic, |deeds| deeds.replaced = Some(now));
    by.await;
}

async fn keep(world: &World, way: &Way) {
    let records = read_topic_to_end(&world.ground.servers, &way.topic).await;
    world.acts.note(&way.topic, |deeds| deeds.kept.extend(records));
}

/// Under load, while the workers stand still for less than their session: they go on below the log's new beginning.
pub(super) async fn shorten(world: &World, strike: &Strike) -> Vec<Outage> {
    let way = world.way(strike.target);
    let _broker = world.ground.broker.lock().await;
    let mut workers = join_all(world.workers(&way).map(|worker| worker.service.lock())).await;
    workers.iter_mut().for_each(|worker| worker.pause());
    sleep(strike.lasts).await;
    let spans = spans(world, &way).await;
    // Not before it is known how far the group is: what comes in meanwhile stays.
    keep(world, &way).await;
    let middle = |span: &Span| span.next().midpoint(span.end);
    let ends: BTreeMap<i32, i64> = spans
        .iter()
        .filter(|(_, span)| middle(span) > span.first)
        .map(|(partition, span)| (*partition, middle(span)))
        .collect();
    admin::delete_before(&world.ground.servers, &way.topic, &ends).await;
    let lost = spans.iter().flat_map(|(partition, span)| (span.next()..middle(span)).map(|at| (*partition, at)));
    world.acts.note(&way.topic, |deeds| deeds.lost.extend(lost));
    workers.iter_mut().for_each(|worker| worker.resume());
    Vec::new()
}

async fn spans(world: &World, way: &Way) -> BTreeMap<i32, Span> {
    let (servers, way) = (world.ground.servers.clone(), way.clone());
    let asked = spawn_blocking(move || GroupView::open(&servers, &way.group, &way.topic).and_then(|view| view.spans()));
    asked.await.expect("asking does not panic").expect("Kafka runs, and nobody else strikes it")
}

/// It starts where its group has committed.
async fn roll_a_worker(world: &World, way: &Way, strike: &Strike) -> Vec<Outage> {
    let workers: Vec<_> = world.workers(way).collect();
    let worker = workers[strike.target as usize % workers.len()];
    let mut service = worker.service.lock().await;
    let from = world.book.now();
    world.book.ended_when_told(&worker.name, service.terminate().await);
    service.restart().await;
    vec![world.outage(strike.fault, worker, from)]
}
