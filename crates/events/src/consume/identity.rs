//! What a record goes by that has no id of its own: where and when it stood, since another log can have another record there.
//!
//! A replay goes by where its record stood first, if the letter's id vouches for that: it is derived from the place, and
//! signed where there is a key. Every other replay goes by its letter, key and value. What is claimed by a first place is claimed by
//! those too, so that a copy that says another place or none is a repeat.

use super::record::{Record, Subscribed};
use crate::contract::{
    event::{Coordinates, EventId, Origin},
    headers::dlq,
    replay::Replay,
};

impl Record {
    /// What a record without an id or a time of its own has instead.
    pub(super) fn origin<'a>(&'a self, topic: &'a Subscribed, replay: Option<&'a Replay>) -> RecordOrigin<'a> {
        RecordOrigin { record: self, topic, replay }
    }

    /// Where the record of a replay stood first, if its letter was written for what stood there and then.
    pub(super) fn first_place(&self, replay: &Replay) -> Option<Coordinates<'_>> {
        let headers = self.headers();
        let handler = headers.text(dlq::HANDLER).or(replay.handler.as_deref()).unwrap_or_default();
        headers.told_place().filter(|at| at.letter_id(&replay.group, handler).0 == replay.dead_letter_id)
    }

    fn replayed_id(&self, replay: &Replay) -> EventId {
        replay.record_id(self.key(), self.payload())
    }
}

/// The origin of a record; nearly every one has an id and a time, so it is not looked for before it is asked for.
#[derive(Clone, Copy)]
pub(super) struct RecordOrigin<'a> {
    record: &'a Record,
    topic: &'a Subscribed,
    replay: Option<&'a Replay>,
}

impl<'a> From<RecordOrigin<'a>> for Origin<'a> {
    fn from(RecordOrigin { record, topic, replay }: RecordOrigin<'a>) -> Self {
        match replay {
            None => record.coordinates(topic).into(),
            Some(replay) => record.first_place(replay).map_or_else(
                || Self::Named { id: record.replayed_id(replay), timestamp_ms: record.timestamp_ms },
                Self::Place,
            ),
        }
    }
}

/// What a record is claimed by.
#[derive(Debug, Clone, Copy)]
pub(super) struct ClaimedBy {
    pub(super) id: EventId,
    /// The letter's record too, where the id is that of the first place.
    pub(super) letter: Option<EventId>,
}

impl ClaimedBy {
    pub(super) fn of(id: EventId, record: &Record, replay: Option<&Replay>) -> Self {
        let unnamed = replay.filter(|replay| record.first_place(replay).is_some_and(|at| at.id() == id));
        Self { id, letter: unnamed.map(|replay| record.replayed_id(replay)) }
    }
}
