//! What became of the records that the relay handed to its client, as the client's thread reports it.

use std::sync::{Arc, Mutex};

use rdkafka::{
    ClientContext,
    config::RDKafkaLogLevel,
    error::{KafkaError, RDKafkaErrorCode},
    message::DeliveryResult,
    producer::ProducerContext,
};

use crate::{flow::ledger::Ticket, kafka::client::Client};

type Reported = (Ticket, Option<RDKafkaErrorCode>);

/// The context of the relay's client.
#[derive(Debug, Clone, Default)]
pub(super) struct Deliveries {
    client: Client,
    reported: Arc<Mutex<Vec<Reported>>>,
}

impl Deliveries {
    /// What was reported since the last call: records, and why each is not in Kafka.
    pub(super) fn take(&self) -> Vec<Reported> {
        self.reported.lock().map(|mut reported| std::mem::take(&mut *reported)).unwrap_or_default()
    }
}

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.client.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.client.error(error, reason);
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, ticket: usize) {
        let code = |error: &KafkaError| error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail);
        let refusal = result.as_ref().err().map(|(error, _)| code(error));
        if let Ok(mut reported) = self.reported.lock() {
            reported.push((Ticket(ticket as u64), refusal));
        }
    }
}
