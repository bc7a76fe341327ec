//! The variables of all services, so that a name that only another service reads is not taken for a mistake.

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

/// Where every setting stands, also those of the other services.
const EXAMPLE: &str = include_str!("../../../../.env.example");

/// One warning per variable that no service knows and that looks like one of ours: each `KAFKA_*`, and of all others those that are
/// a slip away from a setting (`own` are this service's). A `.env` file is often that of an application, which has its own.
pub(super) fn unknown_variables(environment: &Environment, own: &[String]) -> Vec<String> {
    let documented = documented();
    let files: Vec<String> = documented.iter().map(|name| format!("{name}_FILE")).collect();
    let aliases = ALIASES.iter().map(|(alias, _)| *alias);
    let mut known: Vec<&str> = KAFKA_VARIABLES.iter().copied().chain(aliases).collect();
    known.extend(own.iter().chain(&files).map(String::as_str).chain(documented.iter().copied()));
    let is_known = |name: &str| known.iter().any(|known| known.eq_ignore_ascii_case(name));
    let unknown = environment.names().filter(|name| !is_known(name) && !is_service_link(name));
    unknown.filter_map(|name| warning(name, &known)).collect()
}

/// The names in `.env.example`: each setting is there as a comment, `#NAME=default`.
pub(super) fn documented() -> Vec<&'static str> {
    let names = EXAMPLE.lines().filter_map(|line| line.strip_prefix('#')?.split_once('=')).map(|(name, _)| name);
    names.filter(|name| name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')).collect()
}

/// Kubernetes sets these in every pod beside a service that is called `kafka`.
fn is_service_link(name: &str) -> bool {
    name == "KAFKA_PORT" || name.starts_with("KAFKA_PORT_") || name.starts_with("KAFKA_SERVICE_")
}

fn warning(name: &str, known: &[&str]) -> Option<String> {
    if !name.starts_with("KAFKA_") {
        let slips = known.iter().filter_map(|candidate| Some((slips(name, candidate)?, candidate)));
        let (_, candidate) = slips.min_by_key(|(slips, _)| *slips)?;
        return Some(format!("{name} is not a setting and has no effect; did you mean {candidate}?"));
    }
    let nearest = known.iter().map(|candidate| (strsim::jaro_winkler(name, candidate), candidate));
    // 0.9: with the shared prefix, unrelated names reach about 0.85, a slip of one or two letters 0.95 and more.
    Some(match nearest.filter(|(likeness, _)| *likeness > 0.9).max_by(|a, b| a.0.total_cmp(&b.0)) {
        Some((_, candidate)) => format!("{name} is not a setting and has no effect; did you mean {candidate}?"),
        None => format!("{name} is not a setting and has no effect"),
    })
}

/// How many letters are too many, too few, others or exchanged: one at most, two in a long name. Three would take DATABASE_USER
/// for DATABASE_URL.
fn slips(name: &str, candidate: &str) -> Option<usize> {
    let allowed = if candidate.len() >= 10 { 2 } else { 1 };
    if candidate.len().abs_diff(name.len()) > allowed {
        return None;
    }
    Some(strsim::osa_distance(&name.to_ascii_uppercase(), candidate)).filter(|slips| *slips <= allowed)
}
