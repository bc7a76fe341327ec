//! A patient whom a caller spoke of is in the record.

use events::{
    consume::{Handler, Received},
    contract::schema::healthcore::PatientCreatedV1,
    flow::error::HandlerError,
    publish::Tx,
};

#[derive(Debug)]
pub struct NoteNewPatient;

impl Handler for NoteNewPatient {
    const NAME: &'static str = "note-new-patient";
    type Event = PatientCreatedV1;
    type Plan = ();

    async fn apply(&self, event: &Received<PatientCreatedV1>, _: (), tx: &mut Tx) -> Result<(), HandlerError> {
        super::note_patient(event, event.data.patient_id, tx).await
    }
}
