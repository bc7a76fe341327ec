//! A round under way: its ground, the systems under test, and the book of what was seen.

use std::time::Duration;

use tokio::sync::RwLock;

use crate::{
    acts::Acts,
    book::Book,
    fault::Fault,
    ground::{Ground, namespace},
    history::Outage,
    process::Process,
    system::{Hop, System},
};

/// What faults strike and observers look at.
pub struct World {
    pub ground: Ground,
    pub systems: Vec<Box<dyn System>>,
    pub book: Book,
    pub acts: Acts,
    /// Held by a fault that strikes alone; shared by the others.
    pub alone: RwLock<()>,
}

/// A hop that something is done to.
#[derive(Debug, Clone)]
pub struct Way {
    pub hop: Hop,
    /// As Kafka names it.
    pub topic: String,
    /// As Kafka names it.
    pub group: String,
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World").field("ground", &self.ground).finish_non_exhaustive()
    }
}

impl World {
    /// Its clock begins.
    pub fn new(ground: Ground, systems: Vec<Box<dyn System>>) -> Self {
        Self { ground, systems, book: Book::open(), acts: Acts::default(), alone: RwLock::default() }
    }

    /// Of all systems, always in the same order.
    pub fn processes(&self) -> impl Iterator<Item = &Process> {
        self.systems.iter().flat_map(|system| system.processes())
    }

    /// Of all hops, the one with this number, counted round and round.
    pub(crate) fn way(&self, number: u32) -> Way {
        let mut all = Vec::new();
        for system in &self.systems {
            all.extend(system.hops().into_iter().map(|hop| (system.name(), hop)));
        }
        let (system, hop) = all.swap_remove(number as usize % all.len());
        let namespace = namespace(system);
        Way { topic: format!("{namespace}{}", hop.topic), group: format!("{namespace}{}", hop.group), hop }
    }

    /// Those that handle it.
    pub(crate) fn workers(&self, way: &Way) -> impl Iterator<Item = &Process> {
        let begins = way.hop.workers;
        self.processes().filter(move |process| process.name.starts_with(begins))
    }

    /// Until now.
    pub(crate) fn outage(&self, fault: Fault, process: &Process, from: Duration) -> Outage {
        Outage { process: process.name.clone(), fault: fault.name(), from, until: self.book.now() }
    }

    /// Processes that are meant to run and did not say that they are ready when they were asked last.
    pub(crate) async fn unready(&self) -> Vec<String> {
        let mut unready = Vec::new();
        for process in self.processes() {
            if process.service.lock().await.id().is_some() && !self.book.is_ready(&process.name) {
                unready.push(format!("{} is not ready", process.name));
            }
        }
        unready
    }
}
