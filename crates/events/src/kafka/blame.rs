//! What is to blame when a record does not get into Kafka, by the code that the client or a broker gives.

use rdkafka::error::RDKafkaErrorCode;

/// What is to blame, in the order of how much it says: when a batch is refused and the client ends over it, all but one of
/// the records tell of the end alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Blame {
    /// The client has given up for good; a new one goes on.
    Client,
    /// What passes by itself.
    Outage,
    /// A right or a setting. Nothing is wrong with the record, and it goes out once a person has done this.
    Setting(&'static str),
    /// The record itself: sending it again is of no use.
    Record,
}

const LOG_IN: &str =
    "check KAFKA_SECURITY_PROTOCOL, KAFKA_SASL_* and KAFKA_SSL_*, and the user's password and certificate";
const NO_TOPIC: &str = "create the topic: it was deleted, or the service that owns it has never run";
const NO_PARTITION: &str = "give the topic its partitions back: it has fewer than it had";
const NAME: &str = "correct the topic's name: see KAFKA_TOPIC, KAFKA_TOPIC_PREFIX and KAFKA_TOPIC_NAMESPACE";
const WRITE: &str = "give this client's user the rights Describe and Write on the topic";
const IDEMPOTENT: &str = "give this client's user the right IdempotentWrite on the cluster";
const TRANSACTIONAL: &str = "give this client's user the rights Describe and Write on the transactional id";
const CLOCK: &str =
    "set this machine's clock, or the topic's message.timestamp.before.max.ms and message.timestamp.after.max.ms";
const CLUSTER: &str = "ask who runs the cluster: its policy or its version does not allow it";
const COMPRESSION: &str = "set KAFKA_PRODUCER_COMPRESSION_TYPE to what the cluster takes";

/// The table. What is not in it says nothing of a record that is sent, and is waited out.
pub(crate) fn blame(code: RDKafkaErrorCode) -> Blame {
    use RDKafkaErrorCode as Code;
    match code {
        // Larger than the topic takes, or than a segment of its log.
        Code::MessageSizeTooLarge | Code::InvalidMessageSize | Code::MessageBatchTooLarge => Blame::Record,
        // Not what the topic takes, such as a record without a key where the log is compacted.
        Code::InvalidRecord | Code::InvalidMessage => Blame::Record,

        Code::TopicAuthorizationFailed => Blame::Setting(WRITE),
        Code::ClusterAuthorizationFailed => Blame::Setting(IDEMPOTENT),
        Code::TransactionalIdAuthorizationFailed => Blame::Setting(TRANSACTIONAL),
        // By the client, which has looked for half a minute, and by a broker.
        Code::UnknownTopic | Code::UnknownTopicOrPartition | Code::UnknownTopicId => Blame::Setting(NO_TOPIC),
        Code::UnknownPartition => Blame::Setting(NO_PARTITION),
        Code::InvalidTopic => Blame::Setting(NAME),
        Code::Authentication
        | Code::SSL
        | Code::SaslAuthenticationFailed
        | Code::UnsupportedSASLMechanism
        | Code::IllegalSASLState
        | Code::SecurityDisabled => Blame::Setting(LOG_IN),
        Code::InvalidTimestamp => Blame::Setting(CLOCK),
        Code::PolicyViolation
        | Code::InvalidConfig
        | Code::InvalidRequiredAcks
        | Code::UnsupportedVersion
        | Code::UnsupportedForMessageFormat
        | Code::UnsupportedFeature => Blame::Setting(CLUSTER),
        Code::UnsupportedCompressionType | Code::BadCompression => Blame::Setting(COMPRESSION),

        // It no longer knows what the broker has, or another has taken its place.
        Code::Fatal
        | Code::GaplessGuarantee
        | Code::Inconsistent
        | Code::OutOfOrderSequenceNumber
        | Code::DuplicateSequenceNumber
        | Code::UnknownProducerId
        | Code::InvalidProducerIdMapping
        | Code::InvalidProducerEpoch
        | Code::InvalidTransactionalState
        | Code::ProducerFenced
        | Code::Fenced => Blame::Client,

        _ => Blame::Outage,
    }
}

