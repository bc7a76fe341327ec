//! How long a service remembers what it published and what it handled.
//!
//! A claim outlives every record that it is for: forgotten earlier, the event would have its effect again when it is read
//! again. So the topics say how long claims are kept, asked anew each time before something is forgotten.

use std::{fmt, time::Duration};

use clap::Args;
use rdkafka::error::KafkaError;
use sqlx::PgPool;
use thiserror::Error;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::{Consumer, inbox};
use crate::{
    contract::topics::TopicSpec,
    flow::error::chain,
    kafka::{
        config::KafkaConfig,
        lifetime::{self, Lifetime, days},
    },
};

const DAY: Duration = Duration::from_secs(24 * 3600);
/// The inbox is looked through this often.
const EVERY: Duration = Duration::from_secs(3600);
/// Until the topics have been asked once, they are asked this often.
const AGAIN: Duration = Duration::from_secs(10);
/// Two days for what a relay can publish again: its slots keep an event that long. One for clocks that differ, and for the
/// time until a broker gets round to deleting.
const MARGIN: Duration = Duration::from_secs(3 * 24 * 3600);

/// How long the outbox and the inbox are kept.
#[derive(Debug, Clone, Copy, Args)]
#[command(next_help_heading = "Retention")]
pub struct RetentionConfig {
    /// Hours that published events stay in the outbox, to be published again if need be
    #[arg(long, env = "OUTBOX_RETENTION_HOURS", default_value_t = 24, value_parser = clap::value_parser!(u64).range(0..=36))]
    pub outbox_retention_hours: u64,
    /// Days that handled events are remembered; unless set, for three days longer than the topics can hold a record
    #[arg(long, env = "INBOX_RETENTION_DAYS", value_parser = clap::value_parser!(u64).range(1..=36500))]
    pub inbox_retention_days: Option<u64>,
}

impl RetentionConfig {
    /// For [`Relay::keep`](crate::publish::Relay::keep).
    pub fn outbox(&self) -> Duration {
        Duration::from_secs(self.outbox_retention_hours * 3600)
    }
}

/// Claims would be forgotten while their records can still be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub struct TooShort {
    set: Duration,
    lifetime: Lifetime,
}

impl fmt::Display for TooShort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { set, lifetime: Lifetime { topic, longest, because } } = self;
        let (long, remedy) = match longest {
            Some(longest) => {
                let least = longest.as_secs().div_ceil(DAY.as_secs());
                (days(*longest), format!("set it to {least} or more"))
            }
            None => ("ever".to_owned(), "give the topic a retention".to_owned()),
        };
        write!(
            f,
            "INBOX_RETENTION_DAYS is {}, but {topic} can hold a record for {long} ({because}): read again after its claim \
             is forgotten, an event would have its effect twice. Unset INBOX_RETENTION_DAYS, so that it follows the topics, or \
             {remedy}",
            set.as_secs() / DAY.as_secs()
        )
    }
}

/// Keeps a consumer's part of the inbox from growing.
#[derive(Debug)]
pub struct InboxKeeper {
    config: KafkaConfig,
    service: String,
    topics: Vec<&'static TopicSpec>,
    group: String,
    claim_as: Vec<&'static str>,
    set: Option<Duration>,
    every: Duration,
}

/// What may be forgotten.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Forget {
    /// Claims of this age.
    Before(Duration),
    /// A topic holds its records for ever.
    Nothing(Lifetime),
}

impl Consumer {
    /// What keeps the claims of its handlers for as long as its topics can hold their records, and no longer.
    ///
    /// # Errors
    /// When `INBOX_RETENTION_DAYS` is shorter than the catalogue has a topic's retention.
    pub fn inbox_keeper(&self, retention: &RetentionConfig) -> Result<InboxKeeper, TooShort> {
        let set = retention.inbox_retention_days.map(|days| DAY * u32::try_from(days).unwrap_or(u32::MAX));
        let topics = self.parts.topics();
        let of_catalogue = topics.iter().map(|spec| Lifetime {
            topic: self.parts.config.topic_names().in_kafka(spec),
            longest: Some(spec.retention),
            because: "by the catalogue, and longer by what it takes to fill a segment: 7 days unless the topic says otherwise".to_owned(),
        });
        what_to_forget(set, of_catalogue)?;
        Ok(InboxKeeper {
            config: self.parts.config.clone(),
            service: self.parts.service.clone(),
            group: self.parts.group.clone(),
            claim_as: self.parts.claim_as(),
            topics,
            set,
            every: EVERY,
        })
    }
}

impl InboxKeeper {
    /// How often the topics are asked and the inbox is looked through; an hour unless set.
    pub fn every(mut self, every: Duration) -> Self {
        self.every = every;
        self
    }

