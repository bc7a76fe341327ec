//! Confluent's parallel-consumer on the same topic: one Java process for all its passes, so that its code is compiled
//! when it counts. Its source and its settings are in `bench/parallel-consumer`; `scripts/bench` builds it.

use std::{
    env,
    io::{BufRead, BufReader, Write},
    path::PathBuf,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use crate::load::Place;

pub const NAME: &str = "parallel-consumer 0.5.3.2, order by key";

pub struct ParallelConsumer {
    child: Child,
    groups: ChildStdin,
    answers: BufReader<ChildStdout>,
    count: usize,
}

/// What a pass came to.
pub struct Pass {
    /// Records a second.
    pub rate: f64,
    /// CPU seconds of the Java process for a million records.
    pub cpu: f64,
}

impl ParallelConsumer {
    /// Starts it and lets it read the topic once to warm up. `None` where it was not built.
    pub fn start(place: &Place, count: usize, max_concurrency: usize, sleep_ms: u64) -> Option<Self> {
        let folder = PathBuf::from(env::var_os("BENCH_PARALLEL_CONSUMER")?);
        let path = format!("{0}/classes:{0}/libs/*", folder.display());
        let mut child = Command::new(env::var_os("STACK_JAVA").unwrap_or("java".into()))
            .args(["-Dorg.slf4j.simpleLogger.defaultLogLevel=error", "-cp", &path, "Comparison"])
            .args([place.config.kafka_bootstrap_servers.to_string(), place.topic.clone(), count.to_string()])
            .args([max_concurrency.to_string(), sleep_ms.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("java does not start: {error}; set STACK_JAVA"));
        let (groups, answers) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let mut consumer = Self { child, groups, answers, count };
        consumer.pass(&format!("{}warm-up", place.config.kafka_topic_namespace));
        Some(consumer)
    }

    /// Reads the topic as a new group.
    pub fn pass(&mut self, group: &str) -> Pass {
        writeln!(self.groups, "{group}").unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        let figures: Vec<f64> = answer.split_whitespace().map(|figure| figure.parse().unwrap()).collect();
        let &[rate, cpu] = figures.as_slice() else { panic!("parallel-consumer ended; it said why above") };
        Pass { rate, cpu: cpu / self.count as f64 * 1e6 }
    }
}

impl Drop for ParallelConsumer {
    /// Not asked to end: it was seen to wait for ever for its consumers to close.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
