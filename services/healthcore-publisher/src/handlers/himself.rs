//! A patient does not block himself: a slot that he has, or that the practice gave to his name, is his.

use sqlx::PgConnection;

use crate::{
    domain,
    store::{self, SlotHolder},
};

/// Whether the slot is the patient's. One that has no patient is, where the name on it is his and nobody else's.
pub(super) async fn has(
    tx: &mut PgConnection,
    holder: &SlotHolder,
    patient: i64,
    call_id: &str,
) -> Result<bool, sqlx::Error> {
    if holder.patient_id.is_some() {
        return Ok(holder.patient_id == Some(patient));
    }
    let names = store::same_names(tx, holder.appointment_id, patient, call_id).await?;
    Ok(names.is_some_and(|(on_it, his)| domain::patient_of_booking(&on_it, &[(patient, his)], &[]).is_some()))
}

/// He confirms it: it is his from now on, and told with this confirmation as its cause.
pub(super) async fn confirm(tx: &mut PgConnection, holder: &SlotHolder, patient: i64) -> Result<(), sqlx::Error> {
    if holder.patient_id.is_some() || store::take_over(tx, holder.appointment_id, patient).await? {
        store::confirm_again(tx, holder.appointment_id).await?;
    }
    Ok(())
}
