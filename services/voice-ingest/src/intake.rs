//! From what the AI said to rows and events, in one transaction: nothing is answered before it is durable, and nothing is
//! half-written.

use chrono::Utc;
use events::{
    contract::{
        dead_letter::DeadLetter,
        event::{Event, EventId},
        headers,
        schema::voice::{BookingConfirmationV1, PatientCreationV1},
        topics::{AI_RESPONSES, DEAD_LETTER_QUEUE, TopicNames},
    },
    flow::error::Category,
    publish::{Outbox, Tx},
};
use serde::Serialize;
use serde_json::{Value, json};
use service_kit::http::{auth::Identity, idempotency::Claim};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{
    NAME,
    announcement::{AnnouncedEvent, Announcement},
    domain::{
        Extraction, FieldProblem, Found, Kind, Practice, Rejection, RejectionCategory, Repair, Rules, Scanner, validate,
    },
    said_again::{Occurrence, occurrences},
    store::{self, NewExtraction, Said},
};

/// Takes what the AI says.
#[derive(Debug, Clone)]
pub struct Intake {
    pub outbox: Outbox,
    pub names: TopicNames,
    pub practice: Practice,
}

/// What rejects, as its dead letters name it.
const EXTRACT: &str = "extract";
/// A text of a call has a handful of markers; each costs several statements in the one transaction of its piece.
const MOST_MARKERS: usize = 500;

/// A piece of text that is refused as a whole; nothing of it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unacceptable {
    #[error("there is nothing but white space in it")]
    NothingSaid,
    #[error("there are more than {MOST_MARKERS} markers in it")]
    TooManyMarkers,
}

/// What was made of one thing that was said.
#[derive(Debug, Serialize)]
pub struct Taken {
    pub extraction_id: Uuid,
    pub kind: Kind,
    pub status: TakenStatus,
    /// Why it was rejected.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<FieldProblem>,
    /// What was changed in it to make JSON of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub repaired: Vec<Repair>,
    /// Of the dead letter that was written of it just now.
    #[serde(skip)]
    letter: Option<Category>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TakenStatus {
    Accepted,
    /// Kept as a dead letter for a person to correct.
    Rejected,
    /// Said before in the same call.
    Repeated,
}

impl Intake {
    /// What validation depends on, as of now.
    pub fn rules(&self) -> Rules {
        self.practice.rules()
    }

    /// Takes a piece of a call's text, which may begin and end inside a character. With `last`, an object that is still open is broken.
    /// A piece has no identity of its own: whoever sends one again after a lost answer needs a `claim` to be recognised.
    pub async fn text(
        &self,
        call_id: &str,
        piece: &[u8],
        last: bool,
        by: &Identity,
        claim: Option<Claim>,
    ) -> anyhow::Result<Vec<Taken>> {
        let mut tx = self.begin(by).await?;
        let state = store::lock_call(tx.connection(), call_id).await?;
        if last && !state.unfinished && piece.trim_ascii().is_empty() {
            return Err(Unacceptable::NothingSaid.into());
        }
        let mut scanner: Scanner = match state.scanner {
            Some(state) => Scanner::restored(state).unwrap_or_else(|| {
                tracing::warn!(
                    call_id,
                    "the state of the call between its pieces is of another version; what was open in it is not read on"
                );
                Scanner::new()
            }),
            None => Scanner::new(),
        };
        if last && !state.unfinished {
            scanner.expect_whole();
        }
        let mut found = Vec::new();
        scanner.push(piece, &mut |one| found.push(one));
        if last {
            scanner.finish(&mut |one| found.push(one));
        }
        if found.len() > MOST_MARKERS {
            return Err(Unacceptable::TooManyMarkers.into());
        }
        store::keep_scanner(tx.connection(), call_id, serde_json::to_value(&scanner)?, !last).await?;
        // A piece may be the same as another one of its text and say something else.
        let text_id = (last && !state.unfinished).then(|| text_id(piece));
        let taken = self.found(&mut tx, call_id, found, text_id).await?;
        if let Some(claim) = claim {
            claim.carried_out(tx.connection()).await?;
        }
        tx.commit().await?;
        taken.iter().filter_map(|one| one.letter).for_each(|category| count_letters(category, 1));
        Ok(taken)
    }

