//! `/api/v1/patients/`

use axum::extract::State;
use serde::Deserialize;
use service_kit::http::{ApiJson, ApiPath, ApiQuery, Page, PageQuery, Problem};
use sqlx::PgPool;

use crate::{domain::Patient, store};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    /// Only those who may be somebody else of the record, or only the others.
    in_doubt: Option<bool>,
    limit: Option<i64>,
    cursor: Option<i64>,
}

pub(super) async fn list(
    State(pool): State<PgPool>,
    ApiQuery(query): ApiQuery<ListQuery>,
) -> Result<ApiJson<Page<Patient>>, Problem> {
    let (after, limit) = PageQuery { limit: query.limit, cursor: query.cursor }.range()?;
    let patients = store::patients(&pool, query.in_doubt, after, limit).await?;
    Ok(ApiJson(Page::new(patients, limit, |patient| patient.id)))
}

pub(super) async fn read(State(pool): State<PgPool>, ApiPath(id): ApiPath<i64>) -> Result<ApiJson<Patient>, Problem> {
    let patient = store::patient(&pool, id).await?;
    patient.map(ApiJson).ok_or_else(|| Problem::not_found("There is no such patient."))
}
