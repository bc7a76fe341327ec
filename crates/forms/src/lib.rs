//! The normal forms of what callers say: names, mail addresses, phone numbers, days and times, one file each, and the two
//! facts that are made of them.
//!
//! Promises: whatever way a fact comes in, it has one form or one refusal; a form is its own form; a refusal names the field,
//! what is wrong and what to do, and never the value. Everything here is pure: what depends on the practice comes in as
//! [`Rules`]. It knows nothing of HTTP, Kafka or the database.

pub mod booking;
pub mod date;
pub mod email;
pub mod fields;
pub mod name;
pub mod patient;
pub mod phone;
pub mod placeholder;
pub mod text;
pub mod time;
pub mod words;
pub mod wrong;

use chrono::{NaiveDate, Utc};
pub use chrono_tz::Tz;

pub use booking::Booking;
pub use date::{DateOrder, UnknownDateOrder};
pub use fields::{FieldProblem, Rejection, RejectionCategory};
pub use patient::PatientCreation;
pub use phone::{Region, UnknownRegion};

/// What a reading depends on besides the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// The country whose national phone numbers are understood.
    pub region: Region,
    /// How `03/04/1985` is read.
    pub date_order: DateOrder,
    /// The day in the practice's zone: nobody is born after it.
    pub today: NaiveDate,
}

/// The practice's part of the [`Rules`], which settings tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Practice {
    /// Its country.
    pub region: Region,
    /// The order in which its people write a date.
    pub date_order: DateOrder,
    /// Where it is.
    pub zone: Tz,
}

impl Practice {
    /// The rules as of now.
    pub fn rules(&self) -> Rules {
        let today = Utc::now().with_timezone(&self.zone).date_naive();
        Rules { region: self.region, date_order: self.date_order, today }
    }
}
