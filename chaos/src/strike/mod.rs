//! How each fault strikes and is healed.

mod outages;
mod processes;

use crate::{fault::Fault, history::Outage, timeline::Strike, world::World};

/// Whom it strikes, of those whom it can; in words for the timeline.
pub fn target(world: &World, strike: &Strike) -> String {
    match strike.fault {
        Fault::KillBroker | Fault::PauseBroker => "kafka".to_owned(),
        Fault::StopPostgres => "postgres".to_owned(),
        Fault::RefuseDeadLetters => "dead.letter.queue".to_owned(),
        Fault::DependencyAway => format!("peer, {:?}", outages::illness(strike)).to_lowercase(),
        Fault::KillWorker | Fault::KillService | Fault::RollService | Fault::PauseWorker => {
            processes::victim(world, strike).name.clone()
        }
    }
}

/// Strikes, waits, heals; returns whose work it stopped meanwhile, where readiness has to tell.
///
/// An outage of Kafka or of the peer is none of these: what is accepted is kept, and others are served.
pub async fn befall(world: &World, strike: &Strike) -> Vec<Outage> {
    match strike.fault {
        Fault::KillWorker | Fault::KillService | Fault::RollService | Fault::PauseWorker => {
            processes::strike(world, strike).await
        }
        Fault::KillBroker => outages::kill_broker(world, strike).await,
        Fault::PauseBroker => outages::pause_broker(world, strike).await,
        Fault::StopPostgres => outages::stop_postgres(world, strike).await,
        Fault::DependencyAway => outages::peer_away(world, strike).await,
        Fault::RefuseDeadLetters => outages::refuse_dead_letters(world, strike).await,
    }
}
