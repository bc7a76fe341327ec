//! The recorded front-desk day against this domain: what is read from each call is what `expected.json` says.
//!
//! A small model of the consumer's rules proves the file's outcomes too, in any order that its `after` marks allow.
//! Not a test of the consumer itself.

use std::{collections::HashMap, fs};

use chrono::NaiveDate;
use serde_json::{Value, json};

use super::*;

const DAY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../demo/day");
const CUT: &str = "\n<<piece>>\n";

struct Call {
    id: String,
    after: Option<String>,
    expected: Vec<Value>,
    /// What was read, in order of the text, with how often it was said.
    read: Vec<(Kind, Result<Extraction, Rejection>, usize)>,
}

fn expected() -> Value {
    serde_json::from_str(&fs::read_to_string(format!("{DAY}/expected.json")).unwrap()).unwrap()
}

fn scan<'a>(pieces: impl Iterator<Item = &'a str>) -> Vec<Found> {
    let (mut scanner, mut all) = (Scanner::new(), Vec::new());
    for piece in pieces {
        scanner.push(piece.as_bytes(), &mut |found| all.push(found));
    }
    scanner.finish(&mut |found| all.push(found));
    all
}

fn read(text: &str) -> Vec<(Kind, Result<Extraction, Rejection>, usize)> {
    let today = NaiveDate::from_ymd_opt(2026, 12, 1).unwrap();
    let rules = Rules { region: Region::default(), date_order: DateOrder::default(), today };
    let found = scan(text.split(CUT));
    let whole = text.replace(CUT, "");
    assert_eq!(found, scan([whole.as_str()].into_iter()));
    assert!(!whole.contains("<<"), "a separator is not on a line of its own");

    let mut all: Vec<(Kind, Result<Extraction, Rejection>, usize)> = Vec::new();
    for Found { kind, json, .. } in found {
        let read = json.map_err(Rejection::from).and_then(|json| validate(kind, &json, &rules));
        let print = |read: &Result<Extraction, Rejection>| read.as_ref().ok().map(Extraction::fingerprint);
        match all.iter_mut().find(|(_, earlier, _)| read.is_ok() && print(earlier) == print(&read)) {
            Some((_, _, said)) => *said += 1,
            None => all.push((kind, read, 1)),
        }
    }
    all
}

fn calls() -> Vec<Call> {
    let expected = expected();
    let one = |call: &Value| {
        let id = call["id"].as_str().unwrap().to_owned();
        let text = fs::read_to_string(format!("{DAY}/calls/{id}.txt")).unwrap();
        let after = call["after"].as_str().map(str::to_owned);
        Call { id, after, expected: call["extractions"].as_array().unwrap().clone(), read: read(&text) }
    };
    expected["calls"].as_array().unwrap().iter().map(one).collect()
}

/// What a rejection looks like in `expected.json`.
fn rejected(rejection: &Rejection) -> Value {
    assert_eq!(rejection.problems.len(), 1, "{rejection}");
    json!({"outcome": "rejected", "category": rejection.category.as_str(), "field": rejection.problems[0].field})
}

#[derive(Default)]
struct Practice {
    patients: Vec<PatientCreation>,
    slots: HashMap<(String, String, String), usize>,
}

impl Practice {
    fn play(&mut self, call: &Call) -> Vec<Value> {
        let mut present = Vec::new();
        let one = |(kind, read, said): &(Kind, Result<Extraction, Rejection>, usize)| {
            let mut outcome = match read {
                Err(rejection) => rejected(rejection),
                Ok(Extraction::Patient(patient)) => self.register(patient, &mut present),
                Ok(Extraction::Booking(booking)) => self.book(booking, &present),
            };
            outcome["kind"] = kind.as_str().into();
            if *said > 1 {
                outcome["said"] = (*said).into();
            }
            outcome
        };
        call.read.iter().map(one).collect()
    }

    fn register(&mut self, new: &PatientCreation, present: &mut Vec<usize>) -> Value {
        let same = |a: &Option<String>, b: &Option<String>| a.is_some() && a == b;
        let reached = |old: &PatientCreation| same(&old.email, &new.email) || same(&old.phone, &new.phone);
        let known = self.patients.iter().position(|old| match new.date_of_birth {
            Some(_) => reached(old) && old.date_of_birth == new.date_of_birth,
            None => reached(old) && old.name == new.name,
        });
        let known = known.or_else(|| present.iter().copied().find(|&at| self.patients[at].name == new.name));
        let (at, effect) = match known {
            Some(at) if self.patients[at] == *new => (at, "unchanged"),
            Some(at) => (at, "updated"),
            None => (self.patients.len(), "created"),
        };
        if at == self.patients.len() {
            self.patients.push(new.clone());
        }
        self.patients[at] = new.clone();
        if !present.contains(&at) {
            present.push(at);
        }
        json!({"outcome": "applied", "effect": effect, "patient": new.name})
    }

