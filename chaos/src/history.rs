//! What happened in a round, as the checkers need it: plain data, so that a test can make one by hand.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    fmt,
    time::Duration,
};

use uuid::Uuid;

/// A fact: one event's key and its place among the events of that key. Unlike an event's id it says what comes before it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fact {
    pub key: String,
    /// Grows by one with each write of the key.
    pub seq: u32,
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.key, self.seq)
    }
}

/// What the writer knows of its write, as Jepsen has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteOutcome {
    /// It was told that the write is durable.
    Acknowledged,
    /// It knows that nothing was written: the commit was never asked for.
    Failed,
    /// There was no answer, or the writer died: both are possible.
    Indeterminate,
}

/// A write that was begun.
#[derive(Debug, Clone)]
pub struct Write {
    pub fact: Fact,
    /// The handler will reject it: what is right is a dead letter and no effect.
    pub poison: bool,
    pub outcome: WriteOutcome,
}

/// A record in a topic.
#[derive(Debug, Clone)]
pub struct Record {
    pub fact: Fact,
    /// The event's id.
    pub id: Uuid,
    /// The record's key: within one, the order is promised.
    pub key: String,
    pub partition: i32,
    pub offset: i64,
}

/// A record that is no event: what is right is a dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Garbage {
    pub partition: i32,
    pub offset: i64,
    /// What the letter has to hold; `None` where the bytes may be too many for one.
    pub value: Option<Vec<u8>>,
}

/// A row that a handler wrote.
#[derive(Debug, Clone)]
pub struct Effect {
    pub fact: Fact,
    /// Whose order it belongs to: the key of the record that caused it.
    pub key: String,
}

/// A record of the dead-letter topic.
#[derive(Debug, Clone)]
pub struct DeadLetter {
    /// `dlq.id`.
    pub id: Uuid,
    /// What was given up; `None` when the bytes are not of this hop.
    pub fact: Option<Fact>,
    /// The code of the rejection.
    pub code: String,
    /// Where the record that was given up is.
    pub partition: i32,
    pub offset: i64,
    /// The bytes that were kept.
    pub value: Vec<u8>,
}

/// What a look from outside saw: first what the group had committed, then what was finished.
///
/// In that order: an offset is committed after its work, so whatever lies below an offset that was read first must be finished
/// when that is read afterwards. The other way round, work that finished and was committed in between would look like a breach.
#[derive(Debug, Clone, Default)]
pub struct Look {
    /// When it began, since the round did.
    pub at: Duration,
    /// By partition, the next offset to be handled.
    pub committed: BTreeMap<i32, i64>,
    /// Facts with an effect or a dead letter.
    pub finished: HashSet<Fact>,
}

/// One hop of a round: writes that become records of one topic, which one group turns into effects and follow-up events.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// Such as `road: asked to answered`.
    pub hop: String,
    pub writes: Vec<Write>,
    /// The topic, by partition and offset; what an operator replaced comes before what is there instead.
    pub records: Vec<Record>,
    /// Records that strangers wrote and that are no events.
    pub garbage: Vec<Garbage>,
    /// Where records were that an operator took away before they were handled, by partition and offset: they bind nobody.
    pub lost: HashSet<(i32, i64)>,
    /// In the order in which they were applied.
    pub effects: Vec<Effect>,
    /// The topic of the events that the effects published, by partition and offset; `None` where the handler publishes none.
    pub follow_ups: Option<Vec<Record>>,
    /// Of this hop's group.
    pub dead_letters: Vec<DeadLetter>,
    pub looks: Vec<Look>,
    /// How many of the records, from the first, the looks are about: not those of a log that came instead of another, since what
    /// was committed to that says nothing of it.
    pub looked_at: usize,
}

/// A span of a round in which a process could not do its work.
#[derive(Debug, Clone)]
pub struct Outage {
    pub process: String,
    /// The fault's name.
    pub fault: &'static str,
    /// Since the round began.
    pub from: Duration,
    pub until: Duration,
}

/// What `/readyz` said; no answer is no.
#[derive(Debug, Clone)]
pub struct Probe {
    pub process: String,
    /// When it was asked.
    pub at: Duration,
    /// When it answered, or was not waited for any longer: what it says was so at some time in between.
    pub answered: Duration,
    pub ready: bool,
}

/// Something that nobody can get past.
#[derive(Debug, Clone)]
pub struct Halt {
    /// Who met it.
    pub workers: Vec<String>,
    /// Where it is.
    pub what: String,
    /// Whether one of them said that it is not ready, or got past it after all.
    pub told: bool,
}

/// How the processes fared.
#[derive(Debug, Clone, Default)]
pub struct Operation {
    pub outages: Vec<Outage>,
    pub probes: Vec<Probe>,
    pub halts: Vec<Halt>,
    /// Processes that were meant to run at the end.
    pub running: BTreeSet<String>,
    /// The most resident memory that was seen of each process, in bytes.
    pub memory: BTreeMap<String, u64>,
    /// Processes that ended although nobody ended them, with how.
    pub ended: Vec<(String, String)>,
    /// From the last healing until nothing was left to do and every process was ready; `None` when that did not come.
    pub recovery: Option<Duration>,
    /// What was still to be done at the end.
    pub remaining: Vec<String>,
    /// How long recovery may take.
    pub patience: Duration,
}
