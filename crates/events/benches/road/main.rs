//! What the road reaches, each figure beside its limit measured in the same run: ours and the limit take turns, medians
//! count, and every round is audited (count, set, order per key). A failed audit ends the run; a missed goal does not.
//!
//! Run it by `scripts/bench`. The figures are the machine's; the ratios are the road's.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark says what failed by failing, and shows what it measured"
)]

mod books;
mod consume;
mod cpu;
mod effect;
mod load;
mod memory;
mod parallel_consumer;
mod pgbench;
mod produce;
mod relay;
mod report;

use std::{fs, path::PathBuf, time::Duration};

use clap::{CommandFactory, Parser, error::ErrorKind};
use metrics_exporter_prometheus::PrometheusBuilder;
use report::Report;

const UPKEEP: Duration = Duration::from_secs(1);

const LINES: [&str; 10] = [
    "consume_noop",
    "consume_noop_with_headers",
    "produce",
    // Before the drain, whose millions of rows PostgreSQL vacuums and writes back for minutes.
    "relay_latency",
    "relay_drain",
    "outside_call",
    "insert",
    "batch",
    "memory_idle",
    "memory_loaded",
];

#[derive(Parser)]
struct Args {
    /// Lines to run: every line that begins with one of these names; all unless named
    names: Vec<String>,
    /// Fewer records, three rounds
    #[arg(long)]
    quick: bool,
    /// How often limit and ours take turns [default: 5]
    #[arg(long)]
    rounds: Option<usize>,
    /// Where the figures are written as JSON
    #[arg(long)]
    output: Option<PathBuf>,
    /// Be the worker that a line measures from outside, in this name space of Kafka
    #[arg(long, hide = true, requires = "group")]
    worker: Option<String>,
    #[arg(long, hide = true)]
    group: Option<String>,
    /// Passed by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

/// What every line is given.
struct Bench {
    quick: bool,
    rounds: usize,
    report: Report,
}

impl Bench {
    fn count(&self, full: usize, quick: usize) -> usize {
        if self.quick { quick } else { full }
    }
}

#[tokio::main]
async fn main() {
    let args = Args::parse();
    for name in &args.names {
        if !LINES.iter().any(|line| line.starts_with(name.as_str())) {
            let problem = format!("no line begins with {name}; there are {}", LINES.join(" "));
            Args::command().error(ErrorKind::InvalidValue, problem).exit();
        }
    }
    // Services have a recorder, so what it costs belongs to the figures.
    // As the services do: what is counted has buckets, and no sample is kept for long.
    let metrics = PrometheusBuilder::new().set_buckets(&[0.001, 0.01, 0.1, 1.0]).unwrap().install_recorder().unwrap();
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(UPKEEP);
            metrics.run_upkeep();
        }
    });
    if let (Some(namespace), Some(group)) = (&args.worker, &args.group) {
        return memory::work(namespace, group).await;
    }
    let rounds = args.rounds.unwrap_or(if args.quick { 3 } else { 5 }).max(1);
    let mut bench = Bench { quick: args.quick, rounds, report: Report::default() };
    for line in LINES {
        if !args.names.is_empty() && !args.names.iter().any(|name| line.starts_with(name.as_str())) {
            continue;
        }
        match line {
            "consume_noop" => consume::noop(&mut bench, line, false).await,
            "consume_noop_with_headers" => consume::noop(&mut bench, line, true).await,
            "produce" => produce::line(&mut bench).await,
            "relay_latency" => relay::latency(&mut bench).await,
            "relay_drain" => relay::drain(&mut bench).await,
            "outside_call" => consume::outside_call(&mut bench).await,
            "insert" => effect::insert(&mut bench).await,
            "batch" => effect::batch(&mut bench).await,
            "memory_idle" => memory::idle(&mut bench).await,
            _ => memory::loaded(&mut bench).await,
        }
    }
    print!("{}", bench.report);
    if let Some(path) = args.output {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bench.report.json()).unwrap();
    }
}
