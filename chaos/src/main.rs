//! `scripts/chaos`: rounds, or the proof of the checkers.

use std::{path::PathBuf, process::ExitCode, time::Duration};

use anyhow::bail;
use chaos::{
    fault::Fault,
    invariants::{DELIVERY, OPERATION},
    prove, report,
    round::{self, Plan},
    settings, systems, timeline,
};
use clap::{Parser, builder::PossibleValuesParser};
use tokio::signal::unix::{SignalKind, signal};

/// Faults against real processes under load, and checkers over what is there in the end
#[derive(Debug, Parser)]
#[command(name = "scripts/chaos", bin_name = "scripts/chaos")]
struct Options {
    /// How many rounds; about 40 seconds each
    #[arg(long, value_name = "N", default_value_t = 5)]
    rounds: u64,
    /// The seed of the first round, the next one's is one more: `--rounds 1 --seed S` draws the faults of that round again
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// Draw from these faults alone; may be repeated
    #[arg(long, value_name = "FAULT")]
    only: Vec<Fault>,
    /// Only this system under test; may be repeated
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(systems::NAMES))]
    system: Vec<String>,
    /// How long a round may take to recover, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    patience: u64,
    /// List faults, systems and invariants, and end
    #[arg(long)]
    list: bool,
    /// Break the engine on purpose, one promise after the other, and check that each is seen
    #[arg(long)]
    prove: bool,
    /// With --prove: only this sabotage, and no honest engine; may be repeated
    #[arg(long, value_name = "NAME", requires = "prove",
          value_parser = PossibleValuesParser::new(prove::SABOTAGES.map(|sabotage| sabotage.name)))]
    sabotage: Vec<String>,
    /// Where the logs of a round with violations are kept
    #[arg(long, value_name = "FOLDER", default_value = "chaos-logs")]
    logs: PathBuf,
}

fn main() -> anyhow::Result<ExitCode> {
    let options = Options::parse();
    if options.list {
        list();
        return Ok(ExitCode::SUCCESS);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        // What a round has started ends when the round is dropped.
        tokio::select! {
            outcome = run(options) => outcome,
            _ = tokio::signal::ctrl_c() => bail!("interrupted"),
            _ = terminate.recv() => bail!("terminated"),
        }
    })
}

async fn run(options: Options) -> anyhow::Result<ExitCode> {
    let seed = options.seed.unwrap_or_else(|| fastrand::u64(0..1_000_000));
    let patience = Duration::from_secs(options.patience);
    if options.prove {
        let missed = prove::prove(seed, &options.sabotage, patience, &options.logs).await?;
        chaos::say!("{missed} sabotages not caught, seed {seed}");
        return Ok(code(missed));
    }
    let faults = if options.only.is_empty() { Fault::ALL.to_vec() } else { options.only };
    let systems = if options.system.is_empty() { systems::NAMES.map(str::to_owned).to_vec() } else { options.system };
    let mut violations = 0;
    for round in 0..options.rounds {
        let seed = seed + round;
        chaos::say!("round {} of {}, seed {seed}", round + 1, options.rounds);
        let (strikes, settings) = (timeline::draw(seed, &faults), settings::draw(seed));
        chaos::say!("  {}", settings::told(&settings));
        let (systems, logs) = (systems.clone(), options.logs.clone());
        let played = round::play(&Plan { seed, strikes, settings, systems, patience, sabotage: None, logs }).await?;
        report::round(&played);
        violations += played.violations.len();
    }
    if violations > 0 {
        chaos::say!("logs of the processes: {}", options.logs.display());
    }
    chaos::say!("{} rounds, {violations} violations, seed {seed}", options.rounds);
    Ok(code(violations))
}

fn code(bad: usize) -> ExitCode {
    ExitCode::from(u8::from(bad > 0))
}

fn list() {
    chaos::say!("faults");
    for fault in Fault::ALL {
        chaos::say!("  {:<20} {}", fault.name(), fault.about());
    }
    chaos::say!("systems\n  {}", systems::NAMES.join("\n  "));
    chaos::say!("invariants");
    let of_events = DELIVERY.map(|invariant| (invariant.name, invariant.says)).into_iter();
    for (name, says) in of_events.chain(OPERATION.map(|invariant| (invariant.name, invariant.says))) {
        chaos::say!("  {name:<20} {says}");
    }
}
