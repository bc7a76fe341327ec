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
    /// What the key of its records is; records of one key stay in order.
    pub key: &'static str,
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
/// A record of exactly the standard maximum must still fit as a dead letter, with at most 12 KiB of headers about its failure
/// (`dead_letter::MAX_OWN_HEADERS`).
const WITH_FAILURE: i32 = STANDARD + 64 * 1024;

const fn events(name: &'static str, owner: &'static str, key: &'static str, partitions: i32, days: u32) -> TopicSpec {
    TopicSpec {
        name,
        owner,
        key,
        partitions,
        retention: Duration::from_secs(DAY.as_secs() * days as u64),
        cleanup: Cleanup::Delete,
        max_message_bytes: STANDARD,
    }
}

const fn compacted(spec: TopicSpec) -> TopicSpec {
    TopicSpec { cleanup: Cleanup::CompactDelete, ..spec }
}

const fn leads(name: &'static str) -> TopicSpec {
    events(name, "lead-ai-worker", "lead id, else request id", 6, 7)
}

const fn patients(name: &'static str) -> TopicSpec {
    events(name, "healthcore-publisher", "patient id", 6, 7)
}

/// Keyed by the patient too, so that one patient's facts stay in order within a topic.
const fn appointments(name: &'static str) -> TopicSpec {
    events(name, "healthcore-publisher", "patient id, else `appointment-<id>`", 6, 7)
}

/// What the voice AI said.
pub static AI_RESPONSES: TopicSpec = events("ai-responses", "voice-ingest", "call id", 6, 7);
/// What happens in conversations and to the workflows that they start.
pub static CONVERSATION_EVENTS: TopicSpec =
    compacted(events("conversation.events", "voice-ingest", "conversation id, else user id or workflow id", 3, 7));
/// What models answered, and at what cost.
pub static MODEL_RESPONSES: TopicSpec = events("ai.responses", "voice-ingest", "conversation id, else event id", 6, 3);
/// A lead is stored.
pub static LEAD_CREATED: TopicSpec = leads("lead.created");
/// A lead wrote.
pub static LEAD_MESSAGE: TopicSpec = leads("lead.message");
/// A text is to be read by the AI.
pub static AI_PROCESS_REQUEST: TopicSpec = leads("ai.process.request");
/// What the AI read in a text.
pub static AI_PROCESS_RESULT: TopicSpec = leads("ai.process.result");
/// The AI could not read a text.
pub static AI_ERROR: TopicSpec = leads("ai.error");
/// A patient is in the record.
pub static PATIENT_CREATED: TopicSpec = patients("healthcore.patient.created");
/// A patient changed.
pub static PATIENT_UPDATED: TopicSpec = patients("healthcore.patient.updated");
/// A patient was removed.
pub static PATIENT_DELETED: TopicSpec = patients("healthcore.patient.deleted");
/// An appointment is in the book.
pub static APPOINTMENT_BOOKED: TopicSpec = appointments("healthcore.appointment.booked");
/// A booking waits for a person to look at it.
pub static APPOINTMENT_HELD: TopicSpec = appointments("healthcore.appointment.held");
/// An appointment was called off.
pub static APPOINTMENT_CANCELLED: TopicSpec = appointments("healthcore.appointment.cancelled");
/// An appointment took place.
pub static APPOINTMENT_COMPLETED: TopicSpec = appointments("healthcore.appointment.completed");
/// Mails and phone calls, and the wish for them.
pub static COMMUNICATION_EVENTS: TopicSpec =
    events("communication-events", "communication-service", "`email-<id>` or `call-<id>`, else event id", 6, 7);
/// Figures of businesses.
pub static BUSINESS_ANALYTICS: TopicSpec =
    compacted(events("business.analytics", "console", "business id and metric name", 2, 30));
/// How the services are.
pub static SYSTEM_MONITORING: TopicSpec =
    events("system.monitoring", "console", "service instance, else the alert", 1, 1);
/// What could not be applied, with the reason in its headers.
pub static DEAD_LETTER_QUEUE: TopicSpec = TopicSpec {
    max_message_bytes: WITH_FAILURE,
    ..events("dead.letter.queue", "dlq-replayer", "the original key", 1, 7)
};
/// What became of a replayed dead letter.
pub static DEAD_LETTER_RECEIPTS: TopicSpec = events("dead.letter.receipts", "dlq-replayer", "dead letter id", 1, 7);
/// What is to be done with dead letters.
pub static DEAD_LETTER_COMMANDS: TopicSpec =
    events("dead.letter.commands", "dlq-replayer", "dead letter id, else event id", 1, 7);

/// Every topic of the system.
pub static CATALOGUE: &[&TopicSpec] = &[
    &AI_RESPONSES,
    &CONVERSATION_EVENTS,
    &MODEL_RESPONSES,
    &LEAD_CREATED,
    &LEAD_MESSAGE,
    &AI_PROCESS_REQUEST,
    &AI_PROCESS_RESULT,
    &AI_ERROR,
    &PATIENT_CREATED,
    &PATIENT_UPDATED,
    &PATIENT_DELETED,
    &APPOINTMENT_BOOKED,
    &APPOINTMENT_HELD,
    &APPOINTMENT_CANCELLED,
    &APPOINTMENT_COMPLETED,
    &COMMUNICATION_EVENTS,
    &BUSINESS_ANALYTICS,
    &SYSTEM_MONITORING,
    &DEAD_LETTER_QUEUE,
    &DEAD_LETTER_RECEIPTS,
    &DEAD_LETTER_COMMANDS,
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
    /// Put before every topic and group name as it stands, so with its separator; empty unless several installations share a
    /// cluster.
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
