//! Every released version of every event type, with its schema.
//!
//! A schema is draft-07 of the whole envelope and closed, as registries check it; readers stay tolerant. The files in
//! `crates/events/schemas` are the released ones.

use std::sync::LazyLock;

use schemars::{Schema, generate::SchemaSettings, transform::RecursiveTransform};
use serde_json::{Value, json};

use super::{
    analytics::*, communication::*, conversation::*, dead_letter::*, healthcore::*, lead::*, model::*, monitoring::*,
    voice::*,
};
use crate::contract::{
    codec::{DecodeError, Opened},
    envelope::Envelope,
    event::Event,
    topics::TopicSpec,
};

/// One version of one event type.
#[derive(Debug)]
pub struct EventSpec {
    /// The event type on the wire, such as `patient.created`.
    pub event_type: &'static str,
    /// The schema version.
    pub version: u16,
    /// What the envelope may have besides: 0 nothing, 1 `metadata.actor`.
    pub addition: u16,
    /// The topic that carries it.
    pub topic: &'static TopicSpec,
    schema: LazyLock<Value>,
    read: fn(&Opened<'_>) -> Result<Value, DecodeError>,
}

impl EventSpec {
    /// What `E` says of itself.
    pub const fn of<E: Event>() -> Self {
        Self::form::<E>(0, || schema_of::<E>(0))
    }

    const fn form<E: Event>(addition: u16, schema: fn() -> Value) -> Self {
        Self {
            event_type: E::TYPE,
            version: E::VERSION,
            addition,
            topic: E::TOPIC,
            schema: LazyLock::new(schema),
            read: |opened| opened.typed::<E>().map(|data| serde_json::to_value(data).unwrap_or_default()),
        }
    }

    /// The same version, whose envelope may name the actor.
    const fn with_actor<E: Event>() -> Self {
        assert!(E::ACTOR, "the type is declared `with actor`");
        Self::form::<E>(1, || schema_of::<E>(1))
    }

    /// The version as `metadata.version` has it.
    pub fn number(&self) -> String {
        format!("{}.{}", self.version, self.addition)
    }

    /// The version as files and `ce_dataschema` have it: `v1` for 1.0, `v1.1` for 1.1.
    pub fn tag(&self) -> String {
        match self.addition {
            0 => format!("v{}", self.version),
            _ => format!("v{}", self.number()),
        }
    }

    /// The JSON Schema of the whole envelope: draft-07, closed.
    pub fn schema(&self) -> &Value {
        &self.schema
    }

    /// The subject in a schema registry: one for each event type of a topic, all its versions under it.
    pub fn subject(&self) -> String {
        format!("{}-{}", self.topic.name, self.event_type)
    }

    /// The data as this version writes it, for what handles events without knowing their types.
    ///
    /// # Errors
    /// As of [`Opened::typed`].
    pub fn read(&self, opened: &Opened<'_>) -> Result<Value, DecodeError> {
        (self.read)(opened)
    }
}

/// Every released version, the older of an event type before the newer.
pub fn catalogue() -> &'static [EventSpec] {
    &CATALOGUE
}

/// One version of one event type with all that was added to it, if it was released.
pub fn find(event_type: &str, version: u16) -> Option<&'static EventSpec> {
    CATALOGUE.iter().rfind(|spec| spec.event_type == event_type && spec.version == version)
}

/// The one that a tag names, such as `v1` or `v1.1`.
pub fn find_tagged(event_type: &str, tag: &str) -> Option<&'static EventSpec> {
    CATALOGUE.iter().find(|spec| spec.event_type == event_type && spec.tag() == tag)
}

