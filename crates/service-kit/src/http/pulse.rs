//! What one connection is doing, since when, and for how long it may.
//!
//! hyper's own limit for a header runs from the last answer on, so that it would be the idle time as well, and its graceful end
//! waits for a header that never becomes complete. So the connection's bytes, its requests and its answers are told here.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::{
    sync::{Notify, futures::Notified},
    time::{Duration, Instant},
};

use crate::config::ConnectionConfig;

/// Once the service stops, a request that was sent before its client could know is still taken. That is a way through the
/// network, and this is more than one around the world.
const LINGER: Duration = Duration::from_millis(250);
/// Once the service stops, a client that neither sends the rest of its request nor takes its answer for this long is left.
const STALLED: Duration = Duration::from_secs(2);

/// One connection.
#[derive(Debug)]
pub(super) struct Pulse {
    beat: Mutex<Beat>,
    leave: Notify,
}

#[derive(Debug, Clone, Copy)]
struct Beat {
    phase: Phase,
    since: Instant,
    /// When a byte was last sent or received.
    moved: Instant,
    /// The body of the request is not complete.
    owes: bool,
    /// The body of the answer was handed over.
    told: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Nothing was ever received.
    Fresh,
    /// Between two requests.
    Idle,
    /// A part of a header was received.
    Header,
    /// A request is with its handler, which has a time limit of its own.
    Request,
    /// An answer is on its way. A stream may take as long as it likes while it moves.
    Answer { is_stream: bool },
    /// It was told to make room.
    Leaving,
}

/// Why a connection is closed that did not end by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// Its header did not become complete in time.
    Header,
    /// There was no further request.
    Idle,
    /// Its answer was not taken.
    Answer,
    /// It waited for a request, and another connection needed the place.
    MadeRoom,
    /// The service stops, and no complete request was under way.
    Stopped,
}

impl Why {
    pub(super) const ALL: [Self; 5] = [Self::Header, Self::Idle, Self::Answer, Self::MadeRoom, Self::Stopped];

    /// As a label.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Header => "header",
            Self::Idle => "idle",
            Self::Answer => "answer",
            Self::MadeRoom => "made_room",
            Self::Stopped => "stopped",
        }
    }
}

impl Pulse {
    /// Of a connection that was made just now.
    pub(super) fn new() -> Self {
        let now = Instant::now();
        let beat = Beat { phase: Phase::Fresh, since: now, moved: now, owes: false, told: false };
        Self { beat: Mutex::new(beat), leave: Notify::new() }
    }

    /// Bytes came.
    pub(super) fn received(&self) {
        let mut beat = self.beat();
        beat.moved = Instant::now();
        match beat.phase {
            // From the connection on: a byte now and then is no header.
            Phase::Fresh => beat.phase = Phase::Header,
            // What is left of a body that no handler wanted is no header either.
            Phase::Idle if !beat.owes => beat.enter(Phase::Header),
            _ => {}
        }
    }

    /// A header is complete; `owes` where a body follows.
    pub(super) fn begins(&self, owes: bool) {
        let mut beat = self.beat();
        beat.owes = owes;
        beat.enter(Phase::Request);
    }

    /// The request's body is complete, or nobody wants it any more.
    pub(super) fn owes_nothing(&self) {
        let mut beat = self.beat();
        beat.owes = false;
        if beat.phase == Phase::Idle {
            beat.since = Instant::now();
        }
    }

    /// The handler has answered.
    pub(super) fn answers(&self, is_stream: bool) {
        let mut beat = self.beat();
        beat.told = false;
        beat.enter(Phase::Answer { is_stream });
    }

    /// The whole answer was handed over to be sent.
    pub(super) fn told(&self) {
        self.beat().told = true;
    }

    /// The network took bytes.
    pub(super) fn sent(&self) {
        let mut beat = self.beat();
        beat.moved = Instant::now();
        if beat.phase == (Phase::Answer { is_stream: true }) {
            beat.since = beat.moved;
        }
    }

    /// The network has taken all that was handed over.
    pub(super) fn flushed(&self) {
        let mut beat = self.beat();
        if matches!(beat.phase, Phase::Answer { .. }) && beat.told {
            beat.enter(Phase::Idle);
        }
    }

    /// For how long it has waited for a request, if that is what it does.
    pub(super) fn waits_since(&self) -> Option<Instant> {
        let beat = self.beat();
        beat.waits().then_some(beat.since)
    }

    /// Tells it to make room, unless it has a request by now.
    pub(super) fn make_room(&self) -> bool {
        let mut beat = self.beat();
        let waits = beat.waits();
        if waits {
            beat.enter(Phase::Leaving);
            self.leave.notify_one();
        }
        waits
    }

    /// Whether it was told to make room.
    pub(super) fn is_leaving(&self) -> bool {
        self.beat().phase == Phase::Leaving
    }

