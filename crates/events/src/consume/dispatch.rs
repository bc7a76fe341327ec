//! What runs next and what may be committed: the scheduler and the ledgers, fed by the poll thread and by what finishes.
//!
//! One task owns both, so neither needs a lock; the work itself runs in tasks of its own, several records at once.

use std::{
    collections::{HashMap, HashSet},
    hash::RandomState,
    sync::{Arc, mpsc::Sender},
    time::Duration,
};

use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender},
    time::{Instant, sleep_until},
};

use super::{
    attempt::Engine,
    batch::{Batches, Batching},
    chunk::Chunk,
    dead_letter_brake::DeadLetterBrake,
    figures,
    lane::{Lane, Order},
    letters::Letters,
    notice::{Booked, Notice, Report, Then},
    offset_tracker::OffsetTracker,
    outcome::Outcome,
    partition::{Assigned, AssignmentId, Frontier, LogReset},
    rebuild,
    record::Place,
    spread::SpreadHash,
    waiting::Waiting,
    work::Work,
};
use crate::{
    flow::{ledger::Ticket, scheduler::Scheduler},
    sabotage::{self, Sabotage},
};

/// Offsets are committed this often. A commit for each record would queue up at the broker.
const COMMIT: Duration = Duration::from_secs(1);
/// What has not moved is committed again this often: a commit can fail without a word, and nothing may follow it.
const RECOMMIT: Duration = Duration::from_secs(30);
/// Revocations, breakers and the brake are looked at this often besides.
const TICK: Duration = Duration::from_millis(100);
/// The most records that are handed out together: past this a hand-over costs little for each.
const MOST_TOGETHER: usize = 64;
/// Few records are spread over so many hand-outs, so that more than one core has some.
const SPREAD: usize = 4;
/// The most batches that run side by side; more only compete for the database.
const MOST_BATCHES: usize = 4;

struct Revocation {
    ids: Vec<AssignmentId>,
    deadline: Instant,
    reply: Booked,
}

/// How records are handed out.
#[derive(Clone)]
pub(super) enum Mode {
    /// Each is handled by itself.
    Each(Arc<Engine>),
    /// Many in one transaction.
    Together(Arc<Batches>, Batching),
}

impl Mode {
    pub(super) fn engine(&self) -> &Arc<Engine> {
        match self {
            Self::Each(engine) => engine,
            Self::Together(batches, _) => &batches.engine,
        }
    }
}

pub(super) struct Dispatcher {
    mode: Mode,
    order: Order,
    scheduler: Scheduler<Lane, Work, SpreadHash>,
    trackers: HashMap<AssignmentId, OffsetTracker, SpreadHash>,
    waiting: Waiting,
    brake: DeadLetterBrake,
    /// Since when a batch could have been handed out that was not full.
    gathering: Option<Instant>,
    batches_out: usize,
    revocations: Vec<Revocation>,
    /// Lanes that have a record over which the engine breaks whatever client brings it: nothing of them is handed out.
    shut: HashSet<Lane, SpreadHash>,
    hasher: RandomState,
    /// A record was lost: nothing more is handed out, since what is behind it on its key must not overtake it.
    is_broken: bool,
    events: UnboundedSender<Notice>,
    commits: Sender<Vec<Frontier>>,
}

impl Dispatcher {
    pub(super) fn new(
        mode: Mode,
        order: Order,
        concurrency: usize,
        brake: DeadLetterBrake,
        events: UnboundedSender<Notice>,
        commits: Sender<Vec<Frontier>>,
    ) -> Self {
        let most_lanes = match &mode {
            Mode::Each(_) => concurrency,
            // A batch may be of as many lanes as records.
            Mode::Together(..) => usize::MAX,
        };
        Self {
            mode,
            order,
            scheduler: Scheduler::new(most_lanes),
            trackers: HashMap::default(),
            waiting: Waiting::default(),
            brake,
            gathering: None,
            batches_out: 0,
            revocations: Vec::new(),
            shut: HashSet::default(),
            hasher: RandomState::new(),
            is_broken: false,
            events,
            commits,
        }
    }

    /// Runs until the poll thread has ended.
    pub(super) async fn run(mut self, mut inbound: UnboundedReceiver<Notice>) {
        let mut news = Vec::new();
        let (mut ticked, mut committed, mut recommitted) = (Instant::now(), Instant::now(), Instant::now());
        loop {
            let wake = [Some(ticked + TICK), self.waiting.next(), self.batch_due()].into_iter().flatten().min();
            tokio::select! {
                biased;
                _ = inbound.recv_many(&mut news, 64) => {}
                () = sleep_until(wake.unwrap_or(ticked + TICK)) => {}
            }
            for notice in news.drain(..) {
                if matches!(notice, Notice::Closed) {
                    return;
                }
                self.on(notice);
            }
            self.trackers.values_mut().for_each(OffsetTracker::tell);
            let now = Instant::now();
            if now >= ticked + TICK {
                ticked = now;
                self.brake.look(now);
            }
            self.wake_what_waited(now);
            self.hand_out(now);
            self.end_revocations(now);
            if now >= committed + COMMIT {
                committed = now;
                let all = now >= recommitted + RECOMMIT;
                if all {
                    recommitted = now;
                }
                self.commit(all);
                self.tell(now);
            }
        }
    }

