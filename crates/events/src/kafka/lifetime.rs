//! How long a record can be read, by what the broker says of its topic.

use std::{collections::BTreeSet, time::Duration};

use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, OwnedResourceSpecifier, ResourceSpecifier},
    error::{KafkaError, RDKafkaErrorCode},
};

use super::{client::Client, config::KafkaConfig};
use crate::contract::topics::TopicSpec;

/// How long the question may take.
const LIMIT: Duration = Duration::from_secs(10);
/// Kafka's own `segment.ms`, for a topic that tells us nothing.
const SEGMENT: Duration = Duration::from_secs(7 * 24 * 3600);

/// How long a topic can hold a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lifetime {
    /// The topic, as it is named in Kafka.
    pub topic: String,
    /// The longest; `None` is for ever.
    pub longest: Option<Duration>,
    /// How that comes about, for people.
    pub because: String,
}

/// The topics' lifetimes, each at least what the catalogue says. A topic that is not there, or that this service may not ask about,
/// has what the catalogue says.
///
/// # Errors
/// When the cluster is away.
pub async fn lifetimes(
    config: &KafkaConfig,
    client_id: &str,
    topics: &[&TopicSpec],
) -> Result<Vec<Lifetime>, KafkaError> {
    let admin: AdminClient<Client> = config.client(client_id).create_with_context(Client::default())?;
    let names = config.topic_names();
    let named: Vec<(String, &TopicSpec)> = topics.iter().map(|topic| (names.in_kafka(topic), *topic)).collect();
    // Settings may give two topics one name, and a broker answers no question that names a topic twice.
    let distinct: BTreeSet<&str> = named.iter().map(|(name, _)| name.as_str()).collect();
    let resources: Vec<_> = distinct.into_iter().map(ResourceSpecifier::Topic).collect();
    let options = AdminOptions::new().operation_timeout(Some(LIMIT)).request_timeout(Some(LIMIT));
    let mut found = Vec::new();
    for described in admin.describe_configs(&resources, &options).await? {
        match described {
            Ok(resource) => found.push(resource),
            Err(
                RDKafkaErrorCode::UnknownTopicOrPartition
                | RDKafkaErrorCode::UnknownTopic
                | RDKafkaErrorCode::TopicAuthorizationFailed
                | RDKafkaErrorCode::ClusterAuthorizationFailed,
            ) => {}
            Err(code) => return Err(KafkaError::AdminOp(code)),
        }
    }
    let of = |(name, spec): &(String, &TopicSpec)| {
        let is_it = |of: &OwnedResourceSpecifier| matches!(of, OwnedResourceSpecifier::Topic(other) if other == name);
        let resource = found.iter().find(|resource| is_it(&resource.specifier));
        let setting = |key: &str| resource?.get(key)?.value.clone();
        lifetime(name, spec, setting)
    };
    Ok(named.iter().map(of).collect())
}

/// Whether Kafka compacts a topic; `None` where it does not tell. Blocks for at most `limit`.
pub(crate) fn is_compacted(settings: &ClientConfig, topic: &str, limit: Duration) -> Option<bool> {
    let admin: AdminClient<Client> = settings.create_with_context(Client::default()).ok()?;
    let options = AdminOptions::new().operation_timeout(Some(limit)).request_timeout(Some(limit));
    let asked = [ResourceSpecifier::Topic(topic)];
    let described = futures::executor::block_on(admin.describe_configs(&asked, &options)).ok()?;
    let resource = described.into_iter().next()?.ok()?;
    Some(resource.get("cleanup.policy")?.value.as_ref()?.contains("compact"))
}

