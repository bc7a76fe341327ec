//! A caller who moves an appointment and moves it back has it where it was said last.

use serde_json::{Value, json};
use test_kit::wait::wait_until;

use crate::support::{LONG, System};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_moved_back_is_in_the_book_where_it_was_said_last() {
    let system = System::start().await;
    let call = "call-moved-back";
    let url = format!("{}/api/v1/calls/{call}", system.voice_ingest.base_url());
    system.say(call, "PATIENT_CREATION: {\"name\": \"Ada Byron\", \"phone\": \"+49 30 23125100\"}").await;
    for (words, hour) in [("Ten it is.", 10), ("Eleven then.", 11), ("Back to ten.", 10)] {
        let data = json!({ "dentist": "Dr. Smith", "date": "2027-03-01", "time": format!("{hour}:00"), "patient_name": "Ada Byron" });
        system.say(call, &format!("{words} BOOKING_CONFIRMATION: {data}")).await;
        wait_until("the book has what was said", LONG, || async {
            let page: Value = system.place.http.get(&url).send().await.unwrap().json().await.unwrap();
            let last = page["extractions"].as_array().unwrap().last().unwrap();
            last["status"] == "applied" && last["appointment"]["time"].as_str().unwrap().starts_with(&hour.to_string())
        })
        .await;
    }
    let booked: Vec<(String, String)> =
        sqlx::query_as("SELECT time::text, status FROM healthcore.appointments WHERE status = 'booked'")
            .fetch_all(system.place.database.pool())
            .await
            .unwrap();
    assert_eq!(booked, [("10:00:00".to_owned(), "booked".to_owned())]);
}
