//! What a consumer tells of itself on `system.monitoring`: alerts, and errors that a person should see.

use std::{
    env,
    error::Error,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::task::JoinHandle;

use super::letters::Letters;
use crate::{
    contract::{
        event::{Event, NewEvent},
        schema::monitoring::SystemErrorV1,
        topics::SYSTEM_MONITORING,
    },
    flow::error::chain,
    kafka::{admin, config::KafkaConfig},
};

/// Publishes one event after the other. Where it fails, log, readiness and metrics still tell.
#[derive(Clone)]
pub(super) struct Monitoring {
    config: KafkaConfig,
    letters: Arc<Letters>,
    announcing: Arc<Mutex<Option<JoinHandle<()>>>>,
}

impl Monitoring {
    pub(super) fn new(config: KafkaConfig, letters: Arc<Letters>) -> Self {
        Self { config, letters, announcing: Arc::default() }
    }

    /// In a task of its own, behind the one before: taking records does not wait for it.
    pub(super) fn announce<E: Event>(&self, event: E) {
        let (config, letters) = (self.config.clone(), Arc::clone(&self.letters));
        let mut announcing = self.announcing.lock().unwrap_or_else(PoisonError::into_inner);
        let before = announcing.take();
        *announcing = Some(tokio::spawn(async move {
            if let Some(before) = before {
                let _ = before.await;
            }
            let told: Result<(), Box<dyn Error + Send + Sync>> = async {
                admin::ensure(&config, &letters.service, &[&SYSTEM_MONITORING]).await?;
                Ok(letters.publish(NewEvent::fact(event)).await?)
            }
            .await;
            if let Err(error) = told {
                tracing::warn!(
                    error = chain(&*error),
                    event = E::TYPE,
                    "an event for system.monitoring could not be published"
                );
            }
        }));
    }

    /// Something went wrong that a person should look at.
    pub(super) fn error(&self, category: &str, message: String) {
        let service = self.letters.service.clone();
        let host = env::var("HOSTNAME").unwrap_or_else(|_| "localhost".to_owned());
        let instance = format!("{service}@{host}");
        self.announce(SystemErrorV1 { service, instance, category: category.to_owned(), message, count: 1 });
    }
}
