//! Processes that are killed, told to end, or stopped in the middle.

use tokio::time::sleep;

use crate::{fault::Fault, history::Outage, process::Process, timeline::Strike, world::World};

pub(super) fn victim<'w>(world: &'w World, strike: &Strike) -> &'w Process {
    let only_workers = matches!(strike.fault, Fault::KillWorker | Fault::PauseWorker);
    let candidates: Vec<_> = world.processes().filter(|process| process.is_worker || !only_workers).collect();
    candidates[strike.target as usize % candidates.len()]
}

pub(super) async fn strike(world: &World, strike: &Strike) -> Vec<Outage> {
    let victim = victim(world, strike);
    // Its turn may come late, when another fault is at the same target.
    let mut service = victim.service.lock().await;
    let from = world.book.now();
    match strike.fault {
        Fault::PauseWorker => service.pause(),
        Fault::RollService => world.book.ended_when_told(&victim.name, service.terminate().await),
        _ => service.kill9(),
    }
    sleep(strike.lasts).await;
    match strike.fault {
        Fault::PauseWorker => service.resume(),
        _ => service.restart().await,
    }
    vec![world.outage(strike.fault, victim, from)]
}
