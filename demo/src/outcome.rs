//! Compares what came of the day with what must come of it. For each thing that was said the facts are put together from its
//! call's page, the practice's records and Kafka, and must be equal to what the recording expects.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use events::contract::{
    headers::dlq,
    topics::{PATIENT_CREATED, PATIENT_UPDATED},
};
use uuid::Uuid;

use crate::{
    day::{Call, Day, Effect, Expected, Fate, Slot, Totals},
    journey::Journey,
    kafka::{Log, Record},
    play::Played,
    services::{Appointment, Extraction, Patient, Services},
};

/// A returning caller changes only when the patient was last heard of.
const LAST_HEARD: &str = "last_contact_at";

/// All that there is to compare, gathered after everything had settled.
#[derive(Debug)]
pub struct Seen {
    /// All of the practice, the day's and others'.
    pub appointments: Vec<Appointment>,
    /// Those whom the calls' pages name.
    pub patients: BTreeMap<i64, Patient>,
    pub log: Log,
}

/// What came of the day.
#[derive(Debug)]
pub struct Outcome {
    pub counts: Vec<Count>,
    /// Distinct dead letters of the day's calls.
    pub dead_letters: Vec<DeadLetter>,
    pub held: Vec<Held>,
    /// How many things were said, and how many of these had been said before.
    pub said: (usize, usize),
    pub took: Duration,
    pub journey: Option<Journey>,
    /// What single calls came to otherwise than expected.
    pub differences: Vec<Difference>,
}

/// A sum over the day's calls.
#[derive(Debug)]
pub struct Count {
    pub name: String,
    pub expected: usize,
    pub found: usize,
}

/// A booking that a person has to look at.
#[derive(Debug)]
pub struct Held {
    pub call_id: String,
    pub reason: String,
    pub patient_name: String,
    pub slot: Slot,
}

/// What could not be applied, and why.
#[derive(Debug)]
pub struct DeadLetter {
    pub call_id: String,
    pub category: String,
    pub message: String,
}

/// Something that came out otherwise.
#[derive(Debug)]
pub struct Difference {
    pub what: String,
    pub expected: String,
    pub found: String,
}

/// Compares the day.
pub fn compare(day: &Day, played: &Played, seen: &Seen, services: &Services) -> Outcome {
    let mut differences = Vec::new();
    let mut fates = Vec::new();
    for call in &day.calls {
        fates.extend(compare_call(call, played, seen, &mut differences));
    }
    let letters = seen.log.dead_letters();
    let mut dead_letters: Vec<DeadLetter> = letters.values().map(|record| dead_letter(record)).collect();
    dead_letters.sort_by(|one, other| one.call_id.cmp(&other.call_id));
    let mut held: Vec<Held> = appointments_of(day, seen).filter(|one| one.status == "needs_review").map(held).collect();
    held.sort_by(|one, other| one.call_id.cmp(&other.call_id));
    let taken = || played.taken.values().flatten();
    Outcome {
        counts: counts(&day.totals, &totals(day, played, seen, &fates), dead_letters.len()),
        dead_letters,
        held,
        said: (taken().count(), taken().filter(|taken| taken.status == "repeated").count()),
        took: played.took,
        journey: Journey::of(day, played, seen, services),
        differences,
    }
}

fn compare_call(call: &Call, played: &Played, seen: &Seen, differences: &mut Vec<Difference>) -> Vec<Fate> {
    let Some(page) = played.pages.get(&call.id) else {
        differences.push(Difference::new(&call.id, "a page", "none"));
        return Vec::new();
    };
    let mut fates = Vec::new();
    if played.unsettled.contains(&call.id) {
        differences.push(Difference::new(&call.id, "everything settled", "still waiting; see the services' logs"));
    }
    let (said, taken) =
        (call.expected.iter().map(|one| one.said).sum::<usize>(), played.taken.get(&call.id).map_or(0, Vec::len));
    if said != taken {
        differences.push(Difference::new(&call.id, format!("{said} things said"), taken));
    }
    for at in 0..page.extractions.len().max(call.expected.len()) {
        let what = format!("{}, no. {}", call.id, at + 1);
        let (expected, found) = (call.expected.get(at), page.extractions.get(at));
        let fate = found.map(|found| fate(&call.id, found, seen));
        let is_as_expected = match (expected, found, &fate) {
            (Some(expected), Some(found), Some(Ok(fate))) => found.kind == expected.kind && *fate == expected.fate,
            _ => false,
        };
        if !is_as_expected {
            let expected =
                expected.map_or("nothing".to_owned(), |Expected { kind, fate, .. }| format!("{kind}: {fate}"));
            let of_kind = |said: &Extraction| match &fate {
                Some(Ok(fate)) => format!("{}: {fate}", said.kind),
                Some(Err(problem)) => format!("{}: {problem}", said.kind),
                None => String::new(),
            };
            differences.push(Difference::new(what, expected, found.map_or("nothing".to_owned(), of_kind)));
        }
        fates.extend(fate.and_then(Result::ok));
    }
    fates
}

