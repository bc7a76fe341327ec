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

use super::blame;

/// The last error that the client met by itself, such as a refused password. Delivery reports and time-outs do not tell
/// it, so whoever reports those adds it.
#[derive(Debug, Clone, Default)]
pub(crate) struct LastError(Arc<Mutex<Option<Said>>>);

#[derive(Debug)]
struct Said {
    text: String,
    code: Option<RDKafkaErrorCode>,
    /// When it was logged.
    told_at: Instant,
    heard_at: Instant,
}

/// The same complaint is logged once in this time; librdkafka repeats it several times a second while a broker is away.
const QUIET: Duration = Duration::from_secs(30);

impl LastError {
    pub(crate) fn get(&self) -> Option<String> {
        self.0.lock().ok()?.as_ref().map(|said| said.text.clone())
    }

    /// What a person has to do, where the client has met a moment ago what does not pass by itself.
    pub(crate) fn remedy(&self) -> Option<&'static str> {
        let last = self.0.lock().ok()?;
        let said = last.as_ref().filter(|said| said.heard_at.elapsed() < QUIET)?;
        blame::remedy(said.code?)
    }

    /// Remembers what was said; `false` when the same was said a moment ago.
    fn set(&self, kind: &KafkaError, text: &str) -> bool {
        let Ok(mut last) = self.0.lock() else { return true };
        let text = format!("{text} ({kind})");
        let now = Instant::now();
        if let Some(said) = last.as_mut().filter(|said| said.text == text && said.told_at.elapsed() < QUIET) {
            said.heard_at = now;
            return false;
        }
        *last = Some(Said { text, code: kind.rdkafka_error_code(), told_at: now, heard_at: now });
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
