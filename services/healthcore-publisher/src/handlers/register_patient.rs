//! A caller gave a patient's data: the patient is in the record, once.

use events::{
    consume::{Handler, Received},
    flow::error::HandlerError,
    publish::Tx,
};
use forms::Practice;
use sqlx::PgConnection;

use super::{himself, moved};
use crate::{
    domain::{self, ReviewReason, Wanted, called_off},
    heard::HeardPatient,
    identity::{self, Identity},
    numbers,
    store::{self, WaitingBooking},
};

#[derive(Debug)]
pub struct RegisterPatient {
    /// By whose rules what was said is read.
    pub practice: Practice,
}

impl Handler for RegisterPatient {
    const NAME: &'static str = "register-patient";
    type Event = HeardPatient;
    type Plan = ();

    async fn apply(&self, event: &Received<HeardPatient>, _: (), tx: &mut Tx) -> Result<(), HandlerError> {
        let said = &event.data.read(&self.practice)?;
        let tx = tx.connection();
        store::tell_cause(tx, Self::NAME, event.metadata.correlation_id.as_deref(), &event.id.to_string()).await?;
        store::lock_call(tx, &said.call_id).await?;
        store::lock_contact(tx, said).await?;
        numbers::bring_up(tx, said, self.practice.region).await?;
        let known = store::known_people(tx, said).await?;
        let patient = match identity::identify(said, &known) {
            Identity::Known(id) => {
                let recorded = known.iter().find(|one| one.id == id).map_or("", |one| one.name.as_str());
                store::update_patient(tx, id, identity::name_to_keep(&said.name, recorded), said).await?;
                id
            }
            Identity::New(doubt) => store::create_patient(tx, said, doubt).await?,
        };
        store::note_call(tx, &said.call_id, patient).await?;
        book_what_waited(tx, &said.call_id, patient).await?;
        Ok(())
    }
}

/// The AI may confirm a booking before it has the caller's data: it waits for them, or was given to the only one whom the record
/// knew by that name.
async fn book_what_waited(tx: &mut PgConnection, call_id: &str, patient: i64) -> Result<(), sqlx::Error> {
    let of_call = store::patients_of_call(tx, call_id).await?;
    let is_his =
        |booking: &WaitingBooking| domain::patient_of_booking(&booking.patient_name, &of_call, &[]) == Some(patient);
    let mut waited = store::waiting_bookings(tx, call_id).await?;
    waited.retain(is_his);
    if waited.is_empty() {
        return Ok(());
    }
    let slots: Vec<_> = waited.iter().map(WaitingBooking::slot).collect();
    store::lock_book(tx, call_id, &slots).await?;
    // As they were said, the later one moves the earlier; as they are now, since others may have been waited for.
    for booking in store::waiting_bookings(tx, call_id).await?.into_iter().filter(is_his) {
        settle(tx, call_id, patient, &booking).await?;
    }
    Ok(())
}

async fn settle(
    tx: &mut PgConnection,
    call_id: &str,
    patient: i64,
    booking: &WaitingBooking,
) -> Result<(), sqlx::Error> {
    let holder = store::slot_holder(tx, booking.slot()).await?.filter(|holder| holder.appointment_id != booking.id);
    if let Some(holder) = &holder
        && himself::has(tx, holder, patient, call_id).await?
    {
        if holder.patient_id.is_none() {
            store::take_over(tx, holder.appointment_id, patient).await?;
        }
        return store::cancel_appointment(tx, booking.id, called_off::ALREADY_BOOKED).await;
    }
    let review = match holder {
        _ if booking.time_problem.is_some() => ReviewReason::of_time(booking.time_problem.as_deref()),
        Some(_) => Some(ReviewReason::SlotTaken),
        None => None,
    };
    store::give_patient(tx, booking.id, patient, review).await?;
    let wanted =
        Wanted { patient_id: Some(patient), patient_name: &booking.patient_name, service: booking.service.as_deref() };
    let others = store::other_bookings(tx, call_id, Some(booking.id), booking.slot()).await?;
    moved::call_off(tx, &others, wanted, review.is_none()).await
}
