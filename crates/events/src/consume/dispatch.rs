//! What runs next and what may be committed: the scheduler and the ledgers, fed by the poll thread and by what finishes.
//!
//! One task owns both, so neither needs a lock; the work itself runs in tasks of its own.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::{Arc, mpsc::Sender},
    time::Duration,
};

use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender},
    time::{Instant, MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

use super::{
    attempt::{Engine, Place, Verdict},
    rebalance::{Assigned, AssignmentId, Booked, Frontier},
    record::Record,
};
use crate::flow::{
    ledger::{Ledger, Ticket},
    scheduler::Scheduler,
};

/// Offsets are committed this often. A commit for each record would queue up at the broker.
const COMMIT: Duration = Duration::from_secs(1);
/// What has not moved is committed again this often: a commit can fail without a word, and nothing may follow it.
const RECOMMIT: Duration = Duration::from_secs(30);
/// Revocations that wait are looked at this often besides.
const TICK: Duration = Duration::from_millis(100);

/// What the dispatcher is told.
pub(super) enum Event {
    Assigned(Vec<Assigned>),
    Records(Vec<(AssignmentId, Record)>),
    /// Partitions go away: finish what runs within `drain`, then tell what is done.
    Revoked {
        ids: Vec<AssignmentId>,
        drain: Duration,
        reply: Booked,
    },
    /// A record waits for its retry; it does not count until it is back.
    Left(Lane),
    TookAgain(Lane),
    Finished {
        lane: Lane,
        ticket: Ticket,
        verdict: Verdict,
    },
    /// The poll thread has ended.
    Closed,
}

/// What has to stay in order: the records of one key of one assigned partition; those without a key together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Lane {
    assignment: AssignmentId,
    /// The key's hash. Two keys that share one wait for each other, which is harmless and spares a copy of the key.
    key: u64,
}

struct Assignment {
    of: Assigned,
    ledger: Ledger<i64>,
    /// Ends the waiting of its records when the partition goes away.
    revoked: CancellationToken,
    committed: Option<i64>,
}

struct Revocation {
    ids: Vec<AssignmentId>,
    deadline: Instant,
    reply: Booked,
}

pub(super) struct Dispatcher {
    engine: Arc<Engine>,
    scheduler: Scheduler<Lane, (Ticket, Record)>,
    assignments: HashMap<AssignmentId, Assignment>,
    revocations: Vec<Revocation>,
    hasher: RandomState,
    events: UnboundedSender<Event>,
    commits: Sender<Vec<Frontier>>,
}

impl Dispatcher {
    pub(super) fn new(
        engine: Arc<Engine>,
        concurrency: usize,
        events: UnboundedSender<Event>,
        commits: Sender<Vec<Frontier>>,
    ) -> Self {
        Self {
            engine,
            scheduler: Scheduler::new(concurrency),
            assignments: HashMap::new(),
            revocations: Vec::new(),
            hasher: RandomState::new(),
            events,
            commits,
        }
    }

    /// Runs until the poll thread has ended.
    pub(super) async fn run(mut self, mut events: UnboundedReceiver<Event>) {
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut committed = Instant::now();
        let mut recommitted = Instant::now();
        loop {
            tokio::select! {
                event = events.recv() => match event {
                    Some(Event::Closed) | None => return,
                    Some(event) => self.on(event),
                },
                _ = tick.tick() => {}
            }
            while let Ok(event) = events.try_recv() {
                if let Event::Closed = event {
                    return;
                }
                self.on(event);
            }
            self.start_what_may_run();
            self.end_revocations();
            if committed.elapsed() >= COMMIT {
                committed = Instant::now();
                let all = recommitted.elapsed() >= RECOMMIT;
                if all {
                    recommitted = committed;
                }
                self.commit(all);
                metrics::gauge!("kafka_consumer_running").set(self.scheduler.running() as f64);
                metrics::gauge!("kafka_consumer_waiting_for_retry").set(self.scheduler.parked() as f64);
            }
        }
    }

