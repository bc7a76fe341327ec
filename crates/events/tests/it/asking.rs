//! Outside systems that are asked for some events only, and several of them behind one handler.

use std::{
    future::pending,
    time::{Duration, Instant},
};

use events::{
    consume::{BatchHandler, Batching, Consumer, Listener, Received, ask},
    contract::{schema::voice::PatientCreationV1, topics::DEAD_LETTER_QUEUE},
    flow::{
        error::HandlerError,
        retry::{Backoff, RetryPolicy},
    },
    publish::Tx,
};
use test_kit::{kafka, proxy::Proxy, wait::wait_until};

use crate::{
    peer::{AskSome, PATIENCE, Peer, Says, THREE, ask_some, builder},
    support::{LONG, Rig, Running, said},
};

async fn counted(rig: &Rig, name: &str) -> usize {
    rig.effects().await.iter().filter(|(_, done)| done.starts_with(name)).count()
}

async fn letters(rig: &Rig) -> usize {
    kafka::read_topic_to_end(&rig.servers(), &rig.topic(&DEAD_LETTER_QUEUE)).await.len()
}

/// How a system is away.
#[derive(Clone, Copy, Debug)]
enum Away {
    Cut,
    Hangs,
    Answers(u16),
}

/// A system is away for some seconds, and so many events need it; many more of the same handler do not.
async fn an_outage(says: Says, away: Away, needing: usize) {
    let handler = AskSome::new(says, PATIENCE);
    an_outage_of(&format!("{says:?}"), away, needing, |rig| builder(rig).handle(handler).build().unwrap()).await;
}

