//! The frame and the extractors as a caller sees them.

use std::time::Duration;

use axum::{
    Router,
    body::Body,
    extract::Request,
    http::StatusCode,
    middleware::from_fn,
    response::Response,
    routing::{get, post},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tower::ServiceExt;

use super::{
    auth::{Identity, Role, require},
    *,
};
use crate::{
    config::{ConnectionConfig, HttpConfig},
    lifecycle::Lifecycle,
};

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Patient {
    name: String,
    age: u8,
    #[serde(default)]
    pets: Vec<Pet>,
    #[serde(default)]
    kind: Option<Kind>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Pet {
    legs: u8,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    New,
    Known,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    limit: Option<u8>,
}

fn config() -> HttpConfig {
    HttpConfig {
        bind: ([127, 0, 0, 1], 0).into(),
        api_tokens_file: None,
        body_limit: 1 << 10,
        request_timeout: Duration::from_secs(10),
        connections: ConnectionConfig::default(),
    }
}

fn routes() -> Router {
    Router::new()
        .route("/patients", post(|ApiJson(patient): ApiJson<Patient>| async { ApiJson(patient) }).get(list))
        .route("/patients/{id}", get(|ApiPath(id): ApiPath<u32>| async move { id.to_string() }))
        .route("/whoami", get(|who: Identity| async move { format!("{} {}", who.name, who.role.as_str()) }))
        .route("/purge", post(|| async { "gone" }).layer(from_fn(require(Role::Admin))))
        .route(
            "/panic",
            get(|| async {
                if true {
                    panic!("secret")
                }
            }),
        )
        .route("/slow", get(std::future::pending::<()>).post(|_: String| std::future::pending::<()>()))
        .route("/fails", get(|| async { Err::<(), Problem>(anyhow::anyhow!("secret").into()) }))
}

async fn list(ApiQuery(page): ApiQuery<Page>) -> String {
    format!("{:?}", page.limit)
}

async fn ask_with(config: &HttpConfig, request: Request) -> (Response<()>, Value) {
    let router = router(config, routes(), &Health::new(), &Lifecycle::new()).unwrap();
    let (parts, body) = router.oneshot(request).await.unwrap().into_parts();
    let bytes = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    let value = serde_json::from_str(&text).unwrap_or(Value::String(text));
    (Response::from_parts(parts, ()), value)
}

async fn ask(request: Request) -> (StatusCode, Value) {
    let (response, body) = ask_with(&config(), request).await;
    let problem = response.headers().get("content-type").is_some_and(|value| value == "application/problem+json");
    let failed = response.status().is_client_error() || response.status().is_server_error();
    assert_eq!(problem, failed, "every failure is a problem: {response:?} {body}");
    assert!(response.headers().contains_key("x-request-id"));
    (response.status(), body)
}

fn get_request(path: &str) -> Request {
    Request::get(path).body(Body::empty()).unwrap()
}

fn posted(body: impl Into<Body>) -> Request {
    Request::post("/patients").header("content-type", "application/json").body(body.into()).unwrap()
}

#[tokio::test]
async fn a_path_is_the_same_with_and_without_a_slash_at_its_end() {
    for path in ["/patients/7", "/patients/7/"] {
        assert_eq!(ask(get_request(path)).await, (StatusCode::OK, json!(7)), "{path}");
    }
}

#[tokio::test]
async fn unknown_routes_and_methods_are_problems() {
    assert_eq!(ask(get_request("/nowhere")).await.0, 404);
    let (response, body) = ask_with(&config(), Request::delete("/patients").body(Body::empty()).unwrap()).await;
    assert_eq!((response.status().as_u16(), &body["status"]), (405, &json!(405)));
    assert!(response.headers()["allow"].to_str().unwrap().contains("POST"), "{response:?}");
}

#[tokio::test]
async fn a_good_body_is_read() {
    let (status, body) = ask(posted(r#"{"name":"Anna","age":5,"pets":[{"legs":4}]}"#)).await;
    assert_eq!((status.as_u16(), &body["age"]), (200, &json!(5)));
}

#[tokio::test]
async fn a_body_with_wrong_content_names_field_and_remedy_and_never_the_value() {
    for (body, field, problem, remedy) in [
        (r#"{"name":"Anna"}"#, "age", "is missing", "Add the field `age`."),
        (
            r#"{"name":"Anna","age":"s3cret"}"#,
            "age",
            "is a string",
            "Send a whole number that is not negative and not too large.",
        ),
        (
            r#"{"name":"Anna","age":-1}"#,
            "age",
            "has a value that is not allowed",
            "Send a whole number that is not negative and not too large.",
        ),
        (r#"{"name":["s3cret"],"age":1}"#, "name", "is an array", "Send a string."),
        (r#"{"name":null,"age":1}"#, "name", "is null", "Send a string."),
        (
            r#"{"name":"Anna","nam":"s3cret","age":1}"#,
            "*",
            "is not known",
            "Remove it, or check its spelling. Known here: `name`, `age`, `pets`, `kind`.",
        ),
        (r#"{"name":"a","name":"b","age":1}"#, "name", "occurs twice", "Send it once."),
        (
            r#"{"name":"a","age":1,"pets":[{"legs":1},{"legs":"s3cret, expected u8"}]}"#,
            "pets[1].legs",
            "is a string",
            "Send a whole number that is not negative and not too large.",
        ),
        (r#"{"name":"a","age":1,"pets":[{}]}"#, "pets[0].legs", "is missing", "Add the field `legs`."),
        (
            r#"{"name":"a","age":1,"pets":[{"legs":1,"tail":1}]}"#,
            "pets[0].*",
            "is not known",
            "Remove it, or check its spelling. Known here: `legs`.",
        ),
        (r#"{"name":"a","age":1,"kind":"s3cret"}"#, "kind", "is none of the known values", "Send `new` or `known`."),
        (r#"{"name":"a","age":1,"kind":7351}"#, "kind", "is none of the known values", "Send `new` or `known`."),
        (r#"["s3cret"]"#, "", "is an array", "Send an object."),
        (r#""s3cret""#, "", "is a string", "Send an object."),
    ] {
        let (status, answer) = ask(posted(body)).await;
        assert_eq!(status, 422, "{body} {answer}");
        assert_eq!(answer["errors"], json!([{"field": field, "problem": problem, "remedy": remedy}]), "{body}");
        assert!(!answer.to_string().contains("s3cret"), "{answer}");
    }
}

#[tokio::test]
async fn what_is_not_json_is_400_with_its_place() {
    let deep = "[".repeat(500);
    for (body, expected) in [
        (&b"{\"name\": s3cret}"[..], "line 1, column 10"),
        (b"{\n\"name\": \"Anna\"", "The JSON ends too early, at line 2"),
        (b"{\"name\":\"a\",\"age\":1} s3cret", "trailing characters"),
        (b"", "The body is empty"),
        (b" \n", "The body is empty"),
        (b"{\"name\":\"\xff\"}", "not UTF-8 from byte 9"),
        (format!("{{\"name\":\"a\",\"pets\":{deep}").as_bytes(), "nested too deep"),
    ] {
        let (status, answer) = ask(posted(body.to_vec())).await;
        let text = answer.to_string();
        assert_eq!(status, 400, "{answer}");
        assert!(text.contains(expected), "{answer}");
        assert!(!text.contains("s3cret"), "{answer}");
    }
    let deep = r#"{"a":"#.repeat(500);
    let error = ApiJson::<Value>::from_slice(deep.as_bytes()).unwrap_err();
    assert!(error.detail.contains("nested too deep (128 levels"), "{error}");
}

#[tokio::test]
async fn other_content_types_are_415_and_large_bodies_413() {
    let plain = Request::post("/patients").header("content-type", "text/plain").body(Body::from("{}")).unwrap();
    assert_eq!(ask(plain).await.0, 415);
    assert_eq!(ask(Request::post("/patients").body(Body::from("{}")).unwrap()).await.0, 415);
    let (status, body) = ask(posted(format!(r#"{{"name":"{}","age":1}}"#, "x".repeat(2000)))).await;
    assert_eq!((status.as_u16(), &body["title"]), (413, &json!("Payload Too Large")));
    let charset = Request::post("/patients").header("content-type", "Application/JSON; charset=utf-8");
    assert_eq!(ask(charset.body(Body::from(r#"{"name":"a","age":1}"#)).unwrap()).await.0, 200);
}

#[tokio::test]
async fn wrong_paths_and_queries_name_the_parameter() {
    let (status, body) = ask(get_request("/patients/s3cret")).await;
    assert_eq!((status.as_u16(), &body["errors"][0]["remedy"]), (400, &json!("Send a whole number.")));
    assert!(!body.to_string().contains("s3cret"));
    for (query, field, problem) in [
        ("limit=s3cret", "limit", "is not a whole number"),
        ("limit=300", "limit", "is out of range"),
        ("limt=3", "*", "is not known"),
        ("limit=1&limit=2", "limit", "occurs twice"),
    ] {
        let (status, body) = ask(get_request(&format!("/patients?{query}"))).await;
        assert_eq!(status, 400);
        assert_eq!(
            (&body["errors"][0]["field"], &body["errors"][0]["problem"]),
            (&json!(field), &json!(problem)),
            "{body}"
        );
        assert!(!body.to_string().contains("s3cret"));
    }
    assert_eq!(ask(get_request("/patients?limit=3")).await.1, json!("Some(3)"));
}

#[tokio::test]
async fn panics_and_errors_are_500_without_details() {
    for path in ["/panic", "/fails"] {
        let (status, body) = ask(get_request(path)).await;
        assert_eq!(status, 500);
        assert!(!body.to_string().contains("secret"), "{body}");
    }
}

#[tokio::test]
async fn a_request_that_takes_too_long_is_given_up() {
    let config = HttpConfig { request_timeout: Duration::from_millis(100), ..config() };
    let status = async |request| ask_with(&config, request).await.0.status().as_u16();
    let (response, _) = ask_with(&config, get_request("/slow")).await;
    assert_eq!((response.status().as_u16(), &response.headers()["retry-after"]), (503, &"5".parse().unwrap()));
    let endless = Body::from_stream(futures::stream::pending::<Result<Vec<u8>, std::io::Error>>());
    assert_eq!(status(Request::post("/slow").body(endless).unwrap()).await, 408);
    assert_eq!(status(Request::post("/slow").body(Body::from("all of it")).unwrap()).await, 503);
}

#[tokio::test]
async fn a_callers_request_id_is_kept_if_it_is_a_sensible_one() {
    let with = |id: &str| Request::get("/healthz").header("x-request-id", id).body(Body::empty()).unwrap();
    let (response, _) = ask_with(&config(), with("abc-12345")).await;
    assert_eq!(response.headers()["x-request-id"], "abc-12345");
    let (response, _) = ask_with(&config(), with("anna@example.org")).await;
    assert_ne!(response.headers()["x-request-id"], "anna@example.org");
}

fn with_tokens() -> HttpConfig {
    let path = std::env::temp_dir().join(format!("service-kit-tokens-{}-{}", std::process::id(), uuid::Uuid::now_v7()));
    let line = |role: &str| {
        let hash: String = Sha256::digest(role.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{role} the-{role} {hash}\n")
    };
    let lines = ["reader", "operator", "admin"].map(line).concat();
    std::fs::write(&path, format!("# tokens\n\n{lines}")).unwrap();
    HttpConfig { api_tokens_file: Some(path), bind: ([0, 0, 0, 0], 0).into(), ..config() }
}

#[tokio::test]
async fn roles_decide_what_a_token_may_do() {
    let config = with_tokens();
    let status = |method: &'static str, path: &'static str, token: Option<&'static str>| {
        let mut request = Request::builder().method(method).uri(path).header("content-type", "application/json");
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let request = request.body(Body::from(r#"{"name":"a","age":1}"#)).unwrap();
        let config = &config;
        async move { ask_with(config, request).await.0.status().as_u16() }
    };
    for (method, path, token, expected) in [
        ("GET", "/patients", None, 401),
        ("GET", "/patients", Some("nobody"), 401),
        ("GET", "/patients", Some("reader"), 200),
        ("HEAD", "/patients", Some("reader"), 200),
        ("POST", "/patients", Some("reader"), 403),
        ("POST", "/patients", Some("operator"), 200),
        ("POST", "/purge", Some("operator"), 403),
        ("POST", "/purge", Some("admin"), 200),
        ("GET", "/healthz", None, 200),
        ("GET", "/readyz", None, 200),
        ("GET", "/metrics", None, 200),
        ("GET", "/nowhere", None, 404),
    ] {
        assert_eq!(status(method, path, token).await, expected, "{method} {path} {token:?}");
    }
    let twice =
        Request::get("/patients").header("authorization", "Bearer reader").header("authorization", "Bearer admin");
    assert_eq!(ask_with(&config, twice.body(Body::empty()).unwrap()).await.0.status(), 401);
    let whoami = Request::get("/whoami").header("authorization", "bearer operator").body(Body::empty()).unwrap();
    assert_eq!(ask_with(&config, whoami).await.1, json!("the-operator operator"));
}

#[tokio::test]
async fn open_routes_need_no_token() {
    let routes = Routes::new(Router::new()).open(Router::new().route("/docs", get(|| async { "read me" })));
    let router = router(&with_tokens(), routes, &Health::new(), &Lifecycle::new()).unwrap();
    assert_eq!(router.oneshot(get_request("/docs")).await.unwrap().status(), 200);
}

#[tokio::test]
async fn without_tokens_everybody_on_this_machine_is_admin_but_no_foreign_page() {
    assert_eq!(ask(get_request("/whoami")).await.1, json!("local admin"));
    for (name, value, expected) in [
        ("host", "localhost:8001", 200),
        ("host", "127.0.0.1:8001", 200),
        ("host", "[::1]:8001", 200),
        ("host", "evil.example:8001", 403),
        ("host", "localhost.evil.example", 403),
        ("origin", "http://localhost:8000", 200),
        ("origin", "https://evil.example", 403),
        ("origin", "null", 403),
    ] {
        let request = Request::get("/whoami").header(name, value).body(Body::empty()).unwrap();
        assert_eq!(ask(request).await.0.as_u16(), expected, "{name}: {value}");
    }
}

#[tokio::test]
async fn without_tokens_only_a_loopback_address_is_listened_on() {
    let open = HttpConfig { bind: ([0, 0, 0, 0], 0).into(), ..config() };
    let error = serve(&open, routes(), &Health::new(), &Lifecycle::new()).await.unwrap_err().to_string();
    assert!(error.contains("HTTP_BIND") && error.contains("API_TOKENS_FILE"), "{error}");
}

#[tokio::test]
async fn port_0_takes_a_free_port_and_requests_under_way_are_finished() {
    let (lifecycle, health) = (Lifecycle::new(), Health::new());
    let (entered, mut waiting) = tokio::sync::mpsc::channel(1);
    let slow = get(move || async move {
        entered.send(()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(200)).await;
        "done"
    });
    let address = serve(&config(), Router::new().route("/slow", slow), &health, &lifecycle).await.unwrap();
    assert_ne!(address.port(), 0);
    let request = tokio::spawn(reqwest::get(format!("http://{address}/slow")));
    waiting.recv().await.unwrap();
    lifecycle.shutdown();
    assert_eq!(request.await.unwrap().unwrap().text().await.unwrap(), "done");
    lifecycle.join().await.unwrap();
    assert!(reqwest::get(format!("http://{address}/slow")).await.is_err());
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let taken = HttpConfig { bind: taken.local_addr().unwrap(), ..config() };
    let _listener = tokio::net::TcpListener::bind(taken.bind).await;
    let error = serve(&taken, routes(), &health, &Lifecycle::new()).await.unwrap_err();
    assert!(error.to_string().starts_with("HTTP_BIND: cannot listen on"), "{error}");
}
