//! The AI confirmed a booking: the appointment is in the book, or held for a person to look at.

use events::{
    consume::{Handler, Received},
    flow::error::HandlerError,
    publish::Tx,
};
use forms::Practice;

use super::moved;
use crate::{
    domain::{self, ReviewReason, Wanted},
    heard::HeardBooking,
    store,
};

#[derive(Debug)]
pub struct BookAppointment {
    /// The practice's, such as `Europe/Berlin`.
    pub time_zone: String,
    /// By whose rules what was said is read.
    pub practice: Practice,
}

impl Handler for BookAppointment {
    const NAME: &'static str = "book-appointment";
    type Event = HeardBooking;
    type Plan = ();

    async fn apply(&self, event: &Received<HeardBooking>, _: (), tx: &mut Tx) -> Result<(), HandlerError> {
        let said = &event.data.read(&self.practice)?;
        let tx = tx.connection();
        store::tell_cause(tx, Self::NAME, event.metadata.correlation_id.as_deref(), &event.id.to_string()).await?;
        store::lock_call(tx, &said.call_id).await?;
        let of_call = store::patients_of_call(tx, &said.call_id).await?;
        let of_name = store::patients_of_name(tx, &said.patient_name).await?;
        let patient = domain::patient_of_booking(&said.patient_name, &of_call, &of_name);
        let time_problem = store::time_problem(tx, said.date, said.time, &self.time_zone).await?;
        let review = match store::slot_holder(tx, &said.dentist, said.date, said.time).await? {
            // Said again, perhaps in another call: it is booked already.
            Some(holder) if patient.is_some() && holder.patient_id == patient => {
                return Ok(store::confirm_again(tx, holder.appointment_id).await?);
            }
            _ if time_problem.is_some() => ReviewReason::of_time(time_problem.as_deref()),
            Some(_) => Some(ReviewReason::SlotTaken),
            None if patient.is_none() => Some(ReviewReason::UnknownPatient),
            None => None,
        };
        let wanted = Wanted { patient_id: patient, patient_name: &said.patient_name, service: said.service.as_deref() };
        let others = store::other_bookings(tx, &said.call_id, None, &said.dentist, said.date, said.time).await?;
        // Said again, and held already.
        if let Some(held) =
            others.iter().find(|other| other.same_slot && domain::is_same_person(other.wanted(), wanted))
        {
            return Ok(store::confirm_again(tx, held.id).await?);
        }
        store::create_appointment(tx, said, patient, &self.time_zone, review).await?;
        moved::call_off(tx, &others, wanted, review.is_none()).await?;
        Ok(())
    }
}