    /// Takes one fact that came as data and was validated already. Said last already, it is repeated.
    pub async fn data(&self, call_id: &str, fact: Extraction, by: &Identity) -> anyhow::Result<Taken> {
        let mut tx = self.begin(by).await?;
        store::lock_call(tx.connection(), call_id).await?;
        let before = store::accepted(tx.connection(), call_id, fact.kind()).await?;
        let occurrence = occurrences(call_id, &[&fact], &before, None)[0];
        let how = How { span: None, text_id: None, repaired: Vec::new(), occurrence };
        let taken = accept(&mut tx, call_id, how, fact).await?;
        tx.commit().await?;
        Ok(taken)
    }

    /// What is published in it names the token that it was said with.
    async fn begin(&self, by: &Identity) -> Result<Tx, sqlx::Error> {
        let mut tx = self.outbox.begin().await?;
        tx.by(format!("token:{}", by.name));
        Ok(tx)
    }

    /// In their order, each held against what was said before.
    async fn found(
        &self,
        tx: &mut Tx,
        call_id: &str,
        found: Vec<Found>,
        text_id: Option<Uuid>,
    ) -> anyhow::Result<Vec<Taken>> {
        let rules = self.rules();
        let read: Vec<_> = found.into_iter().map(|found| (Read::of(&found, &rules), found)).collect();
        let mut how_often = vec![Occurrence { number: 0, is_new: true }; read.len()];
        for kind in Kind::ALL {
            let of_kind = |(at, (read, found)): (usize, &'_ (Read, Found))| match read {
                Read::Fact(fact) if found.kind == kind => Some((at, fact.clone())),
                _ => None,
            };
            let (places, facts): (Vec<_>, Vec<_>) = read.iter().enumerate().filter_map(of_kind).unzip();
            if !facts.is_empty() {
                let before = store::accepted(tx.connection(), call_id, kind).await?;
                let facts: Vec<_> = facts.iter().collect();
                for (at, one) in places.into_iter().zip(occurrences(call_id, &facts, &before, text_id)) {
                    how_often[at] = one;
                }
            }
        }
        let mut taken = Vec::with_capacity(read.len());
        for ((read, found), occurrence) in read.into_iter().zip(how_often) {
            taken.push(match read {
                Read::Fact(fact) => {
                    let how = How { span: Some(found.span), text_id, repaired: found.repairs, occurrence };
                    accept(tx, call_id, how, fact).await?
                }
                Read::Rejected { said, rejection, code } => {
                    self.reject(tx, call_id, found, said, rejection, code).await?
                }
            });
        }
        Ok(taken)
    }

