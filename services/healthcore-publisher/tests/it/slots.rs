//! A slot is given once, whatever the dentist is called, and a caller has one appointment, not two.

use events::contract::{codec, envelope::Envelope, event::NewEvent, schema::voice::BookingConfirmationV1};
use serde_json::json;
use test_kit::process::ServiceProcess;

use crate::support::{Record, booking, by, connect, day, patient, run, try_run, types};

/// Dentist, time, status and reason of all appointments, the oldest first.
async fn book(record: &Record) -> Vec<(String, String, String, Option<String>)> {
    let all = "SELECT dentist, to_char(time, 'HH24:MI'), status, reason FROM healthcore.appointments ORDER BY id";
    sqlx::query_as(all).fetch_all(record.pool()).await.unwrap()
}

async fn states(record: &Record) -> Vec<(String, Option<String>)> {
    book(record).await.into_iter().map(|(_, _, status, reason)| (status, reason)).collect()
}

fn state(status: &str, reason: Option<&str>) -> (String, Option<String>) {
    (status.to_owned(), reason.map(str::to_owned))
}

#[tokio::test]
async fn one_dentist_in_many_spellings_has_one_slot() {
    let record = Record::without_kafka().await;
    let key = async |name: &str| -> String {
        sqlx::query_scalar("SELECT healthcore.name_key($1)").bind(name).fetch_one(record.pool()).await.unwrap()
    };
    for spellings in [
        &[
            "Dr. Smith",
            "Dr Smith",
            "dr  smith",
            "DR.SMITH",
            "Smith",
            "Dr. Smith, DDS",
            "Dr. Smith, D.D.S.",
            "Doctor Smith",
            "Prof. Dr. Smith",
            "Mrs. Smith",
            "Dr.\u{a0}Smith",
            "Dr. Sm\u{200b}ith",
            "Smith, Dr.",
        ][..],
        &[
            "Dr. Ana Kova\u{10d}evi\u{107}",
            "ana kovacevic",
            "Kova\u{10d}evi\u{107}, Ana",
            "Ana Kovac\u{30c}evic\u{301}",
        ],
        &["Dr. J. R. O'Brien", "Dr JR OBrien", "J.R. O\u{2019}Brien"],
        &["Dr. Anna-Lena Stra\u{df}er", "Anna Lena Strasser"],
        &["Dr. med. dent. M\u{fc}ller", "Herr Dr. M\u{fc}ller", "Dr Muller", "Dr. Muller, Ph.D."],
        &["\u{674e}\u{5c0f}\u{9f8d}", " \u{674e}\u{5c0f}\u{9f8d} "],
    ] {
        let first = key(spellings[0]).await;
        assert!(!first.is_empty(), "{spellings:?}");
        for other in spellings {
            assert_eq!(key(other).await, first, "{other:?}");
        }
    }
    let others =
        ["Dr. Smith", "Dr. Smithe", "Dr. Jane Smith", "Dr. Smith Jr.", "Dr. Dent", "Dr. Med", "Dr.", "Dr. Jones"];
    for (n, one) in others.iter().enumerate() {
        for other in &others[..n] {
            assert_ne!(key(one).await, key(other).await, "{one} and {other}");
        }
    }
}

#[tokio::test]
async fn a_slot_is_given_once_to_spellings_of_one_dentist_by_any_way_in() {
    let record = Record::start().await;
    record.told("call-1", patient("call-1", "Ada Byron", "555-0001", None)).await;
    record.told("call-2", patient("call-2", "Grace Hopper", "555-0002", None)).await;
    record.told("call-1", booking("call-1", "Ada Byron", "Dr Smith", "10:00")).await;
    record.told("call-2", booking("call-2", "Grace Hopper", "Dr. Smith, DDS", "10:00")).await;
    assert_eq!(states(&record).await, [state("booked", None), state("needs_review", Some("slot_taken"))]);
    let mut psql = connect(&record).await;
    let insert = "INSERT INTO healthcore.appointments (patient_name, dentist, date, time)
        VALUES ('X Y', 'SMITH', '2026-12-01', '10:00')";
    let refused = try_run(&mut psql, insert).await.unwrap_err();
    assert!(refused.contains("appointments_slot"), "{refused}");
}