    fn on(&mut self, notice: Notice) {
        match notice {
            Notice::Assigned(partitions) => {
                let engine = self.mode.engine();
                for of in partitions {
                    self.trackers.insert(of.id, OffsetTracker::new(of, &engine.topics, &engine.letters.group));
                }
            }
            Notice::Records(records) => {
                for (id, mut record) in records {
                    // A record of a partition that was given away meanwhile belongs to its new owner.
                    let Some(tracker) = self.trackers.get_mut(&id).filter(|it| !it.is_going) else {
                        continue;
                    };
                    let ticket = tracker.charge(&record);
                    let lane = Lane::of(id, &record, self.order, &self.hasher);
                    let lane = if sabotage::is(Sabotage::NoLanes) { Lane { key: ticket.0, ..lane } } else { lane };
                    if !self.shut.is_empty() && self.shut.contains(&lane) {
                        tracker.let_go(record.size());
                        continue;
                    }
                    if self.scheduler.is_waiting(&lane) {
                        record.leave_block();
                    }
                    self.scheduler.push(lane, Work { ticket, record, tries: None });
                }
            }
            Notice::LogReset(id, why) => self.begin_log(id, why),
            Notice::Revoked { ids, drain, reply } => {
                for id in &ids {
                    if let Some(tracker) = self.trackers.get_mut(id) {
                        tracker.is_going = true;
                    }
                }
                self.scheduler.forget(|lane| ids.contains(&lane.assignment));
                self.waiting.forget(|lane| ids.contains(&lane.assignment));
                self.shut.retain(|lane| !ids.contains(&lane.assignment));
                self.revocations.push(Revocation { ids, deadline: Instant::now() + drain, reply });
            }
            Notice::Reports(reports) => reports.into_iter().for_each(|report| self.book(report)),
            Notice::Closed => {}
        }
    }

    /// A partition's log is another than was handled. What was taken of the old one is handled all the same, and before what the
    /// new one has of its key.
    fn begin_log(&mut self, id: AssignmentId, why: LogReset) {
        let Some(tracker) = self.trackers.get_mut(&id) else { return };
        tracker.begin_log();
        let engine = self.mode.engine();
        let (subscribed, partition) = (&engine.topics[usize::from(tracker.of.topic)], tracker.of.partition);
        let (group, topic, reason) = (&engine.letters.group, &subscribed.name, why.as_str());
        figures::count_reset(group, subscribed.spec.name, why, 1);
        let what = why.describe();
        tracing::error!(
            group,
            topic,
            partition,
            reason,
            "{what}; it is handled from where a group without an offset begins"
        );
        engine.monitoring.error("log_reset", format!("{group}: {topic}[{partition}]: {what}"));
    }

    /// Books what became of a record that was handed out.
    fn book(&mut self, report: Report) {
        match report {
            Report::Done { lane, ticket, size, outcome, last } => {
                if last {
                    self.scheduler.finish(&lane);
                }
                self.waiting.went_on(&lane);
                if let Some(tracker) = self.trackers.get_mut(&lane.assignment) {
                    tracker.complete(&lane, ticket, size, outcome);
                    match outcome {
                        Outcome::GivenUp { handler, code } => self.brake.gave_up(lane.assignment, handler, code),
                        _ => self.brake.went_well(lane.assignment),
                    }
                }
            }
            Report::Back { lane, mut works, then } => {
                works.iter_mut().for_each(|work| work.record.leave_block());
                self.scheduler.put_back(&lane, works.into_iter());
                match then {
                    Then::Running => {}
                    then => {
                        if self.scheduler.wait(&lane) {
                            self.scheduler.pieces_mut(&lane).for_each(|work| work.record.leave_block());
                            self.waiting.add(lane, then);
                        }
                    }
                }
            }
            Report::Lost { lane, ticket } => self.lose(lane, ticket),
            Report::BatchEnded => self.batches_out -= 1,
        }
    }

