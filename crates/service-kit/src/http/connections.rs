//! All connections of the port: as many as there may be, and an end of them all.
//!
//! Who waits for a request keeps nobody out who has one: at the limit the connection that has waited longest makes room. Where
//! all are at work, a new one is told so.

use std::{
    collections::HashMap,
    io::ErrorKind,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::Router;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::{Instant, sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    Problem, connection,
    pulse::{Pulse, Why},
};
use crate::config::ConnectionConfig;

/// After the system has refused a connection for want of descriptors or memory.
const PAUSE: Duration = Duration::from_millis(100);
/// For sending a refusal and for seeing that it was read.
const FAREWELL: Duration = Duration::from_secs(1);
/// So many are told why they are refused at once; others are closed without a word.
const REFUSALS: usize = 64;
const BETWEEN_WARNINGS: Duration = Duration::from_secs(10);

/// Accepts until told to stop; then returns when the last connection has ended.
pub(super) async fn serve(listener: TcpListener, router: Router, limits: ConnectionConfig, stop: CancellationToken) {
    for reason in Why::ALL {
        metrics::counter!("http_connections_closed_total", "reason" => reason.as_str()).increment(0);
    }
    metrics::counter!("http_connections_refused_total").increment(0);
    metrics::gauge!("http_connections").set(0.0);
    let port = Port {
        router,
        limits: Arc::new(limits),
        seats: Arc::default(),
        tasks: TaskTracker::new(),
        refusals: TaskTracker::new(),
        stop,
        warned: Mutex::new(None),
    };
    loop {
        let accepted = tokio::select! {
            biased;
            () = port.stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => port.admit(stream),
            // Of that one connection.
            Err(error) if is_of_the_peer(error.kind()) => {}
            Err(error) => {
                port.warn(&format!("no connection can be accepted: {error}"));
                port.make_room();
                sleep(PAUSE).await;
            }
        }
    }
    // Who has connected before the port is closed is served, too.
    if let Ok(listener) = listener.into_std() {
        while let Ok((stream, _)) = listener.accept() {
            if stream.set_nonblocking(true).is_ok()
                && let Ok(stream) = TcpStream::from_std(stream)
            {
                port.admit(stream);
            }
        }
    }
    port.tasks.close();
    port.refusals.close();
    port.tasks.wait().await;
    port.refusals.wait().await;
}

fn is_of_the_peer(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::ConnectionRefused | ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset)
}

struct Port {
    router: Router,
    limits: Arc<ConnectionConfig>,
    seats: Arc<Seats>,
    tasks: TaskTracker,
    refusals: TaskTracker,
    stop: CancellationToken,
    warned: Mutex<Option<Instant>>,
}

impl Port {
    fn admit(&self, stream: TcpStream) {
        // Small answers would wait for the acknowledgement of the one before. Failing costs speed only.
        _ = stream.set_nodelay(true);
        if self.seats.taken() >= self.limits.max as usize && !self.make_room() {
            return self.refuse(stream);
        }
        let pulse = Arc::new(Pulse::new());
        let seat = Seats::take(&self.seats, pulse.clone());
        let (router, limits, stop) = (self.router.clone(), self.limits.clone(), self.stop.clone());
        self.tasks.spawn(async move {
            if let Some(why) = connection::serve(stream, router, pulse, &limits, stop).await {
                metrics::counter!("http_connections_closed_total", "reason" => why.as_str()).increment(1);
            }
            drop(seat);
        });
    }

    /// The connection that has waited longest leaves; `false` where none waits.
    fn make_room(&self) -> bool {
        while let Some(longest) = self.seats.longest_waiting() {
            if longest.make_room() {
                return true;
            }
        }
        false
    }

    fn refuse(&self, stream: TcpStream) {
        metrics::counter!("http_connections_refused_total").increment(1);
        self.warn(
            "as many requests are under way as there may be connections (HTTP_MAX_CONNECTIONS); others are refused",
        );
        if self.refusals.len() < REFUSALS {
            self.refusals.spawn(timeout(FAREWELL, tell_full(stream)));
        }
    }

    fn warn(&self, what: &str) {
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        if warned.is_none_or(|at| at.elapsed() >= BETWEEN_WARNINGS) {
            *warned = Some(Instant::now());
            tracing::warn!("{what}");
        }
    }
}

/// Answers without having read. What the client sends is read and forgotten, since a connection that is closed over unread
/// bytes takes its answer with it.
async fn tell_full(mut stream: TcpStream) -> std::io::Result<()> {
    let problem = Problem::unavailable("The service has as many requests under way as it takes. Try again.");
    let body = serde_json::to_vec(&problem).unwrap_or_default();
    let head = format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\ncontent-length: {}\r\nretry-after: \
         1\r\nconnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(&[head.as_bytes(), &body].concat()).await?;
    stream.shutdown().await?;
    let mut forgotten = [0; 4096];
    while stream.read(&mut forgotten).await? > 0 {}
    Ok(())
}

/// The connections that are open.
#[derive(Debug, Default)]
struct Seats(Mutex<Taken>);

#[derive(Debug, Default)]
struct Taken {
    next: u64,
    by: HashMap<u64, Arc<Pulse>>,
}

/// A place that is free again when this is dropped.
struct Seat {
    seats: Arc<Seats>,
    number: u64,
}

impl Seats {
    fn take(seats: &Arc<Self>, pulse: Arc<Pulse>) -> Seat {
        let mut taken = seats.lock();
        let number = taken.next;
        taken.next += 1;
        taken.by.insert(number, pulse);
        metrics::gauge!("http_connections").set(taken.by.len() as f64);
        Seat { seats: seats.clone(), number }
    }

    /// Without those that are about to leave.
    fn taken(&self) -> usize {
        let taken = self.lock();
        taken.by.values().filter(|pulse| !pulse.is_leaving()).count()
    }

    fn longest_waiting(&self) -> Option<Arc<Pulse>> {
        let taken = self.lock();
        let waiting = taken.by.values().filter_map(|pulse| Some((pulse.waits_since()?, pulse)));
        waiting.min_by_key(|(since, _)| *since).map(|(_, pulse)| pulse.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.lock();
        taken.by.remove(&self.number);
        metrics::gauge!("http_connections").set(taken.by.len() as f64);
    }
}
