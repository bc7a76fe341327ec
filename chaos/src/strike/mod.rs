//! How each fault strikes and is healed.

mod damage;
mod hush;
mod logs;
mod odd;
mod outages;
mod processes;

use crate::{fault::Fault, history::Outage, timeline::Strike, world::World};

/// Whom it strikes, of those whom it can; in words for the timeline.
pub fn target(world: &World, strike: &Strike) -> String {
    let illness = || format!("{:?}", outages::illness(strike)).to_lowercase();
    match strike.fault {
        Fault::KillBroker | Fault::PauseBroker => "kafka".to_owned(),
        Fault::StopPostgres | Fault::RotatePassword => "postgres".to_owned(),
        Fault::RefuseDeadLetters => "dead.letter.queue".to_owned(),
        Fault::DependencyAway => format!("peer, {}", illness()),
        Fault::SecondDependencyAway => format!("notary, {}", illness()),
        Fault::KillWorker | Fault::KillService | Fault::RollService | Fault::PauseWorker => {
            processes::victim(world, strike).name.clone()
        }
        Fault::OddRecords
        | Fault::Tombstones
        | Fault::RecreateTopic
        | Fault::ShortenTopic
        | Fault::RestoreTopic
        | Fault::DamageBatch => world.way(strike.target).topic,
    }
}

/// Strikes, waits, heals; returns whose work it stopped meanwhile, where readiness has to tell.
///
/// An outage of Kafka or of a peer is none of these: what is accepted is kept, and others are served.
pub async fn befall(world: &World, strike: &Strike) -> Vec<Outage> {
    // One that is alone waits until the others are healed, and they until it is.
    let (_among_others, _alone) = match strike.fault.is_alone() {
        true => (None, Some(world.alone.write().await)),
        false => (Some(world.alone.read().await), None),
    };
    match strike.fault {
        Fault::KillWorker | Fault::KillService | Fault::RollService | Fault::PauseWorker => {
            processes::strike(world, strike).await
        }
        Fault::KillBroker => outages::kill_broker(world, strike).await,
        Fault::PauseBroker => outages::pause_broker(world, strike).await,
        Fault::StopPostgres => outages::stop_postgres(world, strike).await,
        Fault::RotatePassword => outages::rotate_password(world, strike).await,
        Fault::DependencyAway => outages::peer_away(&world.ground.peer, strike).await,
        Fault::SecondDependencyAway => outages::peer_away(&world.ground.notary, strike).await,
        Fault::RefuseDeadLetters => outages::refuse_dead_letters(world, strike).await,
        Fault::OddRecords => odd::records(world, strike).await,
        Fault::Tombstones => odd::tombstones(world, strike).await,
        Fault::RecreateTopic => logs::recreate(world, strike).await,
        Fault::ShortenTopic => logs::shorten(world, strike).await,
        Fault::RestoreTopic => logs::restore(world, strike).await,
        Fault::DamageBatch => damage::strike(world, strike).await,
    }
}
