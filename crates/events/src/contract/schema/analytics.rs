//! Figures of businesses, on `business.analytics`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::declare::event;

/// A figure has a new value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AnalyticsUpdateV1 {
    /// Such as `daily_active_users`.
    #[schemars(extend("x-sensitive" = "none"))]
    pub metric_name: String,
    /// Its value now.
    pub metric_value: f64,
    /// Such as `gauge` or `counter`.
    pub metric_type: String,
    /// The business that it is about.
    pub business_id: String,
    /// What it is broken down by, such as `region`.
    #[serde(default)]
    pub dimensions: BTreeMap<String, String>,
}

event!(AnalyticsUpdateV1: "business.analytics.update" version 1 on BUSINESS_ANALYTICS, |it| {
    format!("{}/{}", it.business_id, it.metric_name)
});
