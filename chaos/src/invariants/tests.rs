//! Histories made by hand: a good one in which nothing is found, and for each invariant one that breaks it alone.

use std::{collections::HashSet, time::Duration};

use uuid::Uuid;

use super::check;
use crate::history::{
    DeadLetter, Effect, Fact, Garbage, Halt, History, Look, Operation, Outage, Probe, Record, Write,
    WriteOutcome::{self, Acknowledged, Failed, Indeterminate},
};

fn fact(seq: u32) -> Fact {
    Fact { key: "a".to_owned(), seq }
}

fn write(seq: u32, poison: bool, outcome: WriteOutcome) -> Write {
    Write { fact: fact(seq), poison, outcome }
}

fn record(seq: u32, offset: i64) -> Record {
    Record { fact: fact(seq), id: Uuid::from_u128(u128::from(seq)), key: "a".to_owned(), partition: 0, offset }
}

fn effect(seq: u32) -> Effect {
    Effect { fact: fact(seq), key: "a".to_owned() }
}

fn letter(seq: u32, offset: i64) -> DeadLetter {
    let id = Uuid::from_u128(offset as u128);
    DeadLetter { id, fact: Some(fact(seq)), code: "poison".to_owned(), partition: 0, offset, value: Vec::new() }
}

fn unreadable(offset: i64, value: &[u8]) -> DeadLetter {
    DeadLetter { fact: None, value: value.to_vec(), ..letter(0, offset) }
}

fn look(committed: i64, finished: &[u32]) -> Look {
    Look {
        at: Duration::ZERO,
        committed: [(0, committed)].into(),
        finished: finished.iter().map(|seq| fact(*seq)).collect::<HashSet<_>>(),
    }
}

/// 1 is plain, 2 is poison, 3 was not written, 4 has no answer and is there, 5 has none and is not. The relay repeated 1 and 2.
/// A stranger wrote garbage behind them, and an operator took 6 away before it was handled.
fn good() -> History {
    History {
        hop: "hop".to_owned(),
        writes: vec![
            write(1, false, Acknowledged),
            write(2, true, Acknowledged),
            write(3, false, Failed),
            write(4, false, Indeterminate),
            write(5, false, Indeterminate),
            write(6, false, Acknowledged),
        ],
        records: vec![record(1, 0), record(2, 1), record(1, 2), record(2, 3), record(4, 4), record(6, 6)],
        garbage: vec![Garbage { partition: 0, offset: 5, value: Some(b"garbage".to_vec()) }],
        lost: [(0, 6)].into(),
        effects: vec![effect(1), effect(4)],
        follow_ups: Some(vec![record(1, 0), record(1, 1), record(4, 2)]),
        dead_letters: vec![letter(2, 1), letter(2, 1), letter(2, 3), unreadable(5, b"garbage")],
        looks: vec![look(1, &[1]), look(2, &[1, 2]), look(7, &[1, 2, 4])],
        looked_at: 6,
    }
}

fn second(s: u64) -> Duration {
    Duration::from_secs(s)
}

fn probe(at: u64, ready: bool) -> Probe {
    Probe { process: "worker".to_owned(), at: second(at), answered: second(at), ready }
}

fn outage(fault: &'static str, from: u64, until: u64) -> Outage {
    Outage { process: "worker".to_owned(), fault, from: second(from), until: second(until) }
}

/// Unready while the database is away; ready again for a moment after a restart in between, before the first check failed.
fn well() -> Operation {
    Operation {
        outages: vec![outage("stop-postgres", 2, 40), outage("kill-worker", 10, 11), outage("pause-worker", 50, 60)],
        halts: Vec::new(),
        probes: vec![
            probe(1, true),
            probe(4, true),
            probe(9, false),
            probe(12, true),
            probe(27, false),
            probe(42, true),
            probe(52, true),
            // Asked while it was paused, answered when it went on.
            Probe { answered: second(61), ..probe(59, true) },
            probe(62, true),
        ],
        running: ["worker".to_owned()].into(),
        memory: [("worker".to_owned(), 30 << 20)].into(),
        ended: Vec::new(),
        recovery: Some(second(3)),
        remaining: Vec::new(),
        patience: second(60),
    }
}

/// The invariants that are broken, each once.
fn broken(history: History, operation: &Operation) -> Vec<&'static str> {
    let mut names: Vec<_> = check(&[history], operation).into_iter().map(|violation| violation.invariant).collect();
    names.dedup();
    names
}

fn broken_by(change: impl FnOnce(&mut History)) -> Vec<&'static str> {
    let mut history = good();
    change(&mut history);
    broken(history, &well())
}

fn broken_operation(change: impl FnOnce(&mut Operation)) -> Vec<&'static str> {
    let mut operation = well();
    change(&mut operation);
    broken(good(), &operation)
}

#[test]
fn a_good_history_has_no_violation() {
    assert_eq!(check(&[good()], &well()), []);
}

#[test]
fn an_acknowledged_event_that_is_not_published_is_missing() {
    assert_eq!(broken_by(|history| history.writes[4].outcome = Acknowledged), ["I1"]);
}

