//! Every Kafka setting, and the one place where they become a client's configuration.

use std::{path::PathBuf, time::Duration};

use clap::Args;
use rdkafka::{ClientConfig, config::RDKafkaLogLevel};
use secrecy::{ExposeSecret, SecretString};

pub use super::values::{
    BootstrapServers, Compression, OffsetReset, RegistryUrl, SaslMechanism, SecurityProtocol, boolean,
};
use super::values::{acks, group_id, name_of, namespace, no_auto_commit, readable_file, replay_key, topic_name};
use crate::contract::{replay::ReplayKey, topics::TopicNames};

/// As many records wait in a producer's client, on their way included. Enough for 200 000 records/s at 50 ms until the
/// acknowledgement. The client's own 100 000 fall out of a core's cache: a plain loop that fills them sends 175 000
/// records/s, with these 330 000 (300 bytes, eight headers, two cores).
pub(crate) const QUEUE_RECORDS: usize = 10_000;
/// A broker measures whole batches, and this is below what any topic of the catalogue takes.
const MOST_BATCH_BYTES: i32 = 1 << 20;
/// What the client itself refuses to take; above what any topic of the catalogue takes.
const MOST_RECORD_BYTES: i32 = 1_200_000;

/// Kafka settings, as flags and as environment variables.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Kafka")]
pub struct KafkaConfig {
    /// Where Kafka is: a comma list, or a JSON array
    #[arg(long, env = "KAFKA_BOOTSTRAP_SERVERS", default_value = "localhost:9092")]
    pub kafka_bootstrap_servers: BootstrapServers,
    /// How this client names itself to the brokers; the service's name unless set
    #[arg(long, env = "KAFKA_CLIENT_ID")]
    pub kafka_client_id: Option<String>,
    /// Publish to and consume from Kafka; while off, everything is recorded and published once it is on again
    #[arg(long, env = "KAFKA_ENABLED", default_value = "true", value_parser = boolean, action = clap::ArgAction::Set)]
    pub kafka_enabled: bool,
    /// The topic of the voice AI's responses
    #[arg(long, env = "KAFKA_TOPIC", default_value = "ai-responses", value_parser = topic_name)]
    pub kafka_topic: String,
    /// What stands before `.patient.created` and its like
    #[arg(long, env = "KAFKA_TOPIC_PREFIX", default_value = "healthcore", value_parser = topic_name)]
    pub kafka_topic_prefix: String,
    /// Put before every topic and group name, where several installations share a cluster; empty for none. A dot follows
    /// unless it ends with `.`, `-` or `_`
    #[arg(long, env = "KAFKA_TOPIC_NAMESPACE", default_value = "", value_parser = namespace)]
    pub kafka_topic_namespace: String,
    /// Partitions are created with this many replicas; 3 is recommended where there are three brokers
    #[arg(long, env = "KAFKA_TOPIC_REPLICATION_FACTOR", default_value_t = 1, value_parser = clap::value_parser!(i32).range(1..=15))]
    pub kafka_topic_replication_factor: i32,
    /// A write counts once this many replicas have it; 2 is recommended with three replicas
    #[arg(long, env = "KAFKA_TOPIC_MIN_INSYNC_REPLICAS", default_value_t = 1, value_parser = clap::value_parser!(i32).range(1..=15))]
    pub kafka_topic_min_insync_replicas: i32,
    /// How to reach Kafka safely.
    #[command(flatten)]
    pub security: SecurityConfig,
    /// Where schemas are registered.
    #[command(flatten)]
    pub registry: RegistryConfig,
    /// How records are sent.
    #[command(flatten)]
    pub producer: ProducerConfig,
    /// How records are taken.
    #[command(flatten)]
    pub consumer: ConsumerConfig,
}

