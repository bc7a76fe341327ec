//! The catalogue: the only place with topic names, their partitions and their retention, and who owns them.

use std::time::Duration;

/// How a topic forgets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cleanup {
    /// By age.
    Delete,
    /// By age, and by key once a record is older than the retention: `min.compaction.lag.ms` is set to it, because
    /// compaction of an event topic would otherwise eat all but the last event of a key.
    CompactDelete,
}

/// One topic.
#[derive(Debug, PartialEq, Eq)]
pub struct TopicSpec {
    /// Its name in this catalogue, and in Kafka unless the settings say otherwise (see [`TopicNames`]).
    pub name: &'static str,
    /// The service that creates it and defines its schemas.
    pub owner: &'static str,
    /// Partitions when it is created.
    pub partitions: i32,
    /// How long a record is kept.
    pub retention: Duration,
    /// How it forgets.
    pub cleanup: Cleanup,
    /// The largest record in bytes.
    pub max_message_bytes: i32,
}

const DAY: Duration = Duration::from_secs(24 * 3600);
/// Kafka's own default: 1 MiB plus the record's overhead.
const STANDARD: i32 = 1_048_588;
/// A record of exactly the standard maximum must still fit as a dead letter, with 16 KiB of headers about its failure.
const WITH_FAILURE: i32 = STANDARD + 64 * 1024;

const fn events(name: &'static str, owner: &'static str, partitions: i32, days: u32) -> TopicSpec {
    TopicSpec {
        name,
        owner,
        partitions,
        retention: Duration::from_secs(DAY.as_secs() * days as u64),
        cleanup: Cleanup::Delete,
        max_message_bytes: STANDARD,
    }
}

/// What the voice AI said; key: call id.
pub static AI_RESPONSES: TopicSpec = events("ai-responses", "voice-ingest", 6, 7);
/// Key: patient id, as of all `healthcore.*` topics.
pub static PATIENT_CREATED: TopicSpec = events("healthcore.patient.created", "healthcore-publisher", 6, 7);
/// A patient changed.
pub static PATIENT_UPDATED: TopicSpec = events("healthcore.patient.updated", "healthcore-publisher", 6, 7);
/// A patient was removed.
pub static PATIENT_DELETED: TopicSpec = events("healthcore.patient.deleted", "healthcore-publisher", 6, 7);
/// An appointment is in the book.
pub static APPOINTMENT_BOOKED: TopicSpec = events("healthcore.appointment.booked", "healthcore-publisher", 6, 7);
/// An appointment was called off.
pub static APPOINTMENT_CANCELLED: TopicSpec = events("healthcore.appointment.cancelled", "healthcore-publisher", 6, 7);
/// An appointment took place.
pub static APPOINTMENT_COMPLETED: TopicSpec = events("healthcore.appointment.completed", "healthcore-publisher", 6, 7);
/// What could not be applied, with the reason in its headers; key: the original one.
pub static DEAD_LETTER_QUEUE: TopicSpec =
    TopicSpec { max_message_bytes: WITH_FAILURE, ..events("dead.letter.queue", "dlq-replayer", 1, 7) };

/// Every topic of the system.
pub static CATALOGUE: &[&TopicSpec] = &[
    &AI_RESPONSES,
    &PATIENT_CREATED,
    &PATIENT_UPDATED,
    &PATIENT_DELETED,
    &APPOINTMENT_BOOKED,
    &APPOINTMENT_CANCELLED,
    &APPOINTMENT_COMPLETED,
    &DEAD_LETTER_QUEUE,
];

/// The topics that `owner` creates.
pub fn owned_by(owner: &str) -> impl Iterator<Item = &'static TopicSpec> {
    CATALOGUE.iter().copied().filter(move |topic| topic.owner == owner)
}

/// How catalogue names become names in Kafka.
///
/// Outbox rows carry the catalogue's names; the relay and the consumers translate, so that a row means the same whatever
/// the installation calls its topics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicNames {
    /// Put before every topic and group name; empty unless several installations share a cluster.
    pub namespace: String,
    /// Replaces `healthcore` in `healthcore.*`.
    pub healthcore_prefix: String,
    /// Replaces `ai-responses`.
    pub ai_responses: String,
}

const HEALTHCORE: &str = "healthcore";

impl Default for TopicNames {
    fn default() -> Self {
        Self {
            namespace: String::new(),
            healthcore_prefix: HEALTHCORE.to_owned(),
            ai_responses: AI_RESPONSES.name.to_owned(),
        }
    }
}

impl TopicNames {
    /// The name in Kafka of a catalogue topic.
    pub fn in_kafka(&self, topic: &TopicSpec) -> String {
        let namespace = &self.namespace;
        if topic == &AI_RESPONSES {
            return format!("{namespace}{}", self.ai_responses);
        }
        match topic.name.strip_prefix(HEALTHCORE) {
            Some(rest) => format!("{namespace}{}{rest}", self.healthcore_prefix),
            None => format!("{namespace}{}", topic.name),
        }
    }

    /// The catalogue topic behind a name in Kafka.
    pub fn in_catalogue(&self, name: &str) -> Option<&'static TopicSpec> {
        CATALOGUE.iter().copied().find(|topic| self.in_kafka(topic) == name)
    }

    /// The name in Kafka of a consumer group.
    pub fn group(&self, group: &str) -> String {
        format!("{}{group}", self.namespace)
    }
}

/// The catalogue topic of this name.
pub fn find(name: &str) -> Option<&'static TopicSpec> {
    CATALOGUE.iter().copied().find(|topic| topic.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_settings_both_ways() {
        let names =
            TopicNames { namespace: "eu.".into(), healthcore_prefix: "clinic".into(), ai_responses: "voice".into() };
        assert_eq!(names.in_kafka(&PATIENT_CREATED), "eu.clinic.patient.created");
        assert_eq!(names.in_kafka(&AI_RESPONSES), "eu.voice");
        assert_eq!(names.in_kafka(&DEAD_LETTER_QUEUE), "eu.dead.letter.queue");
        for topic in CATALOGUE {
            assert_eq!(names.in_catalogue(&names.in_kafka(topic)), Some(*topic));
        }
        assert_eq!(TopicNames::default().in_kafka(&PATIENT_CREATED), "healthcore.patient.created");
    }
}
