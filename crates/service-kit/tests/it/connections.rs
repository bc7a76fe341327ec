//! Connections that are of no use: each is closed in its time, none keeps others out or holds up the end.

use std::{net::SocketAddr, time::Duration};

use axum::{
    Router,
    body::Body,
    routing::{get, post},
};
use service_kit::{
    config::{ConnectionConfig, HttpConfig},
    http::{Health, serve},
    lifecycle::Lifecycle,
    telemetry,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::mpsc,
    time::{Instant, timeout},
};

const LONG: Duration = Duration::from_secs(20);
/// More than the socket buffers of both sides hold together.
const LARGE: usize = 64 << 20;
const HEAD: &str = "GET /quick HTTP/1.1\r\nhost: localhost\r\n\r\n";

struct Server {
    address: SocketAddr,
    lifecycle: Lifecycle,
    entered: mpsc::Receiver<()>,
}

/// Limits so far apart that a test can tell them from each other.
fn limits() -> ConnectionConfig {
    ConnectionConfig {
        max: 512,
        header_timeout: Duration::from_millis(500),
        idle_timeout: Duration::from_millis(1500),
        answer_timeout: Duration::from_secs(1),
    }
}

async fn start(connections: ConnectionConfig) -> Server {
    telemetry::install_recorder().unwrap();
    let lifecycle = Lifecycle::new();
    let (enter, entered) = mpsc::channel(64);
    let slow = move || {
        let enter = enter.clone();
        async move {
            enter.send(()).await.unwrap();
            tokio::time::sleep(Duration::from_secs(1)).await;
            "done"
        }
    };
    let routes = Router::new()
        .route("/quick", get(|| async { "quick" }))
        .route("/slow", get(slow))
        .route("/echo", post(|body: String| async { body }))
        .route("/large", get(|| async { vec![b'x'; LARGE] }))
        .route("/stream", get(|| async { Body::from_stream(futures::stream::unfold(0, tick)) }));
    let http = HttpConfig {
        bind: ([127, 0, 0, 1], 0).into(),
        api_tokens_file: None,
        body_limit: 1 << 10,
        request_timeout: Duration::from_secs(3),
        connections,
    };
    let address = serve(&http, routes, &Health::new(), &lifecycle).await.unwrap();
    Server { address, lifecycle, entered }
}

/// Something every 400 ms, five times.
async fn tick(number: u8) -> Option<(Result<String, std::convert::Infallible>, u8)> {
    tokio::time::sleep(Duration::from_millis(400)).await;
    (number < 5).then(|| (Ok(format!("{number}\n")), number + 1))
}

impl Server {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// A connection on which this was sent.
    async fn told(&self, text: &str) -> TcpStream {
        let mut stream = self.connect().await;
        stream.write_all(text.as_bytes()).await.unwrap();
        stream
    }

    /// As any client asks.
    async fn asks(&self, path: &str) -> u16 {
        let client = reqwest::Client::builder().no_proxy().timeout(LONG).build().unwrap();
        client.get(format!("http://{}{path}", self.address)).send().await.unwrap().status().as_u16()
    }

    /// Ends it, and returns how long that took.
    async fn stop(self) -> Duration {
        let began = Instant::now();
        self.lifecycle.shutdown();
        self.lifecycle.join().await.unwrap();
        began.elapsed()
    }
}

/// All that comes until the server closes, and when that was.
async fn rest(stream: &mut TcpStream) -> (String, Duration) {
    let began = Instant::now();
    let mut all = Vec::new();
    // A connection that is closed over unread bytes is reset.
    _ = timeout(LONG, stream.read_to_end(&mut all)).await.expect("the server closes it");
    (String::from_utf8_lossy(&all).into_owned(), began.elapsed())
}

/// Until the end of an answer whose body is this.
async fn answered(stream: &mut TcpStream, body: &str) {
    let mut all = Vec::new();
    while !String::from_utf8_lossy(&all).ends_with(body) {
        assert_ne!(timeout(LONG, stream.read_buf(&mut all)).await.unwrap().unwrap(), 0, "it stays open");
    }
}

fn is_about(measured: Duration, limit: Duration) {
    assert!(measured + Duration::from_millis(100) > limit, "{measured:?} is less than {limit:?}");
    assert!(measured < limit + Duration::from_millis(900), "{measured:?} is more than {limit:?}");
}