    /// Keeps what was rejected, here and as a dead letter whose bytes are the direct interface's shape: with its data
    /// corrected it can be sent on to the topic that it was meant for.
    async fn reject(
        &self,
        tx: &mut Tx,
        call_id: &str,
        found: Found,
        said: Option<Value>,
        rejection: Rejection,
        code: &str,
    ) -> anyhow::Result<Taken> {
        let id = EventId::derived(&["extraction", call_id, found.kind.as_str(), "rejected", &found.raw]);
        let letter_id = EventId::derived(&["dead letter", NAME, &id.to_string()]);
        let new = NewExtraction {
            id: id.0,
            call_id,
            kind: found.kind,
            span: Some(found.span),
            text_id: None,
            event_id: letter_id.0,
            repairs: repairs(&found.repairs)?,
            said: Said::Rejected { raw: &found.raw, problems: serde_json::to_value(&rejection.problems)? },
        };
        if !store::add_extraction(tx.connection(), &new).await? {
            return Ok(Taken {
                extraction_id: id.0,
                kind: found.kind,
                status: TakenStatus::Repeated,
                problems: Vec::new(),
                repaired: found.repairs,
                letter: None,
            });
        }
        let category = category(rejection.category);
        let data = said.unwrap_or_else(|| Value::String(found.raw.clone()));
        let bytes = serde_json::to_vec(&json!({ "call_id": call_id, "response_type": found.kind, "data": data }))?;
        let message: Vec<String> =
            rejection.problems.iter().map(|problem| format!("{}: {}", problem.field, problem.problem)).collect();
        let message = message.join("; ");
        let now = Utc::now();
        let letter = DeadLetter {
            id: letter_id.to_string(),
            topic: &self.names.in_kafka(&AI_RESPONSES),
            position: None,
            timestamp: Some(now),
            // It never was in the topic: corrected it is published for the first time, to all who read it.
            group: "",
            handler: EXTRACT,
            service: NAME,
            category,
            code,
            message: &message,
            chain: &message,
            attempts: 1,
            first_failed_at: now,
            replays: 0,
            event_id: String::new(),
            event_type: event_type(found.kind).to_owned(),
            correlation_id: call_id.to_owned(),
        };
        let mut all = letter.headers();
        all.push((headers::CONTENT_TYPE, "application/json".to_owned()));
        all.push((headers::CORRELATION_ID, call_id.to_owned()));
        tx.publish_raw(&DEAD_LETTER_QUEUE, call_id, &all, &bytes).await?;
        tracing::warn!(extraction_id = %id, kind = %found.kind, code, "an extraction was rejected: {message}");
        Ok(Taken {
            extraction_id: id.0,
            kind: found.kind,
            status: TakenStatus::Rejected,
            problems: rejection.problems,
            repaired: found.repairs,
            letter: Some(category),
        })
    }
}

fn category(of: RejectionCategory) -> Category {
    match of {
        RejectionCategory::Deserialization => Category::Deserialization,
        RejectionCategory::SchemaValidation => Category::SchemaValidation,
    }
}

/// Shows the dead letters of what is rejected from the start: an alert on the first needs the 0 before it.
pub fn tell_from_the_start() {
    for of in [RejectionCategory::Deserialization, RejectionCategory::SchemaValidation] {
        count_letters(category(of), 0);
    }
}

fn count_letters(category: Category, times: u64) {
    metrics::counter!("dead_letters_total", "handler" => EXTRACT, "category" => category.as_str()).increment(times);
}

fn repairs(repaired: &[Repair]) -> serde_json::Result<Option<Value>> {
    (!repaired.is_empty()).then(|| serde_json::to_value(repaired)).transpose()
}

fn event_type(kind: Kind) -> &'static str {
    match kind {
        Kind::PatientCreation => PatientCreationV1::TYPE,
        Kind::BookingConfirmation => BookingConfirmationV1::TYPE,
    }
}

/// How a fact was said.
struct How {
    span: Option<std::ops::Range<u64>>,
    text_id: Option<Uuid>,
    repaired: Vec<Repair>,
    occurrence: Occurrence,
}

async fn accept(tx: &mut Tx, call_id: &str, how: How, fact: Extraction) -> anyhow::Result<Taken> {
    let How { span, text_id, repaired, occurrence } = how;
    let kind = fact.kind();
    let data = serde_json::to_value(&fact)?;
    let announcement = Announcement::of(call_id, fact, occurrence.number);
    let id = announcement.extraction_id.0;
    let event_id = announcement.event_id().0;
    let repairs = repairs(&repaired)?;
    let new = NewExtraction { id, call_id, kind, span, text_id, event_id, repairs, said: Said::Accepted { data } };
    let status = if occurrence.is_new && store::add_extraction(tx.connection(), &new).await? {
        match announcement.event {
            AnnouncedEvent::Patient(event) => tx.publish(event).await?,
            AnnouncedEvent::Booking(event) => tx.publish(event).await?,
        };
        TakenStatus::Accepted
    } else {
        TakenStatus::Repeated
    };
    Ok(Taken { extraction_id: id, kind, status, problems: Vec::new(), repaired, letter: None })
}

/// What a marker was read as.
enum Read {
    Fact(Extraction),
    Rejected { said: Option<Value>, rejection: Rejection, code: &'static str },
}

impl Read {
    fn of(found: &Found, rules: &Rules) -> Self {
        match &found.json {
            Ok(json) => match validate(found.kind, json, rules) {
                Ok(fact) => Self::Fact(fact),
                Err(rejection) => {
                    Self::Rejected { said: serde_json::from_str(json).ok(), rejection, code: "invalid_extraction" }
                }
            },
            Err(broken) => {
                Self::Rejected { said: None, rejection: Rejection::from(*broken), code: broken.reason.as_str() }
            }
        }
    }
}

/// By its bytes.
fn text_id(text: &[u8]) -> Uuid {
    let hash: [u8; 32] = Sha256::digest(text).into();
    Uuid::from_u128(hash.iter().take(16).fold(0, |id, byte| id << 8 | u128::from(*byte)))
}
