//! What the caller was told is really booked.

use events::{
    consume::{Handler, Received},
    contract::schema::healthcore::AppointmentBookedV1,
    flow::error::HandlerError,
    publish::Tx,
};

use crate::store::{self, Booked};

#[derive(Debug)]
pub struct NoteBooking;

impl Handler for NoteBooking {
    const NAME: &'static str = "note-booking";
    type Event = AppointmentBookedV1;
    type Plan = ();

    async fn apply(&self, event: &Received<AppointmentBookedV1>, _: (), tx: &mut Tx) -> Result<(), HandlerError> {
        let appointment = &event.data.0;
        let Some(call_id) = event.metadata.correlation_id.as_deref() else { return Ok(()) };
        let booked = Booked {
            appointment_id: appointment.appointment_id,
            patient_id: appointment.patient_id,
            dentist: &appointment.dentist,
            date: appointment.date,
            time: appointment.time,
        };
        store::appointment_applied(tx.connection(), super::cause(event), call_id, &booked).await?;
        Ok(())
    }
}
