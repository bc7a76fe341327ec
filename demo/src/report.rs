//! What people see: progress while the day is played, then what came of it.

use std::{
    io::{IsTerminal, Write},
    time::{Duration, Instant},
};

use crate::{
    journey::{Journey, Leg},
    kafka::Record,
    outcome::{Count, Outcome},
};

/// Prints a line. Where nobody reads on, as behind `| head`, it is lost, and the play goes on.
macro_rules! say {
    ($($text:tt)*) => { _ = writeln!(std::io::stdout(), $($text)*) };
}

/// Where nobody looks at a terminal, a line this often is enough.
const LINE_EVERY: Duration = Duration::from_secs(2);

/// How far the day has come: one line that changes on a terminal, plain lines elsewhere.
#[derive(Debug)]
pub struct Progress {
    form: Form,
    last_line: Option<Instant>,
    width: usize,
}

#[derive(Debug, PartialEq, Eq)]
enum Form {
    Terminal,
    Lines,
    Silent,
}

impl Progress {
    /// As standard output wants it.
    pub fn new() -> Self {
        let form = if std::io::stdout().is_terminal() { Form::Terminal } else { Form::Lines };
        Self { form, last_line: None, width: 0 }
    }

    /// For those who only want the outcome.
    pub fn silent() -> Self {
        Self { form: Form::Silent, last_line: None, width: 0 }
    }

    /// So many calls were said, and settled, of so many.
    pub fn step(&mut self, said: usize, settled: usize, calls: usize) {
        let due = settled == calls || self.last_line.is_none_or(|at| at.elapsed() >= LINE_EVERY);
        if self.form == Form::Terminal || due {
            self.note(&format!("{said} of {calls} calls played, {settled} settled"));
        }
    }

    /// Shows what is being done.
    pub fn note(&mut self, text: &str) {
        self.last_line = Some(Instant::now());
        match self.form {
            Form::Silent => {}
            Form::Lines => say!("  {text}"),
            Form::Terminal => {
                let width = text.chars().count();
                _ = write!(std::io::stdout(), "\r  {text}{}", " ".repeat(self.width.saturating_sub(width)));
                self.width = width;
                // A terminal that is gone shows nothing, which is all that can fail.
                _ = std::io::stdout().flush();
            }
        }
    }

    /// The line is not changed any more.
    pub fn end(&mut self) {
        if self.form == Form::Terminal {
            _ = write!(std::io::stdout(), "\r{}\r", " ".repeat(self.width + 2));
            self.width = 0;
        }
    }
}

impl Default for Progress {
    fn default() -> Self {
        Self::new()
    }
}

/// Why the day could not be played. What a cause only says again is left out.
pub fn failed(error: &anyhow::Error) {
    let mut stderr = std::io::stderr();
    let mut told = error.to_string();
    _ = writeln!(stderr, "\ndemo: {told}");
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !told.contains(&cause) {
            _ = writeln!(stderr, "  because: {cause}");
            told = cause;
        }
    }
}

/// Prints what came of the day.
pub fn print(outcome: &Outcome) {
    say!();
    let (said, repeated) = outcome.said;
    say!(
        "{said} things were said in {:.1} s; {repeated} of them had been said before and change nothing",
        outcome.took.as_secs_f64()
    );
    say!();
    for Count { name, expected, found } in &outcome.counts {
        let verdict =
            if expected == found { "ok".to_owned() } else { format!("differs: expected {expected}, found {found}") };
        say!("  {name:<32}{found:>5}  {verdict}");
    }
    section("Held for review", outcome.held.len());
    for held in &outcome.held {
        say!("  {:<16} {} for {}  (call {})", held.reason, held.slot, held.patient_name, held.call_id);
    }
    section("Dead letters", outcome.dead_letters.len());
    for letter in &outcome.dead_letters {
        say!("  {:<18} {}  (call {})", letter.category, letter.message, letter.call_id);
    }
    if let Some(journey) = &outcome.journey {
        print_journey(journey);
    }
    say!();
    for difference in &outcome.differences {
        say!("{}", difference.what);
        say!("  differs: expected {}", difference.expected);
        say!("           found    {}", difference.found);
    }
    if outcome.is_as_expected() {
        say!("ok: every call came out as expected");
    } else {
        say!("not ok: see what differs above");
        say!("an earlier play that was broken off can be why: ./scripts/stack reset, then play it again");
    }
}

fn section(name: &str, count: usize) {
    if count > 0 {
        say!("\n{name}");
    }
}

fn print_journey(journey: &Journey) {
    say!("\nOne call from end to end: {}", journey.call_id);
    for Leg { said, extraction, event, row, told } in &journey.legs {
        say!();
        step("said", said);
        let place =
            extraction.span.map_or(String::new(), |span| format!(", bytes {} to {} of the text", span.from, span.to));
        step("extraction", &format!("{} {}{place}", extraction.kind, extraction.extraction_id));
        record("event", event);
        step("row", row);
        record("event", told);
        let at = extraction.applied_at.as_deref().unwrap_or("?");
        step("call's page", &format!("{} at {at}: said to the caller, and really so", extraction.status));
    }
    say!();
    step("see", &journey.page);
}

fn record(name: &str, record: &Record) {
    let Record { topic, partition, offset, key, headers, .. } = record;
    step(name, &format!("{topic}, partition {partition}, offset {offset}, key {key}"));
    for (header, value) in headers.iter() {
        say!("  {:<13}  {header}: {}", "", String::from_utf8_lossy(value));
    }
}

fn step(name: &str, text: &str) {
    say!("  {name:<13}{text}");
}
