//! The recorded day, by the player that people use.

use clap::Parser;
use demo::{Options, outcome::Outcome, report::Progress};

use crate::support::{System, patient};

#[derive(Parser)]
struct CommandLine {
    #[command(flatten)]
    options: Options,
}

async fn play(system: &System) -> Outcome {
    let (voice_ingest, healthcore_publisher) = (system.voice_ingest.base_url(), system.healthcore_publisher.base_url());
    let CommandLine { options } = CommandLine::parse_from([
        "demo",
        "--day",
        env!("CARGO_MANIFEST_DIR"),
        "--voice-ingest-url",
        &voice_ingest,
        "--healthcore-publisher-url",
        &healthcore_publisher,
        "--kafka-bootstrap-servers",
        &system.place.servers,
        "--kafka-topic-namespace",
        &system.place.namespace,
        "--patience",
        "30",
    ]);
    let outcome = demo::play(&options, Progress::silent()).await.unwrap();
    assert!(outcome.is_as_expected(), "{:#?}\n{:#?}", outcome.differences, outcome.counts);
    assert!(outcome.journey.is_some(), "one call can be followed from end to end");
    outcome
}

#[tokio::test(flavor = "multi_thread")]
async fn the_recorded_day_comes_out_as_expected_and_again_the_second_time() {
    let system = System::start().await;
    // Others' data is beside it and does not count.
    system.say("another-call", &patient(1)).await;
    system.applied("another-call").await;

    let first = play(&system).await;
    let (said, repeated) = first.said;
    assert!(said > repeated, "{said} {repeated}");
    let events = event_ids(&system).await;

    let second = play(&system).await;
    assert_eq!(second.said, (said, said), "everything had been said before");
    assert_eq!(event_ids(&system).await, events, "and nothing came of it");
}

/// Everything that happened in the system.
async fn event_ids(system: &System) -> Vec<String> {
    let mut ids = Vec::new();
    for topic in
        ["ai-responses", "healthcore.patient.created", "healthcore.patient.updated", "healthcore.appointment.booked"]
    {
        ids.extend(system.place.all_records(topic).await.into_iter().map(|event| event.id));
    }
    ids.extend(
        system
            .place
            .all_records("dead.letter.queue")
            .await
            .into_iter()
            .map(|mut letter| letter.headers.remove("dlq.id").unwrap()),
    );
    ids.sort();
    ids
}
