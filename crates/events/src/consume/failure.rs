//! Why a record was given up, in the form in which it is kept.

use chrono::{DateTime, Utc};

use crate::{
    contract::codec::DecodeError,
    flow::error::{Category, HandlerError, chain},
};

/// Why a record was given up.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    pub(super) category: Category,
    pub(super) code: &'static str,
    pub(super) message: String,
    pub(super) chain: String,
    pub(super) attempts: u32,
    pub(super) first_failed_at: DateTime<Utc>,
}

impl Failure {
    pub(super) fn of_decoding(error: &DecodeError) -> Self {
        Self {
            category: error.category(),
            code: error.code(),
            message: error.to_string(),
            chain: chain(error),
            attempts: 1,
            first_failed_at: Utc::now(),
        }
    }

    pub(super) fn of_handler(error: &HandlerError, attempts: u32, first_failed_at: DateTime<Utc>) -> Self {
        Self {
            category: error.category(),
            code: error.code(),
            message: error.to_string(),
            chain: chain(error),
            attempts,
            first_failed_at,
        }
    }
}
