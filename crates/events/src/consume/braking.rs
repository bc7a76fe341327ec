//! The brake of a consumer: put on when too much is given up, taken off by a person or after a while.

use std::time::Duration;

use tokio::time::Instant;

use super::{rebalance::AssignmentId, status::ConsumerStatus};
use crate::flow::brake::{Brake, BrakePolicy};

pub(super) struct Braking {
    brake: Brake<AssignmentId>,
    /// How long it stays on unless a person takes it off.
    cool_down: Duration,
    on_since: Option<Instant>,
    group: String,
    status: ConsumerStatus,
}

impl Braking {
    pub(super) fn new(policy: BrakePolicy, cool_down: Duration, group: &str, status: ConsumerStatus) -> Self {
        // A brake that is on outlives the client that it was put on with.
        let on_since = status.brake().map(|_| Instant::now());
        let braking = Self { brake: Brake::new(policy), cool_down, on_since, group: group.to_owned(), status };
        braking.tell();
        braking
    }

    /// While it is on, nothing is handed out.
    pub(super) fn is_on(&self) -> bool {
        self.on_since.is_some()
    }

    pub(super) fn went_well(&mut self, partition: AssignmentId) {
        self.brake.went_well(partition, 1);
    }

    pub(super) fn gave_up(&mut self, partition: AssignmentId, handler: &str, code: &str) {
        if !self.brake.gave_up(partition) || self.is_on() {
            return;
        }
        self.on_since = Some(Instant::now());
        let handler = if handler.is_empty() { "no handler got that far" } else { handler };
        let cool_down = self.cool_down;
        let reason = format!(
            "has stopped taking records: too many became dead letters, the last by {handler} ({code}); it goes on after {cool_down:?}"
        );
        tracing::error!(
            group = self.group,
            handler,
            code,
            ?cool_down,
            "the brake is on: too many records became dead letters"
        );
        self.status.brakes(Some(reason));
        self.tell();
    }

    /// Takes it off when its time has come.
    pub(super) fn look(&mut self, now: Instant) {
        let over = self.on_since.is_some_and(|since| now >= since + self.cool_down || self.status.is_released());
        if over {
            tracing::warn!(group = self.group, "the brake is off: records are taken again");
            self.on_since = None;
            self.brake.forget();
            self.status.brakes(None);
            self.tell();
        }
    }

    fn tell(&self) {
        metrics::gauge!("kafka_consumer_brake", "group" => self.group.clone()).set(f64::from(u8::from(self.is_on())));
    }
}