#[test]
fn a_published_event_without_effect_is_missing() {
    let lost = |history: &mut History| {
        history.effects.pop();
        history.follow_ups.as_mut().unwrap().pop();
    };
    assert_eq!(broken_by(lost), ["I1"]);
}

#[test]
fn an_effect_whose_follow_up_is_not_published_is_missing_one() {
    assert_eq!(broken_by(|history| _ = history.follow_ups.as_mut().unwrap().pop()), ["I1"]);
}

#[test]
fn effects_in_the_wrong_order_are_seen() {
    assert_eq!(broken_by(|history| history.effects.reverse()), ["I2"]);
}

#[test]
fn records_in_the_wrong_order_are_seen_though_repeats_are_not() {
    let swapped = |history: &mut History| {
        history.follow_ups = Some(vec![record(4, 0), record(1, 1), record(4, 2)]);
    };
    assert_eq!(broken_by(swapped), ["I2"]);
}

#[test]
fn a_repeat_under_another_id_is_no_repeat() {
    assert_eq!(broken_by(|history| history.records[2].id = Uuid::from_u128(99)), ["I2", "I3"]);
    let follow_up = |history: &mut History| history.follow_ups.as_mut().unwrap()[1].id = Uuid::from_u128(99);
    assert_eq!(broken_by(follow_up), ["I3"]);
}

#[test]
fn a_second_effect_is_seen() {
    assert_eq!(broken_by(|history| history.effects.insert(0, effect(1))), ["I4"]);
}

#[test]
fn an_effect_of_poison_and_one_of_nobody_are_seen() {
    assert_eq!(broken_by(|history| history.effects.insert(1, effect(2))), ["I1", "I4"], "it has no follow-up either");
    assert_eq!(broken_by(|history| history.effects.push(effect(9))), ["I1", "I4"]);
}

#[test]
fn an_offset_that_passes_open_work_is_seen() {
    assert_eq!(broken_by(|history| history.looks.push(look(5, &[1, 2]))), ["I5"]);
    // The repeat of a finished event may be passed at any time.
    assert_eq!(broken_by(|history| history.looks.push(look(4, &[1, 2]))), [""; 0]);
    // Nor does what was committed to one log say anything of another.
    let replaced = |history: &mut History| {
        history.looks.push(look(5, &[1, 2]));
        history.looked_at = 4;
    };
    assert_eq!(broken_by(replaced), [""; 0]);
}

#[test]
fn what_was_not_written_must_not_be_seen() {
    assert_eq!(broken_by(|history| history.writes[3].outcome = Failed), ["I9"]);
}

#[test]
fn each_poison_record_has_one_letter_and_nothing_else_has_any() {
    assert_eq!(broken_by(|history| _ = history.dead_letters.remove(2)), ["DL"]);
    assert_eq!(broken_by(|history| history.dead_letters[0].id = Uuid::from_u128(99)), ["DL"]);
    assert_eq!(broken_by(|history| history.dead_letters.push(letter(4, 4))), ["DL"]);
}

#[test]
fn garbage_has_one_letter_with_its_bytes() {
    assert_eq!(broken_by(|history| _ = history.dead_letters.pop()), ["DL"]);
    assert_eq!(broken_by(|history| history.dead_letters[3].value.clear()), ["DL"]);
    assert_eq!(broken_by(|history| history.dead_letters.push(unreadable(7, b"garbage"))), ["DL"]);
    let may_be_too_large = |history: &mut History| {
        history.garbage[0].value = None;
        history.dead_letters[3].value.clear();
    };
    assert_eq!(broken_by(may_be_too_large), [""; 0]);
}

#[test]
fn what_an_operator_took_away_binds_nobody_and_its_repeat_does() {
    assert_eq!(broken_by(|history| history.lost.clear()), ["I1", "I5"]);
    assert_eq!(broken_by(|history| history.records.push(record(6, 8))), ["I1"]);
}

#[test]
fn what_does_not_recover_or_ends_by_itself_is_seen() {
    assert_eq!(broken_operation(|operation| operation.recovery = None), ["I6"]);
    let ended = ("worker".to_owned(), "exit status: 1".to_owned());
    assert_eq!(broken_operation(|operation| operation.ended.push(ended)), ["I6"]);
}

#[test]
fn a_process_that_grows_is_seen() {
    assert_eq!(broken_operation(|operation| _ = operation.memory.insert("worker".to_owned(), 151 << 20)), ["I7"]);
}

#[test]
fn a_ready_process_that_cannot_work_is_seen() {
    assert_eq!(broken_operation(|operation| operation.probes[2].ready = true), ["I8"]);
    assert_eq!(broken_operation(|operation| operation.probes[4].ready = true), ["I8"]);
    assert_eq!(broken_operation(|operation| operation.probes[7].answered = second(59)), ["I8"]);
    assert_eq!(broken_operation(|operation| operation.probes.push(probe(63, false))), ["I8"]);
    let halt = |told| Halt { workers: vec!["worker".to_owned()], what: "topic/0".to_owned(), told };
    assert_eq!(broken_operation(|operation| operation.halts.push(halt(false))), ["I8"]);
    assert_eq!(broken_operation(|operation| operation.halts.push(halt(true))), [""; 0]);
}