fn figure(series: &str) -> f64 {
    let metrics = telemetry::render();
    let line = metrics.lines().find_map(|line| line.strip_prefix(series)?.trim().parse().ok());
    line.unwrap_or_else(|| panic!("{series} is not in {metrics}"))
}

#[tokio::test]
async fn a_connection_that_sends_nothing_or_half_a_header_is_closed() {
    let server = start(limits()).await;
    for sent in ["", "G", "GET /quick HTTP/1.1\r\nhost: loc"] {
        let (answer, after) = rest(&mut server.told(sent).await).await;
        assert_eq!(answer, "", "{sent:?}");
        is_about(after, limits().header_timeout);
    }
}

#[tokio::test]
async fn a_byte_now_and_then_keeps_no_connection_open() {
    let server = start(limits()).await;
    let mut stream = server.connect().await;
    let began = Instant::now();
    for byte in HEAD.bytes().chain(HEAD.bytes()) {
        if stream.write_all(&[byte]).await.is_err() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(rest(&mut stream).await.0, "");
    is_about(began.elapsed(), limits().header_timeout);
}

#[tokio::test]
async fn a_connection_is_kept_for_its_next_request_and_no_longer_than_that() {
    let server = start(limits()).await;
    let mut stream = server.told(HEAD).await;
    answered(&mut stream, "quick").await;
    tokio::time::sleep(limits().header_timeout + Duration::from_millis(300)).await;
    stream.write_all(HEAD.as_bytes()).await.unwrap();
    answered(&mut stream, "quick").await;
    let (more, after) = rest(&mut stream).await;
    assert_eq!(more, "");
    is_about(after, limits().idle_timeout);

    let mut stream = server.told(HEAD).await;
    answered(&mut stream, "quick").await;
    stream.write_all(b"GET /qu").await.unwrap();
    is_about(rest(&mut stream).await.1, limits().header_timeout);
}

#[tokio::test]
async fn half_a_body_is_answered_in_time_and_its_connection_closed() {
    let server = start(limits()).await;
    let half = "POST /echo HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\nhalf of";
    let chunk = "POST /echo HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n64\r\nhalf of";
    for sent in [half, chunk] {
        let (answer, after) = rest(&mut server.told(sent).await).await;
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
        assert!(after < Duration::from_secs(10), "{after:?}");
    }
}

#[tokio::test]
async fn pipelined_requests_are_answered_and_half_of_one_more_is_not_waited_for() {
    let server = start(limits()).await;
    let mut stream = server.told(&format!("{HEAD}{HEAD}{HEAD}GET /qu")).await;
    let (answers, after) = rest(&mut stream).await;
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 3, "{answers}");
    assert!(after < limits().idle_timeout + Duration::from_secs(1), "{after:?}");
}

#[tokio::test]
async fn who_ends_its_side_once_it_has_asked_is_answered() {
    let mut server = start(limits()).await;
    let echo = "POST /echo HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\n\r\nhello";
    for (sent, body) in [(HEAD, "quick"), (echo, "hello"), (&HEAD.replace("quick", "slow"), "done")] {
        let mut stream = server.told(sent).await;
        stream.shutdown().await.unwrap();
        let (answer, after) = rest(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with(body), "{answer}");
        assert!(after < limits().answer_timeout + Duration::from_secs(1), "nothing more is waited for: {after:?}");
    }
    server.entered.recv().await.unwrap();
}

#[tokio::test]
async fn another_protocol_is_turned_away_at_once() {
    let server = start(limits()).await;
    for greeting in ["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "\u{16}\u{3}\u{1}\0\u{5}hello", "SSH-2.0-test\r\n"] {
        let (_, after) = rest(&mut server.told(greeting).await).await;
        assert!(after < limits().header_timeout + Duration::from_millis(900), "{greeting:?}: {after:?}");
    }
}

