//! The delivery road by itself: a writer, a relay and two workers, all of them [`crate::worker`] in different roles.

use std::path::PathBuf;

use events::contract::{codec, envelope::Envelope, event::NewEvent};
use futures::{FutureExt, future::BoxFuture};
use serde_json::Value;
use test_kit::kafka;
use tokio_util::sync::CancellationToken;

use crate::{
    ground::{Ground, namespace},
    history::{Fact, Write},
    process::Process,
    system::{Hop, System},
    worker::{self, AskedV1, write_log},
};

pub(super) const NAME: &str = "road";

pub(super) struct Road {
    /// The writer is the first.
    processes: Vec<Process>,
    write_log: PathBuf,
}

impl Road {
    pub(super) async fn start(ground: &Ground, run: u64) -> Self {
        // Nobody else would: the worker publishes to it and owns no topic.
        let answers = format!("{}healthcore.patient.created", namespace(NAME));
        kafka::create_topic(&ground.servers, &answers, 6, &[]).await;
        let write_log = ground.folder.join("writes");
        let mut processes = Vec::new();
        for (name, roles) in
            [("writer", "writer"), ("relay", "relay"), ("worker-1", "worker,relay"), ("worker-2", "worker,relay")]
        {
            let mut environment = ground.environment(NAME);
            environment.extend([
                ("ROLES", roles.to_owned()),
                ("PEER_URL", ground.peer_url.clone()),
                ("NOTARY_URL", ground.notary_url.clone()),
                ("HUSH", ground.hush_file().display().to_string()),
                ("WRITE_LOG", write_log.display().to_string()),
                ("WORKER", name.to_owned()),
                ("RUN", run.to_string()),
            ]);
            let process = Process::start(&format!("{NAME}-{name}"), worker::NAME, &environment).await;
            processes.push(if name.starts_with("worker") { process.worker(true) } else { process });
        }
        Self { processes, write_log }
    }
}

impl System for Road {
    fn name(&self) -> &'static str {
        NAME
    }

    fn processes(&self) -> &[Process] {
        &self.processes
    }

    fn hops(&self) -> Vec<Hop> {
        vec![Hop {
            name: "asked to answered",
            outbox: worker::SCHEMA,
            topic: "ai-responses",
            group: worker::NAME,
            workers: "road-worker",
            fact,
            event: Some(event),
            written: None,
            effects: "SELECT key, seq, key FROM road.effects ORDER BY position",
            follow_ups: Some(("healthcore.patient.created", worker::SCHEMA)),
        }]
    }

    /// The writer writes from its start; here it is only stopped.
    fn load<'s>(&'s self, stop: &'s CancellationToken) -> BoxFuture<'s, ()> {
        async {
            stop.cancelled().await;
            let mut writer = self.processes[0].service.lock().await;
            // It may have been killed and started again a moment ago.
            writer.wait_ready().await;
            let status = writer.terminate().await;
            assert!(status.success(), "the writer did not end in peace: {status}");
        }
        .boxed()
    }

    fn writes(&self) -> anyhow::Result<Vec<Write>> {
        write_log::read(&self.write_log)
    }
}

fn fact(value: &Value) -> Option<Fact> {
    let data = &value["data"];
    Some(Fact { key: data["key"].as_str()?.to_owned(), seq: data["seq"].as_u64()?.try_into().ok()? })
}

fn event(fact: &Fact) -> Vec<u8> {
    let asked = AskedV1 { key: fact.key.clone(), seq: fact.seq, ..AskedV1::default() };
    codec::encode(&Envelope::seal(NewEvent::fact(asked), "a stranger")).expect("an event is JSON")
}