    fn on(&mut self, event: Event) {
        match event {
            Event::Assigned(partitions) => {
                for of in partitions {
                    let fresh = Assignment {
                        ledger: Ledger::default(),
                        revoked: CancellationToken::new(),
                        committed: None,
                        of: of.clone(),
                    };
                    self.assignments.insert(of.id, fresh);
                }
            }
            Event::Records(records) => {
                for (id, record) in records {
                    // A record of a partition that was given away meanwhile belongs to its new owner.
                    let Some(assignment) = self.assignments.get_mut(&id) else {
                        continue;
                    };
                    if assignment.revoked.is_cancelled() {
                        continue;
                    }
                    let ticket = assignment.ledger.charge(record.offset);
                    let lane = Lane { assignment: id, key: self.hasher.hash_one(record.key()) };
                    self.scheduler.push(lane, (ticket, record));
                }
            }
            Event::Revoked { ids, drain, reply } => {
                for id in &ids {
                    if let Some(assignment) = self.assignments.get(id) {
                        assignment.revoked.cancel();
                    }
                }
                self.scheduler.forget(|lane| ids.contains(&lane.assignment));
                self.revocations.push(Revocation { ids, deadline: Instant::now() + drain, reply });
            }
            Event::Left(lane) => self.scheduler.park(&lane),
            Event::TookAgain(lane) => self.scheduler.resume(&lane),
            Event::Finished { lane, ticket, verdict } => {
                self.scheduler.finish(&lane);
                if verdict == Verdict::Done
                    && let Some(assignment) = self.assignments.get_mut(&lane.assignment)
                {
                    assignment.ledger.complete(ticket);
                }
            }
            Event::Closed => {}
        }
    }

    fn start_what_may_run(&mut self) {
        while let Some((lane, (ticket, record))) = self.scheduler.take_next() {
            let Some(assignment) = self.assignments.get(&lane.assignment) else {
                self.scheduler.finish(&lane);
                continue;
            };
            let engine = Arc::clone(&self.engine);
            let revoked = assignment.revoked.clone();
            let place = Finish { lane, ticket, verdict: Verdict::Abandoned, events: self.events.clone() };
            tokio::spawn(async move {
                // Whole, so that it is dropped at the end of the work and not here.
                let mut place = place;
                place.verdict = engine.handle(&record, &place, &revoked).await;
            });
        }
    }

    /// Answers the revocations whose work is finished or whose time is up.
    fn end_revocations(&mut self) {
        let now = Instant::now();
        let mut waiting = Vec::new();
        for revocation in std::mem::take(&mut self.revocations) {
            let running = self.scheduler.handed_out(|lane| revocation.ids.contains(&lane.assignment));
            if running > 0 && now < revocation.deadline {
                waiting.push(revocation);
                continue;
            }
            let gone = revocation.ids.iter().filter_map(|id| self.assignments.remove(id));
            let frontiers = gone.filter_map(|assignment| frontier(&assignment)).collect();
            // The poll thread has given up waiting: then nothing is committed, and the records come again.
            let _ = revocation.reply.send(frontiers);
        }
        self.revocations = waiting;
    }

    fn commit(&mut self, all: bool) {
        let mut moved = Vec::new();
        for assignment in self.assignments.values_mut() {
            let Some(frontier) = frontier(assignment) else {
                continue;
            };
            if all || assignment.committed != Some(frontier.next) {
                assignment.committed = Some(frontier.next);
                moved.push(frontier);
            }
        }
        if !moved.is_empty() {
            let _ = self.commits.send(moved);
        }
    }
}

/// A commit names the next offset to be handled.
fn frontier(assignment: &Assignment) -> Option<Frontier> {
    let done = assignment.ledger.frontier()?;
    Some(Frontier { of: assignment.of.clone(), next: done + 1 })
}

/// Tells of the end of a record's work, however it ends: a lane whose end went unheard would be shut for ever.
struct Finish {
    lane: Lane,
    ticket: Ticket,
    verdict: Verdict,
    events: UnboundedSender<Event>,
}

impl Drop for Finish {
    fn drop(&mut self) {
        let _ = self.events.send(Event::Finished { lane: self.lane, ticket: self.ticket, verdict: self.verdict });
    }
}

impl Place for Finish {
    fn leave(&self) {
        let _ = self.events.send(Event::Left(self.lane));
    }

    fn take_again(&self) {
        let _ = self.events.send(Event::TookAgain(self.lane));
    }
}
