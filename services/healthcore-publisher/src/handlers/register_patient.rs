//! A caller gave a patient's data: the patient is in the record, once.

use events::{
    consume::{Handler, Received},
    flow::error::HandlerError,
    publish::Tx,
};
use forms::Practice;

use super::ACTOR;
use crate::{
    domain::{self, ReviewReason},
    heard::HeardPatient,
    numbers, store,
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
        store::tell_cause(tx, ACTOR, event.metadata.correlation_id.as_deref(), &event.id.to_string()).await?;
        store::lock_contact(tx, said).await?;
        numbers::bring_up(tx, said, self.practice.region).await?;
        let patient = match store::find_patient(tx, said).await? {
            Some(known) => {
                store::update_patient(tx, known, said).await?;
                known
            }
            None => store::create_patient(tx, said).await?,
        };
        store::note_call(tx, &said.call_id, patient).await?;
        // The AI may confirm a booking before it has the caller's data.
        let known = [(patient, said.name.clone())];
        for booking in store::bookings_without_patient(tx, &said.call_id).await? {
            if domain::patient_of_booking(&booking.patient_name, &known, &[]) != Some(patient) {
                continue;
            }
            let holder = store::slot_holder(tx, &booking.dentist, booking.date, booking.time).await?;
            store::give_patient(tx, booking.id, patient, holder.map(|_| ReviewReason::SlotTaken)).await?;
        }
        Ok(())
    }
}
