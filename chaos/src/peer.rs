//! The outside system that the workers ask: an HTTP server that answers as the round wants it to.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use axum::{Router, extract::State, http::StatusCode, routing::get};
use test_kit::proxy::Proxy;
use tokio::{net::TcpListener, task::JoinHandle, time::sleep};

/// How the peer is not well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Illness {
    /// Connections are refused.
    Away,
    /// It takes the question and says nothing.
    Hangs,
    /// It answers 500.
    Fails,
    /// It answers after up to 1.5 s.
    Slow,
}

impl Illness {
    pub const ALL: [Self; 4] = [Self::Away, Self::Hangs, Self::Fails, Self::Slow];
}

/// Answers take up to this long when it is well: enough that work of several keys overlaps at all times.
const USUAL: Duration = Duration::from_millis(25);
const SLOW: Duration = Duration::from_millis(1500);
/// Longer than any asker waits.
const HANG: Duration = Duration::from_secs(30);

/// The server, and what stands before it to be cut.
#[derive(Debug)]
pub struct Peer {
    proxy: Proxy,
    mood: Arc<AtomicU8>,
    server: JoinHandle<()>,
}

impl Peer {
    /// Ready when this returns.
    ///
    /// # Panics
    /// There is no port on loopback.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port on loopback");
        let address = listener.local_addr().expect("a listener has an address");
        let mood = Arc::new(AtomicU8::new(0));
        let routes = Router::new().route("/answer", get(answer)).with_state(Arc::clone(&mood));
        let server = tokio::spawn(async move {
            // It ends with the round.
            _ = axum::serve(listener, routes).await;
        });
        let proxy = Proxy::before(&address.to_string()).await;
        Self { proxy, mood, server }
    }

    /// Where to ask.
    pub fn url(&self) -> String {
        format!("http://{}/answer", self.proxy.address())
    }

    /// Until [`Self::heal`].
    pub async fn fall_ill(&mut self, illness: Illness) {
        self.mood.store(1 + illness as u8, Ordering::Relaxed);
        if illness == Illness::Away {
            self.proxy.cut().await;
        }
    }

    /// Well again, also for who is waiting.
    pub async fn heal(&mut self) {
        self.mood.store(0, Ordering::Relaxed);
        // Cuts what hangs, too.
        self.proxy.mend().await;
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn answer(State(mood): State<Arc<AtomicU8>>) -> (StatusCode, &'static str) {
    let illness = usize::from(mood.load(Ordering::Relaxed)).checked_sub(1).map(|index| Illness::ALL[index]);
    let takes = match illness {
        Some(Illness::Fails) => return (StatusCode::INTERNAL_SERVER_ERROR, "as the round wants it"),
        Some(Illness::Hangs | Illness::Away) => HANG,
        Some(Illness::Slow) => SLOW,
        None => USUAL,
    };
    let takes = if takes == HANG { HANG } else { takes.mul_f64(fastrand::f64()) };
    sleep(takes).await;
    (StatusCode::OK, "yes")
}
