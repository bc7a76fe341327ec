//! One whole round with the same faults each time: short enough for every run of the tests.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test says what failed by failing, and shows its figures"
)]

mod in_flight;

use std::time::Duration;

use chaos::{
    fault::Fault,
    report,
    round::{self, Plan},
    settings, systems,
    timeline::Strike,
};

fn strike(at: u64, fault: Fault, target: u32, lasts: u64) -> Strike {
    Strike { at: Duration::from_millis(at), fault, target, lasts: Duration::from_millis(lasts) }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_processes_and_a_database_that_crashes_break_nothing() {
    let strikes = vec![
        strike(2_000, Fault::KillWorker, 0, 300),
        strike(3_000, Fault::StopPostgres, 0, 1_000),
        strike(6_000, Fault::KillService, 1, 300),
    ];
    let plan = Plan {
        seed: 1,
        strikes,
        settings: settings::usual(),
        systems: systems::NAMES.map(str::to_owned).to_vec(),
        patience: Duration::from_secs(60),
        sabotage: None,
        logs: env!("CARGO_TARGET_TMPDIR").into(),
    };
    let played = round::play(&plan).await.unwrap();
    report::round(&played);
    assert_eq!(played.violations, [], "the logs of the processes are in {}", plan.logs.display());
}
