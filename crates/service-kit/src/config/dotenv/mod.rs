//! Reads a `.env` file as the usual libraries of Python, Node and Django and Docker Compose do; where they differ, the rule is in
//! `docs/adr/0035`.
//!
//! It reads what it can: a line that it does not understand costs that line only, and is told by its number. No message holds
//! a value, which may be a secret, nor a line that is not understood, which may be the rest of one.

mod encoding;
mod entry;
mod lines;
mod references;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use encoding::decode;
use entry::Entry;
use lines::Line;

/// What a `.env` file says.
#[derive(Clone, Default)]
pub(super) struct Dotenv {
    /// The values by name; of a name given twice the last one counts.
    pub(super) values: BTreeMap<String, String>,
    /// Lines that were not understood, in order.
    pub(super) odd: Vec<Odd>,
    /// Where a value is perhaps not what was meant, in order.
    pub(super) doubts: Vec<Odd>,
}

/// A line and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Odd {
    /// Its number, from 1.
    pub(super) line: usize,
    /// The variable that it would set, as far as that can be told.
    pub(super) name: Option<String>,
    /// What is wrong, without the value.
    pub(super) problem: String,
}

/// Reads the file's bytes. `outer` is what the process itself has, which a `${NAME}` means first.
pub(super) fn read(bytes: &[u8], outer: &BTreeMap<String, String>) -> Dotenv {
    let decoded = decode(bytes);
    let mut read = Dotenv::default();
    let mut entries: Vec<Entry> = Vec::new();
    for line in lines::parse(&decoded.text) {
        match line {
            Line::Entry(entry) => {
                if let Some(line) = decoded.guessed.iter().find(|line| entry.lines.contains(*line)) {
                    let problem =
                        format!("{} is not UTF-8 and was read as Windows-1252; save the file as UTF-8", entry.name);
                    read.doubts.push(Odd { line: *line, name: Some(entry.name.clone()), problem });
                }
                entries.push(entry);
            }
            Line::Odd(odd) => read.odd.push(odd),
        }
    }
    let (values, unset) = references::resolve(&entries, outer);
    read.doubts.extend(unset);
    read.doubts.sort_by_key(|doubt| doubt.line);
    read.values = entries.into_iter().map(|entry| entry.name).zip(values).collect();
    read
}
