//! How the services are, on `system.monitoring`.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::declare::event;

/// How one instance of a service is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HealthCheckV1 {
    /// The service.
    pub service: String,
    /// Which of its instances.
    pub instance: String,
    /// `ready` or `unready`.
    pub status: String,
    /// The state of each thing that it needs, by its name.
    #[serde(default)]
    pub checks: BTreeMap<String, String>,
    /// The version that runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Since when it runs.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        serialize_with = "crate::contract::envelope::optional_milliseconds"
    )]
    pub started_at: Option<DateTime<Utc>>,
    /// What it counted since then.
    #[serde(default)]
    pub counters: BTreeMap<String, u64>,
}

event!(HealthCheckV1: "system.health_check" version 1 on SYSTEM_MONITORING, |it| it.instance.clone());

/// Something went wrong in a service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SystemErrorV1 {
    /// The service.
    pub service: String,
    /// Which of its instances.
    pub instance: String,
    /// What kind of failure it is.
    pub category: String,
    /// The reason in a sentence.
    #[schemars(extend("x-sensitive" = "pii"))]
    pub message: String,
    /// How often since the last such event.
    pub count: u64,
}

event!(SystemErrorV1: "system.error" version 1 on SYSTEM_MONITORING, |it| it.instance.clone());

/// An alert, as both events about one carry it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AlertV1 {
    /// Which rule it is.
    pub alert: String,
    /// `info`, `warning` or `critical`.
    pub severity: String,
    /// What it concerns, such as `group` and `topic`.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// What was measured.
    pub value: f64,
    /// What it is held against.
    pub threshold: f64,
    /// When the condition began.
    #[serde(serialize_with = "crate::contract::envelope::milliseconds")]
    pub since: DateTime<Utc>,
}

macro_rules! alert_event {
    ($(#[$doc:meta])* $name:ident, $event_type:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
        #[serde(transparent)]
        pub struct $name(pub AlertV1);

        event!($name: $event_type version 1 on SYSTEM_MONITORING, |it| it.0.alert.clone());
    };
}

alert_event!(
    /// A limit is passed, for longer than its rule allows.
    AlertRaisedV1, "system.alert.raised");
alert_event!(
    /// A raised alert is over.
    AlertClearedV1, "system.alert.cleared");
