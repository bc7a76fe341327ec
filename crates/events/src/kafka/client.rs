//! What every client of ours has in common: its log and its errors reach the reader of our log.

use std::sync::{Arc, Mutex};

use rdkafka::{ClientContext, config::RDKafkaLogLevel, consumer::ConsumerContext, error::KafkaError};

/// The last error that the client met by itself, such as a refused password. Delivery reports and time-outs do not tell
/// it, so whoever reports those adds it.
#[derive(Debug, Clone, Default)]
pub(crate) struct LastError(Arc<Mutex<Option<String>>>);

impl LastError {
    pub(crate) fn get(&self) -> Option<String> {
        self.0.lock().ok()?.clone()
    }

    fn set(&self, text: String) {
        if let Ok(mut last) = self.0.lock() {
            *last = Some(text);
        }
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
        tracing::warn!(target: "events::kafka", %error, "{reason}");
        self.last_error.set(reason.to_owned());
    }
}

impl ConsumerContext for Client {}