    /// Forgets what is old enough, until told to stop. Failures are logged, and nothing is forgotten meanwhile; the next round makes
    /// up for them.
    ///
    /// # Errors
    /// When the setting is too short as the topics are at the start. If a topic's retention is raised later, an error is logged and
    /// nothing is forgotten for as long as that is so.
    pub async fn run(self, pool: PgPool, shutdown: CancellationToken) -> Result<(), TooShort> {
        let mut last: Option<Result<Forget, TooShort>> = None;
        while !shutdown.is_cancelled() {
            match self.ask().await {
                Ok(found) => {
                    let found = what_to_forget(self.set, found.into_iter());
                    match &found {
                        Err(too_short) if last.is_none() => return Err(too_short.clone()),
                        found if last.as_ref() != Some(found) => tell(found),
                        _ => {}
                    }
                    metrics::gauge!("inbox_retention_seconds", "group" => self.group.clone()).set(match &found {
                        Ok(Forget::Before(age)) => age.as_secs_f64(),
                        _ => f64::INFINITY,
                    });
                    if let Ok(Forget::Before(age)) = &found
                        && let Err(error) = inbox::forget_before(&pool, &self.claim_as, *age).await
                    {
                        tracing::warn!(error = chain(&error), "old inbox claims were not removed");
                    }
                    last = Some(found);
                }
                Err(error) => tracing::warn!(
                    error = chain(&error),
                    "Kafka did not tell how long the topics hold their records; no inbox claim is forgotten until it does"
                ),
            }
            let wait = if last.is_some() { self.every } else { AGAIN.min(self.every) };
            let _ = timeout(wait, shutdown.cancelled()).await;
        }
        Ok(())
    }

    async fn ask(&self) -> Result<Vec<Lifetime>, KafkaError> {
        lifetime::lifetimes(&self.config, &self.service, &self.topics).await
    }
}

/// The topic that holds a record longest decides.
fn what_to_forget(set: Option<Duration>, lifetimes: impl Iterator<Item = Lifetime>) -> Result<Forget, TooShort> {
    let longest = lifetimes.max_by_key(|lifetime| lifetime.longest.unwrap_or(Duration::MAX));
    match (set, longest) {
        (Some(set), Some(lifetime)) if lifetime.longest.is_none_or(|longest| longest > set) => {
            Err(TooShort { set, lifetime })
        }
        (Some(set), _) => Ok(Forget::Before(set)),
        (None, Some(Lifetime { longest: Some(longest), .. })) => Ok(Forget::Before(longest.saturating_add(MARGIN))),
        (None, Some(lifetime)) => Ok(Forget::Nothing(lifetime)),
        // It hears nothing.
        (None, None) => Ok(Forget::Before(MARGIN)),
    }
}

fn tell(found: &Result<Forget, TooShort>) {
    match found {
        Ok(Forget::Before(age)) => tracing::info!("inbox claims are kept for {}", days(*age)),
        Ok(Forget::Nothing(Lifetime { topic, because, .. })) => {
            tracing::warn!(
                topic,
                "inbox claims are kept for ever, as the topic holds its records for ever ({because})"
            );
        }
        Err(too_short) => tracing::error!("no inbox claim is forgotten any more: {too_short}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lifetime(topic: &str, days: Option<u32>) -> Lifetime {
        Lifetime { topic: topic.to_owned(), longest: days.map(|days| DAY * days), because: "so".to_owned() }
    }

    #[test]
    fn the_topic_that_holds_longest_decides() {
        let forget =
            |set: Option<u32>, topics: &[Lifetime]| what_to_forget(set.map(|days| DAY * days), topics.iter().cloned());
        let (short, long, ever) = (lifetime("a", Some(8)), lifetime("b", Some(37)), lifetime("c", None));
        assert_eq!(forget(None, &[short.clone(), long.clone()]), Ok(Forget::Before(DAY * 40)));
        assert_eq!(forget(None, &[ever.clone(), long.clone()]), Ok(Forget::Nothing(ever.clone())));
        assert_eq!(forget(Some(37), &[short.clone(), long.clone()]), Ok(Forget::Before(DAY * 37)));
        let refused = forget(Some(14), &[short.clone(), long]).unwrap_err().to_string();
        for part in ["INBOX_RETENTION_DAYS is 14", "b can hold a record for 37 days", "set it to 37 or more"] {
            assert!(refused.contains(part), "{refused}");
        }
        let refused = forget(Some(3650), &[short, ever]).unwrap_err().to_string();
        assert!(refused.contains("c can hold a record for ever") && refused.contains("give the topic"), "{refused}");
    }
}