#[tokio::test]
async fn a_patient_does_not_block_himself() {
    let record = Record::start().await;
    record.told("earlier", patient("earlier", "Ada Byron", "ada@example.org", Some("1985-12-10"))).await;
    record.told("earlier", booking("earlier", "Ada Byron", "Dr. Smith", "10:00")).await;
    // Another of that name, so that the booking does not know whose it is until the call says so.
    record.told("other", patient("other", "Ada Byron", "555-9999", None)).await;
    let again = record.told("later", booking("later", "Ada Byron", "Dr Smith", "10:00")).await;
    assert_eq!(states(&record).await[1], state("needs_review", Some("slot_taken")));
    record.told("later", patient("later", "Ada Byron", "ADA@example.org", Some("1985-12-10"))).await;
    assert_eq!(states(&record).await, [state("booked", None), state("cancelled", Some("already_booked"))]);
    let last = record.caused_by(again).await.pop().unwrap();
    assert_eq!((last.event_type.as_str(), &last.data["reason"]), ("appointment.cancelled", &json!("already_booked")));
    // Entered by the practice, without a call.
    let mut psql = connect(&record).await;
    run(
        &mut psql,
        "INSERT INTO healthcore.appointments (patient_id, patient_name, dentist, date, time)
        VALUES (1, 'Ada', 'Jones', '2026-12-01', '11:00')",
    )
    .await;
    let id = record.told("earlier", booking("earlier", "Ada Byron", "Dr. Jones", "11:00")).await;
    let caused = record.caused_by(id).await;
    assert_eq!((types(&caused), caused[0].correlation.as_deref()), (vec!["appointment.booked"], Some("earlier")));
    let events = by(&record, &mut psql, "DELETE FROM healthcore.appointments WHERE dentist = 'Jones'").await;
    assert_eq!(events[0].causation, Some(id.to_string()), "it is that call's from then on");
}

#[tokio::test]
async fn a_booking_and_its_patient_that_come_side_by_side_find_each_other() {
    let record = Record::start().await;
    const CALLS: usize = 40;
    let names: Vec<String> = (0..CALLS).map(|n| format!("Caller{n} Unkeyed")).collect();
    let unkeyed = async |n: usize, first: bool| {
        let call = format!("call-{n}");
        // A key of its own for each: they are handled at the same time.
        let key = format!("{call}-{first}");
        let (id, value) = if first {
            let data = patient(&call, &names[n], &format!("caller{n}@example.org"), None);
            let event = Envelope::seal(NewEvent::fact(data).correlated(&*call), "test");
            (event.event_id, codec::encode(&event).unwrap())
        } else {
            let data = booking(&call, &names[n], &format!("Dr. {n}"), "10:00");
            let event = Envelope::seal(NewEvent::fact(data).correlated(&*call), "test");
            (event.event_id, codec::encode(&event).unwrap())
        };
        record.hear_raw(key.as_bytes(), &value, &[]).await;
        id
    };
    let all = futures::future::join_all((0..CALLS * 2).map(|n| unkeyed(n / 2, n % 2 == 0))).await;
    for id in all {
        record.wait_until_handled(id).await;
    }
    let states = states(&record).await;
    let held = states.iter().filter(|(status, _)| status != "booked").count();
    assert_eq!((states.len(), held), (CALLS, 0), "held though the patient is known");
}

#[tokio::test]
async fn whatever_comes_at_once_waits_for_nobody_in_a_circle() {
    let record = Record::start().await;
    // Few calls, contacts, patients and slots for many records, so that each shares something with many others.
    let mut all = Vec::new();
    for n in 0..160_usize {
        let (call, person, slot) = (format!("call-{}", n % 7), n % 5, n % 4);
        let name = format!("Person{person} Crowd");
        let key = format!("key-{n}");
        let (id, value) = if n % 2 == 0 {
            let mut data = patient(&call, &name, &format!("555-000{}", n % 3), None);
            data.email = Some(format!("crowd{}@example.org", n % 4));
            let event = Envelope::seal(NewEvent::fact(data).correlated(&*call), "test");
            (event.event_id, codec::encode(&event).unwrap())
        } else {
            let data = booking(&call, &name, &format!("Dr. {slot}"), ["10:00", "10:30", "11:00"][n % 3]);
            let event = Envelope::seal(NewEvent::fact(data).correlated(&*call), "test");
            (event.event_id, codec::encode(&event).unwrap())
        };
        all.push((id, key, value));
    }
    let sent = all.iter().map(|(_, key, value)| record.hear_raw(key.as_bytes(), value, &[]));
    futures::future::join_all(sent).await;
    for (id, ..) in &all {
        record.wait_until_handled(*id).await;
    }
    // Who is taken out of a circle fails, and is tried again.
    let metrics = record.client.get(format!("{}/metrics", record.service.base_url())).send().await.unwrap();
    let metrics = metrics.text().await.unwrap();
    let failures: Vec<_> = metrics.lines().filter(|line| line.starts_with("handler_failures_total")).collect();
    assert!(failures.iter().all(|line| line.ends_with(" 0")), "{failures:?}");
    assert!(metrics.contains("messages_processed_total"), "{metrics}");
    let slots = "SELECT count(*) FROM (SELECT FROM healthcore.appointments WHERE status = 'booked'
        GROUP BY healthcore.name_key(dentist), date, time HAVING count(*) > 1) twice";
    assert_eq!(sqlx::query_scalar::<_, i64>(slots).fetch_one(record.pool()).await.unwrap(), 0);
}

