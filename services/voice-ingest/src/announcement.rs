//! What was said, as the event that tells the others. The same thing said in the same call is the same
//! event, unless it is said anew.

use events::contract::{
    event::{EventId, NewEvent},
    schema::voice::{BookingConfirmationV1, PatientCreationV1},
};

use crate::domain::Extraction;

#[derive(Debug)]
pub struct Announcement {
    pub extraction_id: EventId,
    pub event: AnnouncedEvent,
}

#[derive(Debug)]
pub enum AnnouncedEvent {
    Patient(NewEvent<PatientCreationV1>),
    Booking(NewEvent<BookingConfirmationV1>),
}

/// The same for the same fact of the same call, each time that it is said anew.
pub fn extraction_id(call_id: &str, fact: &Extraction, number: u32) -> EventId {
    let (kind, fingerprint) = (fact.kind().as_str(), fact.fingerprint());
    match number {
        0 => EventId::derived(&["extraction", call_id, kind, &fingerprint]),
        _ => EventId::derived(&["extraction", call_id, kind, &fingerprint, &number.to_string()]),
    }
}

impl Announcement {
    /// Of a fact that was said for the time `number`, where 0 is the first.
    pub fn of(call_id: &str, fact: Extraction, number: u32) -> Self {
        let extraction_id = extraction_id(call_id, &fact, number);
        let id = EventId::derived(&["announced", &extraction_id.to_string()]);
        let call = call_id.to_owned();
        let extraction = extraction_id.to_string();
        let event = match fact {
            Extraction::Patient(patient) => {
                let data = PatientCreationV1 {
                    call_id: call,
                    name: patient.name,
                    email: patient.email,
                    phone: patient.phone,
                    phone_e164: patient.phone_e164,
                    date_of_birth: patient.date_of_birth,
                    extraction_id: extraction,
                };
                AnnouncedEvent::Patient(NewEvent { id, ..NewEvent::fact(data) }.correlated(call_id))
            }
            Extraction::Booking(booking) => {
                let data = BookingConfirmationV1 {
                    call_id: call,
                    dentist: booking.dentist,
                    date: booking.date,
                    time: booking.time,
                    patient_name: booking.patient_name,
                    service: booking.service,
                    notes: booking.notes,
                    extraction_id: extraction,
                };
                AnnouncedEvent::Booking(NewEvent { id, ..NewEvent::fact(data) }.correlated(call_id))
            }
        };
        Self { extraction_id, event }
    }

    pub fn event_id(&self) -> EventId {
        match &self.event {
            AnnouncedEvent::Patient(event) => event.id,
            AnnouncedEvent::Booking(event) => event.id,
        }
    }
}
