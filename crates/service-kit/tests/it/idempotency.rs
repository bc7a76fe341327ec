//! `Idempotency-Key` as a caller sees it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{Router, body::Body, extract::Request, http::StatusCode, response::Response, routing::post};
use service_kit::{
    config::{ConnectionConfig, DatabaseConfig, HttpConfig},
    http::{
        ApiJson, Health, Problem, Routes,
        idempotency::{self, Claim, Idempotency},
        router,
    },
    lifecycle::Lifecycle,
    postgres,
};
use sqlx::PgPool;
use test_kit::{postgres::TestDatabase, wait::wait_until};
use tower::ServiceExt;

struct Service {
    router: Router,
    pool: PgPool,
    calls: Arc<AtomicUsize>,
    _database: TestDatabase,
}

impl Service {
    /// Each call is counted and answers by what its path asks for.
    async fn start() -> Self {
        Self::with_limit(Duration::from_secs(30)).await
    }

    /// With this time limit for a request.
    async fn with_limit(limit: Duration) -> Self {
        let database = TestDatabase::create().await;
        let config = DatabaseConfig { url: Some(database.url().into()), max_connections: 8, auto_migrate: true };
        let pool = postgres::prepare(&config, "kit", &[idempotency::MIGRATIONS], "kit").await.unwrap();
        let calls = Arc::new(AtomicUsize::new(0));
        let count = {
            let calls = calls.clone();
            move || calls.fetch_add(1, Ordering::SeqCst) + 1
        };
        let (created, refused, failing, away, slow, lost) =
            (count.clone(), count.clone(), count.clone(), count.clone(), count.clone(), count);
        let (mark, keys) = (pool.clone(), pool.clone());
        let routes = Router::new()
            .route(
                "/created",
                post(move |body: String| async move {
                    let location = [("location", format!("/things/{}", created()))];
                    (StatusCode::CREATED, location, ApiJson(serde_json::json!({ "got": body })))
                }),
            )
            .route("/refused", post(move || async move { Problem::unprocessable(format!("call {}", refused())) }))
            .route(
                "/failing",
                post(move || async move { if failing() == 1 { Err(Problem::internal()) } else { Ok("better") } }),
            )
            .route(
                "/away",
                post(move || async move {
                    if away() > 1 {
                        return Ok("better");
                    }
                    sqlx::raw_sql("ALTER TABLE idempotency_keys RENAME TO away").execute(&keys).await?;
                    Err(Problem::internal())
                }),
            )
            .route(
                "/slow",
                post(move || async move {
                    tokio::time::sleep(Duration::from_millis(600)).await;
                    format!("call {}", slow())
                }),
            )
            .route(
                "/lost",
                post(move |claim: Option<Claim>| async move {
                    lost();
                    let mut tx = mark.begin().await?;
                    claim.ok_or_else(Problem::internal)?.carried_out(&mut tx).await?;
                    tx.commit().await?;
                    Err::<(), _>(Problem::internal())
                }),
            )
            .route(
                "/panics",
                post(|| async {
                    if true {
                        panic!("on purpose")
                    }
                }),
            );
        let http = HttpConfig {
            bind: ([127, 0, 0, 1], 0).into(),
            api_tokens_file: None,
            body_limit: 1 << 10,
            request_timeout: limit,
            connections: ConnectionConfig::default(),
        };
        let routes = Routes::new(Idempotency::new(pool.clone()).apply(routes));
        let router = router(&http, routes, &Health::new(), &Lifecycle::new()).unwrap();
        Self { router, pool, calls, _database: database }
    }

    async fn post(&self, path: &str, key: Option<&str>, body: impl Into<Body>) -> (Response<()>, String) {
        self.post_as("text/plain", path, key, body).await
    }