#[tokio::test]
async fn a_booking_that_is_moved_in_its_call_leaves_one() {
    let record = Record::start().await;
    record.told("call", patient("call", "Ada Byron", "555-0001", None)).await;
    let first = record.told("call", booking("call", "Ada Byron", "Dr. Smith", "10:00")).await;
    record.told("call", booking("call", "Ada", "Dr Smith", "11:00")).await;
    assert_eq!(states(&record).await, [state("cancelled", Some("moved")), state("booked", None)]);
    let caused = record.caused_by(first).await;
    assert_eq!(types(&caused), ["appointment.booked", "appointment.cancelled"]);
    assert_eq!(caused[1].data["reason"], "moved");
    // And back again.
    record.told("call", booking("call", "Ada Byron", "Dr. Smith", "10:00")).await;
    let now: Vec<_> = book(&record).await.into_iter().filter(|(_, _, status, _)| status == "booked").collect();
    assert_eq!(now, [("Dr. Smith".to_owned(), "10:00".to_owned(), "booked".to_owned(), None)]);

    // Not moved: another service, another patient, another call.
    let with = |service: &str, time: &str| BookingConfirmationV1 {
        service: Some(service.to_owned()),
        ..booking("two", "Ada Byron", "Dr. Jones", time)
    };
    record.told("two", with("Cleaning", "10:00")).await;
    record.told("two", with("Filling", "11:00")).await;
    record.told("two", patient("two", "Ralph Byron", "", None)).await;
    record.told("two", booking("two", "Ralph Byron", "Dr. Jones", "12:00")).await;
    record.told("three", booking("three", "Ada Byron", "Dr. Jones", "13:00")).await;
    let jones =
        book(&record).await.into_iter().filter(|(dentist, _, status, _)| dentist == "Dr. Jones" && status == "booked");
    assert_eq!(jones.count(), 4);
    // The same service at another dentist's.
    record.told("two", BookingConfirmationV1 { dentist: "Dr. Roe".to_owned(), ..with("cleaning", "15:00") }).await;
    let cleaning =
        book(&record).await.into_iter().find(|(dentist, time, ..)| dentist == "Dr. Jones" && time == "10:00");
    assert_eq!(cleaning.unwrap().2, "cancelled");
}

#[tokio::test]
async fn what_is_held_moves_what_is_held_and_nothing_that_is_booked() {
    let record = Record::start().await;
    record.told("other", patient("other", "Grace Hopper", "555-0002", None)).await;
    record.told("other", booking("other", "Grace Hopper", "Dr. Smith", "11:00")).await;
    record.told("call", patient("call", "Ada Byron", "555-0001", None)).await;
    record.told("call", booking("call", "Ada Byron", "Dr. Smith", "10:00")).await;
    record.told("call", booking("call", "Ada Byron", "Dr. Smith", "11:00")).await;
    let kept = [state("booked", None), state("booked", None), state("needs_review", Some("slot_taken"))];
    assert_eq!(states(&record).await, kept, "a person decides");
    // The third choice is free, and both others are moot.
    record.told("call", booking("call", "Ada Byron", "Dr. Smith", "12:00")).await;
    let moved = [
        state("booked", None),
        state("cancelled", Some("moved")),
        state("cancelled", Some("moved")),
        state("booked", None),
    ];
    assert_eq!(states(&record).await, moved);

    // Before the patient is known.
    record.told("early", booking("early", "Zoe Roe", "Dr. Roe", "10:00")).await;
    record.told("early", booking("early", "Zo\u{eb} Roe", "Dr. Roe", "11:00")).await;
    record.told("early", booking("early", "Zoe Roe", "Dr Roe", "11:00")).await;
    record.told("early", patient("early", "Zo\u{eb} Roe", "555-0003", None)).await;
    assert_eq!(states(&record).await[4..], [state("cancelled", Some("moved")), state("booked", None)]);
}

