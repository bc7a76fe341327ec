//! What operators and strangers did to topics behind the systems' backs, as far as the checkers have to know.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use test_kit::kafka::TestRecord;

use crate::history::{Garbage, Write};

/// By topic, as Kafka names it.
#[derive(Debug, Default)]
pub struct Acts(Mutex<HashMap<String, Deeds>>);

/// What was done to one topic.
#[derive(Debug, Clone, Default)]
pub struct Deeds {
    /// What was in it before an operator took something away.
    pub kept: Vec<TestRecord>,
    /// Where records were that were taken away before they were handled, by partition and offset.
    pub lost: HashSet<(i32, i64)>,
    /// When its offsets began to mean something else.
    pub replaced: Option<Duration>,
    /// Good events and poison that strangers wrote.
    pub writes: Vec<Write>,
    /// What strangers wrote that is no event.
    pub garbage: Vec<Garbage>,
}

impl Acts {
    pub(crate) fn note(&self, topic: &str, what: impl FnOnce(&mut Deeds)) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        what(all.entry(topic.to_owned()).or_default());
    }

    pub(crate) fn of(&self, topic: &str) -> Deeds {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(topic).cloned().unwrap_or_default()
    }
}