    fn book(&mut self, booking: &Booking, present: &[usize]) -> Value {
        let named: Vec<usize> =
            (0..self.patients.len()).filter(|&at| self.patients[at].name == booking.patient_name).collect();
        let here = present.iter().copied().find(|at| named.contains(at));
        let only = |all: &[usize]| if let [one] = all { Some(*one) } else { None };
        let patient = here.or_else(|| only(present)).or_else(|| only(&named));

        let (date, time) = (booking.date.to_string(), booking.time.format("%H:%M").to_string());
        let slot = json!({"dentist": booking.dentist, "date": date, "time": time});
        let name = patient.map(|at| self.patients[at].name.clone());
        let held = |reason: &str| json!({"outcome": "held", "reason": reason, "patient": name, "slot": slot});
        let Some(at) = patient else { return held("unknown_patient") };
        let key = (booking.dentist.clone(), date, time);
        let effect = match self.slots.get(&key) {
            None => "booked",
            Some(&other) if other == at => "already_booked",
            Some(_) => return held("slot_taken"),
        };
        self.slots.insert(key, at);
        json!({"outcome": "applied", "effect": effect, "patient": name, "slot": slot})
    }
}

#[test]
fn every_call_comes_out_as_expected_in_every_order_that_is_allowed() {
    let calls = calls();
    let mut random = fastrand::Rng::with_seed(64);
    for round in 0..50 {
        let mut practice = Practice::default();
        let mut waiting: Vec<&Call> = calls.iter().collect();
        if round > 0 {
            random.shuffle(&mut waiting);
        }
        while !waiting.is_empty() {
            let settled = |call: &&Call| !waiting.iter().any(|other| Some(&other.id) == call.after.as_ref());
            let next = waiting.iter().position(settled).expect("the calls wait for each other in a circle");
            let call = waiting.remove(next);
            assert_eq!(practice.play(call), call.expected, "{} in round {round}", call.id);
        }
        assert_eq!(practice.patients.len(), expected()["totals"]["patients"]);
        assert_eq!(practice.slots.len(), expected()["totals"]["appointments_booked"]);
    }
}

#[test]
fn the_totals_are_those_of_the_calls_and_every_recorded_call_is_listed() {
    let (expected, calls) = (expected(), calls());
    let count = |field: &str, value: &str| {
        calls.iter().flat_map(|call| &call.expected).filter(|extraction| extraction[field] == value).count()
    };
    let totals = json!({
        "calls": calls.len(),
        "extractions_accepted": count("outcome", "applied") + count("outcome", "held"),
        "extractions_rejected": count("outcome", "rejected"),
        "patients": count("effect", "created"),
        "patients_updated": count("effect", "updated"),
        "appointments_booked": count("effect", "booked"),
        "bookings_held": {
            "slot_taken": count("reason", "slot_taken"),
            "unknown_patient": count("reason", "unknown_patient"),
        },
    });
    assert_eq!(expected["totals"], totals);

    let file = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
    let mut files: Vec<_> = fs::read_dir(format!("{DAY}/calls")).unwrap().map(file).collect();
    files.sort();
    let listed: Vec<_> = calls.iter().map(|call| format!("{}.txt", call.id)).collect();
    assert_eq!(files, listed);
    for (at, call) in calls.iter().enumerate() {
        let earlier = |after: &String| calls[..at].iter().any(|other| other.id == *after);
        assert!(call.after.as_ref().is_none_or(earlier), "{} waits for no earlier call", call.id);
    }
}

#[test]
fn nobody_in_the_recorded_day_is_a_real_person() {
    for call in calls() {
        for (_, read, _) in call.read {
            let Ok(Extraction::Patient(patient)) = read else { continue };
            let reserved = |email: &String| {
                ["@example.com", "@example.org", "@example.net"].iter().any(|domain| email.ends_with(domain))
            };
            assert!(patient.email.as_ref().is_none_or(reserved), "{}", call.id);
            let digits = |said: &String| said.chars().filter(char::is_ascii_digit).collect::<String>();
            let fictional = |number: String| {
                let from_end = |n: usize| number.split_at(number.len().saturating_sub(n)).1.to_owned();
                // North America 555-01xx, Great Britain 01632 960xxx and 07700 900xxx, Berlin 23125xxx.
                from_end(7).starts_with("55501")
                    || ["1632960", "7700900"].iter().any(|range| from_end(10).starts_with(range))
                    || from_end(10).starts_with("3023125")
            };
            assert!(patient.phone.as_ref().map(digits).is_none_or(fictional), "{}", call.id);
        }
    }
}