async fn an_outage_of(what: &str, away: Away, needing: usize, consumer: impl FnOnce(&Rig) -> Consumer) -> usize {
    let rig = Rig::new().await;
    rig.create_topics().await;
    let peer = Peer::start().await;
    let mut proxy = Proxy::before(&peer.address).await;
    let address = proxy.address();
    let consumer = Running::consumer(consumer(&rig)).await;
    match away {
        Away::Cut => proxy.cut().await,
        Away::Hangs => peer.hangs(),
        Away::Answers(status) => peer.answers(status),
    }
    for number in 0..needing {
        rig.send(said(&format!("needs-{number}"), &format!("ask {address}/fine"))).await;
    }
    let (began, mut sent, mut slowest) = (Instant::now(), 0, Duration::ZERO);
    while began.elapsed() < Duration::from_secs(8) {
        let at = Instant::now();
        rig.send(said(&format!("free-{sent}"), "free")).await;
        sent += 1;
        wait_until("what needs nobody goes on", LONG, || async { counted(&rig, "free").await >= sent }).await;
        slowest = slowest.max(at.elapsed());
    }
    assert_eq!(counted(&rig, "ask").await, 0, "it was away");
    assert_eq!(letters(&rig).await, 0, "given up, though the system was away");
    let asked = peer.asked();
    match away {
        Away::Cut => proxy.mend().await,
        _ => peer.recovers(),
    }
    let back = Instant::now();
    wait_until("all is made up for", LONG, || async { counted(&rig, "ask").await >= needing }).await;
    println!(
        "{what}, {away:?}, {needing} that need it: {sent} others went on, the slowest took {slowest:?}; it was asked {asked} times \
         meanwhile; all done {:?} after its return",
        back.elapsed()
    );
    rig.wait_until_committed().await;
    assert_eq!(letters(&rig).await, 0);
    consumer.stop().await;
    asked
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_ask_nobody_prove_nothing_of_a_system_that_is_cut_off() {
    an_outage(Says::Nothing, Away::Cut, 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_ask_nobody_go_on_though_many_others_wait_for_a_system() {
    an_outage(Says::WhomToBlame, Away::Cut, 50).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_ask_nobody_prove_nothing_of_a_system_that_one_lone_event_needs() {
    an_outage(Says::WhomToBlame, Away::Answers(503), 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_ask_nobody_prove_nothing_of_a_system_that_hangs() {
    an_outage(Says::WhomToBlame, Away::Hangs, 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_ask_nobody_prove_nothing_of_a_system_that_fails_at_all_that_ask() {
    an_outage(Says::Nothing, Away::Answers(500), 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn several_systems_behind_one_handler_neither_block_nor_prove_each_other() {
    let rig = Rig::new().await;
    rig.create_topics().await;
    let (away, sound) = (Peer::start().await, Peer::start().await);
    let mut proxy = Proxy::before(&away.address).await;
    let consumer = ask_some(&rig, Says::WhomToBlame).await;
    proxy.cut().await;
    for number in 0..20 {
        rig.send(said(&format!("away-{number}"), &format!("ask {}/away", proxy.address()))).await;
    }
    let (began, mut sent, mut slowest) = (Instant::now(), 0, Duration::ZERO);
    while began.elapsed() < Duration::from_secs(8) {
        let at = Instant::now();
        rig.send(said(&format!("sound-{sent}"), &format!("ask {}/sound", sound.address))).await;
        sent += 1;
        wait_until("what needs the sound one goes on", LONG, || async { rig.effects().await.len() >= sent }).await;
        slowest = slowest.max(at.elapsed());
    }
    assert_eq!(letters(&rig).await, 0, "given up, though the system was away");
    proxy.mend().await;
    let back = Instant::now();
    rig.wait_for_effects(sent + 20).await;
    println!("{sent} for the sound one, the slowest took {slowest:?}; all done {:?} after the return", back.elapsed());
    rig.wait_until_committed().await;
    assert_eq!(letters(&rig).await, 0);
    consumer.stop().await;
}

/// Its turn to ask must not be lost with it: it would be another's only after an attempt's whole limit, which is a minute.
#[tokio::test(flavor = "multi_thread")]
async fn one_that_asks_a_system_and_fails_at_another_leaves_the_next_its_turn() {
    let rig = Rig::new().await;
    rig.create_topics().await;
    let (first, second) = (Peer::start().await, Peer::start().await);
    let (mut first, mut second) = (Proxy::before(&first.address).await, Proxy::before(&second.address).await);
    let consumer = ask_some(&rig, Says::WhomToBlame).await;
    first.cut().await;
    second.cut().await;
    rig.send(said("call-1", &format!("ask {}/a {}/b", first.address(), second.address()))).await;
    // Long enough for the first one's breaker to open, and then for its probe to meet the second.
    tokio::time::sleep(Duration::from_secs(3)).await;
    first.mend().await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    second.mend().await;
    let back = Instant::now();
    rig.wait_for_effects(1).await;
    println!("done {:?} after both were back", back.elapsed());
    assert!(back.elapsed() < Duration::from_secs(20), "it waited for a turn that nobody used");
    assert_eq!(letters(&rig).await, 0);
    consumer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_system_that_is_named_before_it_is_asked_is_left_alone_while_it_is_away() {
    let handler = AskSome::new(Says::WhomItAsks, PATIENCE);
    let asked =
        an_outage_of("named", Away::Answers(503), 200, |rig| builder(rig).handle(handler).build().unwrap()).await;
    assert!(asked < 100, "most of those that need it must not have asked, but it was asked {asked} times");
}

/// Neither the client nor the handler has a limit: the attempt's is the only one.
#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_that_is_cut_off_in_a_call_is_an_outage_of_the_system_that_was_called() {
    let handler = AskSome::new(Says::WhomItAsks, Duration::from_secs(3_600));
    let limit = Duration::from_millis(500);
    an_outage_of("no limit", Away::Hangs, 3, |rig| builder(rig).handle(handler).attempt_limit(limit).build().unwrap())
        .await;
}

/// Names whom it asks, and waits for it no longer than it likes.
struct Impatient;

impl Impatient {
    async fn ask() -> Result<(), HandlerError> {
        let call = ask("crm.example", pending::<Result<(), HandlerError>>());
        let in_time = tokio::time::timeout(Duration::from_millis(100), call).await;
        in_time.unwrap_or_else(|_| Err(HandlerError::retry("the customer could not be looked up in time")))
    }
}

impl Listener for Impatient {
    const NAME: &'static str = "impatient";
    type Event = PatientCreationV1;

    async fn hear(&self, _: &Received<PatientCreationV1>) -> Result<(), HandlerError> {
        Self::ask().await
    }
}

impl BatchHandler for Impatient {
    const NAME: &'static str = "impatient-together";
    type Item = Received<PatientCreationV1>;

    async fn apply(&self, _: &[&Self::Item], _: &mut Tx) -> Result<(), HandlerError> {
        Self::ask().await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_its_handler_cuts_off_is_an_outage_of_the_system_that_was_called() {
    for in_batches in [false, true] {
        let rig = Rig::new().await;
        rig.create_topics().await;
        let alone = Consumer::without_database(rig.config.clone(), "test-group", "test-service");
        let consumer = if in_batches {
            builder(&rig).handle_batches(Impatient, Batching::default()).build()
        } else {
            alone.listen(Impatient).retry(THREE).build()
        };
        let consumer = Running::consumer(consumer.unwrap()).await;
        for number in 0..20 {
            rig.send(said(&format!("call-{number}"), "x")).await;
        }
        tokio::time::sleep(Duration::from_secs(8)).await;
        assert_eq!(letters(&rig).await, 0, "given up, though the system hangs (in batches: {in_batches})");
        consumer.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_batch_only_those_that_need_a_system_wait_for_it() {
    for says in [Says::WhomToBlame, Says::WhomItAsks] {
        let handler = AskSome::new(says, PATIENCE);
        let what = format!("in batches, {says:?}");
        an_outage_of(&what, Away::Cut, 20, |rig| {
            let consumer = Consumer::builder(rig.config.clone(), "test-group", "test-service", rig.outbox.clone());
            consumer.retry(THREE).handle_batches(handler, Batching::default()).build().unwrap()
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_that_counted_before_an_outage_does_not_make_the_outage_count() {
    let rig = Rig::new().await;
    rig.create_topics().await;
    let peer = Peer::start().await;
    let mut proxy = Proxy::before(&peer.address).await;
    proxy.cut().await;
    // The one wait between its attempts takes longer than all that it may take.
    let (base, total) = (Duration::from_millis(300), Duration::from_millis(200));
    let retry = RetryPolicy { backoff: Backoff::Fixed, base, total, ..THREE };
    let handler = AskSome::new(Says::WhomToBlame, PATIENCE);
    let consumer = Running::consumer(builder(&rig).handle(handler).retry(retry).build().unwrap()).await;
    rig.send(said("call-1", &format!("stumble and ask {}/fine", proxy.address()))).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    proxy.mend().await;
    rig.wait_until_committed().await;
    assert_eq!((letters(&rig).await, rig.effects().await.len()), (0, 1));
    consumer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_event_that_a_system_never_answers_is_given_up_once_others_that_ask_it_are_answered() {
    let rig = Rig::new().await;
    rig.create_topics().await;
    let peer = Peer::start().await;
    let consumer = ask_some(&rig, Says::WhomItAsks).await;
    rig.send(said("call-bad", &format!("ask {}/hang", peer.address))).await;
    rig.send(said("call-bad", "next")).await;
    let began = Instant::now();
    let mut sent = 0;
    while began.elapsed() < Duration::from_secs(8) {
        sent += 1;
        rig.send(said(&format!("free-{sent}"), "free")).await;
        wait_until("what needs nobody goes on", LONG, || async { counted(&rig, "free").await >= sent }).await;
    }
    assert_eq!(letters(&rig).await, 0, "nobody has proved that the system is there");
    let mut others = 0;
    while letters(&rig).await == 0 {
        others += 1;
        assert!(began.elapsed() < LONG, "it is still tried, though the system answered {others} others");
        rig.send(said(&format!("fine-{others}"), &format!("ask {}/fine", peer.address))).await;
    }
    println!("kept while {sent} asked nobody, given up when the system had answered {others} others");
    rig.wait_until_committed().await;
    assert_eq!(counted(&rig, "next").await, 1);
    assert_eq!(counted(&rig, "ask").await, others);
    consumer.stop().await;
}
