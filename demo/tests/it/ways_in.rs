//! Whatever way a fact comes in, as the AI's text, as data by HTTP, as the record of an earlier system, as an envelope, or as
//! a row that another program writes, it ends in the same row or in the same refusal.

use std::collections::{BTreeMap, BTreeSet};

use proptest::test_runner::{Config, TestCaseError, TestRunner};
use serde_json::{Map, Value, json};
use sqlx::{AssertSqlSafe, PgPool, Row};
use test_kit::{kafka, stack, wait::wait_for};
use tokio::runtime::Handle;

use crate::{
    support::{LONG, System},
    ways_in_forms::{Drawn, Fact, drawn, each_alone},
};

const WAYS: [Way; 5] = [Way::Text, Way::Data, Way::Legacy, Way::Envelope, Way::Psql];
/// Facts of one draw, each in five ways.
const FACTS: usize = 40;
const DRAWS: u32 = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Text,
    Data,
    Legacy,
    Envelope,
    Psql,
}

/// The row, or the fields that are told to be wrong; `None` where a typed column cannot say which.
type Outcome = Result<Map<String, Value>, Option<BTreeSet<String>>>;

/// Tells what comes of a fact where that is known at once.
async fn send(system: &System, way: Way, call: &str, fact: &Fact) -> Option<Outcome> {
    let place = &system.place;
    let voice = system.voice_ingest.base_url();
    let data = Value::Object(fact.said.clone());
    let record = match way {
        Way::Text => {
            let answer = system.say(call, &format!("Fine. {}: {data} Bye.", fact.kind)).await;
            let taken = &answer["extractions"][0];
            return (taken["status"] == "rejected").then(|| Err(Some(fields(&taken["problems"], ""))));
        }
        Way::Data => {
            let body = json!({ "call_id": call, "response_type": fact.kind, "data": data });
            let request = place.http.post(format!("{voice}/api/v1/ai-responses")).json(&body);
            let answer = request.send().await.unwrap();
            let (status, body) = (answer.status().as_u16(), answer.json::<Value>().await.unwrap());
            assert!(status == 202 || status == 422, "{status} {body}");
            return (status == 422).then(|| Err(Some(fields(&body["errors"], "data."))));
        }
        Way::Psql => return write(place.database.pool(), call, fact).await.map(Err),
        Way::Legacy => json!({ "call_id": call, "response_type": fact.kind, "data": data }),
        Way::Envelope => {
            let mut data = fact.said.clone();
            data.insert("call_id".to_owned(), call.into());
            data.insert("extraction_id".to_owned(), call.into());
            json!({
                "event_id": uuid::Uuid::new_v4(),
                "event_type": format!("ai_response.{}", fact.kind.to_lowercase()),
                "timestamp": "2026-11-27T10:00:00Z",
                "data": data,
                "metadata": { "version": "1.0", "correlation_id": call }
            })
        }
    };
    let bytes = record.to_string();
    kafka::produce(&place.servers, &place.topic("ai-responses"), Some(call.as_bytes()), bytes.as_bytes(), &[]).await;
    None
}

fn fields(problems: &Value, before: &str) -> BTreeSet<String> {
    let named = problems.as_array().unwrap().iter().map(|problem| problem["field"].as_str().unwrap());
    named.map(|field| field.strip_prefix(before).unwrap().to_owned()).collect()
}

/// Writes the row as another program would; the refusal, if it is refused.
async fn write(pool: &PgPool, call: &str, fact: &Fact) -> Option<Option<BTreeSet<String>>> {
    let given: Vec<(&str, &str)> =
        fact.columns.iter().filter_map(|(column, value)| Some((*column, value.as_deref()?))).collect();
    let columns = given.iter().map(|(column, _)| *column).collect::<Vec<_>>().join(", ");
    let typed = |(at, (column, _)): (usize, &(&str, &str))| match *column {
        "date" | "date_of_birth" => format!("${}::text::date", at + 2),
        "time" => format!("${}::text::time", at + 2),
        _ => format!("${}", at + 2),
    };
    let values = given.iter().enumerate().map(typed).collect::<Vec<_>>().join(", ");
    let comma = if given.is_empty() { "" } else { ", " };
    let sql = if fact.kind == "PATIENT_CREATION" {
        let row = if given.is_empty() { "DEFAULT VALUES".to_owned() } else { format!("({columns}) VALUES ({values})") };
        format!(
            "WITH new AS (INSERT INTO healthcore.patients {row} RETURNING id)
             INSERT INTO healthcore.patient_calls (call_id, patient_id) SELECT $1, id FROM new"
        )
    } else {
        format!(
            "INSERT INTO healthcore.appointments (call_id, status, reason{comma}{columns})
             VALUES ($1, 'needs_review', 'unknown_patient'{comma}{values})"
        )
    };
    let mut query = sqlx::query(AssertSqlSafe(sql)).bind(call.to_owned());
    for (_, value) in &given {
        query = query.bind((*value).to_owned());
    }
    let error = query.execute(pool).await.err()?;
    let refusal = error.as_database_error().unwrap_or_else(|| panic!("{error}"));
    match refusal.code().as_deref() {
        // What no trigger sees, since no such day, hour or row can be.
        Some("22007" | "22008" | "23502") => Some(None),
        Some("23514") => Some(refusal.message().split(' ').next().map(|field| BTreeSet::from([field.to_owned()]))),
        _ => panic!("{call}: {error}"),
    }
}

