//! Figures, their goals, and how they are shown.

use std::fmt;

use serde_json::json;

/// What a line has to reach; all that is set has to hold.
#[derive(Debug, Clone, Copy, Default)]
pub struct Goal {
    pub at_least: Option<f64>,
    pub below: Option<f64>,
    /// Of the limit.
    pub ratio: Option<f64>,
}

/// One figure of a line, with one value for each round.
#[derive(Debug, Default)]
pub struct Figure {
    pub name: String,
    pub unit: &'static str,
    pub values: Vec<f64>,
    pub limits: Vec<f64>,
    /// What the limit is.
    pub limit_is: &'static str,
    pub goal: Goal,
    /// CPU seconds of this process for a million events, where it does nothing else.
    pub cpu: Vec<f64>,
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
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            self.at_least.map(|least| format!(">= {least}")),
            self.below.map(|limit| format!("< {limit}")),
            self.ratio.map(|ratio| format!(">= {ratio} of the limit")),
        ];
        let parts: Vec<_> = parts.into_iter().flatten().collect();
        f.write_str(&parts.join(" and "))
    }
}

/// The middle value; of an even number, the mean of both. `None` of none.
fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        count if count % 2 == 1 => Some(sorted[middle]),
        _ => Some((sorted[middle - 1] + sorted[middle]) / 2.0),
    }
}

#[derive(Debug, Default)]
pub struct Report(Vec<Figure>);

impl Report {
    pub fn add(&mut self, figure: Figure) {
        self.0.push(figure);
    }

    pub fn json(&self) -> String {
        let figures = self.0.iter().map(|figure| {
            json!({
                "name": figure.name, "value": median(&figure.values), "unit": figure.unit, "values": figure.values,
                "limit": median(&figure.limits), "limit_is": figure.limit_is, "ratio": figure.ratio(),
                "goal": figure.goal.to_string(), "met": figure.met(),
                "cpu_seconds_per_million": median(&figure.cpu),
            })
        });
        serde_json::to_string_pretty(&figures.collect::<Vec<_>>()).unwrap()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "\n{:<36} {:>10} {:>17} {:>10} {:>6} {:>9}  {:<36} LIMIT IS",
            "FIGURE", "VALUE", "SPREAD", "LIMIT", "RATIO", "CPU s/M", "GOAL"
        )?;
        let or_dash = |value: Option<f64>, decimals: usize| match value {
            Some(value) => format!("{value:.decimals$}"),
            None => "-".to_owned(),
        };
        for figure in &self.0 {
            let decimals = if figure.unit == "ms" { 1 } else { 0 };
            let (least, most) = figure.values.iter().fold((f64::MAX, f64::MIN), |(a, b), v| (a.min(*v), b.max(*v)));
            writeln!(
                f,
                "{:<36} {:>10} {:>17} {:>10} {:>6} {:>9}  {:<36} {}",
                format!("{} ({})", figure.name, figure.unit),
                or_dash(median(&figure.values), decimals),
                format!("{least:.decimals$}..{most:.decimals$}"),
                or_dash(median(&figure.limits), decimals),
                or_dash(figure.ratio(), 2),
                or_dash(median(&figure.cpu), 2),
                format!("{} {}", if figure.met() { "met:" } else { "MISSED:" }, figure.goal),
                figure.limit_is,
            )?;
        }
        Ok(())
    }
}
