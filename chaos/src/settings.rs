//! The settings that a round's processes start with. What is promised, is promised whatever they say.

/// An environment variable with its value.
pub type Setting = (&'static str, String);

/// Short, so that a round need not be long to outlast one.
const SESSION: &str = "KAFKA_CONSUMER_SESSION_TIMEOUT_MS";

/// Values that are allowed and make a difference. Sessions end before a paused worker goes on.
const DRAWN: [(&str, &[&str]); 9] = [
    ("KAFKA_PRODUCER_BATCH_SIZE", &["2000", "16384", "1000000", "4000000"]),
    ("KAFKA_PRODUCER_LINGER_MS", &["0", "1", "20", "200"]),
    ("KAFKA_PRODUCER_COMPRESSION_TYPE", &["none", "gzip", "snappy", "lz4", "zstd"]),
    ("KAFKA_PRODUCER_RETRIES", &["0", "1", "100", "2147483647"]),
    ("KAFKA_CONSUMER_CONCURRENCY", &["8", "32", "200"]),
    ("KAFKA_CONSUMER_MAX_POLL_RECORDS", &["1", "20", "500", "5000"]),
    ("KAFKA_CONSUMER_FETCH_MIN_BYTES", &["1", "1000", "100000"]),
    (SESSION, &["3000", "4000", "4500"]),
    ("PADDING_BYTES", &["0", "100", "5000"]),
];

/// The same for the same seed.
pub fn draw(seed: u64) -> Vec<Setting> {
    // Not those numbers again that the faults are drawn by.
    let mut random = fastrand::Rng::with_seed(!seed);
    DRAWN.iter().map(|(name, values)| (*name, values[random.usize(0..values.len())].to_owned())).collect()
}

/// Each as it is unless somebody sets it, but for the session.
pub fn usual() -> Vec<Setting> {
    vec![(SESSION, "4000".to_owned())]
}

/// For a person.
pub fn told(settings: &[Setting]) -> String {
    let short = |name: &str| name.trim_start_matches("KAFKA_").to_lowercase();
    settings.iter().map(|(name, value)| format!("{} {value}", short(name))).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_draws_the_same_settings_again_and_every_value_is_drawn_some_time() {
        assert_eq!(draw(42), draw(42));
        for (name, values) in DRAWN {
            for value in values {
                assert!((0..200).any(|seed| draw(seed).contains(&(name, (*value).to_owned()))), "{name} {value}");
            }
        }
    }
}