/// What became of one thing that was said; `Err` tells what cannot be made sense of.
fn fate(call_id: &str, said: &Extraction, seen: &Seen) -> Result<Fate, String> {
    match (said.status.as_str(), said.kind.as_str()) {
        ("rejected", _) => rejected(said, seen),
        ("applied", "PATIENT_CREATION") => {
            let patient = said.patient_id.and_then(|id| seen.patients.get(&id));
            let patient = patient.ok_or("applied, but the patient that its page names is not in the record")?;
            Ok(Fate::Applied {
                effect: patient_effect(said.event_id, seen)?,
                patient: Some(patient.name.clone()),
                slot: None,
            })
        }
        (_, "BOOKING_CONFIRMATION") => booking(call_id, said, seen),
        (status, _) => Err(format!("still {status}")),
    }
}

fn rejected(said: &Extraction, seen: &Seen) -> Result<Fate, String> {
    let letters = seen.log.dead_letters();
    let letter =
        letters.get(said.event_id.to_string().as_str()).ok_or("rejected, but its dead letter is not in Kafka")?;
    let category = letter.headers.text(dlq::CATEGORY).unwrap_or_default().to_owned();
    let fields: Vec<&str> = said.problems.iter().flatten().map(|problem| problem.field.as_str()).collect();
    Ok(Fate::Rejected { category, field: fields.join(", ") })
}

fn patient_effect(event_id: Uuid, seen: &Seen) -> Result<Effect, String> {
    if seen.log.caused_by(event_id, &PATIENT_CREATED).is_some() {
        return Ok(Effect::Created);
    }
    let updated = seen.log.caused_by(event_id, &PATIENT_UPDATED);
    let updated =
        updated.ok_or("applied, but neither patient.created nor patient.updated in Kafka names it as its cause")?;
    let changed = updated.value["data"]["changed"].as_array().map_or(&[][..], Vec::as_slice);
    Ok(if changed.iter().any(|column| column != LAST_HEARD) { Effect::Updated } else { Effect::Unchanged })
}

fn booking(call_id: &str, said: &Extraction, seen: &Seen) -> Result<Fate, String> {
    let text = |field: &str| said.data.as_ref().and_then(|data| data[field].as_str()).unwrap_or_default().to_owned();
    let slot = Slot { dentist: text("dentist"), date: text("date"), time: hour_minute(&text("time")) };
    let of_slot: Vec<&Appointment> = seen.appointments.iter().filter(|one| one.slot() == slot).collect();
    let patient = |one: &Appointment| one.patient_id.and_then(|id| seen.patients.get(&id)).map(|one| one.name.clone());
    let is_of_call = |one: &&&Appointment| one.call_id.as_deref() == Some(call_id);

    if let Some(held) = of_slot.iter().filter(is_of_call).find(|one| one.status == "needs_review") {
        let reason = held.reason.clone().unwrap_or_default();
        if said.status != "held" {
            return Err(format!("appointment {} is held, but the call's page says {}", held.id, said.status));
        }
        return Ok(Fate::Held { reason, patient: patient(held), slot: Some(slot) });
    }
    let Some(booked) = of_slot.iter().find(|one| one.status == "booked") else {
        return Err(format!("{}, but nobody has {slot}", said.status));
    };
    if said.status != "applied" || said.appointment_id != Some(booked.id) {
        return Err(format!("appointment {} is booked, but the call's page says {}", booked.id, said.status));
    }
    // Whoever confirms it again is told of, too.
    let by_this = seen.log.is_first_of_appointment(said.event_id, booked.id);
    let effect = if by_this { Effect::Booked } else { Effect::AlreadyBooked };
    Ok(Fate::Applied { effect, patient: patient(booked), slot: Some(slot) })
}

