//! The whole way of a record through the engine, whatever bytes it has, without a broker: Kafka's client plays one itself. Nothing may
//! panic, every record comes to an end, and nothing of what stands in it gets into a log line, a metric, or what its letter says.
//!
//! A few seconds in a test run; `FUZZ_SECONDS=3600 cargo test -p events --lib fuzz -- --nocapture` for an hour. `FUZZ_SEED` draws the
//! same again.

use std::{
    env, fs, io,
    panic::AssertUnwindSafe,
    path::Path,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use clap::Parser;
use fastrand::Rng;
use futures::{FutureExt, future::join_all};
use metrics_exporter_prometheus::PrometheusBuilder;
use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    message::{Header, Headers as _, OwnedHeaders, OwnedMessage, Timestamp},
    mocking::MockCluster,
};
use serde_json::Value;

use super::{
    Consumer, Listener, Received, asking,
    attempt::Engine,
    consumer::Session,
    outcome::Verdict,
    record::{Block, Record},
    stopwatch::Stopwatch,
    work::Work,
};
use crate::{
    contract::{
        event::Event,
        headers,
        schema::{
            self, communication::SendEmailV1, conversation::ConversationMessageV1, golden,
            healthcore::PatientCreatedV1, lead::LeadCreatedV1, monitoring::HealthCheckV1, voice::PatientCreationV1,
        },
        topics,
    },
    flow::{error::HandlerError, ledger::Ticket},
    kafka::config::KafkaConfig,
};

/// What is put into records, and looked for in all that is told of them.
const CANARIES: [&str; 4] = ["Canary-Jane", "Kanarienvogel", "8151815118", "\u{16a0}\u{16a1}"];
/// So many records are on their way at once.
const TOGETHER: usize = 64;

/// Takes events of one type, and refuses some.
struct Hears<E>(std::marker::PhantomData<fn(E)>);

macro_rules! hears {
    ($($event:ident as $name:literal),*) => {
        $(impl Listener for Hears<$event> {
            const NAME: &'static str = $name;
            type Event = $event;

            async fn hear(&self, event: &Received<$event>) -> Result<(), HandlerError> {
                match event.key.len() % 5 {
                    0 => Err(HandlerError::reject("refused", "told to refuse")),
                    // Without a word, which would fill the output.
                    1 => std::panic::resume_unwind(Box::new("told to panic")),
                    _ => Ok(()),
                }
            }
        })*

        fn consumer(config: &KafkaConfig) -> Consumer {
            let builder = Consumer::without_database(config.clone(), "fuzz-group", "fuzz");
            let builder = builder.retry(crate::flow::retry::RetryPolicy::NEVER);
            $(let builder = builder.listen(Hears::<$event>(std::marker::PhantomData));)*
            builder.build().unwrap()
        }

        const TOPICS: &[&topics::TopicSpec] = &[$($event::TOPIC),*];
    };
}

hears!(
    PatientCreationV1 as "hears-creations",
    PatientCreatedV1 as "hears-patients",
    LeadCreatedV1 as "hears-leads",
    ConversationMessageV1 as "hears-messages",
    SendEmailV1 as "hears-mails",
    HealthCheckV1 as "hears-health"
);

#[derive(Parser)]
struct Settings {
    #[command(flatten)]
    kafka: KafkaConfig,
}

/// Draws records that are nearly what producers write.
struct Source {
    random: Rng,
    values: Vec<Vec<u8>>,
}

impl Source {
    fn new(seed: u64) -> Self {
        let mut values: Vec<Vec<u8>> =
            schema::catalogue().iter().map(|spec| golden::example(spec).to_string().into_bytes()).collect();
        let earlier = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/legacy");
        for entry in fs::read_dir(earlier).unwrap() {
            let example: Value = serde_json::from_str(&fs::read_to_string(entry.unwrap().path()).unwrap()).unwrap();
            values.push(example["record"].to_string().into_bytes());
        }
        values.sort();
        Self { random: Rng::with_seed(seed), values }
    }