/// The rows of the calls; one that is still to be read by the worker is not there yet.
async fn rows(pool: &PgPool) -> BTreeMap<String, Map<String, Value>> {
    let rows = sqlx::query(
        "SELECT c.call_id, to_jsonb(p) FROM healthcore.patient_calls c JOIN healthcore.patients p ON p.id = c.patient_id
         WHERE p.phone IS NOT DISTINCT FROM p.phone_e164_of
         UNION ALL SELECT call_id, to_jsonb(a) FROM healthcore.appointments a",
    )
    .fetch_all(pool)
    .await
    .unwrap();
    let row = |row: &sqlx::postgres::PgRow| {
        let Value::Object(mut columns) = row.get::<Value, _>(1) else { panic!("a row is an object") };
        columns.retain(|name, _| {
            let of = [
                "name",
                "email",
                "phone",
                "phone_e164",
                "date_of_birth",
                "dentist",
                "date",
                "time",
                "patient_name",
                "service",
                "notes",
            ];
            of.contains(&name.as_str())
        });
        (row.get(0), columns)
    };
    rows.iter().map(row).collect()
}

/// What the dead letters of the topic say, by call.
async fn letters(system: &System) -> BTreeMap<String, BTreeSet<String>> {
    let letters = kafka::read_topic_to_end(&system.place.servers, &system.place.topic("dead.letter.queue")).await;
    let told = letters.iter().map(|letter| {
        let header = |name: &str| String::from_utf8(letter.header(name).unwrap_or_default().to_vec()).unwrap();
        assert_eq!(header("dlq.category"), "schema_validation", "{}", header("dlq.message"));
        let message = header("dlq.message");
        let named =
            ["name", "email", "phone", "date_of_birth", "dentist", "date", "time", "patient_name", "service", "notes"];
        let starts =
            |field: &&str| message.starts_with(&format!("{field}: ")) || message.contains(&format!("; {field}: "));
        (header("dlq.correlation_id"), named.into_iter().filter(starts).map(str::to_owned).collect())
    });
    told.collect()
}

/// The facts are numbered from `first` on: no two of a system have the same name.
async fn same_whatever_the_way(system: &System, first: usize, all: &[Drawn]) -> Result<(), TestCaseError> {
    let mut told: BTreeMap<String, Outcome> = BTreeMap::new();
    let mut facts = BTreeMap::new();
    for (at, drawn) in all.iter().enumerate() {
        for (way_at, way) in WAYS.into_iter().enumerate() {
            let number = (first + at) * WAYS.len() + way_at;
            let (call, fact) = (format!("{way:?}-{number}"), drawn.fact(number));
            if let Some(outcome) = send(system, way, &call, &fact).await {
                told.insert(call.clone(), outcome);
            }
            facts.insert(call, fact);
        }
    }
    let expected = facts.len();
    let told = wait_for("something has come of every fact", LONG, || async {
        let mut all = told.clone();
        all.extend(rows(system.place.database.pool()).await.into_iter().map(|(call, row)| (call, Ok(row))));
        all.retain(|call, _| facts.contains_key(call));
        if all.len() < expected {
            // Most of what is drawn at random is wrong somewhere, and for that there is a brake.
            let release = format!("{}/api/v1/consumer/release", system.healthcore_publisher.base_url());
            system.place.http.post(release).send().await.unwrap();
            let letters = letters(system).await.into_iter().map(|(call, fields)| (call, Err(Some(fields))));
            all.extend(letters.filter(|(call, _)| facts.contains_key(call)));
        }
        (all.len() == expected).then_some(all)
    })
    .await;
    for (call, fact) in &facts {
        let right = match (&fact.expected, &told[call]) {
            (Ok(expected), Ok(row)) => expected == row,
            (Err(_), Err(None)) => true,
            // A trigger stops at the first.
            (Err(expected), Err(Some(fields))) if call.starts_with("Psql") => {
                fields.iter().all(|field| expected.contains(&field.as_str()))
            }
            (Err(expected), Err(Some(fields))) => {
                expected.iter().map(|field| (*field).to_owned()).collect::<BTreeSet<_>>() == *fields
            }
            _ => false,
        };
        if !right {
            let shown = format!("{call}: {:?}\nexpected {:?}\nbut there is {:?}", fact.said, fact.expected, told[call]);
            return Err(TestCaseError::fail(shown));
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fact_ends_in_the_same_row_or_the_same_refusal_whatever_way_it_comes_in() {
    let system = System::with(crate::support::Place::new(stack::kafka()).await, &[]).await;
    let alone = each_alone();
    same_whatever_the_way(&system, 0, &alone).await.unwrap_or_else(|failure| panic!("{failure}"));
    let used = std::cell::Cell::new(alone.len());
    // What fails is told as it is: every draw is new data for a system that remembers the last.
    let config = Config { cases: DRAWS, max_shrink_iters: 0, failure_persistence: None, ..Config::default() };
    let run = tokio::task::block_in_place(|| {
        TestRunner::new(config).run(&proptest::collection::vec(drawn(), FACTS), |all| {
            let first = used.replace(used.get() + all.len());
            Handle::current().block_on(same_whatever_the_way(&system, first, &all))
        })
    });
    run.unwrap_or_else(|failure| panic!("{failure}"));
}