static CATALOGUE: [EventSpec; 48] = [
    EventSpec::of::<PatientCreationV1>(),
    EventSpec::with_actor::<PatientCreationV1>(),
    EventSpec::of::<BookingConfirmationV1>(),
    EventSpec::with_actor::<BookingConfirmationV1>(),
    EventSpec::of::<ConversationStartedV1>(),
    EventSpec::of::<ConversationMessageV1>(),
    EventSpec::of::<ConversationEndedV1>(),
    EventSpec::of::<UserActionV1>(),
    EventSpec::of::<WorkflowStartedV1>(),
    EventSpec::of::<WorkflowCompletedV1>(),
    EventSpec::of::<WorkflowFailedV1>(),
    EventSpec::of::<ResponseGeneratedV1>(),
    EventSpec::of::<ModelSwitchedV1>(),
    EventSpec::of::<LeadCreatedV1>(),
    EventSpec::of::<LeadMessageV1>(),
    EventSpec::of::<AiProcessRequestV1>(),
    EventSpec::of::<AiProcessResultV1>(),
    EventSpec::of::<AiErrorV1>(),
    EventSpec::of::<PatientCreatedV1>(),
    EventSpec::with_actor::<PatientCreatedV1>(),
    EventSpec::of::<PatientUpdatedV1>(),
    EventSpec::with_actor::<PatientUpdatedV1>(),
    EventSpec::of::<PatientDeletedV1>(),
    EventSpec::with_actor::<PatientDeletedV1>(),
    EventSpec::of::<AppointmentBookedV1>(),
    EventSpec::with_actor::<AppointmentBookedV1>(),
    EventSpec::of::<AppointmentHeldV1>(),
    EventSpec::with_actor::<AppointmentHeldV1>(),
    EventSpec::of::<AppointmentCancelledV1>(),
    EventSpec::with_actor::<AppointmentCancelledV1>(),
    EventSpec::of::<AppointmentCompletedV1>(),
    EventSpec::with_actor::<AppointmentCompletedV1>(),
    EventSpec::of::<EmailCreatedV1>(),
    EventSpec::of::<EmailSentV1>(),
    EventSpec::of::<EmailResponseReceivedV1>(),
    EventSpec::of::<CallScheduledV1>(),
    EventSpec::of::<PhoneCallCompletedV1>(),
    EventSpec::of::<SendEmailV1>(),
    EventSpec::of::<ScheduleCallV1>(),
    EventSpec::of::<AnalyticsUpdateV1>(),
    EventSpec::of::<HealthCheckV1>(),
    EventSpec::of::<SystemErrorV1>(),
    EventSpec::of::<AlertRaisedV1>(),
    EventSpec::of::<AlertClearedV1>(),
    EventSpec::of::<DeadLetterReceiptV1>(),
    EventSpec::of::<ReplayDeadLettersV1>(),
    EventSpec::of::<ArchiveDeadLettersV1>(),
    EventSpec::of::<RestoreDeadLettersV1>(),
];

fn schema_of<E: Event>(addition: u16) -> Value {
    let settings = SchemaSettings::draft07().with(|settings| settings.inline_subschemas = true);
    let mut schema =
        settings.with_transform(RecursiveTransform(close)).into_generator().into_root_schema_for::<Envelope<E>>();
    let version = if addition == 0 { E::VERSION.to_string() } else { format!("{}.{addition}", E::VERSION) };
    schema.insert("title".to_owned(), format!("{} version {version}", E::TYPE).into());
    let mut schema = schema.to_value();
    let metadata = schema.pointer_mut("/properties/metadata/properties").and_then(Value::as_object_mut);
    if let (0, Some(metadata)) = (addition, metadata) {
        metadata.remove("actor");
    }
    schema["description"] = json!(schemars::schema_for!(E).get("description"));
    schema["properties"]["event_type"] = json!({ "description": "What it is.", "const": E::TYPE });
    schema
}

/// Brings a schema to the form that the checks of registries compare: closed, or an optional property that is added
/// would be a break for them, and an enumeration as `enum`.
fn close(schema: &mut Schema) {
    if schema.get("properties").is_some() && schema.get("additionalProperties").is_none() {
        schema.insert("additionalProperties".to_owned(), false.into());
    }
    if schema.get("default").is_some_and(Value::is_null) {
        schema.remove("default");
    }
    let constants = schema
        .get("oneOf")
        .and_then(Value::as_array)
        .and_then(|ways| ways.iter().map(|way| way.get("const").cloned()).collect::<Option<Vec<_>>>());
    if let Some(constants) = constants {
        schema.remove("oneOf");
        schema.insert("type".to_owned(), "string".into());
        schema.insert("enum".to_owned(), constants.into());
    }
}
