//! Earlier names of settings.

/// Other names of settings (`alias`, `own name`), from the earlier setups' `.env` files. The own name wins when both are set.
pub const ALIASES: &[(&str, &str)] = &[
    ("KAFKA_BROKERS", "KAFKA_BOOTSTRAP_SERVERS"),
    ("KAFKA_CONSUMER_GROUP_ID", "KAFKA_GROUP_ID"),
    ("KAFKA_SSL_CAFILE", "KAFKA_SSL_CA_FILE"),
    ("KAFKA_SSL_CERTFILE", "KAFKA_SSL_CERT_FILE"),
    ("KAFKA_SSL_KEYFILE", "KAFKA_SSL_KEY_FILE"),
];
