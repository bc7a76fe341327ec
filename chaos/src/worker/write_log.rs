//! What the writer intends and what it was told, on disk before the next step: a line each, one `write` a line, so that a kill
//! leaves no half of one. Intended and never told is indeterminate.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    fs::{self, File},
    io::{self, Write as _},
    path::Path,
};

use anyhow::{Context, bail};

use crate::history::{Fact, Write, WriteOutcome};

/// The log, open for appending.
#[derive(Debug)]
pub(super) struct WriteLog(File);

impl WriteLog {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        File::options().create(true).append(true).open(path).map(Self)
    }

    pub(super) fn intend(&self, fact: &Fact, poison: bool) -> io::Result<()> {
        self.line(if poison { "poison" } else { "intend" }, fact)
    }

    pub(super) fn told(&self, fact: &Fact, outcome: WriteOutcome) -> io::Result<()> {
        match outcome {
            WriteOutcome::Acknowledged => self.line("acknowledged", fact),
            WriteOutcome::Failed => self.line("failed", fact),
            WriteOutcome::Indeterminate => Ok(()),
        }
    }

    fn line(&self, word: &str, fact: &Fact) -> io::Result<()> {
        (&self.0).write_all(format!("{word} {} {}\n", fact.key, fact.seq).as_bytes())
    }
}

/// Every write that was begun, in the order of keys and places.
///
/// # Errors
/// A line that is none of the writer's, or no file.
pub fn read(path: &Path) -> anyhow::Result<Vec<Write>> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut writes: BTreeMap<Fact, Write> = BTreeMap::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let [word, key, seq] = words[..] else { bail!("{line:?} is no line of a write log") };
        let fact = Fact { key: key.to_owned(), seq: seq.parse().with_context(|| format!("{line:?} has no number"))? };
        match (word, writes.entry(fact)) {
            ("intend" | "poison", Entry::Vacant(place)) => {
                let fact = place.key().clone();
                place.insert(Write { fact, poison: word == "poison", outcome: WriteOutcome::Indeterminate });
            }
            ("acknowledged", Entry::Occupied(mut write)) => write.get_mut().outcome = WriteOutcome::Acknowledged,
            ("failed", Entry::Occupied(mut write)) => write.get_mut().outcome = WriteOutcome::Failed,
            _ => bail!("{line:?} does not follow from the lines before it"),
        }
    }
    Ok(writes.into_values().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_intended_and_never_told_is_indeterminate() {
        let path = std::env::temp_dir().join(format!("write-log-{}", uuid::Uuid::new_v4()));
        let fact = |seq| Fact { key: "a".to_owned(), seq };
        for (seq, outcome) in
            [(1, WriteOutcome::Acknowledged), (2, WriteOutcome::Failed), (3, WriteOutcome::Indeterminate)]
        {
            // Opened anew, as by a writer that was started again.
            let log = WriteLog::open(&path).unwrap();
            log.intend(&fact(seq), seq == 2).unwrap();
            log.told(&fact(seq), outcome).unwrap();
        }
        let read = read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let outcomes: Vec<_> = read.iter().map(|write| (write.fact.seq, write.poison, write.outcome)).collect();
        assert_eq!(
            outcomes,
            [
                (1, false, WriteOutcome::Acknowledged),
                (2, true, WriteOutcome::Failed),
                (3, false, WriteOutcome::Indeterminate)
            ]
        );
    }
}
