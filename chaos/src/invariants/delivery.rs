//! I1 to I5, I9 and the dead letters: what became of each event.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use uuid::Uuid;

use crate::history::{Effect, Fact, History, Record, WriteOutcome};

pub(super) fn missing(history: &History) -> Vec<String> {
    let records: HashSet<&Fact> = history.records.iter().map(|record| &record.fact).collect();
    let effects: HashSet<&Fact> = history.effects.iter().map(|effect| &effect.fact).collect();
    let mut found = Vec::new();
    for write in &history.writes {
        let fact = &write.fact;
        if write.outcome == WriteOutcome::Acknowledged && !records.contains(fact) {
            found.push(format!("{fact} was acknowledged and is not in the topic"));
        }
        // An indeterminate write that was published binds as an acknowledged one does.
        if records.contains(fact) && !write.poison && !effects.contains(fact) {
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
        for record in &history.records {
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
    let mut letters: HashMap<(i32, i64), BTreeSet<Uuid>> = HashMap::new();
    for letter in &history.dead_letters {
        letters.entry((letter.partition, letter.offset)).or_default().insert(letter.id);
        match &letter.fact {
            Some(fact) if poison.contains(fact) => {}
            Some(fact) => found.push(format!("{fact} is a dead letter ({}) and was no poison", letter.code)),
            None => found.push(format!(
                "the record at {}/{} is a dead letter ({}) and nobody wrote it",
                letter.partition, letter.offset, letter.code
            )),
        }
    }
    for record in history.records.iter().filter(|record| poison.contains(&record.fact)) {
        match letters.get(&(record.partition, record.offset)).map_or(0, BTreeSet::len) {
            1 => {}
            count => found.push(format!(
                "{} at {}/{} is poison and has {count} dead letters",
                record.fact, record.partition, record.offset
            )),
        }
    }
    found
}
