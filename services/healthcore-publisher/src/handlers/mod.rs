//! What the service does with the voice AI's responses, one file for each event.

mod book_appointment;
mod register_patient;

pub use book_appointment::BookAppointment;
pub use register_patient::RegisterPatient;

/// Who the changes of these handlers are put down to.
const ACTOR: &str = "ai-response-processor";
