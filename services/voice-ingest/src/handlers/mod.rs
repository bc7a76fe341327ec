//! What the record system made of what was said: closes the loop on a call's page. One file for each event.

mod note_appointment;
mod note_new_patient;
mod note_returning_patient;

use events::{consume::Received, contract::event::Event, flow::error::HandlerError, publish::Tx};
use uuid::Uuid;

pub use note_appointment::{NoteBooking, NoteCancellation, NoteCompletion, NoteHeldBooking};
pub use note_new_patient::NoteNewPatient;
pub use note_returning_patient::NoteReturningPatient;

use crate::store;

/// The event that caused this one, where it was an event.
fn cause<E: Event>(event: &Received<E>) -> Option<Uuid> {
    event.metadata.causation_id.as_deref()?.parse().ok()
}

async fn note_patient<E: Event>(event: &Received<E>, patient_id: i64, tx: &mut Tx) -> Result<(), HandlerError> {
    // A change that no call asked for is nobody's extraction.
    if let Some(cause) = cause(event) {
        store::patient_applied(tx.connection(), cause, patient_id).await?;
    }
    Ok(())
}
