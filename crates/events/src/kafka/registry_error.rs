//! Why a value has no schema id, and what to do about it.

use thiserror::Error;

/// Why a value has no schema id.
#[derive(Debug, Clone, Error)]
pub enum RegistryError {
    /// It does not answer, or answers what has nothing to do with the schema: try again. A wrong address or a wrong password
    /// shows here too.
    #[error("the schema registry at {url} does not serve: {reason}; see SCHEMA_REGISTRY_URL")]
    Away {
        /// As it was set, without credentials.
        url: String,
        /// What came instead of an answer.
        reason: String,
    },
    /// It will not have this schema. Make the new version read what the earlier ones wrote, or register it by hand; a
    /// record that was held for it is then released.
    #[error("the schema registry refuses the schema of {subject} ({status}): {reason}")]
    Refused {
        /// The subject that the schema was for.
        subject: String,
        /// 409 means incompatible with what is registered, 422 no valid schema.
        status: u16,
        /// How the registry puts it.
        reason: String,
    },
}

impl RegistryError {
    /// Whether trying again is of no use.
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Refused { .. })
    }
}