/// Kafka deletes a segment as a whole, once its newest record is past the retention; so the oldest of it lives as much longer as
/// a segment takes to fill.
fn lifetime(topic: &str, spec: &TopicSpec, setting: impl Fn(&str) -> Option<String>) -> Lifetime {
    let topic = topic.to_owned();
    let millis = |key: &str| setting(key)?.parse::<i64>().ok();
    let for_ever = |because: &str| Lifetime { topic: topic.clone(), longest: None, because: because.to_owned() };
    let retention = match millis("retention.ms") {
        Some(millis) if millis < 0 => return for_ever("retention.ms=-1"),
        Some(millis) => spec.retention.max(Duration::from_millis(millis.unsigned_abs())),
        None => spec.retention,
    };
    let policy = setting("cleanup.policy").unwrap_or_default();
    if !policy.is_empty() && !policy.contains("delete") {
        return for_ever("cleanup.policy has no delete: the newest record of each key stays");
    }
    // Compaction puts what is left of several segments into one, which is as young as its youngest record. Where it leaves alone
    // what is not past the retention, it touches only what is about to be deleted.
    if policy.contains("compact")
        && millis("min.compaction.lag.ms").is_none_or(|lag| Duration::from_millis(lag.unsigned_abs()) < retention)
    {
        return for_ever("cleanup.policy=compact,delete with a min.compaction.lag.ms below its retention");
    }
    let segment = millis("segment.ms").map_or(SEGMENT, |millis| Duration::from_millis(millis.unsigned_abs()));
    let because = format!("a retention of {}, and {} until a segment is full", days(retention), days(segment));
    Lifetime { topic, longest: Some(retention.saturating_add(segment)), because }
}

/// In days, with the tenths that there are.
pub fn days(time: Duration) -> String {
    let tenths = (time.as_secs_f64() / 8640.0).ceil() as u64;
    match tenths % 10 {
        0 => format!("{} days", tenths / 10),
        rest => format!("{}.{rest} days", tenths / 10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::topics::{AI_RESPONSES, BUSINESS_ANALYTICS};

    const DAY: Duration = Duration::from_secs(24 * 3600);

    fn longest(spec: &TopicSpec, settings: &[(&str, &str)]) -> Option<Duration> {
        let setting = |key: &str| settings.iter().find(|(name, _)| *name == key).map(|(_, value)| (*value).to_owned());
        lifetime(spec.name, spec, setting).longest
    }

    #[test]
    fn a_record_lives_as_long_as_the_last_of_its_segment() {
        let week = "604800000";
        assert_eq!(longest(&AI_RESPONSES, &[("retention.ms", week), ("segment.ms", "86400000")]), Some(8 * DAY));
        assert_eq!(longest(&AI_RESPONSES, &[("retention.ms", "5184000000"), ("segment.ms", week)]), Some(67 * DAY));
        // Less than the catalogue has it for may be a change that is under way.
        assert_eq!(longest(&AI_RESPONSES, &[("retention.ms", "1000"), ("segment.ms", "0")]), Some(7 * DAY));
        // Nothing was told.
        assert_eq!(longest(&AI_RESPONSES, &[]), Some(14 * DAY));
        assert_eq!(longest(&BUSINESS_ANALYTICS, &[]), Some(37 * DAY));
    }

    #[test]
    fn what_is_not_deleted_lives_for_ever() {
        assert_eq!(longest(&AI_RESPONSES, &[("retention.ms", "-1")]), None);
        assert_eq!(longest(&AI_RESPONSES, &[("cleanup.policy", "compact"), ("retention.ms", "1000")]), None);
        let merged = [("cleanup.policy", "compact,delete"), ("retention.ms", "2592000000")];
        let with = |lag| [merged[0], merged[1], ("min.compaction.lag.ms", lag), ("segment.ms", "86400000")];
        assert_eq!(longest(&BUSINESS_ANALYTICS, &with("0")), None);
        assert_eq!(longest(&BUSINESS_ANALYTICS, &with("2592000000")), Some(31 * DAY));
    }

    #[test]
    fn days_are_told_upwards() {
        assert_eq!(days(14 * DAY), "14 days");
        assert_eq!(days(DAY / 2), "0.5 days");
        assert_eq!(days(Duration::from_secs(1)), "0.1 days");
    }
}
