//! What the service does with the voice AI's responses, one file for each event.

mod book_appointment;
mod himself;
mod moved;
mod register_patient;

pub use book_appointment::BookAppointment;
pub use register_patient::RegisterPatient;