/// What a person has to do, where it takes one.
pub(crate) fn remedy(code: RDKafkaErrorCode) -> Option<&'static str> {
    match blame(code) {
        Blame::Setting(remedy) => Some(remedy),
        Blame::Record | Blame::Client | Blame::Outage => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use RDKafkaErrorCode as Code;

    use super::*;

    /// Waited out, because they pass by themselves.
    const PASSING: &[Code] = &[
        Code::Unknown,
        Code::LeaderNotAvailable,
        Code::NotLeaderForPartition,
        Code::RequestTimedOut,
        Code::BrokerNotAvailable,
        Code::ReplicaNotAvailable,
        Code::NetworkException,
        Code::CoordinatorLoadInProgress,
        Code::CoordinatorNotAvailable,
        Code::NotCoordinator,
        Code::NotController,
        Code::NotEnoughReplicas,
        Code::NotEnoughReplicasAfterAppend,
        Code::ConcurrentTransactions,
        Code::KafkaStorageError,
        Code::LogDirNotFound,
        Code::FencedLeaderEpoch,
        Code::UnknownLeaderEpoch,
        Code::StaleBrokerEpoch,
        Code::ThrottlingQuotaExceeded,
        Code::RebootstrapRequired,
        Code::ReassignmentInProgress,
        Code::BadMessage,
        Code::BrokerDestroy,
        Code::BrokerTransportFailure,
        Code::Resolve,
        Code::MessageTimedOut,
        Code::AllBrokersDown,
        Code::OperationTimedOut,
        Code::TimedOutQueue,
        Code::QueueFull,
        Code::ISRInsufficient,
        Code::WaitCache,
        Code::Interrupted,
        Code::Retry,
        Code::PurgeQueue,
        Code::PurgeInflight,
        // Another record of its batch was refused, not this one.
        Code::InvalidDifferentRecord,
        Code::Fail,
        Code::CriticalSystemResource,
        Code::InvalidArgument,
        Code::State,
        Code::InProgress,
        Code::PreviousInProgress,
    ];

    /// Answers to other questions: of consumers, groups, transactions' beginnings and administration.
    const OF_OTHERS: &[i32] = &[
        -191, -189, -182, -180, -179, -177, -176, -175, -174, -173, -171, -170, -168, -167, -162, -161, -160, -159,
        -158, -157, -156, -155, -154, -147, -146, -145, -143, -142, -141, -140, -139, -137, 1, 11, 12, 22, 23, 24, 25,
        26, 27, 28, 30, 36, 37, 38, 39, 42, 50, 52, 55, 61, 62, 63, 64, 65, 66, 67, 68, 69, 70, 71, 72, 73, 78, 79, 80,
        81, 82, 83, 84, 85, 86, 88, 91, 92, 93, 94, 95, 96, 97, 110, 111, 112, 113, 117, 118,
    ];

    /// Every code that the client knows.
    fn all() -> impl Iterator<Item = Code> {
        let known = (-199..-100).chain(-1..0).chain(1..130);
        known.filter_map(|number| rdkafka::types::RDKafkaRespErr::try_from(number).ok()).map(Code::from)
    }

    #[test]
    fn every_code_is_sorted_on_purpose() {
        let mut unsorted = BTreeSet::new();
        for code in all() {
            let is_passing = PASSING.contains(&code);
            let is_of_others = OF_OTHERS.contains(&(code as i32));
            match blame(code) {
                Blame::Outage if is_passing || is_of_others => {}
                Blame::Outage => drop(unsorted.insert(format!("{} {code:?}", code as i32))),
                sorted => assert!(!is_passing && !is_of_others, "{code:?} is {sorted:?}"),
            }
        }
        assert!(unsorted.is_empty(), "neither in the table nor known to pass: {unsorted:#?}");
    }

    #[test]
    fn only_a_record_that_is_no_better_the_next_time_is_to_blame() {
        let record = all().filter(|code| blame(*code) == Blame::Record).map(|code| code as i32);
        assert_eq!(record.collect::<Vec<_>>(), [2, 4, 10, 18, 87]);
    }

    #[test]
    fn rights_topics_and_log_ins_are_a_persons_matter() {
        for code in [
            Code::TopicAuthorizationFailed,
            Code::ClusterAuthorizationFailed,
            Code::TransactionalIdAuthorizationFailed,
            Code::UnknownTopic,
            Code::UnknownTopicOrPartition,
            Code::UnknownPartition,
            Code::SaslAuthenticationFailed,
            Code::Authentication,
            Code::SSL,
        ] {
            assert!(remedy(code).is_some(), "{code:?}");
        }
        assert_eq!(remedy(Code::AllBrokersDown), None);
    }
}
