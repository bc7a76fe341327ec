//! The two event types of the workload. They travel on topics of the catalogue, since the relay publishes to no others; the
//! round's namespace keeps them apart from what these topics are for.

use events::contract::{
    event::Event,
    topics::{self, TopicSpec},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The writer asks.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct AskedV1 {
    /// The round.
    pub run: u64,
    /// Whose order it belongs to.
    pub key: String,
    /// Its place in that order.
    pub seq: u32,
    /// The handler is to reject it.
    pub poison: bool,
    /// The handler is to ask the second system too.
    pub notary: bool,
    /// Makes it heavy.
    pub padding: String,
}

impl Event for AskedV1 {
    const TYPE: &'static str = "chaos.asked";
    const VERSION: u16 = 1;
    const TOPIC: &'static TopicSpec = &topics::AI_RESPONSES;

    fn key(&self) -> String {
        self.key.clone()
    }
}

/// The worker has answered.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct AnsweredV1 {
    /// As it was asked.
    pub run: u64,
    /// As it was asked.
    pub key: String,
    /// As it was asked.
    pub seq: u32,
}

impl Event for AnsweredV1 {
    const TYPE: &'static str = "chaos.answered";
    const VERSION: u16 = 1;
    const TOPIC: &'static TopicSpec = &topics::PATIENT_CREATED;

    fn key(&self) -> String {
        self.key.clone()
    }
}
