//! Kafka away: callers do not notice, and when it is back everything goes on, without a restart.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use test_kit::broker::Broker;

use crate::support::{Place, System, patient};

const CALLS: usize = 5;
const WARM_UP: usize = 20;
const DURING: usize = 50;
/// A caller is answered within this time, Kafka or not.
const PROMPT: Duration = Duration::from_millis(100);

fn call_id(number: usize) -> String {
    format!("call-{}", number % CALLS)
}

#[tokio::test(flavor = "multi_thread")]
async fn kafka_away_delays_no_caller() {
    let mut broker = Broker::start().await;
    let system = System::with(Place::alone(broker.bootstrap()).await, &[]).await;
    for number in 0..WARM_UP {
        system.say(&call_id(number), &patient(number)).await;
    }
    for number in 0..CALLS {
        system.applied(&call_id(number)).await;
    }

    broker.kill();
    let mut times = Vec::new();
    for number in WARM_UP..WARM_UP + DURING {
        let began = Instant::now();
        system.say(&call_id(number), &patient(number)).await;
        times.push(began.elapsed());
    }
    times.sort();
    let (median, worst) = (times[DURING / 2], times[DURING - 1]);
    println!("answers while Kafka is away: median {median:?}, worst {worst:?}");
    assert!(worst < PROMPT, "a caller waited {worst:?}");
    let page = system.get(&system.voice_ingest, "/api/v1/calls/call-0").await;
    let last = page["extractions"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(last["status"], "accepted", "kept, and not pretended to be published");

    broker.start_again().await;
    let began = Instant::now();
    for number in 0..CALLS {
        let page = system.applied(&call_id(number)).await;
        assert_eq!(page["extractions"].as_array().unwrap().len(), (WARM_UP + DURING) / CALLS);
    }
    println!("all applied {:?} after Kafka was back", began.elapsed());

    let mut seen = BTreeSet::new();
    let mut order: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for event in system.place.all_records("ai-responses").await {
        if seen.insert(event.id.clone()) {
            order.entry(event.key).or_default().push(event.value["data"]["name"].as_str().unwrap().to_owned());
        }
    }
    let said = |call: usize| {
        let numbers = (0..WARM_UP + DURING).filter(|number| number % CALLS == call);
        (format!("call-{call}"), numbers.map(|number| format!("Caller {number}")).collect::<Vec<_>>())
    };
    assert_eq!(order, (0..CALLS).map(said).collect::<BTreeMap<_, _>>());
}
