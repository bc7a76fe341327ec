//! A connection that a test may cut: what stands behind it is then away for those who go through it, and for nobody else.

use std::net::SocketAddr;

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use crate::ports::free_port;

/// A TCP proxy on loopback.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    target: String,
    task: Option<JoinHandle<()>>,
}

impl Proxy {
    /// Stands before `target`, which is `host:port`.
    pub async fn before(target: &str) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", free_port())).await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = Some(tokio::spawn(pass(listener, target.to_owned())));
        Self { address, target: target.to_owned(), task }
    }

    /// Where to connect to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends every connection and refuses new ones.
    pub async fn cut(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
            let _ = task.await;
        }
    }

    /// Lets connections through again.
    pub async fn mend(&mut self) {
        self.cut().await;
        let listener = TcpListener::bind(self.address).await.unwrap();
        self.task = Some(tokio::spawn(pass(listener, self.target.clone())));
    }
}

async fn pass(listener: TcpListener, target: String) {
    // Dropped with this task, and with it every connection.
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((mut client, _)) = listener.accept().await {
        let target = target.clone();
        connections.spawn(async move {
            if let Ok(mut server) = TcpStream::connect(target).await {
                let _ = copy_bidirectional(&mut client, &mut server).await;
            }
        });
    }
}
