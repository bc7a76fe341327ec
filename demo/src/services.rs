//! The two services as any client sees them: over HTTP.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, bail};
use reqwest::{
    RequestBuilder, StatusCode, Url,
    header::{AUTHORIZATION, HeaderMap, HeaderValue},
};
use secrecy::ExposeSecret;
use serde::{Deserialize, de::DeserializeOwned};
use uuid::Uuid;

use crate::{Options, play::Played};

/// No answer takes this long, unless something is wrong.
const LIMIT: Duration = Duration::from_secs(15);
/// Rows of one page of a list.
const PAGE: usize = 500;

/// Where the services are.
#[derive(Debug, Clone)]
pub struct Services {
    http: reqwest::Client,
    voice_ingest: Url,
    healthcore_publisher: Url,
}

/// What voice-ingest made of one thing in a piece.
#[derive(Debug, Clone, Deserialize)]
pub struct Taken {
    pub status: String,
}

#[derive(Deserialize)]
struct Accepted {
    extractions: Vec<Taken>,
}

/// A call's page.
#[derive(Debug, Clone, Deserialize)]
pub struct CallPage {
    pub extractions: Vec<Extraction>,
}

/// What was said, and what became of it.
#[derive(Debug, Clone, Deserialize)]
pub struct Extraction {
    pub extraction_id: Uuid,
    pub kind: String,
    pub status: String,
    pub span: Option<Span>,
    pub data: Option<serde_json::Value>,
    pub problems: Option<Vec<FieldProblem>>,
    /// Of the event, or of the dead letter.
    pub event_id: Uuid,
    pub patient_id: Option<i64>,
    pub appointment_id: Option<i64>,
    pub applied_at: Option<String>,
}

/// Bytes of the call's text.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Span {
    pub from: usize,
    pub to: usize,
}

/// What is wrong with a field.
#[derive(Debug, Clone, Deserialize)]
pub struct FieldProblem {
    pub field: String,
    pub problem: String,
}

/// A patient of the practice.
#[derive(Debug, Clone, Deserialize)]
pub struct Patient {
    pub id: i64,
    pub name: String,
    pub email: Option<String>,
    pub phone: Option<String>,
    pub date_of_birth: Option<String>,
}

/// An appointment, or a booking that is held for review.
#[derive(Debug, Clone, Deserialize)]
pub struct Appointment {
    pub id: i64,
    pub patient_id: Option<i64>,
    pub patient_name: String,
    pub dentist: String,
    pub date: String,
    pub time: String,
    pub status: String,
    pub reason: Option<String>,
    pub call_id: Option<String>,
}

#[derive(Deserialize)]
struct Page<T> {
    items: Vec<T>,
    next_cursor: Option<i64>,
}

/// RFC 9457.
#[derive(Deserialize)]
struct Problem {
    detail: String,
}

