//! `send`: one response, checked as the HTTP interface does, straight to Kafka and acknowledged.

use std::{io::Write, time::Duration};

use anyhow::{Context, bail};
use events::{
    contract::{event::NewEvent, topics::AI_RESPONSES},
    kafka::{admin, producer::Producer},
};

use crate::{
    NAME,
    announcement::{AnnouncedEvent, Announcement},
    api::call_id_problem,
    config::{Config, SendArgs},
    domain::validate,
};

const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) async fn run(config: &Config, args: &SendArgs) -> anyhow::Result<()> {
    if let Some(problem) = call_id_problem(&args.call_id) {
        bail!("--call-id {problem}");
    }
    let fact = match validate(args.kind, &args.data, &config.practice().rules()) {
        Ok(fact) => fact,
        Err(rejection) => bail!("--data: {rejection}"),
    };
    let announcement = Announcement::of(&args.call_id, fact, 0);
    let id = announcement.event_id();
    let producer = Producer::new(&config.road.kafka, NAME, PATIENCE).context("the Kafka settings were refused")?;
    // It may be the first that needs the topic.
    admin::ensure(&config.road.kafka, NAME, &[&AI_RESPONSES]).await?;
    let actor = Some("command:send".to_owned());
    match announcement.event {
        AnnouncedEvent::Patient(event) => producer.publish(NewEvent { actor, ..event }).await?,
        AnnouncedEvent::Booking(event) => producer.publish(NewEvent { actor, ..event }).await?,
    }
    let topic = config.road.kafka.topic_names().in_kafka(&AI_RESPONSES);
    writeln!(std::io::stdout(), "sent to {topic}: event {id}")?;
    Ok(())
}
