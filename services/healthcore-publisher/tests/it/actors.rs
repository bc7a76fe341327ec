//! Who did it stands in every event: the handler, the program that names itself, or the database role.

use sqlx::Row;

use crate::support::{Record, booking, by, connect, patient, run};

#[tokio::test]
async fn an_event_names_the_handler_the_program_or_the_role() {
    let record = Record::start().await;
    let patient = record.told("call", patient("call", "Ada Byron", "555-0001", None)).await;
    let booking = record.told("call", booking("call", "Ada Byron", "Dr. Smith", "10:00")).await;
    for (id, handler) in [(patient, "handler:register-patient"), (booking, "handler:book-appointment")] {
        assert_eq!(record.caused_by(id).await[0].actor.as_deref(), Some(handler));
    }
    let mut psql = connect(&record).await;
    let me: String = sqlx::query("SELECT session_user::text").fetch_one(&mut psql).await.unwrap().get(0);
    let insert = "INSERT INTO healthcore.patients (name) VALUES ('From Psql')";
    assert_eq!(by(&record, &mut psql, insert).await[0].actor, Some(format!("role:{me}")));
    let named = format!("BEGIN; SELECT set_config('switchboard.actor', 'recall-list', true); {insert}; COMMIT");
    assert_eq!(by(&record, &mut psql, &named).await[0].actor.as_deref(), Some("recall-list"));
    // The setting is an empty string from then on.
    assert_eq!(by(&record, &mut psql, insert).await[0].actor, Some(format!("role:{me}")));
    // What may be a person's data is not passed on.
    for personal in ["ada@example.org", "Ada Byron", "x\ny", &"x".repeat(200)] {
        let named = format!("BEGIN; SELECT set_config('switchboard.actor', '{personal}', true); {insert}; COMMIT");
        assert_eq!(by(&record, &mut psql, &named).await[0].actor, Some(format!("role:{me}")), "{personal:?}");
    }
    let role = format!("writer_{}", record.database.name());
    run(
        &mut psql,
        &format!(
            "CREATE ROLE {role}; GRANT USAGE ON SCHEMA healthcore TO {role};
             GRANT SELECT, INSERT ON healthcore.patients TO {role}; SET ROLE {role}"
        ),
    )
    .await;
    let events = by(&record, &mut psql, insert).await;
    run(&mut psql, &format!("RESET ROLE; DROP OWNED BY {role} CASCADE; DROP ROLE {role}")).await;
    assert_eq!(events[0].actor, Some(format!("role:{role}")));
}
