//! `/api/v1/patients/`

use axum::extract::State;
use service_kit::http::{ApiJson, ApiPath, ApiQuery, Page, PageQuery, Problem};
use sqlx::PgPool;

use crate::{domain::Patient, store};

pub(super) async fn list(
    State(pool): State<PgPool>,
    ApiQuery(page): ApiQuery<PageQuery>,
) -> Result<ApiJson<Page<Patient>>, Problem> {
    let (after, limit) = page.range()?;
    let patients = store::patients(&pool, after, limit).await?;
    Ok(ApiJson(Page::new(patients, limit, |patient| patient.id)))
}

pub(super) async fn read(State(pool): State<PgPool>, ApiPath(id): ApiPath<i64>) -> Result<ApiJson<Patient>, Problem> {
    let patient = store::patient(&pool, id).await?;
    patient.map(ApiJson).ok_or_else(|| Problem::not_found("There is no such patient."))
}
