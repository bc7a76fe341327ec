//! Callers that never finish beside those that do, and the end of the service among them.

use std::time::{Duration, Instant};

use futures::future::join_all;
use test_kit::wait::wait_until;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::{LONG, Voice};

const PATIENT: &str = r#"PATIENT_CREATION: {"name": "Ada Byron"}"#;

async fn sent(voice: &Voice, text: &str) -> TcpStream {
    let mut stream = TcpStream::connect(voice.service.base_url().replace("http://", "")).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    stream
}

/// Says the same in one call after the other until the service takes no more. Returns the calls that were answered with 202.
async fn load(base: String, name: String) -> Vec<String> {
    let client = reqwest::Client::builder().timeout(LONG).no_proxy().build().unwrap();
    let mut taken = Vec::new();
    loop {
        let call = format!("{name}-{}", taken.len());
        let url = format!("{base}/api/v1/calls/{call}/output");
        match client.post(url).header("content-type", "text/plain").body(PATIENT).send().await {
            Ok(answer) => {
                assert_eq!(answer.status(), 202);
                taken.push(call);
            }
            // Who was not answered was not let in; an answer that is late would be a time-out.
            Err(error) => {
                assert!(!error.is_timeout(), "{error:?}");
                return taken;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_half_sent_requests_beside_a_load_hold_up_neither_it_nor_the_end() {
    let mut voice = Voice::without_kafka().await;
    let half_headers =
        join_all((0..200).map(|_| sent(&voice, "POST /api/v1/calls/half/output HTTP/1.1\r\nhost: loc"))).await;
    let base = voice.service.base_url();
    let callers: Vec<_> = (0..8).map(|number| tokio::spawn(load(base.clone(), format!("call-{number}")))).collect();
    wait_until("the load is under way", LONG, || async {
        let calls: i64 =
            sqlx::query_scalar("SELECT count(*) FROM voice.calls").fetch_one(voice.database.pool()).await.unwrap();
        calls > 100
    })
    .await;
    let length = PATIENT.len();
    let mut under_way = sent(
        &voice,
        &format!(
            "POST /api/v1/calls/under-way/output HTTP/1.1\r\nhost: localhost\r\ncontent-type: text/plain\r\n\
             content-length: {length}\r\n\r\nPATIENT_CREATION"
        ),
    )
    .await;
    let open = voice.get("/metrics").await.body;
    let open = open.lines().find_map(|line| line.strip_prefix("http_connections ")?.parse::<f64>().ok()).unwrap();
    assert!(open >= 201.0, "{open} connections are open");

    let process = voice.service.id().unwrap().to_string();
    let began = Instant::now();
    assert!(std::process::Command::new("kill").args(["-TERM", &process]).status().unwrap().success());
    wait_until("it stops", LONG, || async { voice.service.log().contains("stopping") }).await;
    under_way.write_all(&PATIENT.as_bytes()["PATIENT_CREATION".len()..]).await.unwrap();
    let mut answer = String::new();
    under_way.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 202 "), "{answer}");
    wait_until("it has ended", LONG, || {
        let ended = voice.service.ended();
        async move { ended.is_some() }
    })
    .await;
    let took = began.elapsed();
    assert_eq!(voice.service.ended().unwrap().code(), Some(0), "after {took:?}");
    assert!(took < Duration::from_secs(5), "{took:?}");
    drop(half_headers);

    let mut taken: Vec<String> = join_all(callers).await.into_iter().flat_map(|calls| calls.unwrap()).collect();
    taken.push("under-way".to_owned());
    let stored: i64 = sqlx::query_scalar("SELECT count(*) FROM voice.extractions WHERE call_id = ANY ($1)")
        .bind(&taken)
        .fetch_one(voice.database.pool())
        .await
        .unwrap();
    assert_eq!(stored as usize, taken.len(), "what was answered is stored");
}
