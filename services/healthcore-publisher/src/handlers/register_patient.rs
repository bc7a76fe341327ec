//! A caller gave a patient's data: the patient is in the record, once.

use events::{
    consume::{Handler, Received},
    flow::error::HandlerError,
    publish::Tx,
};
use forms::Practice;
use sqlx::PgConnection;

use super::moved;
use crate::{
    domain::{self, ReviewReason, Wanted, called_off},
    heard::HeardPatient,
    identity::{self, Identity},
    numbers,
    store::{self, SlotHolder, WaitingBooking},
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

/// The AI may confirm a booking before it has the caller's data.
async fn book_what_waited(tx: &mut PgConnection, call_id: &str, patient: i64) -> Result<(), sqlx::Error> {
    let of_call: Vec<_> =
        store::patients_of_call(tx, call_id).await?.into_iter().filter(|(id, _)| *id == patient).collect();
    let mut waited = Vec::new();
    for booking in store::bookings_without_patient(tx, call_id).await? {
        if domain::patient_of_booking(&booking.patient_name, &of_call, &[]) == Some(patient) {
            // All slots are locked before a row that others may wait for is changed.
            store::slot_holder(tx, &booking.dentist, booking.date, booking.time).await?;
            waited.push(booking);
        }
    }
    // As they were said: the later one moves the earlier.
    waited.sort_by_key(|booking| booking.id);
    for booking in waited {
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
    let WaitingBooking { dentist, date, time, .. } = booking;
    let review = match store::slot_holder(tx, dentist, *date, *time).await? {
        Some(SlotHolder { patient_id: Some(theirs), .. }) if theirs == patient => {
            return store::cancel_appointment(tx, booking.id, called_off::ALREADY_BOOKED).await;
        }
        _ if booking.time_problem.is_some() => ReviewReason::of_time(booking.time_problem.as_deref()),
        Some(_) => Some(ReviewReason::SlotTaken),
        None => None,
    };
    store::give_patient(tx, booking.id, patient, review).await?;
    let wanted =
        Wanted { patient_id: Some(patient), patient_name: &booking.patient_name, service: booking.service.as_deref() };
    let others = store::other_bookings(tx, call_id, Some(booking.id), dentist, *date, *time).await?;
    moved::call_off(tx, &others, wanted, review.is_none()).await
}