    async fn post_as(
        &self,
        content_type: &str,
        path: &str,
        key: Option<&str>,
        body: impl Into<Body>,
    ) -> (Response<()>, String) {
        let mut request = Request::post(path).header("content-type", content_type);
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let request = request.body(body.into()).unwrap();
        let (parts, body) = self.router.clone().oneshot(request).await.unwrap().into_parts();
        let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
        (Response::from_parts(parts, ()), String::from_utf8(body.to_vec()).unwrap())
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

fn replayed(response: &Response<()>) -> bool {
    response.headers().contains_key("idempotency-replayed")
}

#[tokio::test]
async fn a_key_that_cannot_be_freed_while_the_database_is_away_is_free_soon_after() {
    let service = Service::start().await;
    // Its handler takes the table away.
    let (first, _) = service.post("/away", Some("k"), "x").await;
    assert_eq!(first.status(), StatusCode::INTERNAL_SERVER_ERROR);
    sqlx::raw_sql("ALTER TABLE kit.away RENAME TO idempotency_keys").execute(&service.pool).await.unwrap();
    wait_until("asking again does the work", Duration::from_secs(20), || async {
        service.post("/away", Some("k"), "x").await.0.status() == StatusCode::OK
    })
    .await;
    assert_eq!(service.calls(), 2);
}

#[tokio::test]
async fn the_same_request_gets_the_first_answer_again() {
    let service = Service::start().await;
    let (first, body) = service.post("/created", Some("k1"), "x").await;
    assert!(!replayed(&first));
    let (again, body_again) = service.post("/created/", Some("k1"), "x").await;
    assert!(replayed(&again));
    assert_eq!((again.status(), body_again), (first.status(), body));
    for name in ["content-type", "location"] {
        assert_eq!(again.headers()[name], first.headers()[name]);
    }
    assert_eq!(service.calls(), 1);
    let (_, _) = service.post("/created", Some("k2"), "x").await;
    let (_, _) = service.post("/created", None, "x").await;
    assert_eq!(service.calls(), 3);
}

#[tokio::test]
async fn the_same_key_for_another_request_is_a_conflict() {
    let service = Service::start().await;
    service.post("/created", Some("k"), "x").await;
    for (path, body) in [("/created", "y"), ("/created?a=b", "x"), ("/refused", "x")] {
        let (response, text) = service.post(path, Some("k"), body).await;
        assert_eq!(response.status(), 409, "{path} {body}");
        assert!(text.contains("used for another request"), "{text}");
    }
    let (response, _) = service.post_as("text/plain; charset=utf-16", "/created", Some("k"), "x").await;
    assert_eq!(response.status(), 409, "another charset makes another text of the same bytes");
    assert_eq!(service.calls(), 1);
}

#[tokio::test]
async fn a_refusal_is_kept_and_a_failure_or_a_panic_frees_the_key() {
    let service = Service::start().await;
    let (first, text) = service.post("/refused", Some("a"), "").await;
    let (again, text_again) = service.post("/refused", Some("a"), "").await;
    assert_eq!((first.status(), text), (again.status(), text_again));
    service.calls.store(0, Ordering::SeqCst);
    assert_eq!(service.post("/failing", Some("b"), "").await.0.status(), 500);
    assert_eq!(service.post("/failing", Some("b"), "").await.1, "better");
    for _ in 0..2 {
        assert_eq!(service.post("/panics", Some("c"), "").await.0.status(), 500);
    }
}

#[tokio::test]
async fn a_request_that_outlives_its_caller_is_finished_and_answered_later() {
    let service = Service::with_limit(Duration::from_millis(300)).await;
    assert_eq!(service.post("/slow", Some("k"), "").await.0.status(), 503, "the time limit is 300 ms");
    let (under_way, text) = service.post("/slow", Some("k"), "").await;
    assert_eq!((under_way.status().as_u16(), &under_way.headers()["retry-after"]), (409, &"1".parse().unwrap()));
    assert!(text.contains("still under way"), "{text}");
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    loop {
        let (response, text) = service.post("/slow", Some("k"), "").await;
        if response.status() == 200 {
            assert!(replayed(&response));
            assert_eq!(text, "call 1");
            break;
        }
        assert!(std::time::Instant::now() < deadline, "{response:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(service.calls(), 1);
}

#[tokio::test]
async fn of_many_at_once_one_is_carried_out() {
    let service = Service::start().await;
    let answers = futures::future::join_all((0..8).map(|_| service.post("/created", Some("k"), "x"))).await;
    for (response, _) in answers {
        assert!([201, 409].contains(&response.status().as_u16()), "{response:?}");
    }
    assert_eq!(service.calls(), 1);
}

#[tokio::test]
async fn an_effect_that_is_committed_is_not_repeated_though_its_answer_is_lost() {
    let service = Service::start().await;
    assert_eq!(service.post("/lost", Some("k"), "").await.0.status(), 500);
    let (response, text) = service.post("/lost", Some("k"), "").await;
    assert_eq!(response.status(), 409);
    assert!(text.contains("was carried out"), "{text}");
    assert_eq!(service.calls(), 1);
}

#[tokio::test]
async fn a_key_held_by_a_process_that_died_can_be_taken_over() {
    let service = Service::start().await;
    service.post("/created", Some("k"), "x").await;
    let died =
        "UPDATE idempotency_keys SET status = NULL, carried_out = false, claimed_until = now() - interval '1 second'";
    sqlx::query(died).execute(&service.pool).await.unwrap();
    assert_eq!(service.post("/created", Some("k"), "y").await.0.status(), 409);
    assert_eq!(service.post("/created", Some("k"), "x").await.0.status(), 201);
    assert_eq!(service.calls(), 2);
}

#[tokio::test]
async fn keys_are_forgotten_after_a_day() {
    let service = Service::start().await;
    for key in ["a", "b", "c"] {
        service.post("/created", Some(key), "x").await;
    }
    let aged = "UPDATE idempotency_keys SET created_at = now() - interval '25 hours' WHERE key <> 'c'";
    sqlx::query(aged).execute(&service.pool).await.unwrap();
    assert!(!replayed(&service.post("/created", Some("a"), "other").await.0));
    assert_eq!(Idempotency::new(service.pool.clone()).remove_old().await.unwrap(), 1);
    assert!(replayed(&service.post("/created", Some("c"), "x").await.0));
}

#[tokio::test]
async fn bad_keys_and_large_bodies_are_refused_before_anything_happens() {
    let service = Service::start().await;
    let long = "k".repeat(256);
    for key in ["", "with space", "ü", &long] {
        assert_eq!(service.post("/created", Some(key), "x").await.0.status(), 400, "{key:?}");
    }
    assert_eq!(service.post("/created", Some("k"), "x".repeat(2000)).await.0.status(), 413);
    assert_eq!(service.calls(), 0);
}
