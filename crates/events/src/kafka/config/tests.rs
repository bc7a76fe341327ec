//! What settings are taken, refused, and not obeyed.

use clap::Parser;

use super::*;
use crate::contract::{
    replay::{Carrier, Replay},
    topics::CATALOGUE,
};

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    kafka: KafkaConfig,
}

impl KafkaConfig {
    /// For tests: the defaults, and these brokers.
    pub(crate) fn at(servers: &str) -> Self {
        parse(&["--kafka-bootstrap-servers", servers]).unwrap()
    }
}

fn parse(args: &[&str]) -> Result<KafkaConfig, clap::Error> {
    Cli::try_parse_from(std::iter::once(&"test").chain(args)).map(|cli| cli.kafka)
}

fn refusal(args: &[&str]) -> String {
    parse(args).err().map(|problem| problem.to_string()).unwrap_or_default()
}

#[test]
fn what_would_lose_records_is_refused_with_the_reason() {
    assert!(refusal(&["--kafka-producer-acks", "1"]).contains("allowed: all"));
    assert!(refusal(&["--kafka-consumer-enable-auto-commit", "true"]).contains("allowed: false"));
    assert!(parse(&["--kafka-consumer-enable-auto-commit", "False", "--kafka-producer-acks", "-1"]).is_err());
    assert!(parse(&["--kafka-consumer-enable-auto-commit", "False", "--kafka-producer-acks=-1"]).is_ok());
}

#[test]
fn what_would_reorder_records_is_not_obeyed() {
    let of = |args: &[&str], name: &str| parse(args).unwrap().producer("x", None).get(name).map(str::to_owned);
    for retries in ["0", "1", "3"] {
        assert_eq!(of(&["--kafka-producer-retries", retries], "retries"), None, "the client's own is without end");
    }
    for (set, obeyed) in [("1", "1"), ("16384", "16384"), ("1048576", "1048576"), ("4000000", "1048576")] {
        assert_eq!(of(&["--kafka-producer-batch-size", set], "batch.size").as_deref(), Some(obeyed));
    }
    assert!(refusal(&["--kafka-producer-linger-ms", "1001"]).contains("0..=1000"));
    for topic in CATALOGUE {
        assert!((MOST_BATCH_BYTES..MOST_RECORD_BYTES).contains(&topic.max_message_bytes), "{}", topic.name);
    }
}

#[test]
fn certificate_files_alone_mean_tls() {
    let file = std::env::current_exe().unwrap().display().to_string();
    let config = parse(&["--kafka-ssl-ca-file", &file]).unwrap();
    assert_eq!(config.client("x").get("security.protocol"), Some("SSL"));
    assert_eq!(parse(&[]).unwrap().client("x").get("security.protocol"), Some("PLAINTEXT"));
    let half = parse(&["--kafka-ssl-cert-file", &file]).unwrap();
    assert!(half.validate().unwrap_err().contains("KAFKA_SSL_KEY_FILE"));
}

#[test]
fn logging_in_needs_all_its_parts() {
    let config = parse(&["--kafka-security-protocol", "sasl_ssl"]).unwrap();
    assert!(config.validate().unwrap_err().contains("KAFKA_SASL_PASSWORD"));
    let config = parse(&[
        "--kafka-security-protocol=SASL_SSL",
        "--kafka-sasl-mechanism=SCRAM-SHA-512",
        "--kafka-sasl-username=app",
        "--kafka-sasl-password=secret",
    ])
    .unwrap();
    config.validate().unwrap();
    assert_eq!(config.client("x").get("sasl.mechanism"), Some("SCRAM-SHA-512"));
    assert!(!format!("{config:?}").contains("secret"));
}

#[test]
fn the_secret_of_replays_is_a_file_with_enough_in_it() {
    let path = std::env::temp_dir().join(uuid::Uuid::new_v4().to_string());
    let file = format!("--replay-signing-key-file={}", path.display());
    for (secret, problem) in [(&[b's'; 31][..], "31 bytes"), (&[b's'; 4097], "bytes"), (b"", "0 bytes")] {
        std::fs::write(&path, secret).unwrap();
        let refused = refusal(&[&file]);
        assert!(refused.contains("32 to 4096") && refused.contains(problem), "{refused}");
    }
    // What an editor puts behind it is no part of it, and does not make it long enough.
    std::fs::write(&path, [&[b's'; 31][..], b"\n"].concat()).unwrap();
    assert!(refusal(&[&file]).contains("31 bytes"));
    let carrier = Carrier { topic: "t", key: None, value: None };
    let replay = Replay {
        dead_letter_id: uuid::Uuid::nil(),
        replay_id: uuid::Uuid::nil(),
        group: "g".to_owned(),
        handler: None,
    };
    let mut signatures = Vec::new();
    for end in ["", "\n", "\r\n"] {
        std::fs::write(&path, format!("{}{end}", "s".repeat(32))).unwrap();
        let config = parse(&[&file]).unwrap();
        signatures.push(config.consumer.replay_signing_key.as_ref().unwrap().sign(&replay, &carrier));
        assert!(!format!("{config:?}").contains("ssss"));
    }
    signatures.dedup();
    assert_eq!(signatures.len(), 1);
    std::fs::remove_file(&path).unwrap();
    assert!(refusal(&[&file]).contains("allowed: the path of a readable file"));
    assert!(refusal(&["--replay-signing-key-file=/"]).contains("allowed: the path of a readable file"));
}
