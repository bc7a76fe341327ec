//! Leads and what the AI reads in their texts, one topic for each event type.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::declare::event;
use crate::contract::event::EventId;

/// A lead is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LeadCreatedV1 {
    /// Names the lead.
    #[serde(deserialize_with = "super::form::id::deserialize")]
    pub lead_id: String,
    /// The business that it came to.
    pub business_id: String,
    /// The tenant that the business belongs to.
    pub tenant_id: String,
    /// What it wrote first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-sensitive" = "pii"))]
    pub initial_message: Option<String>,
    /// As given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-sensitive" = "pii"))]
    pub name: Option<String>,
    /// The address for mail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-sensitive" = "pii"))]
    pub email: Option<String>,
    /// As given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-sensitive" = "pii"))]
    pub phone: Option<String>,
    /// Where it came from, such as `website`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

event!(LeadCreatedV1: "lead.created" version 1 on LEAD_CREATED, |lead| lead.lead_id.clone());

/// A lead wrote.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LeadMessageV1 {
    /// Names the lead.
    #[serde(deserialize_with = "super::form::id::deserialize")]
    pub lead_id: String,
    /// Names the message.
    #[serde(deserialize_with = "super::form::id::deserialize")]
    pub message_id: String,
    /// The business that it is for, where the producer says more than the lead.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "super::form::id::optional::deserialize"
    )]
    pub business_id: Option<String>,
    /// The tenant that the business belongs to, where the producer says more than the lead.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "super::form::id::optional::deserialize"
    )]
    pub tenant_id: Option<String>,
    /// What was written.
    #[schemars(extend("x-sensitive" = "pii"))]
    pub message_text: String,
    /// Who wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-sensitive" = "pii"))]
    pub sender: Option<String>,
    /// Such as `whatsapp`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
}

event!(LeadMessageV1: "lead.message" version 1 on LEAD_MESSAGE, |message| message.lead_id.clone());

/// What the AI is to find.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AiTask {
    /// What the writer wants.
    Intent,
    /// The things that the text names.
    Entities,
}

/// A text is to be read by the AI.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AiProcessRequestV1 {
    /// Names the request; the answer carries it.
    #[serde(deserialize_with = "super::form::id::deserialize")]
    pub request_id: String,
    /// What is to be read.
    #[schemars(extend("x-sensitive" = "pii"))]
    pub text: String,
    /// The lead that wrote it.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "super::form::id::optional::deserialize"
    )]
    pub lead_id: Option<String>,
    /// The business that it is for.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "super::form::id::optional::deserialize"
    )]
    pub business_id: Option<String>,
    /// The tenant that the business belongs to.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "super::form::id::optional::deserialize"
    )]
    pub tenant_id: Option<String>,
    /// What is to be found; empty means everything.
    #[serde(default)]
    pub tasks: Vec<AiTask>,
}

event!(AiProcessRequestV1: "ai.process.request" version 1 on AI_PROCESS_REQUEST, |request| {
    request.lead_id.clone().unwrap_or_else(|| request.request_id.clone())
});

/// What the writer wants.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct IntentV1 {
    /// Such as `purchase`.
    #[schemars(extend("x-sensitive" = "none"))]
    pub name: String,
    /// From 0 to 1; 0 where it is not known.
    #[serde(default)]
    pub confidence: f64,
}

/// A thing that the text names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EntityV1 {
    /// Such as `product`.
    #[serde(rename = "type")]
    pub entity_type: String,
    /// As it stands in the text.
    #[schemars(extend("x-sensitive" = "pii"))]
    pub value: String,
    /// Its first character, counted from 0.
    #[serde(default)]
    pub start: u32,
    /// The character behind its last one; 0 where the place is not known.
    #[serde(default)]
    pub end: u32,
    /// From 0 to 1; 0 where it is not known.
    #[serde(default)]
    pub confidence: f64,
}

/// What the AI read in a text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AiProcessResultV1 {
    /// The request that it answers.
    #[serde(deserialize_with = "super::form::id::deserialize")]
    pub request_id: String,
    /// The lead that wrote the text.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "super::form::id::optional::deserialize"
    )]
    pub lead_id: Option<String>,
    /// The event that carried the text.
    pub source_event_id: EventId,
    /// What the writer wants.
    pub intent: IntentV1,
    /// The things that the text names.
    #[serde(default)]
    pub entities: Vec<EntityV1>,
    /// What read it; empty where the producer does not say.
    #[serde(default)]
    pub model: String,
    /// 0 where no model was paid.
    #[serde(default)]
    pub tokens_used: u64,
    /// In US dollars.
    #[serde(default)]
    pub cost_usd: f64,
    /// How long it took, in milliseconds.
    #[serde(default)]
    pub response_time_ms: u64,
}

event!(AiProcessResultV1: "ai.process.result" version 1 on AI_PROCESS_RESULT, |result| {
    result.lead_id.clone().unwrap_or_else(|| result.request_id.clone())
});

fn processing() -> String {
    "processing".to_owned()
}

fn once() -> u32 {
    1
}

/// The AI could not read a text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AiErrorV1 {
    /// The request that got no answer.
    #[serde(deserialize_with = "super::form::id::deserialize")]
    pub request_id: String,
    /// The lead that wrote the text.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "super::form::id::optional::deserialize"
    )]
    pub lead_id: Option<String>,
    /// The event that carried the text.
    pub source_event_id: EventId,
    /// What kind of failure it is.
    #[serde(default = "processing")]
    pub category: String,
    /// The reason in a sentence.
    #[schemars(extend("x-sensitive" = "pii"))]
    pub message: String,
    /// How often it was tried.
    #[serde(default = "once")]
    pub attempts: u32,
    /// Whether trying later can help.
    #[serde(default)]
    pub retryable: bool,
}

event!(AiErrorV1: "ai.error" version 1 on AI_ERROR, |error| {
    error.lead_id.clone().unwrap_or_else(|| error.request_id.clone())
});
