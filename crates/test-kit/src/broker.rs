//! A Kafka of a test's own, which it may kill.

use std::{
    fs,
    net::{SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use crate::{process::signal, stack, wait::wait_until};

/// A single broker with its own ports and data.
#[derive(Debug)]
pub struct Broker {
    folder: PathBuf,
    port: u16,
    child: Option<Child>,
}

impl Broker {
    /// Formats and starts a broker.
    pub async fn start() -> Self {
        let folder = std::env::temp_dir().join(format!("sb-broker-{}", uuid::Uuid::now_v7().simple()));
        fs::create_dir_all(&folder).unwrap();
        let (port, controller) = (free_port(), free_port());
        let properties = format!(
            "process.roles=broker,controller\nnode.id=1\n\
             controller.quorum.voters=1@127.0.0.1:{controller}\n\
             listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}\n\
             advertised.listeners=PLAINTEXT://127.0.0.1:{port}\n\
             controller.listener.names=CONTROLLER\ninter.broker.listener.name=PLAINTEXT\n\
             log.dirs={}\n\
             offsets.topic.replication.factor=1\noffsets.topic.num.partitions=4\n\
             transaction.state.log.replication.factor=1\ntransaction.state.log.min.isr=1\n\
             transaction.state.log.num.partitions=4\n\
             share.coordinator.state.topic.replication.factor=1\nshare.coordinator.state.topic.min.isr=1\n\
             group.initial.rebalance.delay.ms=0\nauto.create.topics.enable=false\n",
            folder.join("data").display()
        );
        fs::write(folder.join("server.properties"), properties).unwrap();
        let formatted = java(&folder)
            .args(["kafka.tools.StorageTool", "format", "-t", "MkU3OEVBNTcwNTJENDM2Qg", "-c"])
            .arg(folder.join("server.properties"))
            .output()
            .unwrap();
        assert!(formatted.status.success(), "{}", String::from_utf8_lossy(&formatted.stderr));
        let mut broker = Self { folder, port, child: None };
        broker.start_again().await;
        broker
    }

    /// Where it is.
    pub fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Stops it as an operator would.
    pub async fn stop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        signal(child.id(), "TERM");
        wait_until("the broker has stopped", Duration::from_secs(30), || {
            std::future::ready(child.try_wait().unwrap().is_some())
        })
        .await;
    }

    /// Starts it with the data and the ports that it had.
    pub async fn start_again(&mut self) {
        let log = fs::File::create(self.folder.join("log")).unwrap();
        let child = java(&self.folder)
            .arg("kafka.Kafka")
            .arg(self.folder.join("server.properties"))
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.child = Some(child);
        let address: SocketAddr = ([127, 0, 0, 1], self.port).into();
        wait_until("the broker answers", Duration::from_secs(60), || {
            std::future::ready(TcpStream::connect_timeout(&address, Duration::from_millis(200)).is_ok())
        })
        .await;
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.kill();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn java(folder: &std::path::Path) -> Command {
    let mut java = Command::new("java");
    java.args(["-Xms128m", "-Xmx384m", "-cp"])
        .arg(stack::kafka_libs().join("*"))
        .current_dir(folder)
        .stdin(Stdio::null());
    java
}

/// A port that is free now.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
