//! I1 to I5, I9 and the dead letters: what became of each event.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use uuid::Uuid;

use crate::history::{DeadLetter, Effect, Fact, Garbage, History, Record, WriteOutcome};

/// What an operator took away before it was handled binds nobody.
fn binding<'h>(history: &'h History, records: &'h [Record]) -> impl Iterator<Item = &'h Record> {
    records.iter().filter(|record| !history.lost.contains(&(record.partition, record.offset)))
}

pub(super) fn missing(history: &History) -> Vec<String> {
    let records: HashSet<&Fact> = history.records.iter().map(|record| &record.fact).collect();
    let binding: HashSet<&Fact> = binding(history, &history.records).map(|record| &record.fact).collect();
    let effects: HashSet<&Fact> = history.effects.iter().map(|effect| &effect.fact).collect();
    let mut found = Vec::new();
    for write in &history.writes {
        let fact = &write.fact;
        if write.outcome == WriteOutcome::Acknowledged && !records.contains(fact) {
            found.push(format!("{fact} was acknowledged and is not in the topic"));
        }
        // An indeterminate write that was published binds as an acknowledged one does.
        if binding.contains(fact) && !write.poison && !effects.contains(fact) {
            found.push(format!("{fact} is in the topic and has no effect"));
        }
    }
    if let Some(follow_ups) = &history.follow_ups {
        let followed: HashSet<&Fact> = follow_ups.iter().map(|record| &record.fact).collect();
        let silent = effects.iter().filter(|fact| !followed.contains(**fact));
        found.extend(silent.map(|fact| format!("{fact} has an effect and its follow-up event is not in the topic")));
    }
    found.sort();
    found
}

pub(super) fn order(history: &History) -> Vec<String> {
    let effects = history.effects.iter().map(|Effect { fact, key }| (key, fact));
    let mut found = misplaced("effect", effects);
    for (what, records) in [("record", Some(&history.records)), ("follow-up", history.follow_ups.as_ref())] {
        let records = records.into_iter().flatten();
        // A repeat stands where a relay began again; only where an id is seen first counts.
        let mut seen = HashSet::new();
        let first: Vec<_> =
            records.filter(|record| seen.insert(record.id)).map(|record| (&record.key, &record.fact)).collect();
        found.extend(misplaced(what, first.into_iter()));
    }
    found
}

fn misplaced<'h>(what: &str, facts: impl Iterator<Item = (&'h String, &'h Fact)>) -> Vec<String> {
    let mut last: HashMap<&String, &Fact> = HashMap::new();
    let mut found = Vec::new();
    for (key, fact) in facts {
        match last.get(key) {
            Some(before) if fact.seq < before.seq => found.push(format!("the {what} {fact} comes after {before}")),
            _ => _ = last.insert(key, fact),
        }
    }
    found
}

pub(super) fn repeats(history: &History) -> Vec<String> {
    let mut found = ids_of(&history.records, "record");
    found.extend(ids_of(history.follow_ups.iter().flatten(), "follow-up"));
    found
}

fn ids_of<'h>(records: impl IntoIterator<Item = &'h Record>, what: &str) -> Vec<String> {
    let mut ids: BTreeMap<&Fact, BTreeSet<Uuid>> = BTreeMap::new();
    for record in records {
        ids.entry(&record.fact).or_default().insert(record.id);
    }
    let more = ids.into_iter().filter(|(_, ids)| ids.len() > 1);
    more.map(|(fact, ids)| format!("the {what} {fact} is there under {} event ids", ids.len())).collect()
}

