//! The brake of a consumer: put on when too much is given up, taken off by a person or after a while. Both are told by
//! readiness, log and metrics, and to whoever listens to `system.monitoring`.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use chrono::Utc;
use tokio::time::Instant;

use super::{letters::Letters, monitoring::Monitoring, partition::AssignmentId, status::Braked};
use crate::{
    contract::schema::monitoring::{AlertClearedV1, AlertRaisedV1, AlertV1},
    flow::brake::{Brake, BrakePolicy, Excess},
};

pub(super) struct DeadLetterBrake {
    brake: Brake<AssignmentId>,
    policy: BrakePolicy,
    /// How long it stays on unless a person takes it off.
    cool_down: Duration,
    on_since: Option<Instant>,
    letters: Arc<Letters>,
    monitoring: Monitoring,
}

impl DeadLetterBrake {
    pub(super) fn new(policy: BrakePolicy, cool_down: Duration, letters: Arc<Letters>, monitoring: Monitoring) -> Self {
        // A brake that is on outlives the client that it was put on with.
        let on_since = letters.status.brake().map(|_| Instant::now());
        let brake = Self { brake: Brake::new(policy), policy, cool_down, on_since, letters, monitoring };
        brake.tell();
        brake
    }

    /// While it is on, nothing is handed out.
    pub(super) fn is_on(&self) -> bool {
        self.on_since.is_some()
    }

    pub(super) fn went_well(&mut self, partition: AssignmentId) {
        self.brake.went_well(partition, 1);
    }

    pub(super) fn gave_up(&mut self, partition: AssignmentId, handler: &str, code: &str) {
        let Some(excess) = self.brake.gave_up(partition) else { return };
        if self.is_on() {
            return;
        }
        self.on_since = Some(Instant::now());
        let handler = if handler.is_empty() { "no handler got that far" } else { handler };
        let cool_down = self.cool_down;
        let reason = format!(
            "has stopped taking records: too many became dead letters, the last by {handler} ({code}); it goes on after {cool_down:?}"
        );
        tracing::error!(
            group = self.letters.group,
            handler,
            code,
            ?excess,
            ?cool_down,
            "the brake is on: too many records became dead letters"
        );
        let alert = self.alert(excess, handler, code);
        self.letters.status.brakes(Some(Braked { reason, alert: alert.clone() }));
        self.monitoring.announce(AlertRaisedV1(alert));
        self.tell();
    }

    /// Takes it off when its time has come.
    pub(super) fn look(&mut self, now: Instant) {
        let over =
            self.on_since.is_some_and(|since| now >= since + self.cool_down || self.letters.status.is_released());
        if over {
            tracing::warn!(group = self.letters.group, "the brake is off: records are taken again");
            self.on_since = None;
            self.brake.forget();
            if let Some(Braked { alert, .. }) = self.letters.status.brakes(None) {
                self.monitoring.announce(AlertClearedV1(AlertV1 { value: 0.0, ..alert }));
            }
            self.tell();
        }
    }

    fn alert(&self, excess: Excess, handler: &str, code: &str) -> AlertV1 {
        let (counted, value, threshold) = match excess {
            Excess::Run(records) => ("in_a_row", records, self.policy.run),
            Excess::Share(percent) => ("percent", percent, self.policy.percent),
        };
        let Letters { group, service, .. } = &*self.letters;
        let labels = [
            ("group", group.as_str()),
            ("service", service),
            ("handler", handler),
            ("code", code),
            ("counted", counted),
        ];
        AlertV1 {
            alert: "dead_letter_brake".to_owned(),
            severity: "critical".to_owned(),
            labels: BTreeMap::from(labels.map(|(name, value)| (name.to_owned(), value.to_owned()))),
            value: value.into(),
            threshold: threshold.into(),
            since: Utc::now(),
        }
    }

    fn tell(&self) {
        let on = f64::from(u8::from(self.is_on()));
        metrics::gauge!("kafka_consumer_brake", "group" => self.letters.group.clone()).set(on);
    }
}
