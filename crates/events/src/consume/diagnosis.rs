//! What the watch makes of what it saw, in words for readiness and the log: which partition does not go on, whether offsets are
//! committed, who waits for a transaction. And whether another client would help.
//!
//! What is in flight is never called stalled, whatever it waits for (a handler, a retry, a breaker, the brake).

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::{
    record::{Place, Subscribed},
    reset::Bounds,
    status::ConsumerStatus,
    watched::{Trouble, Watched},
};

pub(super) struct Diagnosis {
    group: String,
    topics: Arc<[Subscribed]>,
    status: ConsumerStatus,
    limit: Duration,
    /// By topic and partition: until something is taken there, the next client is no better.
    stuck: BTreeMap<(u16, i32), Stuck>,
}

/// Where a partition stands still, and why.
struct Stuck {
    offset: i64,
    why: String,
}

impl Diagnosis {
    pub(super) fn new(group: String, topics: Arc<[Subscribed]>, status: ConsumerStatus, limit: Duration) -> Self {
        Self { group, topics, status, limit, stuck: BTreeMap::new() }
    }

    /// Tells of it; where the client is to be built anew, over which place.
    pub(super) fn of<'a>(&mut self, partitions: impl Iterator<Item = &'a mut Watched>) -> Option<Place> {
        // Between two clients there is nothing to be seen.
        if !self.status.has_joined() {
            return None;
        }
        let mut partitions: Vec<_> = partitions.collect();
        partitions.sort_by_key(|partition| place(partition));
        let new = self.tell_of_stalls(&mut partitions);
        self.tell_of_commits(&partitions);
        self.tell_of_transactions(&partitions);
        new
    }

    fn tell_of_stalls(&mut self, partitions: &mut [&mut Watched]) -> Option<Place> {
        self.stuck.retain(|at, stuck| {
            let partition = partitions.iter().find(|partition| place(partition) == *at);
            partition.is_some_and(|partition| !partition.has_left(stuck.offset))
        });
        let mut new = None;
        let mut refused = None;
        for partition in partitions {
            let name = self.name(partition);
            let (offset, why) = match partition.trouble(self.limit) {
                None => continue,
                Some(Trouble::Refused { committed, bounds }) => {
                    refused.get_or_insert_with(|| refusal(&name, committed, bounds));
                    continue;
                }
                Some(Trouble::Stalled { offset }) => {
                    let (topic, number) = place(partition);
                    if !partition.ordered {
                        new.get_or_insert(Place { topic, partition: number, offset });
                    }
                    partition.ordered = true;
                    let why = format!(
                        "stalled: has taken nothing of {name} from offset {offset} on for {:?} although there is more; another Kafka client is tried three times",
                        self.limit
                    );
                    (offset, why)
                }
                Some(Trouble::Unreadable { offset, code }) => {
                    let why = format!(
                        "stalled: what stands at offset {offset} of {name} cannot be read ({code:?}); mend the brokers' copies \
                         of it, or pass over it by moving the group's offset"
                    );
                    (offset, why)
                }
            };
            self.stuck.insert(place(partition), Stuck { offset, why });
        }
        let reason = refused.or_else(|| self.stuck.values().next().map(|stuck| stuck.why.clone()));
        let before = self.status.stalls(reason.clone());
        self.log("the consumer does not go on", before, reason);
        new
    }

    /// A failing commit is repeated with the next; that all of them fail shows only in what stays uncommitted.
    fn tell_of_commits(&self, partitions: &[&mut Watched]) {
        let late = partitions.iter().find(|partition| partition.uncommitted_for() >= self.limit);
        let reason = late.map(|partition| {
            format!("cannot commit what it has handled of {} for {:?}; see the log", self.name(partition), self.limit)
        });
        let before = self.status.cannot_commit(reason.clone());
        self.log("offsets are not committed; what is handled comes again after a restart", before, reason);
    }

    fn tell_of_transactions(&self, partitions: &[&mut Watched]) {
        let blocked = partitions.iter().find(|partition| partition.blocked_for() >= self.limit);
        let reason = blocked.map(|partition| {
            format!(
                "what stands behind an open transaction of {} has waited for more than {:?}",
                self.name(partition),
                self.limit
            )
        });
        let before = self.status.is_blocked(reason.clone());
        self.log("a producer's transaction stays open", before, reason);
    }

    fn log(&self, what: &str, before: Option<String>, reason: Option<String>) {
        if let Some(reason) = reason.filter(|reason| before.as_ref() != Some(reason)) {
            tracing::error!(group = self.group, reason, "{what}");
        }
    }

    fn name(&self, partition: &Watched) -> String {
        format!("{}[{}]", self.topics[usize::from(partition.of.topic)].spec.name, partition.of.partition)
    }
}

fn place(partition: &Watched) -> (u16, i32) {
    (partition.of.topic, partition.of.partition)
}

fn refusal(name: &str, committed: Option<i64>, Bounds { oldest, end, .. }: Bounds) -> String {
    let why = match committed {
        None => "the group has committed no offset there".to_owned(),
        Some(offset) => format!("the group goes on at offset {offset} and the log has {oldest} to {end}"),
    };
    format!("takes nothing of {name}: {why}, and KAFKA_CONSUMER_AUTO_OFFSET_RESET is error")
}