    /// The engine broke over a record. Another client takes it again, and all that is behind it; where that did not help, its lane
    /// stays shut and the others go on.
    fn lose(&mut self, lane: Lane, ticket: Ticket) {
        let Some(tracker) = self.trackers.get(&lane.assignment) else { return };
        let Assigned { topic, partition, .. } = tracker.of;
        let place = tracker.offset_of(ticket).map(|offset| Place { topic, partition, offset });
        let engine = Arc::clone(self.mode.engine());
        let topic = &engine.topics[usize::from(topic)].name;
        if matches!(self.mode, Mode::Together(..)) && !engine.rebuild.is_one_by_one() {
            tracing::error!(
                topic,
                "the engine broke over a batch; another client takes its records again, each by itself"
            );
            engine.rebuild.goes_one_by_one(true);
            engine.rebuild.ask("broken", None);
            self.is_broken = true;
        } else if engine.rebuild.ask("broken", place) {
            tracing::error!(
                topic,
                ?place,
                "the engine broke over a record; another client takes it and what is behind it again"
            );
            self.is_broken = true;
        } else if let Some(place) = place {
            tracing::error!(
                topic,
                ?place,
                "the engine broke over a record again; its key stays where it is, the others go on"
            );
            engine.letters.status.halts(topic, place.partition, rebuild::stuck(place, topic));
            engine.rebuild.goes_one_by_one(false);
            self.shut.insert(lane);
            // They stay open in the books, and are in nobody's memory.
            if let Some(tracker) = self.trackers.get_mut(&lane.assignment) {
                self.scheduler.pieces_mut(&lane).for_each(|work| tracker.let_go(work.record.size()));
            }
            self.scheduler.forget(|other| *other == lane);
        }
        self.scheduler.finish(&lane);
    }

    fn wake_what_waited(&mut self, now: Instant) {
        let breakers = &self.mode.engine().breakers;
        for lane in self.waiting.due(now, breakers) {
            self.scheduler.wake(&lane);
        }
    }

    /// When a batch is handed out that is not full.
    fn batch_due(&self) -> Option<Instant> {
        match (&self.mode, self.gathering) {
            (Mode::Together(_, batching), Some(since)) if self.may_hand_out() && self.batches_out < MOST_BATCHES => {
                Some(since + batching.wait)
            }
            _ => None,
        }
    }

    fn may_hand_out(&self) -> bool {
        !self.is_broken && !self.brake.is_on()
    }

    fn hand_out(&mut self, now: Instant) {
        while self.may_hand_out() {
            let most = match &self.mode {
                Mode::Each(_) => (self.scheduler.queued() / SPREAD).clamp(1, MOST_TOGETHER),
                Mode::Together(batches, batching) => {
                    let most = if batches.engine.rebuild.is_one_by_one() { 1 } else { batching.most };
                    if self.scheduler.queued() == 0 {
                        self.gathering = None;
                        return;
                    }
                    let since = *self.gathering.get_or_insert(now);
                    let full = self.scheduler.queued() >= most;
                    if self.batches_out >= MOST_BATCHES || !(full || now >= since + batching.wait) {
                        return;
                    }
                    most
                }
            };
            let mut taken = Vec::with_capacity(most.min(self.scheduler.queued()));
            self.scheduler.take(most, &mut taken);
            if taken.is_empty() {
                // What is queued stands behind what runs.
                self.gathering = None;
                return;
            }
            let chunk = Chunk::new(taken, self.events.clone());
            match &self.mode {
                Mode::Each(engine) => drop(tokio::spawn(chunk.run(Arc::clone(engine)))),
                Mode::Together(batches, _) => {
                    self.gathering = None;
                    self.batches_out += 1;
                    drop(tokio::spawn(chunk.run_together(Arc::clone(batches))));
                }
            }
        }
    }

    /// Answers the revocations whose work is finished or whose time is up.
    fn end_revocations(&mut self, now: Instant) {
        let mut open = Vec::new();
        for revocation in std::mem::take(&mut self.revocations) {
            let running = self.scheduler.handed_out(|lane| revocation.ids.contains(&lane.assignment));
            if running > 0 && now < revocation.deadline {
                open.push(revocation);
                continue;
            }
            let gone = revocation.ids.iter().filter_map(|id| self.trackers.remove(id));
            let frontiers = gone.filter_map(|tracker| tracker.frontier()).collect();
            // The poll thread has given up waiting: then nothing is committed, and the records come again.
            let _ = revocation.reply.send(frontiers);
        }
        self.revocations = open;
    }

    fn commit(&mut self, all: bool) {
        let moved: Vec<_> = self.trackers.values_mut().filter_map(|tracker| tracker.take_due(all)).collect();
        if !moved.is_empty() {
            let _ = self.commits.send(moved);
        }
    }

    fn tell(&self, now: Instant) {
        let Letters { group, status, .. } = &*self.mode.engine().letters;
        // What was given away, or taken anew by another client, is refused here no more.
        status.letters_refused_of(|place| self.trackers.values().any(|tracker| tracker.may_hold(place)));
        let gauge = |name: &'static str| metrics::gauge!(name, "group" => group.clone());
        gauge("kafka_consumer_running").set(self.scheduler.running() as f64);
        gauge("kafka_consumer_waiting_for_retry").set(self.scheduler.waiting() as f64);
        gauge("kafka_consumer_oldest_waiting_seconds").set(self.waiting.oldest(now).as_secs_f64());
    }
}
