//! The AI confirmed a booking: the appointment is in the book, or held for a person to look at.

use events::{
    consume::{Handler, Received},
    flow::error::HandlerError,
    publish::Tx,
};
use forms::Practice;

use super::{himself, moved};
use crate::{
    domain::{self, ReviewReason, Wanted},
    heard::HeardBooking,
    store::{self, Slot},
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
        let slot = Slot { dentist: &said.dentist, date: said.date, time: said.time };
        store::lock_book(tx, &said.call_id, &[slot]).await?;
        let of_call = store::patients_of_call(tx, &said.call_id).await?;
        let of_name = store::patients_of_name(tx, &said.patient_name).await?;
        let patient = domain::patient_of_booking(&said.patient_name, &of_call, &of_name);
        let wanted = Wanted { patient_id: patient, patient_name: &said.patient_name, service: said.service.as_deref() };
        let holder = store::slot_holder(tx, slot).await?;
        // Said again, perhaps in another call: it is booked already.
        if let (Some(holder), Some(patient)) = (&holder, patient)
            && himself::has(tx, holder, patient, &said.call_id).await?
        {
            himself::confirm(tx, holder, patient).await?;
            let others = store::other_bookings(tx, &said.call_id, Some(holder.appointment_id), slot).await?;
            let service = holder.service.as_deref().or(wanted.service);
            return Ok(moved::call_off(tx, &others, Wanted { service, ..wanted }, true).await?);
        }
        let time_problem = store::time_problem(tx, said.date, said.time, &self.time_zone).await?;
        let review = match holder {
            _ if time_problem.is_some() => ReviewReason::of_time(time_problem.as_deref()),
            Some(_) => Some(ReviewReason::SlotTaken),
            None if patient.is_none() => Some(ReviewReason::UnknownPatient),
            None => None,
        };
        let mut others = store::other_bookings(tx, &said.call_id, None, slot).await?;
        let again = others.iter().position(|other| other.same_slot && domain::is_same_person(other.wanted(), wanted));
        let Some(again) = again.map(|at| others.remove(at)) else {
            store::create_appointment(tx, said, patient, &self.time_zone, review).await?;
            return Ok(moved::call_off(tx, &others, wanted, review.is_none()).await?);
        };
        // Said again, and held already: what kept it may be over, or be something else.
        if let Some(patient) = patient
            && !again.is_booked
            && again.reason.as_deref().is_none_or(ReviewReason::is_ours)
        {
            store::give_patient(tx, again.id, patient, review).await?;
            let service = again.service.as_deref().or(wanted.service);
            moved::call_off(tx, &others, Wanted { service, ..wanted }, review.is_none()).await?;
        }
        store::confirm_again(tx, again.id).await?;
        Ok(())
    }
}
