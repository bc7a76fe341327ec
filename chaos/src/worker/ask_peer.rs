//! The handler: asks the peer, for some events another system besides, writes one row, publishes one event.

use std::time::Duration;

use anyhow::Context;
use events::{
    consume::{Handler, Plan, Received, ask},
    contract::event::NewEvent,
    flow::error::HandlerError,
    publish::Tx,
};
use reqwest::Url;

use super::schema::{AnsweredV1, AskedV1};

/// The code under which poison is rejected.
pub const POISON: &str = "poison";

pub(super) struct AskPeer {
    http: reqwest::Client,
    peer: Url,
    notary: Url,
    worker: String,
}

pub(super) struct Answer(String);

impl Plan for Answer {}

impl AskPeer {
    /// Asks each for at most `limit`.
    pub(super) fn new(peer: Url, notary: Url, limit: Duration, worker: String) -> anyhow::Result<Self> {
        let http =
            reqwest::Client::builder().timeout(limit).no_proxy().build().context("cannot make an HTTP client")?;
        Ok(Self { http, peer, notary, worker })
    }

    async fn ask(&self, url: &Url) -> Result<String, reqwest::Error> {
        self.http.get(url.clone()).send().await?.error_for_status()?.text().await
    }
}

impl Handler for AskPeer {
    const NAME: &'static str = "ask-peer";
    type Event = AskedV1;
    type Plan = Answer;

    async fn prepare(&self, event: &Received<AskedV1>) -> Result<Answer, HandlerError> {
        // One is named once it failed, the other as it is asked: a handler may do either.
        let answer = self.ask(&self.peer).await.map_err(|error| HandlerError::dependency("peer", error))?;
        if event.data.notary {
            ask("notary", self.ask(&self.notary)).await?;
        }
        Ok(Answer(answer))
    }

    async fn apply(&self, event: &Received<AskedV1>, answer: Answer, tx: &mut Tx) -> Result<(), HandlerError> {
        let AskedV1 { run, key, seq, poison, .. } = event.data.clone();
        sqlx::query("INSERT INTO effects (event_id, run, key, seq, worker, answer) VALUES ($1, $2, $3, $4, $5, $6)")
            .bind(event.id.0)
            .bind(run as i64)
            .bind(&key)
            .bind(i64::from(seq))
            .bind(&self.worker)
            .bind(answer.0)
            .execute(tx.connection())
            .await?;
        tx.publish(NewEvent::derived(AnsweredV1 { run, key, seq }, event.id, "answer")).await?;
        if poison {
            // As late as can be: what was written before must go with it.
            return Err(HandlerError::reject(POISON, "the writer made it so"));
        }
        Ok(())
    }
}
