//! What happens in conversations, and to the workflows that they start, on `conversation.events`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::declare::event;

/// A conversation began.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ConversationStartedV1 {
    /// Names the conversation; for a phone call, the call id.
    #[serde(deserialize_with = "super::form::id::deserialize")]
    pub conversation_id: String,
    /// Who talks with the AI.
    pub user_id: String,
    /// Such as `customer_support`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation_type: Option<String>,
    /// The business that it is with.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "super::form::id::optional::deserialize"
    )]
    pub business_id: Option<String>,
    /// Such as `phone` or `chat`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
}

event!(ConversationStartedV1: "conversation.started" version 1 on CONVERSATION_EVENTS, |it| it.conversation_id.clone());

/// Whose message it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Speaker {
    /// The person.
    User,
    /// The AI.
    Assistant,
    /// What the AI was told by its operator.
    System,
}

/// Something was said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ConversationMessageV1 {
    /// Names the conversation.
    #[serde(deserialize_with = "super::form::id::deserialize")]
    pub conversation_id: String,
    /// Who talks with the AI.
    pub user_id: String,
    /// What was said.
    #[schemars(extend("x-sensitive" = "pii"))]
    pub message_content: String,
    /// Whose message it is.
    pub message_type: Speaker,
}

event!(ConversationMessageV1: "conversation.message" version 1 on CONVERSATION_EVENTS, |it| it.conversation_id.clone());

/// A conversation is over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ConversationEndedV1 {
    /// Names the conversation.
    #[serde(deserialize_with = "super::form::id::deserialize")]
    pub conversation_id: String,
    /// Who talked with the AI.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "super::form::id::optional::deserialize"
    )]
    pub user_id: Option<String>,
    /// Such as `hangup`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// From its start, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
}

event!(ConversationEndedV1: "conversation.ended" version 1 on CONVERSATION_EVENTS, |it| it.conversation_id.clone());

/// A person did something besides talking.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UserActionV1 {
    /// Who did it.
    pub user_id: String,
    /// What was done, such as `opened_link`.
    pub action: String,
    /// The conversation in which it was done.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "super::form::id::optional::deserialize"
    )]
    pub conversation_id: Option<String>,
    /// What else is known of it; whatever the producer puts there.
    #[serde(default)]
    #[schemars(extend("x-sensitive" = "pii"))]
    pub attributes: BTreeMap<String, Value>,
}

event!(UserActionV1: "user.action" version 1 on CONVERSATION_EVENTS, |it| {
    it.conversation_id.clone().unwrap_or_else(|| it.user_id.clone())
});

/// What a workflow did, as every event about one carries it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WorkflowV1 {
    /// Names the run.
    #[serde(deserialize_with = "super::form::id::deserialize")]
    pub workflow_id: String,
    /// What kind of workflow it is.
    pub workflow_type: String,
    /// The conversation that it belongs to.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "super::form::id::optional::deserialize"
    )]
    pub conversation_id: Option<String>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-sensitive" = "pii"))]
    pub error: Option<String>,
    /// From its start, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
}

macro_rules! workflow_event {
    ($(#[$doc:meta])* $name:ident, $event_type:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
        #[serde(transparent)]
        pub struct $name(pub WorkflowV1);

        event!($name: $event_type version 1 on CONVERSATION_EVENTS, |it| {
            it.0.conversation_id.clone().unwrap_or_else(|| it.0.workflow_id.clone())
        });
    };
}

workflow_event!(
    /// A workflow began.
    WorkflowStartedV1, "workflow.started");
workflow_event!(
    /// A workflow did what it was to do.
    WorkflowCompletedV1, "workflow.completed");
workflow_event!(
    /// A workflow was given up; `error` says why.
    WorkflowFailedV1, "workflow.failed");
