//! Each handler against what every handler has to stand.

use events::contract::event::NewEvent;
use forms::{DateOrder, Practice, Region, Tz};
use healthcore_publisher::{
    handlers::{BookAppointment, RegisterPatient},
    heard::{HeardBooking, HeardPatient},
};
use test_kit::conformance::Trial;

use crate::support::{Record, booking, patient};

#[tokio::test(flavor = "multi_thread")]
async fn every_handler_conforms() {
    let record = Record::without_kafka().await;
    let pool = record.database.pool_in("healthcore").await;
    let practice = Practice { region: Region::default(), date_order: DateOrder::default(), zone: Tz::UTC };
    let call = |n: u32| format!("call-{n}");
    Trial {
        handler: &|| RegisterPatient { practice },
        pool: &pool,
        effects: "SELECT count(*) FROM patients",
        event: &|n| {
            let said = patient(&call(n), "John Doe", &format!("555-000{n}"), None);
            NewEvent::fact(HeardPatient::from(said)).correlated(call(n))
        },
    }
    .conforms()
    .await;
    Trial {
        handler: &|| BookAppointment { time_zone: "Europe/Berlin".to_owned(), practice },
        pool: &pool,
        effects: "SELECT count(*) FROM appointments",
        event: &|n| {
            let said = booking(&call(n), "John Doe", "Dr. Smith", &format!("1{n}:00"));
            NewEvent::fact(HeardBooking::from(said)).correlated(call(n))
        },
    }
    .conforms()
    .await;
}
