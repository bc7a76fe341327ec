//! A caller who wants another time in the same call has one appointment, not two.

use sqlx::PgConnection;

use crate::{
    domain::{Wanted, called_off, is_moved},
    store::{self, OtherBooking},
};

impl OtherBooking {
    pub(super) fn wanted(&self) -> Wanted<'_> {
        Wanted { patient_id: self.patient_id, patient_name: &self.patient_name, service: self.service.as_deref() }
    }
}

/// Calls off what a booking moves. One that is held takes nobody's booked appointment away: a person decides.
pub(super) async fn call_off(
    tx: &mut PgConnection,
    others: &[OtherBooking],
    latest: Wanted<'_>,
    is_booked: bool,
) -> Result<(), sqlx::Error> {
    for other in others {
        if (is_booked || !other.is_booked) && is_moved(other.wanted(), latest, other.same_dentist) {
            store::cancel_appointment(tx, other.id, called_off::MOVED).await?;
        }
    }
    Ok(())
}