impl Services {
    /// # Errors
    /// When the HTTP client cannot be made.
    pub fn new(options: &Options) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder().timeout(LIMIT).no_proxy().default_headers(signed_in(options)?);
        let http = http.build().context("cannot make an HTTP client")?;
        let (voice_ingest, healthcore_publisher) =
            (options.voice_ingest_url.clone(), options.healthcore_publisher_url.clone());
        Ok(Self { http, voice_ingest, healthcore_publisher })
    }

    /// Fails with what to do when one of them does not answer.
    pub async fn check(&self) -> anyhow::Result<()> {
        for base in [&self.voice_ingest, &self.healthcore_publisher] {
            self.ask(self.http.get(path(base, &["healthz"]))).await?;
        }
        Ok(())
    }

    /// Hands in a piece of a call's text.
    pub async fn say(&self, call_id: &str, piece: &str, last: bool) -> anyhow::Result<Vec<Taken>> {
        let mut url = path(&self.voice_ingest, &["api", "v1", "calls", call_id, "output"]);
        url.set_query(Some(if last { "final=true" } else { "final=false" }));
        let request = self.http.post(url).header("content-type", "text/plain; charset=utf-8").body(piece.to_owned());
        Ok(self.json::<Accepted>(request).await?.extractions)
    }

    /// Where a call's page is.
    pub fn call_page(&self, call_id: &str) -> Url {
        path(&self.voice_ingest, &["api", "v1", "calls", call_id])
    }

    pub async fn call(&self, call_id: &str) -> anyhow::Result<CallPage> {
        self.json(self.http.get(self.call_page(call_id))).await
    }

    /// The patients that the calls' pages name, by id. One that is gone is left out.
    pub async fn patients(&self, played: &Played) -> anyhow::Result<BTreeMap<i64, Patient>> {
        let mut patients = BTreeMap::new();
        for id in played.pages.values().flat_map(|page| &page.extractions).filter_map(|said| said.patient_id) {
            if patients.contains_key(&id) {
                continue;
            }
            let url = path(&self.healthcore_publisher, &["api", "v1", "patients", &id.to_string()]);
            let response = self.send(self.http.get(url)).await?;
            if response.status() != StatusCode::NOT_FOUND {
                patients.insert(id, read(response).await?);
            }
        }
        Ok(patients)
    }

    /// All appointments, or those of a status.
    pub async fn appointments(&self, status: Option<&str>) -> anyhow::Result<Vec<Appointment>> {
        let mut url = path(&self.healthcore_publisher, &["api", "v1", "appointments", ""]);
        let mut all = Vec::new();
        let mut cursor: Option<i64> = None;
        loop {
            let mut query = format!("limit={PAGE}");
            for (name, value) in [("status", status.map(str::to_owned)), ("cursor", cursor.map(|id| id.to_string()))] {
                if let Some(value) = value {
                    query.push_str(&format!("&{name}={value}"));
                }
            }
            url.set_query(Some(&query));
            let page: Page<Appointment> = self.json(self.http.get(url.clone())).await?;
            all.extend(page.items);
            match page.next_cursor {
                Some(next) => cursor = Some(next),
                None => return Ok(all),
            }
        }
    }

    async fn json<T: DeserializeOwned>(&self, request: RequestBuilder) -> anyhow::Result<T> {
        read(self.ask(request).await?).await
    }

    /// An answer that is a success.
    async fn ask(&self, request: RequestBuilder) -> anyhow::Result<reqwest::Response> {
        let response = self.send(request).await?;
        if response.status().is_success() {
            return Ok(response);
        }
        let (status, url) = (response.status(), response.url().clone());
        let said =
            response.json::<Problem>().await.map_or_else(|_| String::new(), |problem| format!(": {}", problem.detail));
        bail!("{url} answered {status}{said}");
    }

    async fn send(&self, request: RequestBuilder) -> anyhow::Result<reqwest::Response> {
        let request = request.build().context("cannot make a request")?;
        let url = request.url().clone();
        let (service, variable) = if url.origin() == self.voice_ingest.origin() {
            ("voice-ingest", "VOICE_INGEST_URL")
        } else {
            ("healthcore-publisher", "HEALTHCORE_PUBLISHER_URL")
        };
        self.http.execute(request).await.with_context(|| {
            format!(
                "{service} does not answer at {url}; ./scripts/demo starts everything, or set {variable} to where it is"
            )
        })
    }
}

/// The header that says who asks, where there is a token.
fn signed_in(options: &Options) -> anyhow::Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    if let Some(token) = &options.token {
        let value = HeaderValue::from_str(&format!("Bearer {}", token.expose_secret()));
        let mut value =
            value.context("API_TOKEN: a header cannot hold it; is it a token of `./scripts/stack token`?")?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    Ok(headers)
}

async fn read<T: DeserializeOwned>(response: reqwest::Response) -> anyhow::Result<T> {
    let url = response.url().clone();
    response
        .json()
        .await
        .with_context(|| format!("{url} did not answer as this player knows it; is it of this version?"))
}

fn path(base: &Url, segments: &[&str]) -> Url {
    let mut url = base.clone();
    // Only an address like mailto: has no path, which no request could go to either.
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(segments);
    }
    url
}
