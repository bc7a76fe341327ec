//! A system under test, as the harness sees it: processes, their load, and the hops that its events take.

use futures::future::BoxFuture;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::{
    history::{Fact, Write},
    process::Process,
};

/// Processes with a load, and where to look for what came of it.
pub trait System: Send + Sync {
    /// Its topics and groups begin with it.
    fn name(&self) -> &'static str;

    /// Those that may be struck.
    fn processes(&self) -> &[Process];

    /// What its events go through, in the order in which they do.
    fn hops(&self) -> Vec<Hop>;

    /// Writes until told to stop; every write has its outcome when this returns.
    fn load<'s>(&'s self, stop: &'s CancellationToken) -> BoxFuture<'s, ()>;

    /// What the load wrote, and what it was told.
    ///
    /// # Errors
    /// The notes cannot be read.
    fn writes(&self) -> anyhow::Result<Vec<Write>>;
}

/// From rows of an outbox over a topic to the effects of one group.
#[derive(Debug, Clone)]
pub struct Hop {
    /// Such as `asked to answered`.
    pub name: &'static str,
    /// The schema whose outbox the records come from.
    pub outbox: &'static str,
    /// The catalogue's name.
    pub topic: &'static str,
    pub group: &'static str,
    /// What the names of the processes begin with that are this group.
    pub workers: &'static str,
    /// Which fact a record's value tells.
    pub fact: fn(&Value) -> Option<Fact>,
    /// The value of a good record that tells a fact, where strangers know how to write one.
    pub event: Option<fn(&Fact) -> Vec<u8>>,
    /// Where the writes are rows and not the load's own: a query of (key, place). Whatever is a row was committed.
    pub written: Option<&'static str>,
    /// A query of (key, place, record key) in the order in which they were applied.
    pub effects: &'static str,
    /// Topic and outbox of the events that the effects publish.
    pub follow_ups: Option<(&'static str, &'static str)>,
}