    fn canary(&mut self) -> &'static str {
        CANARIES[self.random.usize(..CANARIES.len())]
    }

    fn noise(&mut self, most: usize) -> Vec<u8> {
        let length = self.random.usize(..most);
        (0..length).map(|_| self.random.u8(..)).collect()
    }

    fn value(&mut self) -> Option<Vec<u8>> {
        let mut value = match self.random.u8(..20) {
            0 => return None,
            1 => self.noise(200),
            _ => self.values[self.random.usize(..self.values.len())].clone(),
        };
        for _ in 0..self.random.usize(..4) {
            self.spoil(&mut value);
        }
        if self.random.u8(..20) == 0 {
            value.splice(..0, [0, 0, 0, 0, 7]);
        }
        Some(value)
    }

    /// One change: of bytes, of JSON's marks, or a canary in the place of a word or a number.
    fn spoil(&mut self, value: &mut Vec<u8>) {
        if value.is_empty() {
            return;
        }
        let at = self.random.usize(..value.len());
        match self.random.u8(..9) {
            0 => value[at] = self.random.u8(..),
            1 => value.truncate(at),
            2 => {
                let again = value[at..].to_vec();
                value.extend(again);
            }
            3 => value[at] = b"{}[]\",:0-e.\\n"[self.random.usize(..13)],
            4 => {
                let noise = self.noise(40);
                value.splice(at..at, noise);
            }
            5 => {
                value.splice(at..at, *b"\\u0000");
            }
            _ => {
                let canary = self.canary();
                let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
                let from = value[..at].iter().rposition(|byte| !is_word(byte)).map_or(0, |mark| mark + 1);
                let to = value[at..].iter().position(|byte| !is_word(byte)).map_or(value.len(), |mark| at + mark);
                value.splice(from..to.max(from), canary.bytes());
            }
        }
    }

    fn headers(&mut self) -> OwnedHeaders {
        const NAMES: [&str; 18] = [
            headers::CE_ID,
            headers::CE_TYPE,
            headers::CE_DATASCHEMA,
            headers::CORRELATION_ID,
            headers::TRACEPARENT,
            headers::TARGET_GROUP,
            headers::TARGET_HANDLER,
            headers::DEAD_LETTER_ID,
            headers::REPLAY_ID,
            headers::dlq::ID,
            headers::dlq::REPLAYS,
            headers::dlq::FIRST_FAILED_AT,
            headers::dlq::MESSAGE,
            "",
            "x-other",
            "Canary-Jane",
            "\u{16a0}\u{16a1}",
            "content-type",
        ];
        let mut headers = OwnedHeaders::new();
        for _ in 0..self.random.usize(..8) {
            let key = NAMES[self.random.usize(..NAMES.len())];
            let value = match self.random.u8(..6) {
                0 => None,
                1 => Some(self.noise(30)),
                2 => Some(b"fuzz-group".to_vec()),
                3 => Some(uuid::Uuid::from_u128(self.random.u128(..)).to_string().into_bytes()),
                4 => Some(self.random.u32(..).to_string().into_bytes()),
                _ => Some(self.canary().as_bytes().repeat(self.random.usize(1..50))),
            };
            headers = headers.insert(Header { key, value: value.as_ref() });
        }
        headers
    }

    fn record(&mut self, offset: i64) -> (Record, OwnedMessage) {
        let topic = self.random.usize(..TOPICS.len());
        let key = match self.random.u8(..4) {
            0 => None,
            1 => Some(self.noise(20)),
            _ => Some(self.canary().as_bytes().to_vec()),
        };
        let time = if self.random.bool() {
            Timestamp::CreateTime(self.random.i64(-5..i64::MAX))
        } else {
            Timestamp::NotAvailable
        };
        let (value, headers) = (self.value(), self.headers());
        let message = OwnedMessage::new(value, key, String::new(), time, 0, offset, Some(headers));
        (Record::copy(&message, topic as u16, &mut Block::default()), message)
    }
}

/// All that was logged.
#[derive(Clone, Default)]
struct Logged(Arc<Mutex<Vec<u8>>>);

