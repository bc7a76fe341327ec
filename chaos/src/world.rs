//! A round under way: its ground, the systems under test, and the book of what was seen.

use std::time::Duration;

use crate::{book::Book, fault::Fault, ground::Ground, history::Outage, process::Process, system::System};

/// What faults strike and observers look at.
pub struct World {
    pub ground: Ground,
    pub systems: Vec<Box<dyn System>>,
    pub book: Book,
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World").field("ground", &self.ground).finish_non_exhaustive()
    }
}

impl World {
    /// Its clock begins.
    pub fn new(ground: Ground, systems: Vec<Box<dyn System>>) -> Self {
        Self { ground, systems, book: Book::open() }
    }

    /// Of all systems, always in the same order.
    pub fn processes(&self) -> impl Iterator<Item = &Process> {
        self.systems.iter().flat_map(|system| system.processes())
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
