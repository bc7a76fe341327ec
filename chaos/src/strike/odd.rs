//! What strangers write between the good records: what the protocol allows and no decent client does. Each is one record with a
//! key of its own.

use events::contract::{headers, headers::dlq};
use test_kit::raw_produce::{Compression, RawRecord, produce};
use tokio::{task::spawn_blocking, time::sleep};

use crate::{
    history::{Fact, Garbage, Outage, Write, WriteOutcome},
    observe::group::GroupView,
    timeline::Strike,
    world::{Way, World},
};

type Headers = Vec<(Vec<u8>, Option<Vec<u8>>)>;

/// What a consumer has to make of a record.
enum Value {
    /// It is a good event: handled, whatever its headers say.
    Good,
    /// It is a good event, and the client cannot read its headers: kept as a dead letter.
    Hidden,
    /// It is none: kept as a dead letter.
    Garbage(Vec<u8>),
    /// It is none, and its bytes may be too many for a dead letter.
    Heavy(Vec<u8>),
}

const NO_TEXT: &[u8] = &[0xff, 0xfe, b'x'];
/// Fits a topic, and its dead letter fits with what it says besides.
const LARGE: usize = 900_000;
/// Fits a topic only as it travels.
const TOO_LARGE: usize = 2_000_000;

fn one(name: &[u8], value: &[u8]) -> Headers {
    vec![(name.to_vec(), Some(value.to_vec()))]
}

fn every(names: &[&str], value: &[u8]) -> Headers {
    names.iter().flat_map(|name| one(name.as_bytes(), value)).collect()
}

fn odd_names() -> Headers {
    let names: [(&[u8], Option<&[u8]>); 4] =
        [(b"", Some(b"no name")), (b"null", None), (b"twice", None), (b"twice", Some(NO_TEXT))];
    names.iter().map(|(name, value)| (name.to_vec(), value.map(<[u8]>::to_vec))).collect()
}

fn many() -> Headers {
    (0..1_000).map(|number| (format!("header-{}", number % 10).into_bytes(), Some(vec![b'h'; 20]))).collect()
}

fn dlq_names() -> Headers {
    every(&[dlq::ID, dlq::TOPIC, dlq::PARTITION, dlq::OFFSET, dlq::GROUP, dlq::REPLAYS, dlq::FIRST_FAILED_AT], NO_TEXT)
}

fn ce_names() -> Headers {
    every(
        &[headers::CE_ID, headers::CE_TYPE, headers::CE_TIME, headers::CE_SPECVERSION, headers::CONTENT_TYPE],
        NO_TEXT,
    )
}

fn journey() -> Headers {
    every(&[headers::CORRELATION_ID, headers::CAUSATION_ID, headers::TRACEPARENT, headers::TRACESTATE], NO_TEXT)
}

/// Each kind once. One header of a replay makes none.
fn kinds() -> Vec<(Value, Headers)> {
    use Value::{Garbage, Good, Heavy, Hidden};
    vec![
        (Good, one(headers::TARGET_GROUP.as_bytes(), b"somebody-else")),
        (Garbage(vec![0xff, 0x00, 0x80]), Vec::new()),
        (Good, one(headers::TARGET_HANDLER.as_bytes(), b"somebody-else")),
        (Garbage(b"{\"event_type\":".to_vec()), one(NO_TEXT, b"1")),
        (Good, one(headers::REPLAY_ID.as_bytes(), NO_TEXT)),
        (Garbage(Vec::new()), odd_names()),
        (Good, one(headers::DEAD_LETTER_ID.as_bytes(), NO_TEXT)),
        (Garbage(vec![b'z'; LARGE]), Vec::new()),
        (Good, dlq_names()),
        (Garbage(b"[]".to_vec()), dlq_names()),
        (Good, ce_names()),
        (Heavy(vec![0; TOO_LARGE]), Vec::new()),
        (Good, journey()),
        (Garbage(b"null".to_vec()), many()),
        (Good, [many(), odd_names()].concat()),
        (Garbage(b"\0\0\0\0\x01{}".to_vec()), [ce_names(), journey()].concat()),
        (Hidden, one(NO_TEXT, NO_TEXT)),
        (Garbage(b"{}".to_vec()), one(b"large", &vec![b'h'; 100_000])),
        (Good, one(b"large", &vec![b'h'; 100_000])),
    ]
}

pub(super) async fn records(world: &World, strike: &Strike) -> Vec<Outage> {
    let way = world.way(strike.target);
    let kinds: Vec<_> = kinds().into_iter().filter(|(value, _)| way.hop.event.is_some() || !is_event(value)).collect();
    let breath = strike.lasts / kinds.len() as u32;
    for (number, (value, headers)) in kinds.into_iter().enumerate() {
        let fact = Fact { key: format!("odd-{}-{number}", strike.target), seq: 1 };
        write(world, &way, fact, value, headers, number).await;
        sleep(breath).await;
    }
    Vec::new()
}

fn is_event(value: &Value) -> bool {
    matches!(value, Value::Good | Value::Hidden)
}

async fn write(world: &World, way: &Way, fact: Fact, value: Value, headers: Headers, number: usize) {
    let key = Some(fact.key.clone().into_bytes());
    let poison = matches!(value, Value::Hidden);
    let is_kept = !matches!(value, Value::Heavy(_));
    match value {
        Value::Good | Value::Hidden => {
            let event = way.hop.event.expect("only where strangers know how to write one");
            let record = RawRecord { key, value: Some(event(&fact)), headers };
            send(world, way, record, number, Compression::None).await;
            let write = Write { fact, poison, outcome: WriteOutcome::Acknowledged };
            world.acts.note(&way.topic, |deeds| deeds.writes.push(write));
        }
        Value::Garbage(value) | Value::Heavy(value) => {
            let record = RawRecord { key, value: Some(value.clone()), headers };
            let compression = if is_kept { Compression::None } else { Compression::Gzip };
            let (partition, offset) = send(world, way, record, number, compression).await;
            let garbage = Garbage { partition, offset, value: is_kept.then_some(value) };
            world.acts.note(&way.topic, |deeds| deeds.garbage.push(garbage));
        }
    }
}

async fn send(world: &World, way: &Way, record: RawRecord, number: usize, compression: Compression) -> (i32, i64) {
    // While another fault has Kafka down there is nobody to take it.
    let _broker = world.ground.broker.lock().await;
    let (servers, asked) = (world.ground.servers.clone(), way.clone());
    let view = spawn_blocking(move || GroupView::open(&servers, &asked.group, &asked.topic)).await;
    let partitions = view.expect("asking does not panic").expect("Kafka runs").partitions();
    let partition = number as i32 % partitions;
    let offset = produce(&world.ground.servers, &way.topic, partition, &[record], compression).await;
    (partition, offset)
}

/// Of keys that others write too, and of one that nobody does.
pub(super) async fn tombstones(world: &World, strike: &Strike) -> Vec<Outage> {
    const COUNT: usize = 20;
    let way = world.way(strike.target);
    for number in 0..COUNT {
        let key = Some(format!("key-{number}").into_bytes());
        send(world, &way, RawRecord { key, ..RawRecord::default() }, number, Compression::None).await;
        sleep(strike.lasts / COUNT as u32).await;
    }
    Vec::new()
}
