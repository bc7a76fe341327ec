//! The event types, one Rust type per version, one file per domain, and the [`catalogue`](catalogue()) of all that were
//! released.
//!
//! A field that identifies a person carries `x-sensitive` in its schema: `phi` for what a patient's record holds, `pii`
//! for the rest. `none` says that a field with such a name holds nothing personal.

pub mod analytics;
mod catalogue;
pub mod communication;
pub mod conversation;
pub mod dead_letter;
mod declare;
pub(in crate::contract) mod form;
pub mod healthcore;
pub mod lead;
pub mod model;
pub mod monitoring;
pub mod voice;

#[cfg(test)]
mod compatibility;
#[cfg(test)]
mod document;
#[cfg(test)]
pub(crate) mod golden;
#[cfg(test)]
mod upcasting;

pub use catalogue::{EventSpec, catalogue, find, find_tagged};
