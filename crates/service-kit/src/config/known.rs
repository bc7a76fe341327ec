//! Every `KAFKA_*` variable of any service, so that a name that only another service reads is not taken for a mistake.

use super::{aliases::ALIASES, environment::Environment};

/// Every `KAFKA_*` setting of the system.
pub const KAFKA_VARIABLES: &[&str] = &[
    "KAFKA_BOOTSTRAP_SERVERS",
    "KAFKA_CLIENT_ID",
    "KAFKA_CONSUMER_AUTO_OFFSET_RESET",
    "KAFKA_CONSUMER_CONCURRENCY",
    "KAFKA_CONSUMER_ENABLE_AUTO_COMMIT",
    "KAFKA_CONSUMER_FETCH_MIN_BYTES",
    "KAFKA_CONSUMER_MAX_POLL_RECORDS",
    "KAFKA_CONSUMER_SESSION_TIMEOUT_MS",
    "KAFKA_ENABLED",
    "KAFKA_GROUP_ID",
    "KAFKA_PRODUCER_ACKS",
    "KAFKA_PRODUCER_BATCH_SIZE",
    "KAFKA_PRODUCER_COMPRESSION_TYPE",
    "KAFKA_PRODUCER_LINGER_MS",
    "KAFKA_PRODUCER_RETRIES",
    "KAFKA_SASL_MECHANISM",
    "KAFKA_SASL_PASSWORD",
    "KAFKA_SASL_PASSWORD_FILE",
    "KAFKA_SASL_USERNAME",
    "KAFKA_SECURITY_PROTOCOL",
    "KAFKA_SSL_CA_FILE",
    "KAFKA_SSL_CERT_FILE",
    "KAFKA_SSL_KEY_FILE",
    "KAFKA_TOPIC",
    "KAFKA_TOPIC_MIN_INSYNC_REPLICAS",
    "KAFKA_TOPIC_NAMESPACE",
    "KAFKA_TOPIC_PREFIX",
    "KAFKA_TOPIC_REPLICATION_FACTOR",
];

/// One warning per `KAFKA_*` variable that neither this service (`own`) nor another one knows.
pub(super) fn unknown_kafka_variables(environment: &Environment, own: &[String]) -> Vec<String> {
    let known: Vec<&str> = KAFKA_VARIABLES
        .iter()
        .copied()
        .chain(ALIASES.iter().map(|(alias, _)| *alias))
        .chain(own.iter().map(String::as_str))
        .collect();
    let unknown = environment.names().filter(|name| name.starts_with("KAFKA_") && !known.contains(name));
    unknown.filter(|name| !is_service_link(name)).map(|name| warning(name, &known)).collect()
}

/// Kubernetes sets these in every pod beside a service that is called `kafka`.
fn is_service_link(name: &str) -> bool {
    name == "KAFKA_PORT" || name.starts_with("KAFKA_PORT_") || name.starts_with("KAFKA_SERVICE_")
}

fn warning(name: &str, known: &[&str]) -> String {
    let nearest = known.iter().map(|candidate| (strsim::jaro_winkler(name, candidate), candidate));
    // 0.9: with the shared prefix, unrelated names reach about 0.85, a slip of one or two letters 0.95 and more.
    match nearest.filter(|(likeness, _)| *likeness > 0.9).max_by(|a, b| a.0.total_cmp(&b.0)) {
        Some((_, candidate)) => format!("{name} is not a setting and has no effect; did you mean {candidate}?"),
        None => format!("{name} is not a setting and has no effect"),
    }
}
