//! What the processes need, taken away for a while. Each takes its lock first: its turn may come late, when another fault is at
//! the same target.

use std::time::Duration;

use tokio::{
    sync::Mutex,
    time::{Instant, sleep, timeout},
};

use crate::{
    ground::{PASSWORD, namespace},
    history::Outage,
    observe::admin,
    peer::{Illness, Peer},
    timeline::Strike,
    world::World,
};

/// Until processes that were struck before are ready again.
const PATIENCE: Duration = Duration::from_secs(30);
const EVERY: Duration = Duration::from_millis(300);

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

/// The processes keep the old password, as long as nobody tells them the new one. A session outlives the password that let it in, and
/// who has one can work and is ready: so they are ended, those too that were being let in when the password changed.
pub(super) async fn rotate_password(world: &World, strike: &Strike) -> Vec<Outage> {
    // One that starts with a password that is refused has to end.
    let began = Instant::now();
    while !world.unready().await.is_empty() {
        if began.elapsed() > PATIENCE {
            crate::say!("  left out, since not every process is ready");
            return Vec::new();
        }
        sleep(EVERY).await;
    }
    let postgres = world.ground.postgres.lock().await;
    let from = world.book.now();
    postgres.change_password("another").await;
    let again_and_again = async {
        loop {
            postgres.end_sessions().await;
            sleep(EVERY).await;
        }
    };
    let _ = timeout(strike.lasts, again_and_again).await;
    let outages = world.processes().map(|process| world.outage(strike.fault, process, from)).collect();
    postgres.change_password(PASSWORD).await;
    outages
}

pub(super) fn illness(strike: &Strike) -> Illness {
    Illness::ALL[strike.target as usize % Illness::ALL.len()]
}

pub(super) async fn peer_away(peer: &Mutex<Peer>, strike: &Strike) -> Vec<Outage> {
    let mut peer = peer.lock().await;
    peer.fall_ill(illness(strike)).await;
    sleep(strike.lasts).await;
    peer.heal().await;
    Vec::new()
}

pub(super) async fn refuse_dead_letters(world: &World, strike: &Strike) -> Vec<Outage> {
    // With Kafka or a peer away as well, nobody would learn of it.
    let _broker = world.ground.broker.lock().await;
    let (_peer, _notary) = (world.ground.peer.lock().await, world.ground.notary.lock().await);
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
        admin::refuse_dead_letters(&world.ground.servers, &namespace(system.name()), refuse).await;
    }
}
