//! A private single-node Kafka that a test may stop, kill and start again without disturbing the others.
//!
//! Its settings are those of the local stack. About 300 MB and 3 s each: for tests of outages, not for all.

use std::{fs, path::PathBuf, process::Command, time::Duration};

use crate::{
    daemon::Daemon,
    folder::{Folder, read_log},
    ports::free_port,
    stack,
};

const SETTINGS: &str = include_str!("../../../scripts/stack.d/kafka/server.properties");
const LOGGING: &str = include_str!("../../../scripts/stack.d/kafka/log4j2.properties");

/// After a kill, the new process may register only once the old one's session has expired, 9 s by default. Consumers may have
/// sessions shorter than 6 s too, so that a test need not be longer than that to see one expire.
const SHORT_SESSIONS: &str =
    "\nbroker.session.timeout.ms=2000\nbroker.heartbeat.interval.ms=400\ngroup.min.session.timeout.ms=1000\n";

/// Where the logs are, in its folder.
const DATA: &str = "data";

const GUARDED: &str = "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
allow.everyone.if.no.acl.found=true
";

const LIMIT: Duration = Duration::from_secs(90);

/// Killed when dropped, its data with it.
#[derive(Debug)]
pub struct Broker {
    daemon: Daemon,
    folder: Folder,
    port: u16,
}

impl Broker {
    /// Ready for clients when this returns.
    pub async fn start() -> Self {
        let port = free_port();
        Self::start_on(port, port, "").await
    }

    /// The same behind a proxy on this port, where the broker sends its clients.
    pub(crate) async fn start_behind(proxy: u16) -> Self {
        Self::start_on(free_port(), proxy, "").await
    }

    /// One that heeds access control lists. What has none is everybody's.
    pub async fn start_guarded() -> Self {
        let port = free_port();
        Self::start_on(port, port, GUARDED).await
    }

    async fn start_on(port: u16, advertised: u16, more: &str) -> Self {
        let folder = Folder::create("broker");
        let settings = SETTINGS
            .replace(
                "advertised.listeners=PLAINTEXT://127.0.0.1:@PORT@",
                &format!("advertised.listeners=PLAINTEXT://127.0.0.1:{advertised}"),
            )
            .replace("@PORT@", &port.to_string())
            .replace("@CONTROLLER_PORT@", &free_port().to_string())
            .replace("@DATA@", &folder.join(DATA).display().to_string());
        fs::write(folder.join("server.properties"), settings + SHORT_SESSIONS + more).unwrap();
        fs::write(folder.join("log4j2.properties"), LOGGING).unwrap();
        let mut broker = Self { daemon: Daemon::new("the private broker", folder.join("log")), folder, port };
        broker.format().await;
        broker.start_again().await;
        broker
    }

    /// What clients connect to; the same after [`Self::start_again`].
    pub fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Takes the right to write a topic from everybody.
    pub async fn deny_write(&self, topic: &str) {
        self.acl(&["--add", "--deny-principal", "User:*", "--operation", "Write", "--topic", topic]).await;
        self.acl(&["--add", "--allow-principal", "User:*", "--operation", "All", "--topic", topic]).await;
    }

    /// Gives it back.
    pub async fn allow_write(&self, topic: &str) {
        self.acl(&["--remove", "--force", "--topic", topic]).await;
    }

    async fn acl(&self, what: &[&str]) {
        let mut command = self.java("org.apache.kafka.tools.AclCommand");
        command.args(["--bootstrap-server", &self.bootstrap()]).args(what);
        self.daemon.prepare(command).await;
    }

    /// In an orderly way, by SIGTERM.
    pub async fn stop(&mut self) {
        self.daemon.end_by("TERM", LIMIT).await;
    }

    /// `kill -9`: clients get no farewell.
    pub fn kill(&mut self) {
        self.daemon.kill9();
    }

    /// SIGSTOP: it answers nothing, yet its connections stand. Until [`Self::resume`].
    pub fn pause(&mut self) {
        self.daemon.signal("STOP");
    }

    /// SIGCONT.
    pub fn resume(&mut self) {
        self.daemon.signal("CONT");
    }

    /// With the same data on the same port. Ready for clients when this returns.
    pub async fn start_again(&mut self) {
        let log = self.folder.join("log");
        // What it said when it last started is not meant.
        fs::write(&log, "").unwrap();
        let mut command = self.java("kafka.Kafka");
        self.daemon.start(command.arg(self.folder.join("server.properties")));
        self.daemon
            .wait_ready(LIMIT, || {
                let ready = read_log(&log).contains("Kafka Server started");
                async move { ready }
            })
            .await;
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.join(DATA)
    }

    /// Damages what is on disk: flips a bit of the first place in a partition's log where these bytes are. While it is stopped: the
    /// broker itself looks at no checksum of a log that was closed in an orderly way.
    pub fn damage(&self, topic: &str, partition: i32, bytes: &[u8]) {
        let path = self.folder.join("data").join(format!("{topic}-{partition}")).join("00000000000000000000.log");
        let mut log = fs::read(&path).unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()));
        let place = log.windows(bytes.len()).position(|window| window == bytes);
        log[place.unwrap_or_else(|| panic!("{} has no such bytes", path.display()))] ^= 1;
        fs::write(&path, log).unwrap();
    }

    /// Gives the data folder its identity; Kafka starts on no other.
    async fn format(&self) {
        let mut command = self.java("kafka.tools.StorageTool");
        // Each broker is a cluster of its own, so they may all have the same id.
        command.args(["format", "-t", "c3dpdGNoYm9hcmR0ZXN0cw", "-c"]).arg(self.folder.join("server.properties"));
        self.daemon.prepare(command).await;
    }

    fn java(&self, class: &str) -> Command {
        let mut command = Command::new(stack::java());
        command
            // A test lives too briefly for the second compiler to pay.
            .args(["-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"])
            .arg(format!("-Dlog4j2.configurationFile={}", self.folder.join("log4j2.properties").display()))
            .arg("-cp")
            .arg(stack::kafka_libs().join("*"))
            .arg(class);
        command
    }
}
