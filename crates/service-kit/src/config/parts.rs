//! The parts that every service has: HTTP, database, telemetry.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use secrecy::SecretString;

use super::{
    database_url::parse_database_url,
    values::{parse_bind, parse_bool, parse_bytes, parse_duration_not_zero, parse_http_url, parse_log_filter},
};

/// How the HTTP server listens and what it bears.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "HTTP")]
pub struct HttpConfig {
    /// Address and port to listen on; port 0 takes a free one. Without API_TOKENS_FILE only a loopback address is allowed
    #[arg(id = "http_bind", long = "http-bind", env = "HTTP_BIND", value_name = "ADDRESS:PORT")]
    #[arg(default_value = "127.0.0.1:8000", value_parser = parse_bind)]
    pub bind: SocketAddr,
    /// File of bearer tokens, a line each: role (reader, operator, admin), name, SHA-256 of the token in hex
    #[arg(id = "api_tokens_file", long = "api-tokens-file", env = "API_TOKENS_FILE", value_name = "PATH")]
    pub api_tokens_file: Option<PathBuf>,
    /// Largest request body in bytes
    #[arg(id = "http_body_limit", long = "http-body-limit", env = "HTTP_BODY_LIMIT", value_name = "BYTES")]
    #[arg(default_value = "1MiB", value_parser = parse_bytes)]
    pub body_limit: usize,
    /// Longest time until a request is answered
    #[arg(
        id = "http_request_timeout",
        long = "http-request-timeout",
        env = "HTTP_REQUEST_TIMEOUT",
        value_name = "DURATION"
    )]
    #[arg(default_value = "10s", value_parser = parse_duration_not_zero)]
    pub request_timeout: Duration,
    #[command(flatten)]
    #[allow(missing_docs, reason = "clap would take it for the service's help")]
    pub connections: ConnectionConfig,
}

/// How many connections there may be, and for how long one may keep its place without use.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "HTTP")]
pub struct ConnectionConfig {
    /// Connections that are open at most. One that waits for a request makes room for a new one; where all are at work, the new one is answered with 503
    #[arg(id = "http_max_connections", long = "http-max-connections", env = "HTTP_MAX_CONNECTIONS")]
    #[arg(default_value_t = 512, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub max: u32,
    /// Longest time until the header of a request is complete, from its first byte or, if there was none before, from the connection on
    #[arg(id = "http_header_timeout", long = "http-header-timeout", env = "HTTP_HEADER_TIMEOUT")]
    #[arg(value_name = "DURATION", default_value = "10s", value_parser = parse_duration_not_zero)]
    pub header_timeout: Duration,
    /// Longest time that a connection is kept for its next request; longer than that of a proxy before it
    #[arg(id = "http_idle_timeout", long = "http-idle-timeout", env = "HTTP_IDLE_TIMEOUT")]
    #[arg(value_name = "DURATION", default_value = "75s", value_parser = parse_duration_not_zero)]
    pub idle_timeout: Duration,
    /// Longest time until a client has taken its answer
    #[arg(id = "http_answer_timeout", long = "http-answer-timeout", env = "HTTP_ANSWER_TIMEOUT")]
    #[arg(value_name = "DURATION", default_value = "30s", value_parser = parse_duration_not_zero)]
    pub answer_timeout: Duration,
}

impl Default for ConnectionConfig {
    /// 512: half of the file descriptors that a process may have on most systems. 75 s: the balancers of the large clouds keep
    /// a connection for 60 s, and the side that gives requests has to be the first to close.
    fn default() -> Self {
        Self {
            max: 512,
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
            answer_timeout: Duration::from_secs(30),
        }
    }
}

/// How the database is reached. Only for commands that need none may its address be missing.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Database")]
pub struct DatabaseConfig {
    /// The PostgreSQL database; across a network add ?sslmode=verify-full&sslrootcert=PATH
    #[arg(
        id = "database_url",
        long = "database-url",
        env = "DATABASE_URL",
        hide_env_values = true,
        value_name = "URL"
    )]
    #[arg(required = true, value_parser = parse_database_url)]
    pub url: Option<SecretString>,
    /// Connections that this process opens at most
    #[arg(id = "database_max_connections", long = "database-max-connections", env = "DATABASE_MAX_CONNECTIONS")]
    #[arg(default_value_t = 20, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(2..=1000))]
    pub max_connections: u32,
    /// Bring the schema up to date at start; `false` refuses to start on an old schema
    #[arg(id = "database_auto_migrate", long = "database-auto-migrate", env = "DATABASE_AUTO_MIGRATE")]
    #[arg(default_value = "true", value_name = "BOOL", action = clap::ArgAction::Set, value_parser = parse_bool)]
    pub auto_migrate: bool,
}

/// What is logged, and how, and where traces go.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Telemetry")]
pub struct TelemetryConfig {
    /// What is logged, as in `info` or `info,sqlx=debug`
    #[arg(id = "rust_log", long = "rust-log", env = "RUST_LOG", value_name = "FILTER")]
    #[arg(default_value = "info", value_parser = parse_log_filter)]
    pub rust_log: String,
    /// Form of the log; without it `text` on a terminal and `json` elsewhere
    #[arg(id = "log_format", long = "log-format", env = "LOG_FORMAT", value_name = "FORMAT", ignore_case = true)]
    pub log_format: Option<LogFormat>,
    /// Where traces are sent, by OTLP over HTTP, as in `http://localhost:4318`; none are made without it
    #[arg(
        id = "otel_exporter_otlp_endpoint",
        long = "otel-exporter-otlp-endpoint",
        env = "OTEL_EXPORTER_OTLP_ENDPOINT"
    )]
    #[arg(value_name = "URL", value_parser = parse_http_url)]
    pub otlp_endpoint: Option<String>,
    /// The name in traces; the service's own unless set
    #[arg(id = "otel_service_name", long = "otel-service-name", env = "OTEL_SERVICE_NAME", value_name = "NAME")]
    pub service_name: Option<String>,
}

/// Form of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}
