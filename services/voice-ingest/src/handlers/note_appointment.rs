//! What became of what the caller was told is booked. Four events, one row: whichever happened last stands.

use events::{
    consume::{Handler, Received},
    contract::{
        event::Event,
        schema::healthcore::{
            AppointmentBookedV1, AppointmentCancelledV1, AppointmentCompletedV1, AppointmentHeldV1, AppointmentV1,
        },
    },
    flow::error::HandlerError,
    publish::Tx,
};
use serde_json::json;

use crate::store::{self, AppointmentNews, Outcome};

macro_rules! note {
    ($(#[$doc:meta])* $handler:ident, $name:literal, $event:ident, $outcome:ident) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $handler;

        impl Handler for $handler {
            const NAME: &'static str = $name;
            type Event = $event;
            type Plan = ();

            async fn apply(&self, event: &Received<$event>, _: (), tx: &mut Tx) -> Result<(), HandlerError> {
                note(event, &event.data.0, Outcome::$outcome, tx).await
            }
        }
    };
}

note!(
    /// It is in the book.
    NoteBooking, "note-booking", AppointmentBookedV1, Booked);
note!(
    /// A person has to look at it first.
    NoteHeldBooking, "note-held-booking", AppointmentHeldV1, Held);
note!(
    /// It was called off, or another has taken its place.
    NoteCancellation, "note-cancellation", AppointmentCancelledV1, Cancelled);
note!(
    /// It took place.
    NoteCompletion, "note-completion", AppointmentCompletedV1, Completed);

async fn note<E: Event>(
    event: &Received<E>,
    told: &AppointmentV1,
    outcome: Outcome,
    tx: &mut Tx,
) -> Result<(), HandlerError> {
    let news = AppointmentNews {
        appointment_id: told.appointment_id,
        patient_id: told.patient_id,
        outcome,
        reason: told.reason.as_deref(),
        at: event.occurred_at,
        appointment: json!({
            "dentist": told.dentist,
            "date": told.date,
            "time": told.time.format("%H:%M").to_string(),
        }),
    };
    let journey = event.metadata.correlation_id.as_deref();
    store::note_appointment(tx.connection(), super::cause(event), journey, &news).await?;
    Ok(())
}
