//! Memory of real processes: a service that has nothing to do, and a worker that has more to do than it can.

use std::{
    env, fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use events::{
    consume::{Consumer, Listener, Received},
    contract::schema::voice::PatientCreationV1,
    flow::error::HandlerError,
};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::{
    Bench,
    consume::{committed, filled},
    load::{LONG, Place, settings_in},
    report::{Figure, Goal},
};

/// Long enough for pools and clients to have connected and caches to have filled.
const IDLE: Duration = Duration::from_secs(10);
const GROUP: &str = "loaded";

/// Ends with its owner.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Process {
    /// A line of /proc/<pid>/status, in MiB: `VmRSS` is what it holds now, `VmHWM` the most that it held.
    fn mib(&self, line: &str) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap();
        let kib = status.lines().find_map(|of| of.strip_prefix(line)?.strip_prefix(':'));
        kib.unwrap().trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
    }
}

pub async fn idle(bench: &mut Bench) {
    let Some(binary) = env::var_os("BENCH_VOICE_INGEST") else {
        eprintln!("memory_idle: left out, since scripts/bench builds the service");
        return;
    };
    let mut figure =
        memory("memory_idle", "none: voice-ingest with all its roles, ten seconds after it was ready", 30.0);
    for round in 1..=bench.rounds {
        let place = Place::new().await;
        let bind = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let mut command = Command::new(&binary);
        // Elsewhere than in the checkout: a .env there is for other services.
        command.current_dir(env::temp_dir()).env("DATABASE_URL", place.url()).env("HTTP_BIND", &bind);
        command.env("KAFKA_TOPIC_NAMESPACE", &place.config.kafka_topic_namespace);
        let service = Process(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
        let began = Instant::now();
        while !is_ready(&bind) {
            assert!(began.elapsed() < LONG, "voice-ingest does not become ready");
            sleep(Duration::from_millis(100)).await;
        }
        sleep(IDLE).await;
        figure.values.push(service.mib("VmRSS"));
        drop(service);
        place.delete_topics().await;
        eprintln!("memory_idle {round}/{}: {:.1} MiB", bench.rounds, figure.values[round - 1]);
    }
    bench.report.add(figure);
}

fn is_ready(address: &str) -> bool {
    let mut answer = String::new();
    let asked = TcpStream::connect(address).and_then(|mut stream| {
        stream.write_all(b"GET /readyz HTTP/1.0\r\n\r\n")?;
        stream.read_to_string(&mut answer)
    });
    asked.is_ok() && answer.split(' ').nth(1) == Some("200")
}

/// The most that a worker of its own process holds while it works off a backlog at its full rate.
pub async fn loaded(bench: &mut Bench) {
    let count = bench.count(1_000_000, 200_000);
    let place = filled(&[], count, true).await;
    let mut figure = memory("memory_loaded", "none: a worker's peak while it works off a backlog", 150.0);
    for round in 1..=bench.rounds {
        let group = format!("{GROUP}-{round}");
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["--worker", &place.config.kafka_topic_namespace, "--group", &group]);
        let worker = Process(command.spawn().unwrap());
        let began = Instant::now();
        while committed(&place, &group).await < count {
            assert!(began.elapsed() < LONG, "the worker does not come to the end");
            sleep(Duration::from_millis(200)).await;
        }
        figure.values.push(worker.mib("VmHWM"));
        eprintln!("memory_loaded {round}/{}: {:.1} MiB", bench.rounds, figure.values[round - 1]);
    }
    place.delete_topics().await;
    bench.report.add(figure);
}

fn memory(name: &str, what: &str, below: f64) -> Figure {
    Figure {
        name: name.to_owned(),
        unit: "MiB",
        limit_is: what.to_owned(),
        goal: Goal::below(below),
        ..Figure::default()
    }
}

struct Noop;

impl Listener for Noop {
    const NAME: &'static str = "noop";
    type Event = PatientCreationV1;

    async fn hear(&self, _: &Received<PatientCreationV1>) -> Result<(), HandlerError> {
        Ok(())
    }
}

/// The process that [`loaded`] starts.
pub async fn work(namespace: &str, group: &str) {
    let builder = Consumer::without_database(settings_in(namespace, &[]), group, "bench");
    builder.listen(Noop).build().unwrap().run(CancellationToken::new()).await.unwrap();
}
