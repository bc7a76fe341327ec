//! What language models answered, and at what cost, on `ai.responses`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::declare::event;

/// A model answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ResponseGeneratedV1 {
    /// The model, as its provider names it.
    #[schemars(extend("x-sensitive" = "none"))]
    pub model_name: String,
    /// What it was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-sensitive" = "pii"))]
    pub prompt: Option<String>,
    /// What it answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-sensitive" = "pii"))]
    pub response: Option<String>,
    /// Of question and answer together.
    pub tokens_used: u64,
    /// From asking to the last token, in milliseconds.
    pub response_time_ms: u64,
    /// In US dollars.
    pub cost_usd: f64,
    /// For whom it answered.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "super::form::id::optional::deserialize"
    )]
    pub user_id: Option<String>,
    /// In which conversation.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "super::form::id::optional::deserialize"
    )]
    pub conversation_id: Option<String>,
}

event!(ResponseGeneratedV1: "ai.response.generated" version 1 on MODEL_RESPONSES, |it| {
    it.conversation_id.clone().unwrap_or_default()
});

/// Another model answers from here on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ModelSwitchedV1 {
    /// The model that answered so far.
    pub from_model: String,
    /// The model that answers now.
    pub to_model: String,
    /// Why, such as `timeout`.
    pub reason: String,
    /// Where it concerns only one conversation.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "super::form::id::optional::deserialize"
    )]
    pub conversation_id: Option<String>,
}

event!(ModelSwitchedV1: "ai.model.switched" version 1 on MODEL_RESPONSES, |it| {
    it.conversation_id.clone().unwrap_or_default()
});
