//! One event type in three versions, to show that a reader of the newest reads all of them.

use chrono::NaiveDate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{EventSpec, compatibility::breaks, declare::event};
use crate::contract::{
    codec::{self, DecodeError},
    event::{Coordinates, Event},
    topics::CONVERSATION_EVENTS,
};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
struct ReminderPlannedV1 {
    appointment_id: i64,
    day: NaiveDate,
}

event!(ReminderPlannedV1: "reminder.planned" version 1 on CONVERSATION_EVENTS, |it| it.appointment_id.to_string());

/// Says by which way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
struct ReminderPlannedV2 {
    appointment_id: i64,
    day: NaiveDate,
    #[serde(default = "mail")]
    channel: String,
}

fn mail() -> String {
    "mail".to_owned()
}

event!(ReminderPlannedV2: "reminder.planned" version 2 after ReminderPlannedV1 on CONVERSATION_EVENTS, |it| {
    it.appointment_id.to_string()
});

impl From<ReminderPlannedV1> for ReminderPlannedV2 {
    fn from(v1: ReminderPlannedV1) -> Self {
        Self { appointment_id: v1.appointment_id, day: v1.day, channel: mail() }
    }
}

/// Several ways; the single one is still read, and no more written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
struct ReminderPlannedV3 {
    appointment_id: i64,
    day: NaiveDate,
    #[serde(default)]
    channels: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    channel: Option<String>,
}

event!(ReminderPlannedV3: "reminder.planned" version 3 after ReminderPlannedV2 on CONVERSATION_EVENTS, |it| {
    it.appointment_id.to_string()
});

impl From<ReminderPlannedV2> for ReminderPlannedV3 {
    fn from(v2: ReminderPlannedV2) -> Self {
        Self { appointment_id: v2.appointment_id, day: v2.day, channels: vec![v2.channel], channel: None }
    }
}

fn read<E: Event>(version: u16, data: Value) -> Result<E, DecodeError> {
    let record = json!({
        "event_id": "0199c0de-7c1e-7b3a-9f0e-5d2a6c1b8e44", "event_type": "reminder.planned",
        "timestamp": "2026-03-02T09:14:05.120Z", "data": data,
        "metadata": {"source": "reminders", "version": format!("{version}.0")},
    });
    let at = Coordinates { topic: "conversation.events", partition: 0, offset: 0, timestamp_ms: None };
    codec::open(&CONVERSATION_EVENTS, at, record.to_string().as_bytes())?.typed()
}

#[test]
fn a_reader_of_the_newest_version_reads_every_older_one() {
    let planned = |channels: &[&str]| ReminderPlannedV3 {
        appointment_id: 7,
        day: NaiveDate::from_ymd_opt(2026, 3, 9).unwrap(),
        channels: channels.iter().map(|channel| (*channel).to_owned()).collect(),
        channel: None,
    };
    let v1 = json!({"appointment_id": 7, "day": "2026-03-09"});
    let v2 = json!({"appointment_id": 7, "day": "2026-03-09", "channel": "phone"});
    let v3 = json!({"appointment_id": 7, "day": "2026-03-09", "channels": ["phone", "mail"]});
    assert_eq!(read::<ReminderPlannedV3>(1, v1.clone()).unwrap(), planned(&["mail"]));
    assert_eq!(read::<ReminderPlannedV3>(2, v2.clone()).unwrap(), planned(&["phone"]));
    assert_eq!(read::<ReminderPlannedV3>(3, v3.clone()).unwrap(), planned(&["phone", "mail"]));
    assert_eq!(read::<ReminderPlannedV2>(1, v1).unwrap().channel, "mail");
    assert_eq!(read::<ReminderPlannedV2>(2, v2).unwrap().channel, "phone");
    assert!(matches!(read::<ReminderPlannedV2>(3, v3), Err(DecodeError::FutureVersion { found: 3, known: 2, .. })));
}

#[test]
fn what_is_wrong_is_told_in_the_version_that_it_was_written_in() {
    let problem = read::<ReminderPlannedV3>(1, json!({"appointment_id": 7, "day": "soon"})).unwrap_err();
    let said = problem.to_string();
    assert!(said.contains("reminder.planned version 1") && said.contains("day: "), "{said}");
}

#[test]
fn each_step_keeps_the_rule_of_the_registries() {
    let [v1, v2, v3] = [
        EventSpec::of::<ReminderPlannedV1>(),
        EventSpec::of::<ReminderPlannedV2>(),
        EventSpec::of::<ReminderPlannedV3>(),
    ];
    for (older, newer) in [(&v1, &v2), (&v2, &v3), (&v1, &v3)] {
        assert_eq!(breaks(older.schema(), newer.schema()), Vec::<String>::new());
        assert_eq!(older.subject(), newer.subject());
    }
    assert_eq!(breaks(v2.schema(), v1.schema()), ["/data/channel: nothing is allowed any more"]);
}