/// How to reach Kafka safely. Certificates and host names are always verified.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Kafka security")]
pub struct SecurityConfig {
    /// PLAINTEXT unless set; SSL when only the certificate files are set
    #[arg(long, env = "KAFKA_SECURITY_PROTOCOL", ignore_case = true)]
    pub kafka_security_protocol: Option<SecurityProtocol>,
    /// How to log in
    #[arg(long, env = "KAFKA_SASL_MECHANISM", ignore_case = true)]
    pub kafka_sasl_mechanism: Option<SaslMechanism>,
    /// The name to log in with
    #[arg(long, env = "KAFKA_SASL_USERNAME")]
    pub kafka_sasl_username: Option<String>,
    /// The password to log in with
    #[arg(long, env = "KAFKA_SASL_PASSWORD", hide_env_values = true)]
    pub kafka_sasl_password: Option<SecretString>,
    /// The authority that signed the brokers' certificates (PEM)
    #[arg(long, env = "KAFKA_SSL_CA_FILE", value_parser = readable_file)]
    pub kafka_ssl_ca_file: Option<PathBuf>,
    /// This client's certificate (PEM)
    #[arg(long, env = "KAFKA_SSL_CERT_FILE", value_parser = readable_file)]
    pub kafka_ssl_cert_file: Option<PathBuf>,
    /// The certificate's private key (PEM)
    #[arg(long, env = "KAFKA_SSL_KEY_FILE", value_parser = readable_file)]
    pub kafka_ssl_key_file: Option<PathBuf>,
}

/// Where schemas are registered.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Schema registry")]
pub struct RegistryConfig {
    /// A schema registry with Confluent's interface. Events are then sent in its wire format; without one as plain JSON. Both are read
    #[arg(long, env = "SCHEMA_REGISTRY_URL")]
    pub schema_registry_url: Option<RegistryUrl>,
    /// The name to log in to the registry with
    #[arg(long, env = "SCHEMA_REGISTRY_USERNAME")]
    pub schema_registry_username: Option<String>,
    /// The password to log in to the registry with
    #[arg(long, env = "SCHEMA_REGISTRY_PASSWORD", hide_env_values = true)]
    pub schema_registry_password: Option<SecretString>,
}

/// How records are sent.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Kafka producer")]
pub struct ProducerConfig {
    /// Only `all`: the outbox counts a record as published once every in-sync replica has it
    #[arg(long, env = "KAFKA_PRODUCER_ACKS", default_value = "all", value_parser = acks)]
    pub kafka_producer_acks: String,
    /// Accepted for the earlier systems' sake and not obeyed: a record that is given up leaves a gap that later ones pass,
    /// so the outbox's producer tries for ever, and a direct one for as long as its caller has patience
    #[arg(long, env = "KAFKA_PRODUCER_RETRIES", value_parser = clap::value_parser!(i32).range(0..))]
    pub kafka_producer_retries: Option<i32>,
    /// The largest batch in bytes; never more than every topic takes, 1048576
    #[arg(long, env = "KAFKA_PRODUCER_BATCH_SIZE", default_value_t = MOST_BATCH_BYTES, value_parser = clap::value_parser!(i32).range(1..))]
    pub kafka_producer_batch_size: i32,
    /// How long a record may wait for others to share its batch, in milliseconds. The relay reads rows in batches already
    #[arg(long, env = "KAFKA_PRODUCER_LINGER_MS", default_value_t = 1, value_parser = clap::value_parser!(i32).range(0..=1_000))]
    pub kafka_producer_linger_ms: i32,
    /// How batches are compressed. Every client reads gzip; for the others Python and Node clients need packages besides
    #[arg(long, env = "KAFKA_PRODUCER_COMPRESSION_TYPE", default_value = "gzip", ignore_case = true)]
    pub kafka_producer_compression_type: Compression,
}

/// How records are taken.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Kafka consumer")]
pub struct ConsumerConfig {
    /// The group of healthcore-publisher, ai-response-processor unless set; every other service has its own whatever this says
    #[arg(long, env = "KAFKA_GROUP_ID", value_parser = group_id)]
    pub kafka_group_id: Option<String>,
    /// Where a group without a committed offset begins
    #[arg(long, env = "KAFKA_CONSUMER_AUTO_OFFSET_RESET", default_value = "earliest", ignore_case = true)]
    pub kafka_consumer_auto_offset_reset: OffsetReset,
    /// Only `false`: an offset is committed when its effect is, never by the clock
    #[arg(long, env = "KAFKA_CONSUMER_ENABLE_AUTO_COMMIT", default_value = "false", value_parser = no_auto_commit, action = clap::ArgAction::Set)]
    pub kafka_consumer_enable_auto_commit: bool,
    /// The most records that are handed over at once
    #[arg(long, env = "KAFKA_CONSUMER_MAX_POLL_RECORDS", default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub kafka_consumer_max_poll_records: u32,
    /// The broker answers a fetch once it has this many bytes
    #[arg(long, env = "KAFKA_CONSUMER_FETCH_MIN_BYTES", default_value_t = 1, value_parser = clap::value_parser!(i32).range(1..=100_000_000))]
    pub kafka_consumer_fetch_min_bytes: i32,
    /// The most handlers that run at once
    #[arg(long, env = "KAFKA_CONSUMER_CONCURRENCY", default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub kafka_consumer_concurrency: u32,
    /// The group hands a silent worker's partitions to others after this time
    #[arg(long, env = "KAFKA_CONSUMER_SESSION_TIMEOUT_MS", default_value_t = 45_000, value_parser = clap::value_parser!(u32).range(1_000..=3_600_000))]
    pub kafka_consumer_session_timeout_ms: u32,
    /// File of the secret that replays of dead letters are signed with, at least 32 bytes; with it, what is not signed is no replay
    #[arg(long = "replay-signing-key-file", env = "REPLAY_SIGNING_KEY_FILE", value_parser = replay_key)]
    pub replay_signing_key: Option<ReplayKey>,
}