#[tokio::test]
async fn a_local_time_that_does_not_exist_or_exists_twice_is_never_booked() {
    let record = Record::with(&[("PRACTICE_TIME_ZONE", "Europe/Berlin")]).await;
    record.told("call", patient("call", "Ada Byron", "555-0001", None)).await;
    let at = |call: &str, date: &str, time: &str| BookingConfirmationV1 {
        date: day(date),
        ..booking(call, "Ada Byron", "Dr. Night", time)
    };
    let cases = [
        ("2027-03-28", "02:30", Some("time_does_not_exist")),
        ("2027-03-28", "02:00", Some("time_does_not_exist")),
        ("2027-03-28", "01:59", None),
        ("2027-03-28", "03:00", None),
        ("2027-03-28", "03:30", None),
        ("2026-10-25", "02:30", Some("time_exists_twice")),
        ("2026-10-25", "02:00", Some("time_exists_twice")),
        ("2026-10-25", "01:59", None),
        ("2026-10-25", "03:00", None),
    ];
    for (n, (date, time, reason)) in cases.into_iter().enumerate() {
        let call = format!("call-{n}");
        let id = record.told(&call, at(&call, date, time)).await;
        let caused = record.caused_by(id).await;
        let expected = if reason.is_some() { "appointment.held" } else { "appointment.booked" };
        assert_eq!(types(&caused), [expected], "{date} {time}");
        assert_eq!(caused[0].data["reason"].as_str(), reason, "{date} {time}");
    }
    // Known before its patient, as well.
    record.told("early", at("early", "2027-03-28", "02:15")).await;
    let mut psql = connect(&record).await;
    for (zone, date, time, says) in [
        ("Europe/Berlin", "2027-03-28", "02:30", "does not exist"),
        ("Europe/Berlin", "2026-10-25", "02:30", "comes twice"),
        ("America/New_York", "2027-03-14", "02:30", "does not exist"),
        ("Australia/Lord_Howe", "2026-10-04", "02:15", "does not exist"),
        ("Pacific/Apia", "2011-12-30", "10:00", "does not exist"),
    ] {
        let insert = format!(
            "INSERT INTO healthcore.appointments (patient_name, dentist, date, time, time_zone)
            VALUES ('X Y', 'Dr. Psql', '{date}', '{time}', '{zone}')"
        );
        let refused = try_run(&mut psql, &insert).await.unwrap_err();
        assert!(refused.contains(says) && !refused.contains("X Y"), "{refused}");
    }
    let held =
        "UPDATE healthcore.appointments SET status = 'booked', reason = NULL WHERE reason = 'time_does_not_exist'";
    assert!(try_run(&mut psql, held).await.unwrap_err().contains("does not exist"));
}

#[tokio::test]
async fn what_other_programs_write_without_a_zone_is_in_the_zone_of_the_practice() {
    let record = Record::with(&[("PRACTICE_TIME_ZONE", "Europe/Berlin"), ("KAFKA_ENABLED", "false")]).await;
    let mut psql = connect(&record).await;
    let insert = |date: &str, time: &str| {
        format!(
            "INSERT INTO healthcore.appointments (patient_name, dentist, date, time)
            VALUES ('X Y', 'Dr. Psql', '{date}', '{time}')"
        )
    };
    let told = by(&record, &mut psql, &insert("2026-12-01", "10:00")).await;
    assert_eq!(told[0].data["starts_at"], "2026-12-01T09:00:00.000Z");
    let refused = try_run(&mut psql, &insert("2027-03-28", "02:30")).await.unwrap_err();
    assert!(refused.contains("does not exist"), "{refused}");

    // Another zone is taken at the next start; while somebody holds the table, the service starts all the same and says so.
    let default = async || -> String {
        let default = "SELECT column_default FROM information_schema.columns
            WHERE table_schema = 'healthcore' AND table_name = 'appointments' AND column_name = 'time_zone'";
        sqlx::query_scalar(default).fetch_one(record.pool()).await.unwrap()
    };
    let environment = [
        ("DATABASE_URL", record.database.url().to_owned()),
        ("KAFKA_ENABLED", "false".to_owned()),
        ("PRACTICE_TIME_ZONE", "America/New_York".to_owned()),
    ];
    run(&mut psql, "BEGIN; LOCK TABLE healthcore.appointments IN ACCESS SHARE MODE").await;
    let mut blocked = ServiceProcess::spawn("healthcore-publisher", &environment).await;
    blocked.wait_ready().await;
    assert_eq!(default().await, "'Europe/Berlin'::text");
    assert!(blocked.log().contains("cannot make the practice's time zone the default"), "{}", blocked.log());
    run(&mut psql, "COMMIT").await;
    let mut free = ServiceProcess::spawn("healthcore-publisher", &environment).await;
    free.wait_ready().await;
    assert_eq!(default().await, "'America/New_York'::text");
    let told = by(&record, &mut psql, &insert("2026-12-02", "10:00")).await;
    assert_eq!(told[0].data["starts_at"], "2026-12-02T15:00:00.000Z");
}
