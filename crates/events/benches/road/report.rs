//! Figures, their goals, and how they are shown.

use std::fmt;

use serde_json::{Value, json};

use crate::cpu::Spent;

/// What a line has to reach; all that is set has to hold.
#[derive(Debug, Clone, Copy, Default)]
pub struct Goal {
    pub at_least: Option<f64>,
    pub below: Option<f64>,
    /// Of the limit.
    pub ratio: Option<f64>,
}

impl Goal {
    pub fn ratio(least: f64) -> Self {
        Self { ratio: Some(least), ..Self::default() }
    }

    pub fn below(limit: f64) -> Self {
        Self { below: Some(limit), ..Self::default() }
    }
}

/// One figure of a line, with one value for each round.
#[derive(Debug, Clone, Default)]
pub struct Figure {
    pub name: String,
    pub unit: &'static str,
    pub values: Vec<f64>,
    pub limits: Vec<f64>,
    /// What the limit is.
    pub limit_is: String,
    pub goal: Goal,
    pub spent: Vec<Spent>,
    /// CPU seconds for a million of the process that set the limit, where that is another's.
    pub limit_cpu: Vec<f64>,
}

impl Figure {
    fn ratio(&self) -> Option<f64> {
        Some(median(&self.values)? / median(&self.limits)?)
    }

    fn met(&self) -> bool {
        let value = median(&self.values).unwrap_or(f64::NAN);
        let Goal { at_least, below, ratio } = self.goal;
        at_least.is_none_or(|least| value >= least)
            && below.is_none_or(|limit| value < limit)
            && ratio.is_none_or(|least| self.ratio().is_some_and(|ratio| ratio >= least))
    }

    fn cpu(&self, of: fn(&Spent) -> f64) -> Option<f64> {
        median(&self.spent.iter().map(of).collect::<Vec<_>>())
    }

    fn json(&self) -> Value {
        let (least, most) = spread(&self.values);
        json!({
            "name": self.name, "value": median(&self.values), "unit": self.unit, "min": least, "max": most,
            "values": self.values, "limit": median(&self.limits), "limits": self.limits, "limit_is": self.limit_is,
            "ratio": self.ratio(), "goal": self.goal.to_string(), "met": self.met(),
            "cpu_seconds_per_million": {
                "ours": self.cpu(|spent| spent.ours), "kafka": self.cpu(|spent| spent.kafka),
                "postgres": self.cpu(|spent| spent.postgres), "limit": median(&self.limit_cpu),
            },
        })
    }
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            self.at_least.map(|least| format!(">= {least}")),
            self.below.map(|limit| format!("< {limit}")),
            self.ratio.map(|ratio| format!(">= {ratio} x limit")),
        ];
        let parts: Vec<_> = parts.into_iter().flatten().collect();
        f.write_str(&parts.join(", "))
    }
}

/// The middle value; of an even number, the mean of both. `None` of none, and of what could not be measured.
fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let median = match sorted.len() {
        0 => return None,
        count if count % 2 == 1 => sorted[middle],
        _ => (sorted[middle - 1] + sorted[middle]) / 2.0,
    };
    median.is_finite().then_some(median)
}

fn spread(values: &[f64]) -> (f64, f64) {
    values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), value| (least.min(*value), most.max(*value)))
}

#[derive(Debug, Default)]
pub struct Report(Vec<Figure>);

impl Report {
    pub fn add(&mut self, figure: Figure) {
        self.0.push(figure);
    }

    /// A figure of this run.
    pub fn find(&self, name: &str) -> Option<&Figure> {
        self.0.iter().find(|figure| figure.name == name)
    }

    pub fn json(&self) -> String {
        let figures: Vec<Value> = self.0.iter().map(Figure::json).collect();
        serde_json::to_string_pretty(&figures).unwrap()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "\nCPU: seconds for a million of this process, of the broker and of the database (and of the limit's process, where it \
             is another's).\n{:<44} {:>9} {:>19} {:>9} {:>6}  {:<8} {:<22} {:<28} LIMIT IS",
            "FIGURE", "MEDIAN", "SPREAD", "LIMIT", "RATIO", "GOAL", "", "CPU"
        )?;
        let or_dash = |value: Option<f64>, decimals: usize| match value {
            Some(value) => format!("{value:.decimals$}"),
            None => "-".to_owned(),
        };
        for figure in &self.0 {
            let decimals = if figure.values.iter().all(|value| *value < 1_000.0) { 1 } else { 0 };
            let (least, most) = spread(&figure.values);
            let mut cpu =
                [figure.cpu(|spent| spent.ours), figure.cpu(|spent| spent.kafka), figure.cpu(|spent| spent.postgres)]
                    .map(|seconds| or_dash(seconds, 1))
                    .join(" / ");
            if let Some(limit) = median(&figure.limit_cpu) {
                cpu.push_str(&format!(" ({limit:.1})"));
            }
            writeln!(
                f,
                "{:<44} {:>9} {:>19} {:>9} {:>6}  {:<8} {:<22} {:<28} {}",
                format!("{} ({})", figure.name, figure.unit),
                or_dash(median(&figure.values), decimals),
                format!("{least:.decimals$}..{most:.decimals$}"),
                or_dash(median(&figure.limits), decimals),
                or_dash(figure.ratio(), 2),
                if figure.met() { "met" } else { "MISSED" },
                figure.goal.to_string(),
                cpu,
                figure.limit_is,
            )?;
        }
        Ok(())
    }
}
