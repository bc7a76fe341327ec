//! One call from what was said to what is in the practice's records and back on the call's page, each step with what proves
//! it.

use events::contract::topics::{APPOINTMENT_BOOKED, PATIENT_CREATED, TopicSpec};

use crate::{
    day::{Call, Day, Effect, Fate},
    kafka::Record,
    outcome::Seen,
    play::Played,
    services::{Appointment, Extraction, Patient, Services},
};

/// One call's journey.
#[derive(Debug)]
pub struct Journey {
    pub call_id: String,
    pub page: String,
    pub legs: Vec<Leg>,
}

/// One thing that was said in it.
#[derive(Debug)]
pub struct Leg {
    /// The text's own words.
    pub said: String,
    pub extraction: Extraction,
    /// On `ai-responses`.
    pub event: Record,
    /// The row in words.
    pub row: String,
    /// What the record system told everybody.
    pub told: Record,
}

impl Journey {
    /// That of the day's first call in which a new patient got an appointment, if all of it can be found.
    pub fn of(day: &Day, played: &Played, seen: &Seen, services: &Services) -> Option<Self> {
        let has = |call: &Call, wanted: Effect| {
            call.expected.iter().any(|one| matches!(one.fate, Fate::Applied { effect, .. } if effect == wanted))
        };
        let call = day.calls.iter().find(|call| has(call, Effect::Created) && has(call, Effect::Booked))?;
        let text = call.pieces.concat();
        let extractions = &played.pages.get(&call.id)?.extractions;
        let legs: Option<Vec<Leg>> = extractions.iter().map(|extraction| leg(&text, extraction, seen)).collect();
        Some(Self { call_id: call.id.clone(), page: services.call_page(&call.id).to_string(), legs: legs? })
    }
}

fn leg(text: &str, extraction: &Extraction, seen: &Seen) -> Option<Leg> {
    let (row, topic): (String, &TopicSpec) = match extraction.appointment_id {
        Some(id) => (appointment(seen.appointments.iter().find(|one| one.id == id)?), &APPOINTMENT_BOOKED),
        None => (patient(seen.patients.get(&extraction.patient_id?)?), &PATIENT_CREATED),
    };
    let said = extraction.span.and_then(|span| text.get(span.from..span.to)).map(str::to_owned);
    Some(Leg {
        said: said.or_else(|| Some(extraction.data.as_ref()?.to_string()))?,
        extraction: extraction.clone(),
        event: seen.log.said(extraction.event_id)?.clone(),
        row,
        told: seen.log.caused_by(extraction.event_id, topic)?.clone(),
    })
}

fn patient(one: &Patient) -> String {
    let born = one.date_of_birth.as_ref().map(|date| format!("born {date}"));
    let parts = [Some(one.name.clone()), born, one.email.clone(), one.phone.clone()];
    format!("patient {}: {}", one.id, parts.into_iter().flatten().collect::<Vec<_>>().join(", "))
}

fn appointment(one: &Appointment) -> String {
    let patient = one.patient_id.map_or(String::new(), |id| format!(" of patient {id}"));
    format!("appointment {}{patient}: {}, {}", one.id, one.slot(), one.status)
}