#[tokio::test]
async fn who_does_not_take_its_answer_is_left_and_a_stream_goes_on() {
    let server = start(limits()).await;
    let closed = "http_connections_closed_total{reason=\"answer\"}";
    let before = figure(closed);
    let mut deaf = server.told(&HEAD.replace("quick", "large")).await;
    // It reads nothing.
    let began = Instant::now();
    while figure(closed) < before + 1.0 {
        assert!(began.elapsed() < LONG, "it is left");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    is_about(began.elapsed(), limits().answer_timeout);
    let (some, _) = rest(&mut deaf).await;
    assert!(some.len() < LARGE, "not all of it was sent");

    let mut stream = server.told(&HEAD.replace("quick", "stream")).await;
    answered(&mut stream, "4\n\r\n0\r\n\r\n").await;
}

#[tokio::test]
async fn who_waits_makes_room_for_who_asks() {
    let server = start(ConnectionConfig { max: 4, header_timeout: LONG, ..limits() }).await;
    let mut waiting = Vec::new();
    for _ in 0..4 {
        waiting.push(server.told("GET /qu").await);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(server.asks("/quick").await, 200);
    let (answer, after) = rest(&mut waiting[0]).await;
    assert_eq!(answer, "");
    assert!(after < Duration::from_secs(1), "the one that has waited longest was closed");
    waiting[3].write_all(b"ick HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    answered(&mut waiting[3], "quick").await;
    for _ in 0..50 {
        assert_eq!(server.asks("/quick").await, 200);
    }
}

#[tokio::test]
async fn where_all_are_at_work_a_new_connection_is_told_so() {
    let mut server = start(ConnectionConfig { max: 3, ..limits() }).await;
    let mut busy = Vec::new();
    for _ in 0..3 {
        busy.push(server.told(&HEAD.replace("quick", "slow")).await);
        server.entered.recv().await.unwrap();
    }
    let (refusal, _) = rest(&mut server.told(HEAD).await).await;
    assert!(refusal.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{refusal}");
    for part in ["\r\nretry-after: 1\r\n", "application/problem+json", "\"status\":503"] {
        assert!(refusal.contains(part), "{part} is not in {refusal}");
    }
    for stream in &mut busy {
        answered(stream, "done").await;
    }
    assert_eq!(server.asks("/quick").await, 200);
    assert!(figure("http_connections_refused_total") >= 1.0);
}

#[tokio::test]
async fn the_end_waits_for_work_and_for_nothing_else() {
    let server = start(ConnectionConfig { header_timeout: LONG, idle_timeout: LONG, ..limits() }).await;
    let mut others = vec![server.told(HEAD).await];
    answered(&mut others[0], "quick").await;
    for _ in 0..100 {
        others.push(server.told("GET /quick HTTP/1.1\r\nhost: loc").await);
        others.push(server.connect().await);
    }
    assert_eq!(server.asks("/quick").await, 200);
    let took = server.stop().await;
    assert!(took < Duration::from_secs(1), "{took:?}");
}

#[tokio::test]
async fn requests_under_way_at_the_end_are_finished_and_stalled_ones_are_left() {
    let mut server = start(limits()).await;
    let mut slow = server.told(&HEAD.replace("quick", "slow")).await;
    server.entered.recv().await.unwrap();
    let half = "POST /echo HTTP/1.1\r\nhost: localhost\r\ncontent-length: 8\r\n\r\nhalf";
    let mut coming = server.told(half).await;
    let _stalled = server.told(half).await;
    let _deaf = server.told(&HEAD.replace("quick", "large")).await;
    let mut late = server.told("GET /quick HTTP/1.1\r\nhost: loc").await;
    assert_eq!(server.asks("/quick").await, 200);
    // Its client cannot know yet.
    server.lifecycle.shutdown();
    let ends = tokio::spawn(server.stop());
    late.write_all(b"alhost\r\n\r\n").await.unwrap();
    let (answer, _) = rest(&mut late).await;
    assert!(answer.contains("connection: close") && answer.ends_with("quick"), "{answer}");
    coming.write_all(b"half").await.unwrap();
    let (answer, _) = rest(&mut coming).await;
    assert!(answer.contains("connection: close") && answer.ends_with("halfhalf"), "{answer}");
    let (answer, _) = rest(&mut slow).await;
    assert!(answer.contains("connection: close") && answer.ends_with("done"), "{answer}");
    let took = ends.await.unwrap();
    assert!(took < Duration::from_secs(3), "{took:?}");
}
