//! A private single-node Kafka that a test may stop, kill and start again without disturbing the others.
//!
//! Its settings are those of the local stack. About 300 MB and 3 s each: for tests of outages, not for all.

use std::{
    fs::{self, File},
    process::{Child, Command, Stdio},
    time::Duration,
};

use crate::{
    folder::{Folder, read_log},
    ports::free_port,
    stack, stop,
    wait::wait_until,
};

const SETTINGS: &str = include_str!("../../../scripts/stack.d/kafka/server.properties");
const LOGGING: &str = include_str!("../../../scripts/stack.d/kafka/log4j2.properties");

/// After a kill, the new process may register only once the old one's session has expired, 9 s by default. Consumers may have
/// sessions shorter than 6 s too, so that a test need not be longer than that to see one expire.
const SHORT_SESSIONS: &str =
    "\nbroker.session.timeout.ms=2000\nbroker.heartbeat.interval.ms=400\ngroup.min.session.timeout.ms=1000\n";

const LIMIT: Duration = Duration::from_secs(90);

/// Killed when dropped, its data with it.
#[derive(Debug)]
pub struct Broker {
    folder: Folder,
    port: u16,
    child: Option<Child>,
}

impl Broker {
    /// Ready for clients when this returns.
    pub async fn start() -> Self {
        let port = free_port();
        Self::start_on(port, port).await
    }

    /// The same behind a proxy on this port, where the broker sends its clients.
    pub(crate) async fn start_behind(proxy: u16) -> Self {
        Self::start_on(free_port(), proxy).await
    }

    async fn start_on(port: u16, advertised: u16) -> Self {
        let folder = Folder::create("broker");
        let settings = SETTINGS
            .replace(
                "advertised.listeners=PLAINTEXT://127.0.0.1:@PORT@",
                &format!("advertised.listeners=PLAINTEXT://127.0.0.1:{advertised}"),
            )
            .replace("@PORT@", &port.to_string())
            .replace("@CONTROLLER_PORT@", &free_port().to_string())
            .replace("@DATA@", &folder.join("data").display().to_string());
        fs::write(folder.join("server.properties"), settings + SHORT_SESSIONS).unwrap();
        fs::write(folder.join("log4j2.properties"), LOGGING).unwrap();
        let mut broker = Self { folder, port, child: None };
        broker.format().await;
        broker.start_again().await;
        broker
    }

    /// What clients connect to; the same after [`Self::start_again`].
    pub fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// In an orderly way, by SIGTERM.
    pub async fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            stop::terminate(&mut child, "the private broker", LIMIT).await;
        }
    }

    /// `kill -9`: clients get no farewell.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            stop::kill9(&mut child);
        }
    }

    /// SIGSTOP: it answers nothing, yet its connections stand. Until [`Self::resume`].
    pub fn pause(&mut self) {
        self.signal("STOP");
    }

    /// SIGCONT.
    pub fn resume(&mut self) {
        self.signal("CONT");
    }

    fn signal(&mut self, name: &str) {
        if let Some(child) = &mut self.child {
            stop::signal(child, name, "the private broker");
        }
    }

    /// With the same data on the same port. Ready for clients when this returns.
    pub async fn start_again(&mut self) {
        assert!(self.child.is_none(), "the private broker still runs");
        let settings = self.folder.join("server.properties");
        let child = self.java("kafka.Kafka").arg(settings).spawn();
        self.child = Some(child.unwrap_or_else(|error| panic!("cannot start {}: {error}", stack::java().display())));
        let Self { child: Some(child), folder, .. } = self else { unreachable!("it was set above") };
        let log = folder.join("broker.log");
        wait_until("the private broker is ready", LIMIT, || {
            if let Some(status) = child.try_wait().unwrap() {
                panic!("the private broker ended while starting, {status}:\n{}", read_log(&log));
            }
            let ready = read_log(&log).contains("Kafka Server started");
            async move { ready }
        })
        .await;
    }

    /// Gives the data folder its identity; Kafka starts on no other.
    async fn format(&self) {
        let mut command = self.java("kafka.tools.StorageTool");
        // Each broker is a cluster of its own, so they may all have the same id.
        command.args(["format", "-t", "c3dpdGNoYm9hcmR0ZXN0cw", "-c"]).arg(self.folder.join("server.properties"));
        let status = tokio::task::spawn_blocking(move || command.status()).await.unwrap();
        let status = status.unwrap_or_else(|error| panic!("cannot start {}: {error}", stack::java().display()));
        assert!(status.success(), "formatting the data folder failed:\n{}", read_log(&self.folder.join("broker.log")));
    }

    fn java(&self, class: &str) -> Command {
        let log = File::create(self.folder.join("broker.log")).unwrap();
        let mut command = Command::new(stack::java());
        command
            // A test lives too briefly for the second compiler to pay.
            .args(["-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"])
            .arg(format!("-Dlog4j2.configurationFile={}", self.folder.join("log4j2.properties").display()))
            .arg("-cp")
            .arg(stack::kafka_libs().join("*"))
            .arg(class)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        command
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.kill();
    }
}