fn totals(day: &Day, played: &Played, seen: &Seen, fates: &[Fate]) -> Totals {
    let said = || played.pages.values().flat_map(|page| &page.extractions);
    let rejected = said().filter(|said| said.status == "rejected").count();
    let registered = said().filter(|said| said.kind == "PATIENT_CREATION").filter_map(|said| said.patient_id);
    let updated = |fate: &&Fate| matches!(fate, Fate::Applied { effect: Effect::Updated, .. });
    let mut bookings_held = BTreeMap::new();
    for held in appointments_of(day, seen).filter(|one| one.status == "needs_review") {
        *bookings_held.entry(held.reason.clone().unwrap_or_default()).or_default() += 1;
    }
    Totals {
        calls: played.pages.len(),
        extractions_accepted: said().count() - rejected,
        extractions_rejected: rejected,
        patients: registered.collect::<BTreeSet<i64>>().len(),
        patients_updated: fates.iter().filter(updated).count(),
        appointments_booked: appointments_of(day, seen).filter(|one| one.status == "booked").count(),
        bookings_held,
    }
}

fn counts(expected: &Totals, found: &Totals, dead_letters: usize) -> Vec<Count> {
    let count = |name: &str, expected, found| Count { name: name.to_owned(), expected, found };
    let mut counts = vec![
        count("calls", expected.calls, found.calls),
        count("extractions accepted", expected.extractions_accepted, found.extractions_accepted),
        count("extractions rejected", expected.extractions_rejected, found.extractions_rejected),
        count("patients", expected.patients, found.patients),
        count("patients updated", expected.patients_updated, found.patients_updated),
        count("appointments booked", expected.appointments_booked, found.appointments_booked),
    ];
    let reasons: BTreeSet<&String> = expected.bookings_held.keys().chain(found.bookings_held.keys()).collect();
    for reason in reasons {
        let of = |totals: &Totals| totals.bookings_held.get(reason).copied().unwrap_or_default();
        counts.push(count(&format!("bookings held, {reason}"), of(expected), of(found)));
    }
    counts.push(count("dead letters", expected.extractions_rejected, dead_letters));
    counts
}

fn appointments_of<'s>(day: &'s Day, seen: &'s Seen) -> impl Iterator<Item = &'s Appointment> {
    seen.appointments.iter().filter(|one| one.call_id.as_deref().is_some_and(|id| day.has(id)))
}

fn held(booking: &Appointment) -> Held {
    Held {
        call_id: booking.call_id.clone().unwrap_or_default(),
        reason: booking.reason.clone().unwrap_or_default(),
        patient_name: booking.patient_name.clone(),
        slot: booking.slot(),
    }
}

fn dead_letter(record: &Record) -> DeadLetter {
    let header = |name: &str| record.headers.text(name).unwrap_or_default().to_owned();
    DeadLetter { call_id: header(dlq::CORRELATION_ID), category: header(dlq::CATEGORY), message: header(dlq::MESSAGE) }
}

impl Outcome {
    /// Whether all calls and all sums are as they must be.
    pub fn is_as_expected(&self) -> bool {
        self.differences.is_empty() && self.counts.iter().all(|count| count.expected == count.found)
    }
}

impl Difference {
    fn new(what: impl Into<String>, expected: impl ToString, found: impl ToString) -> Self {
        Self { what: what.into(), expected: expected.to_string(), found: found.to_string() }
    }
}

impl Appointment {
    /// What it takes.
    pub fn slot(&self) -> Slot {
        Slot { dentist: self.dentist.clone(), date: self.date.clone(), time: hour_minute(&self.time) }
    }
}

/// `09:00:00` as `09:00`.
fn hour_minute(time: &str) -> String {
    time.get(..5).unwrap_or(time).to_owned()
}
