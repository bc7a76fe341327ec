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
pub(crate) struct LastError(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    said: Option<Said>,
    /// What a person has to do, and when that was last met. What comes behind it, such as that no broker is left, does not
    /// cover it.
    remedy: Option<(&'static str, Instant)>,
}

#[derive(Debug)]
struct Said {
    text: String,
    logged: Instant,
    met: Instant,
}

/// The same complaint is logged once in this time; librdkafka repeats it several times a second while a broker is away.
const QUIET: Duration = Duration::from_secs(30);
/// What is not met again for this long is over. librdkafka itself keeps back what repeats itself for 30 s.
const OVER: Duration = Duration::from_secs(60);

impl LastError {
    /// What was met, unless that is over.
    pub(crate) fn get(&self) -> Option<String> {
        let last = self.0.lock().ok()?;
        last.said.as_ref().filter(|said| said.met.elapsed() < OVER).map(|said| said.text.clone())
    }

    /// What a person has to do, where the client has met a moment ago what does not pass by itself.
    pub(crate) fn remedy(&self) -> Option<&'static str> {
        let (remedy, at) = self.0.lock().ok()?.remedy?;
        (at.elapsed() < QUIET).then_some(remedy)
    }

    /// Remembers what was said; `false` when the same was said a moment ago.
    fn set(&self, kind: &KafkaError, text: &str) -> bool {
        let Ok(mut last) = self.0.lock() else { return true };
        if let Some(remedy) = kind.rdkafka_error_code().and_then(blame::remedy) {
            last.remedy = Some((remedy, Instant::now()));
        }
        let text = format!("{text} ({kind})");
        let now = Instant::now();
        match &mut last.said {
            Some(before) if before.text == text && before.logged.elapsed() < QUIET => {
                before.met = now;
                false
            }
            said => {
                *said = Some(Said { text, logged: now, met: now });
                true
            }
        }
    }
}

/// The base of every client context.
#[derive(Debug, Clone, Default)]
pub(crate) struct Client {
    pub(crate) last_error: LastError,
    is_beside: bool,
}

impl Client {
    /// Of a client that asks what another one of the same process does not tell. It meets what that one meets, so that it says so
    /// at the level of debugging.
    pub(crate) fn beside() -> Self {
        Self { is_beside: true, ..Self::default() }
    }
}

impl ClientContext for Client {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        // Said of each client at its start. The relay's order rests on the property, and its tests show that it holds.
        if facility == "CONFWARN" && message.contains("enable.gapless.guarantee") {
            tracing::debug!(target: "events::kafka", facility, "{message}");
            return;
        }
        if self.is_beside {
            tracing::debug!(target: "events::kafka", facility, "{message}");
            return;
        }
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
        let is_new = self.last_error.set(&error, reason);
        if self.is_beside {
            tracing::debug!(target: "events::kafka", %error, "{reason}");
        } else if is_new {
            tracing::warn!(target: "events::kafka", %error, "{reason}");
        }
    }
}

impl ConsumerContext for Client {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_person_has_to_do_is_told_until_it_is_not_met_again() {
        let error = |code| KafkaError::Global(code);
        let last = LastError::default();
        assert!(last.set(&error(RDKafkaErrorCode::BrokerTransportFailure), "refused"));
        assert_eq!(last.remedy(), None);
        assert!(last.set(&error(RDKafkaErrorCode::Authentication), "wrong password"));
        assert!(last.set(&error(RDKafkaErrorCode::AllBrokersDown), "1/1 brokers are down"));
        assert!(last.remedy().is_some_and(|remedy| remedy.contains("KAFKA_SASL_")));
        assert!(!last.set(&error(RDKafkaErrorCode::AllBrokersDown), "1/1 brokers are down"));
    }

    #[test]
    fn what_is_over_is_no_reason() {
        let last = LastError::default();
        let set = || last.set(&KafkaError::Global(RDKafkaErrorCode::BrokerTransportFailure), "refused");
        let back = |time: Duration| {
            let mut state = last.0.lock().unwrap();
            let said = state.said.as_mut().unwrap();
            (said.logged, said.met) = (said.logged.checked_sub(time).unwrap(), said.met.checked_sub(time).unwrap());
        };
        assert!(set());
        back(QUIET / 2);
        assert!(!set(), "met again");
        back(OVER - Duration::from_secs(1));
        assert!(last.get().is_some_and(|reason| reason.contains("refused")));
        back(Duration::from_secs(1));
        assert_eq!(last.get(), None);
    }
}