impl KafkaConfig {
    /// How this installation names its topics and groups.
    pub fn topic_names(&self) -> TopicNames {
        TopicNames {
            namespace: self.kafka_topic_namespace.clone(),
            healthcore_prefix: self.kafka_topic_prefix.clone(),
            ai_responses: self.kafka_topic.clone(),
        }
    }

    /// Checks what no setting can tell alone. The message names the variables and the remedy.
    pub fn validate(&self) -> Result<(), String> {
        let security = &self.security;
        let sasl = matches!(self.protocol(), SecurityProtocol::SaslPlaintext | SecurityProtocol::SaslSsl);
        let credentials = security.kafka_sasl_username.is_some() && security.kafka_sasl_password.is_some();
        if sasl && !(credentials && security.kafka_sasl_mechanism.is_some()) {
            return Err(format!(
                "KAFKA_SECURITY_PROTOCOL is {}: set KAFKA_SASL_MECHANISM, KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD too",
                name_of(self.protocol())
            ));
        }
        if !sasl && security.kafka_sasl_mechanism.is_some() {
            return Err("KAFKA_SASL_MECHANISM is set: set KAFKA_SECURITY_PROTOCOL to SASL_SSL too".to_owned());
        }
        if security.kafka_ssl_cert_file.is_some() != security.kafka_ssl_key_file.is_some() {
            return Err("KAFKA_SSL_CERT_FILE and KAFKA_SSL_KEY_FILE belong together: set both or neither".to_owned());
        }
        let registry = &self.registry;
        if registry.schema_registry_username.is_some() != registry.schema_registry_password.is_some() {
            return Err(
                "SCHEMA_REGISTRY_USERNAME and SCHEMA_REGISTRY_PASSWORD belong together: set both or neither".to_owned()
            );
        }
        if self.kafka_topic_min_insync_replicas > self.kafka_topic_replication_factor {
            return Err(
                "KAFKA_TOPIC_MIN_INSYNC_REPLICAS is larger than KAFKA_TOPIC_REPLICATION_FACTOR: no write would \
                        ever succeed"
                    .to_owned(),
            );
        }
        Ok(())
    }

    fn protocol(&self) -> SecurityProtocol {
        let security = &self.security;
        let files = [&security.kafka_ssl_ca_file, &security.kafka_ssl_cert_file, &security.kafka_ssl_key_file];
        let implied =
            if files.iter().any(|file| file.is_some()) { SecurityProtocol::Ssl } else { SecurityProtocol::Plaintext };
        security.kafka_security_protocol.unwrap_or(implied)
    }

    /// What every client has: where Kafka is and how to reach it safely. `client_id` stands unless the settings name one.
    pub fn client(&self, client_id: &str) -> ClientConfig {
        let security = &self.security;
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", self.kafka_bootstrap_servers.to_string())
            .set("client.id", self.kafka_client_id.as_deref().unwrap_or(client_id))
            .set("security.protocol", name_of(self.protocol()))
            .set("socket.keepalive.enable", "true")
            // The first tries after a broker's return come at once; the default grows to 10 s.
            .set("reconnect.backoff.max.ms", "1000")
            .set_log_level(RDKafkaLogLevel::Info);
        let files = [
            ("ssl.ca.location", &security.kafka_ssl_ca_file),
            ("ssl.certificate.location", &security.kafka_ssl_cert_file),
            ("ssl.key.location", &security.kafka_ssl_key_file),
        ];
        for (name, file) in files {
            if let Some(path) = file {
                config.set(name, path.to_string_lossy());
            }
        }
        if let Some(mechanism) = security.kafka_sasl_mechanism {
            config.set("sasl.mechanism", name_of(mechanism));
        }
        if let (Some(user), Some(password)) = (&security.kafka_sasl_username, &security.kafka_sasl_password) {
            config.set("sasl.username", user).set("sasl.password", password.expose_secret());
        }
        config
    }

