//! The HTTP interface.

use serde_json::{Value, json};

use crate::support::Record;

async fn filled() -> Record {
    let record = Record::without_kafka().await;
    sqlx::raw_sql(
        "INSERT INTO healthcore.patients (name, email) SELECT 'Patient ' || n, 'p' || n || '@example.org' FROM generate_series(1, 7) n;
         INSERT INTO healthcore.appointments (patient_id, patient_name, dentist, date, time, status)
         SELECT 1 + n % 2, 'Ann Poe', 'Dr. Smith', '2026-12-01', '08:00'::time + n * interval '30 minutes',
                (ARRAY['booked', 'needs_review', 'cancelled', 'completed'])[1 + n % 4]
         FROM generate_series(0, 11) n",
    )
    .execute(record.pool())
    .await
    .unwrap();
    record
}

fn ids(page: &Value) -> Vec<i64> {
    page["items"].as_array().unwrap().iter().map(|item| item["id"].as_i64().unwrap()).collect()
}

#[tokio::test]
async fn a_list_is_read_page_by_page() {
    let record = filled().await;
    for (list, count) in [("patients", 7), ("appointments", 12)] {
        let (mut read, mut cursor, mut pages) = (Vec::new(), Value::Null, 0);
        loop {
            let after = cursor.as_i64().map(|id| format!("&cursor={id}")).unwrap_or_default();
            let (status, _, page) = record.get(&format!("/api/v1/{list}?limit=3{after}")).await;
            assert_eq!(status, 200, "{page}");
            assert!(ids(&page).len() <= 3);
            read.extend(ids(&page));
            cursor = page["next_cursor"].clone();
            pages += 1;
            if cursor.is_null() {
                break;
            }
            assert!(pages < 10, "the list has no end");
        }
        assert_eq!(read, (1..=count).collect::<Vec<i64>>(), "{list}");
        let (_, _, whole) = record.get(&format!("/api/v1/{list}/")).await;
        assert_eq!((ids(&whole), &whole["next_cursor"]), (read, &Value::Null));
    }
}

#[tokio::test]
async fn appointments_are_filtered_by_status_and_patient() {
    let record = filled().await;
    for (filter, expected) in [
        ("status=needs_review", vec![2, 6, 10]),
        ("status=booked", vec![1, 5, 9]),
        ("patient_id=2", vec![2, 4, 6, 8, 10, 12]),
        ("status=completed&patient_id=2", vec![4, 8, 12]),
        ("status=completed&patient_id=1", vec![]),
        ("status=completed&limit=1&cursor=4", vec![8]),
        ("patient_id=99", vec![]),
    ] {
        let (status, _, page) = record.get(&format!("/api/v1/appointments/?{filter}")).await;
        assert_eq!((status, ids(&page)), (200, expected), "{filter}");
    }
}

#[tokio::test]
async fn one_is_read_with_and_without_a_slash_at_the_end() {
    let record = filled().await;
    for path in ["/api/v1/patients/3", "/api/v1/patients/3/"] {
        let (status, content_type, patient) = record.get(path).await;
        assert_eq!((status, content_type.as_str()), (200, "application/json"));
        assert_eq!((&patient["id"], &patient["email"]), (&json!(3), &json!("p3@example.org")));
    }
    for path in ["/api/v1/appointments/2", "/api/v1/appointments/2/"] {
        let (status, _, appointment) = record.get(path).await;
        assert_eq!((status, &appointment["status"]), (200, &json!("needs_review")));
        assert_eq!(appointment["starts_at"], "2026-12-01T08:30:00Z");
    }
}

#[tokio::test]
async fn what_cannot_be_answered_is_told_why() {
    let record = filled().await;
    let none = "";
    for (path, status, field, remedy) in [
        ("/api/v1/patients/99", 404, none, none),
        ("/api/v1/appointments/99/", 404, none, none),
        ("/api/v1/patients/0", 404, none, none),
        ("/api/v1/patients/-1", 404, none, none),
        ("/api/v1/dentists", 404, none, none),
        ("/api/v1/patients/kanari", 400, "path", "whole number"),
        ("/api/v1/patients/1.5", 400, "path", "whole number"),
        ("/api/v1/patients/9223372036854775808", 400, "path", "whole number"),
        ("/api/v1/appointments/%FF", 400, "id", "UTF-8"),
        ("/api/v1/appointments/1%2F2", 400, "path", "whole number"),
        ("/api/v1/appointments?status=kanari", 400, "status", "`booked`, `needs_review`, `cancelled`, `completed`"),
        ("/api/v1/appointments?status=Booked", 400, "status", "booked"),
        ("/api/v1/appointments?patient_id=kanari", 400, "patient_id", "whole number"),
        ("/api/v1/appointments?state=booked", 400, "*", "status"),
        ("/api/v1/appointments?limit=0", 400, "limit", "from 1 to"),
        ("/api/v1/patients?limit=100000", 400, "limit", "from 1 to"),
        ("/api/v1/patients?limit=kanari", 400, "limit", "whole number"),
        ("/api/v1/patients?cursor=-1", 400, "cursor", "next_cursor"),
        ("/api/v1/patients?status=booked", 400, "*", "limit"),
        ("/api/v1/patients?limit=1&limit=2", 400, "limit", "once"),
    ] {
        let (answered, content_type, problem) = record.get(path).await;
        assert_eq!((answered, content_type.as_str()), (status, "application/problem+json"), "{path}: {problem}");
        assert_eq!(problem["status"], status, "{path}");
        assert!(["type", "title", "detail"].iter().all(|name| problem[name].is_string()), "{path}: {problem}");
        assert!(!problem.to_string().contains("kanari"), "{path}: {problem}");
        if field != none {
            assert_eq!(problem["errors"][0]["field"], field, "{path}: {problem}");
            assert!(problem["errors"][0]["remedy"].as_str().unwrap().contains(remedy), "{path}: {problem}");
        }
    }
    for path in ["/api/v1/patients", "/api/v1/patients/1", "/api/v1/appointments/"] {
        let answer = record.client.put(format!("{}{path}", record.service.base_url())).send().await.unwrap();
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["content-type"]),
            (405, &"application/problem+json".parse().unwrap())
        );
    }
}
