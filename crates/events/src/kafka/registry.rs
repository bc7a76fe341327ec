//! The schema registry, by the interface that Confluent, Apicurio and Karapace share. Registers the schema of an event type
//! the first time that it is sent, and gives the id that stands before its values.
//!
//! Never alters what is there: a schema that is registered is used as it is, and a compatibility level that a subject has
//! stays. Readers need no registry: a value names its event type and version itself.

use std::{
    collections::HashMap,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use reqwest::{Client, RequestBuilder, StatusCode};
use schema_registry_converter::{
    async_impl::schema_registry::{SrSettings, perform_sr_call, post_schema},
    error::SRCError,
    schema_registry_common::{RawError, SchemaType, SrCall, SubjectNameStrategy, SuppliedSchema},
};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

pub use super::registry_error::RegistryError;
use super::{
    config::KafkaConfig,
    frame::{framed, is_framed},
    out_record::OutRecord,
    values::RegistryUrl,
};
use crate::{
    contract::{headers, schema},
    flow::error::chain,
};

/// How long one question may take. A registry looks a schema up in milliseconds.
const LIMIT: Duration = Duration::from_secs(3);
/// A registry that is away is asked again after this time.
pub(crate) const AGAIN: Duration = Duration::from_millis(500);
/// A refusal counts for this long: the records behind it share its fate without asking each.
const REFUSED_FOR: Duration = Duration::from_secs(30);
/// Every version reads what all versions before it wrote.
const LEVEL: &str = "BACKWARD_TRANSITIVE";
/// As much of a registry's answer as is told on.
const REASON_CHARS: usize = 500;

/// One registry, with what is known of it.
pub(crate) struct Registry {
    /// For schemas; or why there is none, such as a machine without certificates.
    schemas: Result<SrSettings, String>,
    /// For levels, which the schemas' client cannot ask for or set.
    levels: Client,
    url: RegistryUrl,
    credentials: Option<(String, SecretString)>,
    known: Mutex<HashMap<String, Known>>,
    away: AtomicBool,
}

/// What the value of `ce_dataschema` came to.
#[derive(Clone)]
enum Known {
    Id(u32),
    /// The catalogue has no such schema, so its values are never framed.
    Unframed,
    Refused(RegistryError, Instant),
}

impl Registry {
    /// The registry of these settings, where they name one. Does not connect yet.
    pub(crate) fn of(config: &KafkaConfig) -> Option<Self> {
        let settings = &config.registry;
        let url = settings.schema_registry_url.clone()?;
        let credentials = settings.schema_registry_username.clone().zip(settings.schema_registry_password.clone());
        let mut schemas = SrSettings::new_builder(url.to_string());
        schemas.set_timeout(LIMIT);
        if let Some((user, password)) = &credentials {
            schemas.set_basic_authorization(user, Some(password.expose_secret()));
        }
        Some(Self {
            schemas: schemas.build().map_err(|error| chain(&error)),
            levels: Client::builder().timeout(LIMIT).build().unwrap_or_default(),
            url,
            credentials,
            known: Mutex::default(),
            away: AtomicBool::new(false),
        })
    }

    /// Frames an event's record, waiting at most `patience` for a registry that is away. What is framed already, is no event,
    /// or has no schema in the catalogue, stays as it is.
    pub(crate) async fn frame(&self, record: &mut OutRecord, patience: Duration) -> Result<(), RegistryError> {
        if record.payload.as_deref().is_none_or(is_framed) {
            return Ok(());
        }
        let deadline = Instant::now() + patience;
        let id = loop {
            let header = |name: &str| record.headers.iter().find(|(of, _)| of == name).map(|(_, value)| &**value);
            match self.id(&record.topic, header).await {
                Err(RegistryError::Away { .. }) if Instant::now() + AGAIN < deadline => tokio::time::sleep(AGAIN).await,
                outcome => break outcome?,
            }
        };
        if let (Some(id), Some(value)) = (id, &record.payload) {
            record.payload = Some(framed(id, value).into_owned());
        }
        Ok(())
    }

    /// The id of the schema that an event's headers name; `None` where it has none. Asks the registry the first time.
    pub(crate) async fn id<'h>(
        &self,
        topic: &str,
        header: impl Fn(&str) -> Option<&'h [u8]>,
    ) -> Result<Option<u32>, RegistryError> {
        let text = |name| header(name).and_then(|value| std::str::from_utf8(value).ok());
        let (Some(event_type), Some(dataschema)) = (text(headers::CE_TYPE), text(headers::CE_DATASCHEMA)) else {
            return Ok(None);
        };
        match self.known(dataschema) {
            Some(Known::Id(id)) => return Ok(Some(id)),
            Some(Known::Unframed) => return Ok(None),
            Some(Known::Refused(error, at)) if at.elapsed() < REFUSED_FOR => return Err(error),
            Some(Known::Refused(..)) | None => {}
        }
        let tag = dataschema.rsplit_once(':').map(|(_, tag)| tag);
        let Some(spec) = tag.and_then(|tag| schema::find_tagged(event_type, tag)) else {
            self.learn(dataschema, Known::Unframed);
            return Ok(None);
        };
        let outcome = self.register(topic, event_type, spec.schema()).await;
        self.tell(outcome.as_ref().err());
        match &outcome {
            Ok(id) => self.learn(dataschema, Known::Id(*id)),
            Err(error) if error.is_refusal() => self.learn(dataschema, Known::Refused(error.clone(), Instant::now())),
            Err(_) => {}
        }
        outcome.map(Some)
    }

    fn known(&self, dataschema: &str) -> Option<Known> {
        self.known.lock().ok()?.get(dataschema).cloned()
    }

    fn learn(&self, dataschema: &str, what: Known) {
        if let Ok(mut known) = self.known.lock() {
            known.insert(dataschema.to_owned(), what);
        }
    }

    /// Tells once that the registry went away, and once that it is back.
    fn tell(&self, error: Option<&RegistryError>) {
        let away = error.filter(|error| !error.is_refusal());
        metrics::gauge!("schema_registry_up").set(if away.is_some() { 0.0 } else { 1.0 });
        match (away, self.away.swap(away.is_some(), Ordering::Relaxed)) {
            (Some(error), false) => tracing::warn!(%error, "events whose schema id is not known yet wait"),
            (None, true) => tracing::info!(url = %self.url, "the schema registry is back"),
            _ => {}
        }
    }

    /// The schema's id under the subject of its topic and type; registers it where it is not.
    async fn register(&self, topic: &str, event_type: &str, schema: &Value) -> Result<u32, RegistryError> {
        let schemas = self.schemas.as_ref().map_err(|problem| self.away(problem.as_str()))?;
        let strategy = SubjectNameStrategy::TopicRecordNameStrategy(topic.to_owned(), event_type.to_owned());
        let subject = strategy.get_subject().map_err(|error| self.away(chain(&error)))?;
        let body = json!({ "schemaType": "JSON", "schema": schema.to_string() }).to_string();
        match perform_sr_call(schemas, SrCall::PostForVersion(&subject, &body)).await {
            Ok(there) => return there.id.ok_or_else(|| self.away("an answer without a schema id")),
            // 40401: no such subject; 40403: it has no such schema.
            Err(error) if code(&error).is_some_and(|code| code / 100 == 404) => {}
            Err(error) => return Err(self.sorted(&subject, &error)),
        }
        self.set_level_where_there_is_none(&subject).await?;
        let supplied = SuppliedSchema::new(Some(event_type.to_owned()), SchemaType::Json, schema.to_string());
        let new =
            post_schema(schemas, subject.clone(), supplied).await.map_err(|error| self.sorted(&subject, &error))?;
        tracing::info!(subject, id = new.id, "schema registered");
        Ok(new.id)
    }

    async fn set_level_where_there_is_none(&self, subject: &str) -> Result<(), RegistryError> {
        let at = self.url.at(&["config", subject]);
        let answer = self.ask(self.levels.get(at.clone())).await?;
        if answer != StatusCode::NOT_FOUND {
            return Ok(());
        }
        let level = json!({ "compatibility": LEVEL }).to_string();
        match self.ask(self.levels.put(at).header("content-type", CONTENT_TYPE).body(level)).await? {
            status if status.is_success() => Ok(()),
            status => Err(self.away(format!("{status} to setting the compatibility of {subject}"))),
        }
    }

    async fn ask(&self, mut request: RequestBuilder) -> Result<StatusCode, RegistryError> {
        if let Some((user, password)) = &self.credentials {
            request = request.basic_auth(user, Some(password.expose_secret()));
        }
        let answer = request.header("accept", CONTENT_TYPE).send().await.map_err(|error| self.away(chain(&error)))?;
        match answer.status() {
            status if status.is_success() || status == StatusCode::NOT_FOUND => Ok(status),
            status => Err(self.away(status.to_string())),
        }
    }

    /// The schema's fault, or the registry's.
    fn sorted(&self, subject: &str, error: &SRCError) -> RegistryError {
        let said = || raw(error).map(|raw| raw.message.chars().take(REASON_CHARS).collect());
        match code(error) {
            // The code of an error is its status, or that and two digits more.
            Some(code @ (409 | 422 | 40_900..41_000 | 42_200..42_300)) => RegistryError::Refused {
                subject: subject.to_owned(),
                status: if code < 1_000 { code as u16 } else { (code / 100) as u16 },
                reason: said().unwrap_or_default(),
            },
            _ => self.away(error.to_string().chars().take(REASON_CHARS).collect::<String>()),
        }
    }

    fn away(&self, reason: impl Into<String>) -> RegistryError {
        RegistryError::Away { url: self.url.to_string(), reason: reason.into() }
    }
}

const CONTENT_TYPE: &str = "application/vnd.schemaregistry.v1+json";

/// What the registry itself said, if it answered in a registry's words.
fn raw(error: &SRCError) -> Option<&RawError> {
    std::error::Error::source(error)?.downcast_ref()
}

fn code(error: &SRCError) -> Option<u32> {
    raw(error).map(|raw| raw.error_code)
}
