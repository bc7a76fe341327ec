//! The systems under test. To register one: a file that implements [`System`], and a line in [`start`].

mod practice;
mod road;

use crate::{ground::Ground, system::System};

/// The names of all.
pub const NAMES: [&str; 2] = [road::NAME, practice::NAME];

/// Starts the systems of these names; ready when this returns.
pub async fn start(names: &[String], ground: &Ground, run: u64) -> Vec<Box<dyn System>> {
    let mut systems: Vec<Box<dyn System>> = Vec::new();
    for name in names {
        match name.as_str() {
            road::NAME => systems.push(Box::new(road::Road::start(ground, run).await)),
            practice::NAME => systems.push(Box::new(practice::Practice::start(ground).await)),
            other => panic!("there is no system {other}; allowed: {}", NAMES.join(", ")),
        }
    }
    for process in systems.iter().flat_map(|system| system.processes()) {
        process.wait_ready().await;
    }
    systems
}
