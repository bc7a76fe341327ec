//! Each handler against what every handler has to stand.

use events::contract::event::NewEvent;
use healthcore_publisher::handlers::{BookAppointment, RegisterPatient};
use test_kit::conformance::Trial;

use crate::support::{Record, booking, patient};

#[tokio::test(flavor = "multi_thread")]
async fn every_handler_conforms() {
    let record = Record::without_kafka().await;
    let pool = record.database.pool_in("healthcore").await;
    let call = |n: u32| format!("call-{n}");
    Trial {
        handler: &|| RegisterPatient,
        pool: &pool,
        effects: "SELECT count(*) FROM patients",
        event: &|n| NewEvent::fact(patient(&call(n), "John Doe", &format!("555-000{n}"), None)).correlated(call(n)),
    }
    .conforms()
    .await;
    Trial {
        handler: &|| BookAppointment { time_zone: "Europe/Berlin".to_owned() },
        pool: &pool,
        effects: "SELECT count(*) FROM appointments",
        event: &|n| NewEvent::fact(booking(&call(n), "John Doe", "Dr. Smith", &format!("1{n}:00"))).correlated(call(n)),
    }
    .conforms()
    .await;
}