    /// Until it is told to make room.
    pub(super) fn told_to_leave(&self) -> Notified<'_> {
        self.leave.notified()
    }

    /// Until when it may go on as it is, and why it is closed then; `None` while a handler is at work.
    pub(super) fn deadline(&self, limits: &ConnectionConfig, stopping: Option<Instant>) -> Option<(Instant, Why)> {
        let beat = *self.beat();
        let regular = match beat.phase {
            Phase::Fresh | Phase::Header => Some((beat.since + limits.header_timeout, Why::Header)),
            Phase::Idle => Some((beat.since + limits.idle_timeout, Why::Idle)),
            Phase::Answer { .. } => Some((beat.since + limits.answer_timeout, Why::Answer)),
            Phase::Leaving => Some((beat.since, Why::MadeRoom)),
            Phase::Request => None,
        };
        let at_the_end = stopping.and_then(|stopping| match beat.phase {
            Phase::Request if !beat.owes => None,
            Phase::Request | Phase::Answer { .. } => Some((beat.moved.max(stopping) + STALLED, Why::Stopped)),
            _ => Some((stopping + LINGER, Why::Stopped)),
        });
        regular.into_iter().chain(at_the_end).min_by_key(|(until, _)| *until)
    }

    fn beat(&self) -> MutexGuard<'_, Beat> {
        self.beat.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Beat {
    fn enter(&mut self, phase: Phase) {
        (self.phase, self.since) = (phase, Instant::now());
    }

    fn waits(&self) -> bool {
        matches!(self.phase, Phase::Fresh | Phase::Idle | Phase::Header)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::sleep;

    use super::*;

    const WHILE: Duration = Duration::from_millis(300);

    fn limits() -> ConnectionConfig {
        ConnectionConfig {
            max: 1,
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(100),
            answer_timeout: Duration::from_secs(50),
        }
    }

    /// Milliseconds that are left, and what then ends it.
    fn left(pulse: &Pulse, stopping: Option<Instant>) -> (u128, Option<Why>) {
        pulse
            .deadline(&limits(), stopping)
            .map_or((0, None), |(until, why)| (until.saturating_duration_since(Instant::now()).as_millis(), Some(why)))
    }

    /// A test's own steps take less than a tenth of a second.
    fn is(left: (u128, Option<Why>), milliseconds: u128, why: Why) {
        assert_eq!(left.1, Some(why));
        assert!(left.0 <= milliseconds && left.0 + 100 > milliseconds, "{} ms are left, not {milliseconds}", left.0);
    }

    #[tokio::test]
    async fn a_byte_now_and_then_gives_a_header_no_more_time() {
        let pulse = Pulse::new();
        for _ in 0..3 {
            sleep(WHILE / 3).await;
            pulse.received();
        }
        is(left(&pulse, None), 9_700, Why::Header);
    }

    #[tokio::test]
    async fn each_phase_has_its_own_time() {
        let pulse = Pulse::new();
        is(left(&pulse, None), 10_000, Why::Header);
        pulse.received();
        pulse.begins(true);
        assert_eq!(left(&pulse, None).1, None);
        pulse.answers(false);
        pulse.sent();
        is(left(&pulse, None), 50_000, Why::Answer);
        pulse.flushed();
        is(left(&pulse, None), 50_000, Why::Answer);
        pulse.told();
        pulse.flushed();
        is(left(&pulse, None), 100_000, Why::Idle);
        // The rest of the body is no header.
        pulse.received();
        is(left(&pulse, None), 100_000, Why::Idle);
        pulse.owes_nothing();
        pulse.received();
        is(left(&pulse, None), 10_000, Why::Header);
    }

    #[tokio::test]
    async fn an_answer_has_its_time_as_a_whole_and_a_stream_while_it_moves() {
        for (is_stream, expected) in [(false, 49_700), (true, 50_000)] {
            let pulse = Pulse::new();
            pulse.begins(false);
            pulse.answers(is_stream);
            sleep(WHILE).await;
            pulse.sent();
            is(left(&pulse, None), expected, Why::Answer);
        }
    }

    #[tokio::test]
    async fn at_the_end_only_work_is_waited_for() {
        let stopping = Some(Instant::now());
        let pulse = Pulse::new();
        is(left(&pulse, stopping), 250, Why::Stopped);
        pulse.received();
        is(left(&pulse, stopping), 250, Why::Stopped);
        // A body that does not come.
        pulse.begins(true);
        is(left(&pulse, stopping), 2_000, Why::Stopped);
        pulse.owes_nothing();
        assert_eq!(left(&pulse, stopping).1, None);
        pulse.answers(false);
        is(left(&pulse, stopping), 2_000, Why::Stopped);
    }

    #[test]
    fn who_has_a_request_makes_no_room() {
        let pulse = Pulse::new();
        pulse.begins(false);
        assert!(!pulse.make_room() && pulse.waits_since().is_none());
        let pulse = Pulse::new();
        assert!(pulse.make_room());
        is(left(&pulse, None), 0, Why::MadeRoom);
        assert!(!pulse.make_room(), "once");
    }
}
