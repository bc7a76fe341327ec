//! Plays the calls: a caller every few milliseconds, some talking at once, each after the call that it builds on, until all
//! that was said has settled.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context;
use tokio::{
    sync::{Semaphore, mpsc, watch},
    task::JoinSet,
    time::sleep,
};

use crate::{
    day::{Call, Day, Fate},
    report::Progress,
    services::{CallPage, Extraction, Services, Taken},
};

/// Between one caller and the next.
const NEXT_CALLER: Duration = Duration::from_millis(5);
/// This many talk at once.
const TALKING: usize = 8;
/// A call's page is looked at this often, at first.
const LOOK: Duration = Duration::from_millis(50);

/// A day that was played.
#[derive(Debug)]
pub struct Played {
    /// By call id.
    pub pages: BTreeMap<String, CallPage>,
    /// What voice-ingest answered, by call id.
    pub taken: BTreeMap<String, Vec<Taken>>,
    /// Calls of which something had not settled when the patience was over.
    pub unsettled: Vec<String>,
    pub took: Duration,
}

enum Step {
    Said(String, Vec<Taken>),
    Settled(String, CallPage, bool),
}

/// Plays the day; `patience` is how long a call may take to settle.
///
/// # Errors
/// When a service does not answer, or refuses.
pub async fn play(
    day: &Day,
    services: &Services,
    patience: Duration,
    progress: &mut Progress,
) -> anyhow::Result<Played> {
    let began = Instant::now();
    let mut settled: BTreeMap<&str, watch::Sender<bool>> =
        day.calls.iter().map(|call| (call.id.as_str(), watch::Sender::new(false))).collect();
    let talking = Arc::new(Semaphore::new(TALKING));
    let (steps, mut news) = mpsc::unbounded_channel();
    // Dropped with this function: a failure ends all callers.
    let mut callers = JoinSet::new();
    for (at, call) in day.calls.iter().enumerate() {
        let before = call.after.as_deref().and_then(|after| settled.get(after)).map(watch::Sender::subscribe);
        let caller = Caller {
            services: services.clone(),
            talking: Arc::clone(&talking),
            steps: steps.clone(),
            starts: NEXT_CALLER * u32::try_from(at).unwrap_or(u32::MAX),
            patience,
        };
        let call = call.clone();
        callers.spawn(async move { caller.call(call, before).await });
    }
    drop(steps);

    let mut played =
        Played { pages: BTreeMap::new(), taken: BTreeMap::new(), unsettled: Vec::new(), took: Duration::ZERO };
    loop {
        let step = tokio::select! {
            Some(ended) = callers.join_next() => {
                ended.context("a caller broke off")??;
                continue;
            }
            step = news.recv() => step,
        };
        match step {
            None => break,
            Some(Step::Said(id, taken)) => _ = played.taken.insert(id, taken),
            Some(Step::Settled(id, page, in_time)) => {
                // After a call that never settled, the one that builds on it is played all the same and found wanting.
                if let Some(sender) = settled.remove(id.as_str()) {
                    sender.send_replace(true);
                }
                if !in_time {
                    played.unsettled.push(id.clone());
                }
                played.pages.insert(id, page);
            }
        }
        progress.step(played.taken.len(), played.pages.len(), day.calls.len());
    }
    while let Some(ended) = callers.join_next().await {
        ended.context("a caller broke off")??;
    }
    played.took = began.elapsed();
    Ok(played)
}

struct Caller {
    services: Services,
    talking: Arc<Semaphore>,
    steps: mpsc::UnboundedSender<Step>,
    starts: Duration,
    patience: Duration,
}

impl Caller {
    async fn call(self, call: Call, before: Option<watch::Receiver<bool>>) -> anyhow::Result<()> {
        sleep(self.starts).await;
        if let Some(mut before) = before {
            // Its sender goes once it has told.
            _ = before.wait_for(|settled| *settled).await;
        }
        let mut taken = Vec::new();
        {
            let _talks = self.talking.acquire().await?;
            for (at, piece) in call.pieces.iter().enumerate() {
                taken.extend(self.services.say(&call.id, piece, at + 1 == call.pieces.len()).await?);
            }
        }
        _ = self.steps.send(Step::Said(call.id.clone(), taken));
        let (page, in_time) = self.wait(&call).await?;
        _ = self.steps.send(Step::Settled(call.id, page, in_time));
        Ok(())
    }

    async fn wait(&self, call: &Call) -> anyhow::Result<(CallPage, bool)> {
        let began = Instant::now();
        let mut pause = LOOK;
        loop {
            let page = self.services.call(&call.id).await?;
            if Self::is_settled(call, &page) {
                return Ok((page, true));
            }
            if began.elapsed() > self.patience {
                return Ok((page, false));
            }
            sleep(pause).await;
            pause = (pause * 3 / 2).min(LOOK * 10);
        }
    }

    fn is_settled(call: &Call, page: &CallPage) -> bool {
        let is_settled = |at: usize, said: &Extraction| match said.status.as_str() {
            "applied" | "rejected" => true,
            // Until its patient is known every booking is held.
            "held" => matches!(call.expected.get(at).map(|expected| &expected.fate), Some(Fate::Held { .. })),
            _ => false,
        };
        page.extractions.len() >= call.expected.len()
            && page.extractions.iter().enumerate().all(|(at, said)| is_settled(at, said))
    }
}
