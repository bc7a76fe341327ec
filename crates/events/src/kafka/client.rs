//! What every client of ours has in common: its log and its errors reach the reader of our log.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use rdkafka::{
    ClientContext,
    config::RDKafkaLogLevel,
    consumer::ConsumerContext,
    error::{KafkaError, RDKafkaErrorCode},
};

/// The last error that the client met by itself, such as a refused password. Delivery reports and time-outs do not tell
/// it, so whoever reports those adds it.
#[derive(Debug, Clone, Default)]
pub(crate) struct LastError(Arc<Mutex<Option<(String, Instant)>>>);

/// The same complaint is logged once in this time; librdkafka repeats it several times a second while a broker is away.
const QUIET: Duration = Duration::from_secs(30);

impl LastError {
    pub(crate) fn get(&self) -> Option<String> {
        self.0.lock().ok()?.as_ref().map(|(text, _)| text.clone())
    }

    /// Remembers what was said; `false` when the same was said a moment ago.
    fn set(&self, kind: &KafkaError, text: &str) -> bool {
        let Ok(mut last) = self.0.lock() else { return true };
        let text = format!("{text} ({kind})");
        if last.as_ref().is_some_and(|(before, at)| *before == text && at.elapsed() < QUIET) {
            return false;
        }
        *last = Some((text, Instant::now()));
        true
    }
}

/// The base of every client context.
#[derive(Debug, Clone, Default)]
pub(crate) struct Client {
    pub(crate) last_error: LastError,
}

impl ClientContext for Client {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        match level {
            RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical | RDKafkaLogLevel::Error => {
                tracing::warn!(target: "events::kafka", facility, "{message}");
            }
            RDKafkaLogLevel::Warning | RDKafkaLogLevel::Notice => {
                tracing::info!(target: "events::kafka", facility, "{message}");
            }
            RDKafkaLogLevel::Info | RDKafkaLogLevel::Debug => {
                tracing::debug!(target: "events::kafka", facility, "{message}");
            }
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        // Whoever asks for the end of a partition gets it this way too.
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::PartitionEOF) {
            return;
        }
        if self.last_error.set(&error, reason) {
            tracing::warn!(target: "events::kafka", %error, "{reason}");
        }
    }
}

impl ConsumerContext for Client {}