pub(super) fn once(history: &History) -> Vec<String> {
    let mut effects: BTreeMap<&Fact, usize> = BTreeMap::new();
    for effect in &history.effects {
        *effects.entry(&effect.fact).or_default() += 1;
    }
    let twice = effects.iter().filter(|(_, count)| **count > 1);
    let mut found: Vec<_> = twice.map(|(fact, count)| format!("{fact} has {count} effects")).collect();
    let poison = history.writes.iter().filter(|write| write.poison && effects.contains_key(&write.fact));
    found.extend(poison.map(|write| format!("{} was rejected and has an effect", write.fact)));
    let written: HashSet<&Fact> = history.writes.iter().map(|write| &write.fact).collect();
    let unknown = effects.keys().filter(|fact| !written.contains(**fact));
    found.extend(unknown.map(|fact| format!("{fact} has an effect and nobody wrote it")));
    for follow_up in history.follow_ups.iter().flatten().filter(|record| !effects.contains_key(&record.fact)) {
        found.push(format!("{} has a follow-up event and no effect", follow_up.fact));
    }
    found
}

pub(super) fn frontier(history: &History) -> Vec<String> {
    let mut found = BTreeSet::new();
    for look in &history.looks {
        for record in binding(history, &history.records[..history.looked_at]) {
            let committed = look.committed.get(&record.partition).copied().unwrap_or(0);
            if record.offset < committed && !look.finished.contains(&record.fact) {
                found.insert(format!(
                    "{} at {}/{} was below the committed offset while unfinished",
                    record.fact, record.partition, record.offset
                ));
            }
        }
    }
    found.into_iter().collect()
}

pub(super) fn failed_is_invisible(history: &History) -> Vec<String> {
    let failed: HashSet<&Fact> =
        history.writes.iter().filter(|write| write.outcome == WriteOutcome::Failed).map(|write| &write.fact).collect();
    let visible: BTreeSet<&Fact> = history
        .records
        .iter()
        .map(|record| &record.fact)
        .chain(history.effects.iter().map(|effect| &effect.fact))
        .filter(|fact| failed.contains(fact))
        .collect();
    visible.into_iter().map(|fact| format!("{fact} was not written, and is visible")).collect()
}

/// A letter is of one record of the topic: a poison event that the relay repeated has as many letters as records.
pub(super) fn dead_letters(history: &History) -> Vec<String> {
    let poison: HashSet<&Fact> = history.writes.iter().filter(|write| write.poison).map(|write| &write.fact).collect();
    let mut found = Vec::new();
    for letter in &history.dead_letters {
        let DeadLetter { partition, offset, code, .. } = letter;
        match &letter.fact {
            Some(fact) if poison.contains(fact) => {}
            Some(fact) => found.push(format!("{fact} is a dead letter ({code}) and was no poison")),
            None if history.garbage.iter().any(|garbage| is_kept(garbage, letter)) => {}
            None => found.push(format!(
                "the record at {partition}/{offset} is a dead letter ({code}) and is none of the garbage that was written there"
            )),
        }
    }
    for record in binding(history, &history.records).filter(|record| poison.contains(&record.fact)) {
        let at = (record.partition, record.offset);
        let own =
            |letter: &DeadLetter| (letter.partition, letter.offset) == at && letter.fact.as_ref() == Some(&record.fact);
        match letters(history, own) {
            1 => {}
            count => found.push(format!("{} at {}/{} is poison and has {count} dead letters", record.fact, at.0, at.1)),
        }
    }
    let bound = history.garbage.iter().filter(|garbage| !history.lost.contains(&(garbage.partition, garbage.offset)));
    for garbage in bound {
        match letters(history, |letter| is_kept(garbage, letter)) {
            1 => {}
            count => found.push(format!(
                "the record at {}/{} is garbage and has {count} dead letters with its bytes",
                garbage.partition, garbage.offset
            )),
        }
    }
    found
}

fn is_kept(garbage: &Garbage, letter: &DeadLetter) -> bool {
    (letter.partition, letter.offset) == (garbage.partition, garbage.offset)
        && garbage.value.as_ref().is_none_or(|value| *value == letter.value)
}

/// The same letter may come again.
fn letters(history: &History, own: impl Fn(&DeadLetter) -> bool) -> usize {
    history.dead_letters.iter().filter(|letter| own(letter)).map(|letter| letter.id).collect::<BTreeSet<_>>().len()
}
