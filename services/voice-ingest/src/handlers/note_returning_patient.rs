//! A caller turned out to be a patient whom the record knew.

use events::{
    consume::{Handler, Received},
    contract::schema::healthcore::PatientUpdatedV1,
    flow::error::HandlerError,
    publish::Tx,
};

#[derive(Debug)]
pub struct NoteReturningPatient;

impl Handler for NoteReturningPatient {
    const NAME: &'static str = "note-returning-patient";
    type Event = PatientUpdatedV1;
    type Plan = ();

    async fn apply(&self, event: &Received<PatientUpdatedV1>, _: (), tx: &mut Tx) -> Result<(), HandlerError> {
        super::note_patient(event, event.data.patient_id, tx).await
    }
}
