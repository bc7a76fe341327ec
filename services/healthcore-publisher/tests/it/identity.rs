//! Two people are two patients; one person is one. In doubt there are two, and the later says whom it may be.

use serde_json::{Value, json};

use crate::support::{Record, connect, patient, run};

async fn patients(record: &Record) -> Vec<Value> {
    let (status, _, page) = record.get("/api/v1/patients/?limit=100").await;
    assert_eq!(status, 200, "{page}");
    page["items"].as_array().unwrap().clone()
}

#[tokio::test]
async fn twins_are_two_patients_and_a_person_is_asked() {
    let record = Record::start().await;
    let born = Some("2015-05-05");
    record.told("call-1", patient("call-1", "Mia Twin", "212-555-0101", born)).await;
    let second = record.told("call-2", patient("call-2", "Leo Twin", "212-555-0101", born)).await;
    let all = patients(&record).await;
    let names: Vec<_> = all.iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["Mia Twin", "Leo Twin"]);
    assert_eq!((&all[0]["possible_duplicate_of"], &all[0]["doubt"]), (&Value::Null, &Value::Null));
    assert_eq!((&all[1]["possible_duplicate_of"], &all[1]["doubt"]), (&json!(1), &json!("other_given_name")));
    assert!(record.caused_by(second).await[0].is("patient.created"));
    // Each comes back as who he is.
    record.told("call-3", patient("call-3", "mia twin", "212-555-0101", born)).await;
    record.told("call-4", patient("call-4", "Twin, Leo", "212-555-0101", born)).await;
    assert_eq!(patients(&record).await.len(), 2);
    let (_, _, doubtful) = record.get("/api/v1/patients/?in_doubt=true").await;
    assert_eq!(doubtful["items"].as_array().unwrap().len(), 1);
    // Settled by a person, which is told.
    let mut psql = connect(&record).await;
    run(&mut psql, "UPDATE healthcore.patients SET possible_duplicate_of = NULL WHERE id = 2").await;
    let settled = record.events().await.pop().unwrap();
    assert_eq!(settled.data["changed"], json!(["doubt", "possible_duplicate_of"]));
    // One who is gone is nobody's double.
    run(
        &mut psql,
        "UPDATE healthcore.patients SET possible_duplicate_of = 1, doubt = 'other_given_name' WHERE id = 2;
        DELETE FROM healthcore.patients WHERE id = 1",
    )
    .await;
    let all = patients(&record).await;
    assert_eq!((&all[0]["possible_duplicate_of"], &all[0]["doubt"]), (&Value::Null, &Value::Null));
}

#[tokio::test]
async fn twins_of_one_call_are_two_and_have_their_own_appointments() {
    let record = Record::start().await;
    for name in ["Mia Twin", "Leo Twin"] {
        record.told("call", patient("call", name, "mother@example.org", Some("2015-05-05"))).await;
    }
    for (name, time) in [("Mia", "10:00"), ("Leo Twin", "10:30")] {
        record.told("call", crate::support::booking("call", name, "Dr. Smith", time)).await;
    }
    let whose: Vec<_> = record.appointments().await.into_iter().map(|(patient, status, _)| (patient, status)).collect();
    assert_eq!(whose, [(Some(1), "booked".to_owned()), (Some(2), "booked".to_owned())]);
}

#[tokio::test]
async fn father_and_son_of_one_call_and_name_are_two() {
    let record = Record::start().await;
    record.told("call", patient("call", "John Doe", "555-0101", Some("1960-01-15"))).await;
    record.told("call", patient("call", "John Doe", "555-0101", Some("1990-07-02"))).await;
    let all = patients(&record).await;
    let born: Vec<_> = all.iter().map(|one| one["date_of_birth"].as_str().unwrap()).collect();
    assert_eq!(born, ["1960-01-15", "1990-07-02"]);
    assert_eq!(all[1]["doubt"], "other_birth_date");
    // By another contact as well.
    record.told("other", patient("other", "Jane Roe", "555-0102", Some("1960-01-15"))).await;
    record.told("other", patient("other", "Jane Roe", "jane@example.org", Some("1990-01-15"))).await;
    assert_eq!(patients(&record).await.len(), 4);
}

#[tokio::test]
async fn one_person_stays_one_patient_however_the_name_is_said() {
    let record = Record::start().await;
    let (contact, born) = ("212-555-0107", Some("1985-12-10"));
    record.told("call-0", patient("call-0", "Zo\u{eb} Byron", contact, born)).await;
    let said = ["Zoe Byron", "BYRON, ZOE", "Z. Byron", "Zoe", "Ms Byron", "Zo\u{eb} Byron-King"];
    for (n, name) in said.iter().enumerate() {
        let call = format!("call-{}", n + 1);
        record.told(&call, patient(&call, name, contact, born)).await;
        assert_eq!(record.patient_count().await, 1, "{name}");
    }
    let shown = &patients(&record).await[0];
    assert_eq!((&shown["name"], &shown["doubt"]), (&json!("Zo\u{eb} Byron-King"), &Value::Null));
    // What says less than the record does not take its place.
    record.told("last", patient("last", "Z. Byron-King", contact, born)).await;
    assert_eq!(patients(&record).await[0]["name"], "Zo\u{eb} Byron-King");
    // Nobody can tell whether another name besides is hers or a sister's.
    record.told("other", patient("other", "Zoe Byron Lovelace", contact, born)).await;
    let all = patients(&record).await;
    assert_eq!((all.len(), &all[1]["doubt"]), (2, &json!("other_family_name")));
}

#[tokio::test]
async fn who_corrects_a_birth_date_or_a_name_within_a_call_is_one() {
    let record = Record::start().await;
    record.told("call", patient("call", "John", "555-0101", None)).await;
    record.told("call", patient("call", "John Doe", "555-0101", Some("1985-01-15"))).await;
    record.told("call", patient("call", "Jon Doe", "555-0101", Some("1985-01-16"))).await;
    let all = patients(&record).await;
    assert_eq!((all.len(), &all[0]["date_of_birth"]), (1, &json!("1985-01-16")));
}

#[tokio::test]
async fn two_of_whom_the_family_name_comes_first_are_two() {
    let record = Record::start().await;
    let born = Some("2015-05-05");
    for (n, (one, other, doubt)) in [
        ("Wang Ming", "Wang Hong", "other_family_name"),
        ("Mr. Roe", "Mrs. Roe", "other_title"),
        ("Mai Tran", "May Tran", "other_given_name"),
    ]
    .into_iter()
    .enumerate()
    {
        let contact = format!("212-555-011{n}");
        for (m, name) in [one, other].into_iter().enumerate() {
            let call = format!("call-{n}-{m}");
            record.told(&call, patient(&call, name, &contact, born)).await;
        }
        let all = patients(&record).await;
        let (first, second) = (&all[2 * n], &all[2 * n + 1]);
        assert_eq!((&first["name"], &second["name"]), (&json!(one), &json!(other)));
        assert_eq!((&first["doubt"], &second["doubt"]), (&Value::Null, &json!(doubt)));
        assert_eq!(second["possible_duplicate_of"], first["id"]);
    }
}