impl io::Write for Logged {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn assert_tells_nothing(what: &str, text: &str, seed: u64) {
    for canary in CANARIES {
        let shown = text.lines().find(|line| line.contains(canary));
        assert!(shown.is_none(), "{what} tells what stands in a record: {shown:?}; again with FUZZ_SEED={seed}");
    }
}

/// The letters that came since, with what they say of their own.
fn look_at_letters(letters: &BaseConsumer, seed: u64) -> usize {
    let mut count = 0;
    while let Some(letter) = letters.poll(Duration::from_millis(20)) {
        let Ok(letter) = letter else { break };
        count += 1;
        let headers = letter.headers().unwrap();
        for header in headers.iter().filter(|header| header.key.starts_with(headers::dlq::PREFIX)) {
            // Those three are the record's own words, bounded.
            let is_its_own =
                [headers::dlq::CORRELATION_ID, headers::dlq::EVENT_TYPE, headers::dlq::EVENT_ID].contains(&header.key);
            let text = String::from_utf8(header.value.unwrap_or_default().to_vec()).unwrap();
            assert!(!text.contains(char::is_control), "{} has a control character; FUZZ_SEED={seed}", header.key);
            if !is_its_own {
                assert_tells_nothing(header.key, &text, seed);
            }
        }
    }
    count
}

fn engine(config: &KafkaConfig) -> Arc<Engine> {
    let Consumer { parts, status, .. } = consumer(config);
    Session::new(parts, status).unwrap().engine()
}

#[tokio::test(flavor = "current_thread")]
#[allow(clippy::print_stdout, reason = "a long run shows its progress")]
async fn whatever_bytes_a_record_has_it_comes_to_an_end_and_nothing_of_it_is_told() {
    let number = |name: &str| env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seed = number("FUZZ_SEED").unwrap_or_else(|| fastrand::u64(..1_000_000));
    let limit = Duration::from_secs(number("FUZZ_SECONDS").unwrap_or(5));
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("dead.letter.queue", 1, 1).unwrap();
    cluster.create_topic("dead.letter.receipts", 1, 1).unwrap();
    let arguments =
        ["fuzz", "--kafka-bootstrap-servers", &cluster.bootstrap_servers(), "--kafka-producer-linger-ms", "0"];
    let config = Settings::parse_from(arguments).kafka;
    let reader: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", cluster.bootstrap_servers())
        .set("group.id", "fuzz-letters")
        .set("fetch.wait.max.ms", "10")
        .create()
        .unwrap();
    let mut all = TopicPartitionList::new();
    all.add_partition_offset("dead.letter.queue", 0, Offset::Beginning).unwrap();
    reader.assign(&all).unwrap();

    let metrics = PrometheusBuilder::new().build_recorder();
    let told = metrics.handle();
    let logged = Logged::default();
    let writer = logged.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::DEBUG)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let _logs = tracing::subscriber::set_default(subscriber);
    let _metrics = metrics::set_default_local_recorder(&metrics);

    let engine = engine(&config);
    let mut source = Source::new(seed);
    let (began, mut records, mut letters) = (Instant::now(), 0_u64, 0);
    let mut said = Instant::now();
    while began.elapsed() < limit {
        let works: Vec<_> = (0..TOGETHER as i64).map(|n| source.record(records as i64 + n)).collect();
        let handled = works.into_iter().enumerate().map(|(n, (record, message))| {
            let engine = Arc::clone(&engine);
            async move {
                let work = Work { ticket: Ticket(n as u64), record, tries: None };
                let mut stopwatch = Stopwatch::of(&engine.handlers);
                let verdict = asking::scope(
                    &engine.breakers,
                    AssertUnwindSafe(engine.handle(&work, &mut stopwatch)).catch_unwind(),
                )
                .await;
                assert!(
                    matches!(verdict, Ok(Verdict::Done(_))),
                    "{verdict:?} of {message:?}; again with FUZZ_SEED={seed}"
                );
            }
        });
        join_all(handled).await;
        records += TOGETHER as u64;
        letters += look_at_letters(&reader, seed);
        assert_tells_nothing(
            "the log",
            &String::from_utf8_lossy(&std::mem::take(&mut *logged.0.lock().unwrap())),
            seed,
        );
        if said.elapsed() > Duration::from_secs(60) {
            said = Instant::now();
            println!("{records} records, {letters} letters in {:?}, seed {seed}", began.elapsed());
        }
    }
    assert_tells_nothing("a metric", &told.render(), seed);
    println!("{records} records, {letters} letters in {:?}, seed {seed}: no panic, no canary", began.elapsed());
    assert!(letters > 0 || records < 1_000, "nothing was given up: the records are too good");
}
