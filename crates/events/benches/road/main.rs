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

mod consume;
mod load;
mod relay;
mod report;

use std::{fs, path::PathBuf};

use clap::{CommandFactory, Parser, error::ErrorKind};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use report::Report;

const LINES: [&str; 5] =
    ["consume_skip", "consume_skip_with_headers", "consume_with_inbox", "relay_drain", "relay_latency"];

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
    /// Passed by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

/// What every line is given.
struct Bench {
    quick: bool,
    rounds: usize,
    /// Services have a recorder, so what it costs belongs to the figures.
    metrics: PrometheusHandle,
    report: Report,
}

impl Bench {
    fn count(&self, full: usize, quick: usize) -> usize {
        if self.quick { quick } else { full }
    }

    /// The sum of a counter over those of its series that have this label.
    fn counted(&self, counter: &str, label: &str) -> u64 {
        let text = self.metrics.render();
        let series = text.lines().filter(|line| line.starts_with(counter) && line.contains(label));
        series.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
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
    let rounds = args.rounds.unwrap_or(if args.quick { 3 } else { 5 }).max(1);
    let metrics = PrometheusBuilder::new().install_recorder().unwrap();
    let mut bench = Bench { quick: args.quick, rounds, metrics, report: Report::default() };
    for line in LINES {
        if !args.names.is_empty() && !args.names.iter().any(|name| line.starts_with(name.as_str())) {
            continue;
        }
        match line {
            "consume_skip" => consume::skip(&mut bench, line, false).await,
            "consume_skip_with_headers" => consume::skip(&mut bench, line, true).await,
            "consume_with_inbox" => consume::with_inbox(&mut bench).await,
            "relay_drain" => relay::drain(&mut bench).await,
            _ => relay::latency(&mut bench).await,
        }
    }
    print!("{}", bench.report);
    if let Some(path) = args.output {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bench.report.json()).unwrap();
    }
}