    /// A producer that loses and reorders nothing. `patience` is how long a record is tried before its delivery counts
    /// as failed; `None` is for ever, for those who send from an outbox.
    pub fn producer(&self, client_id: &str, patience: Option<Duration>) -> ClientConfig {
        let producer = &self.producer;
        let mut config = self.client(client_id);
        config
            .set("enable.idempotence", "true")
            .set("acks", &producer.kafka_producer_acks)
            .set("batch.size", producer.kafka_producer_batch_size.min(MOST_BATCH_BYTES).to_string())
            .set("linger.ms", producer.kafka_producer_linger_ms.to_string())
            .set("compression.type", name_of(producer.kafka_producer_compression_type))
            // The partitioner of Java, and of most others' clients: a key lies on one partition whoever writes it.
            .set("partitioner", "murmur2_random")
            .set("message.timeout.ms", patience.map_or(0, |limit| limit.as_millis().max(1)).to_string())
            .set("message.max.bytes", MOST_RECORD_BYTES.to_string())
            .set("queue.buffering.max.kbytes", "65536")
            .set("queue.buffering.max.messages", QUEUE_RECORDS.to_string())
            // What `kafka_producer_batch_size` is made of, at least as often as Prometheus usually asks.
            .set("statistics.interval.ms", "5000");
        config
    }

    /// Says which settings of the producers are not obeyed, and why.
    pub(crate) fn tell_what_is_not_obeyed(&self) {
        let producer = &self.producer;
        if let Some(retries) = producer.kafka_producer_retries.filter(|retries| *retries < i32::MAX) {
            tracing::info!(
                retries,
                "KAFKA_PRODUCER_RETRIES is not obeyed: a record that is given up would be passed by later ones of its key"
            );
        }
        if producer.kafka_producer_batch_size > MOST_BATCH_BYTES {
            tracing::info!(
                set = producer.kafka_producer_batch_size,
                used = MOST_BATCH_BYTES,
                "KAFKA_PRODUCER_BATCH_SIZE is lowered: brokers refuse batches larger than their topic takes"
            );
        }
    }

    /// A producer of dead letters: each is a batch of its own, so that none is refused for the size of others, and compressed,
    /// since what it is about may have come into its topic compressed.
    pub(crate) fn letters_producer(&self, client_id: &str, patience: Duration) -> ClientConfig {
        let mut config = self.producer(client_id, Some(patience));
        if self.producer.kafka_producer_compression_type == Compression::None {
            config.set("compression.type", name_of(Compression::Gzip));
        }
        config
            .set("batch.num.messages", "1")
            // A refused letter is written in another form; no order depends on it.
            .set("enable.gapless.guarantee", "false")
            // Half of the client's queue, and a third of what a broker takes as one request: past that it hangs up without a word.
            .set("message.max.bytes", (32 << 20).to_string());
        config
    }

    /// A consumer whose offsets move only when it is told to.
    pub fn consumer(&self, client_id: &str, group: &str) -> ClientConfig {
        let consumer = &self.consumer;
        let session = consumer.kafka_consumer_session_timeout_ms;
        let mut config = self.client(client_id);
        config
            .set("group.id", group)
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", name_of(consumer.kafka_consumer_auto_offset_reset))
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("session.timeout.ms", session.to_string())
            .set("heartbeat.interval.ms", (session / 10).clamp(100, 3_000).to_string())
            .set("max.poll.interval.ms", "300000")
            .set("fetch.min.bytes", consumer.kafka_consumer_fetch_min_bytes.to_string())
            // Back-pressure is ours; these bound what the client prefetches on its own, of each partition.
            .set("queued.max.messages.kbytes", "4096")
            .set("queued.min.messages", "20000")
            // A partition whose queue is full is asked again after this time; the client's own second starves a quick reader
            // (26 000 records/s became 324 000).
            .set("fetch.queue.backoff.ms", "5")
            .set("fetch.error.backoff.ms", "100")
            .set("check.crcs", "true")
            // The client's default, and a promise: a record of an aborted transaction is never handled.
            .set("isolation.level", "read_committed")
            .set("enable.partition.eof", "false");
        config
    }
}

#[cfg(test)]
mod tests;
