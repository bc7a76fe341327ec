//! `tail`: events as they come, for people and pipes.

use std::{io::Write, time::Duration};

use anyhow::{Context, bail};
use events::{
    contract::topics::{self, TopicSpec},
    kafka::{
        config::KafkaConfig,
        tail::{From, Seen, Tail},
    },
};
use serde_json::{Value, json};

use crate::{NAME, config::TailArgs};

/// How long `--once` waits for the last record that was there.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) async fn run(kafka: &KafkaConfig, args: &TailArgs) -> anyhow::Result<()> {
    let topics = topics_of(&args.event_types)?;
    let names: Vec<String> = topics.iter().map(|topic| kafka.topic_names().in_kafka(topic)).collect();
    let from = if args.from_beginning || args.once { From::Beginning } else { From::Now };
    let (kafka, once) = (kafka.clone(), args.once);
    // The client blocks; Ctrl-C ends the process.
    tokio::task::spawn_blocking(move || {
        let mut tail = Tail::open(&kafka, NAME, &names, from)?;
        while !(once && tail.is_past_the_opening()) {
            match tail.read(PATIENCE)? {
                Some(seen) if !line(&shown(&seen))? => return Ok(()),
                Some(_) => {}
                None if once => bail!("Kafka did not send the rest within {PATIENCE:?}"),
                None => {}
            }
        }
        Ok(())
    })
    .await?
}

/// The service's own topics, or those of the named event types.
fn topics_of(event_types: &[String]) -> anyhow::Result<Vec<&'static TopicSpec>> {
    let own: Vec<_> = topics::owned_by(NAME).collect();
    let event_type = |topic: &TopicSpec| topic.name.trim_start_matches("healthcore.").to_owned();
    if event_types.is_empty() {
        return Ok(own);
    }
    let named = event_types.iter().map(|wanted| {
        let found = own.iter().find(|topic| event_type(topic) == *wanted || topic.name == wanted).copied();
        let known: Vec<_> = own.iter().map(|topic| event_type(topic)).collect();
        found.with_context(|| format!("there is no event type {wanted:?}; there are {}", known.join(", ")))
    });
    named.collect()
}

fn shown(seen: &Seen) -> String {
    let value = seen.json().unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&seen.payload).into_owned()));
    json!({
        "topic": seen.topic,
        "partition": seen.partition,
        "offset": seen.offset,
        "key": seen.key.as_ref().map(|key| String::from_utf8_lossy(key)),
        "event": value,
    })
    .to_string()
}

/// Prints a line at once, so that a pipe sees it. False when nobody reads on, as behind `| head`.
pub(crate) fn line(text: &str) -> anyhow::Result<bool> {
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error).context("cannot print"),
    }
}
