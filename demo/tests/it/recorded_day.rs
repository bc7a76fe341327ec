//! The recorded day, by the player that people use.

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::Parser;
use demo::{Options, outcome::Outcome, report::Progress};

use test_kit::stack;

use crate::support::{Place, System, patient};

#[derive(Parser)]
struct CommandLine {
    #[command(flatten)]
    options: Options,
}

async fn play(system: &System, day: &Path) -> Outcome {
    let (voice_ingest, healthcore_publisher) = (system.voice_ingest.base_url(), system.healthcore_publisher.base_url());
    let CommandLine { options } = CommandLine::parse_from([
        "demo",
        "--day",
        day.to_str().unwrap(),
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
    demo::play(&options, Progress::silent()).await.unwrap()
}

async fn play_as_expected(system: &System) -> Outcome {
    let outcome = play(system, Path::new(env!("CARGO_MANIFEST_DIR"))).await;
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

    let first = play_as_expected(&system).await;
    let (said, repeated) = first.said;
    assert!(said > repeated, "{said} {repeated}");
    let events = event_ids(&system).await;

    let second = play_as_expected(&system).await;
    assert_eq!(second.said, (said, said), "everything had been said before");
    assert_eq!(event_ids(&system).await, events, "and nothing came of it");

    let wrong = recording_that_expects_otherwise();
    let third = play(&system, &wrong).await;
    fs::remove_dir_all(wrong).unwrap();
    assert!(!third.is_as_expected());
    let differences: Vec<&str> = third.differences.iter().map(|one| one.what.as_str()).collect();
    assert_eq!(differences, ["01-new-patient, no. 1"]);
    let counts = third.counts.iter().filter(|count| count.expected != count.found);
    let counts: Vec<_> = counts.map(|count| (count.name.as_str(), count.expected, count.found)).collect();
    assert_eq!(counts, [("appointments booked", 45, 44)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_recorded_day_comes_out_alike_with_a_schema_registry() {
    let place = Place::new(stack::kafka()).await;
    play_as_expected(&System::with(place, &[("SCHEMA_REGISTRY_URL", &stack::registry())]).await).await;
}

/// The same calls, with two expectations that nothing meets.
fn recording_that_expects_otherwise() -> PathBuf {
    let day = Path::new(env!("CARGO_MANIFEST_DIR")).join("day");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("day-{}", std::process::id()));
    fs::create_dir_all(folder.join("calls")).unwrap();
    for call in fs::read_dir(day.join("calls")).unwrap() {
        let call = call.unwrap();
        fs::copy(call.path(), folder.join("calls").join(call.file_name())).unwrap();
    }
    let expected = fs::read_to_string(day.join("expected.json")).unwrap();
    let otherwise = expected
        .replacen(r#""effect": "created""#, r#""effect": "updated""#, 1)
        .replace(r#""appointments_booked": 44"#, r#""appointments_booked": 45"#);
    fs::write(folder.join("expected.json"), otherwise).unwrap();
    folder
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
