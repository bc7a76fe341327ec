//! What the processes need, taken away for a while. Each takes its lock first: its turn may come late, when another fault is at
//! the same target.

use tokio::time::sleep;

use crate::{ground::namespace, history::Outage, observe::topics, peer::Illness, timeline::Strike, world::World};

pub(super) async fn kill_broker(world: &World, strike: &Strike) -> Vec<Outage> {
    let mut broker = world.ground.broker.lock().await;
    broker.kill();
    sleep(strike.lasts).await;
    broker.start_again().await;
    Vec::new()
}

pub(super) async fn pause_broker(world: &World, strike: &Strike) -> Vec<Outage> {
    let mut broker = world.ground.broker.lock().await;
    broker.pause();
    sleep(strike.lasts).await;
    broker.resume();
    Vec::new()
}

pub(super) async fn stop_postgres(world: &World, strike: &Strike) -> Vec<Outage> {
    let mut postgres = world.ground.postgres.lock().await;
    let from = world.book.now();
    postgres.stop_immediately().await;
    sleep(strike.lasts).await;
    let until = world.book.now();
    postgres.start_again().await;
    let stopped = world.processes().map(|process| world.outage(strike.fault, process, from));
    stopped.map(|outage| Outage { until, ..outage }).collect()
}

pub(super) fn illness(strike: &Strike) -> Illness {
    Illness::ALL[strike.target as usize % Illness::ALL.len()]
}

pub(super) async fn peer_away(world: &World, strike: &Strike) -> Vec<Outage> {
    let mut peer = world.ground.peer.lock().await;
    peer.fall_ill(illness(strike)).await;
    sleep(strike.lasts).await;
    peer.heal().await;
    Vec::new()
}

pub(super) async fn refuse_dead_letters(world: &World, strike: &Strike) -> Vec<Outage> {
    // With Kafka or the peer away as well, nobody would learn of it.
    let (_broker, _peer) = (world.ground.broker.lock().await, world.ground.peer.lock().await);
    refuse(world, true).await;
    let from = world.book.now();
    sleep(strike.lasts).await;
    let stopped = world.processes().filter(|process| process.meets_poison);
    let outages = stopped.map(|process| world.outage(strike.fault, process, from)).collect();
    refuse(world, false).await;
    outages
}

/// Every dead-letter topic takes no record, or all again.
async fn refuse(world: &World, refuse: bool) {
    for system in &world.systems {
        topics::refuse_dead_letters(&world.ground.servers, &namespace(system.name()), refuse).await;
    }
}
