//! The calls of outside systems that an attempt makes by name: whether each may be made now, and what it came to.
//!
//! They are noted in the task of the attempt, so that a handler says whom it asks where it asks, and needs nothing handed in.

use std::{borrow::Cow, cell::RefCell, future::Future, mem, sync::Arc, thread};

use super::{
    dependency::Blame,
    dependency_breakers::{Breakers, Probe},
};
use crate::flow::error::{Category, HandlerError};

tokio::task_local! {
    static ASKED: RefCell<Asked>;
}

struct Asked {
    breakers: Arc<Breakers>,
    calls: Calls,
}

/// The calls of one attempt, and the systems whose probe it is.
#[derive(Default)]
pub(super) struct Calls {
    /// The one of which something was noted last is the last.
    calls: Vec<Call>,
    probes: Vec<Probe>,
}

struct Call {
    name: Arc<str>,
    came_to: CameTo,
}

/// What the last call of a system came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CameTo {
    /// It has not ended, or was cut off.
    Nothing,
    /// It ended in a way that says nothing of the system.
    NoWord,
    Answer,
    Failure,
    /// It was not made: the system is away.
    Wait,
}

#[derive(Debug, thiserror::Error)]
#[error("is away; the record waits for it")]
struct Away;

/// Makes a call of the outside system `name`, from within a handler:
///
/// ```
/// # use events::{consume::ask, flow::error::HandlerError};
/// # async fn of(http: reqwest::Client) -> Result<(), HandlerError> {
/// let call = async { http.get("https://crm.example/customers/7").send().await?.error_for_status()?.text().await };
/// let customer = ask("crm.example", call).await?;
/// # Ok(())
/// # }
/// ```
///
/// While that system is away the call is not made, and this event waits until it is back; events that ask others go on. What
/// fails is blamed on `name`. Only a call that is answered, be it with a refusal, proves that the system is there, so a failure
/// counts against an event only if the system answered others meanwhile. A call that is cut off, by the attempt's limit or by one
/// that the handler puts around it, was not answered: whatever the handler then says is to be tried again waits for `name`. A limit
/// within the call is [`HandlerError::timeout`]; what the call itself calls [`HandlerError::retry`], a collision, is nobody's outage.
///
/// `name` stands for what is up or down together, and may come out of the event: the host of a webhook. Up to 256 of them are
/// remembered at once. It is written to logs and is a label of metrics, so it must not tell of a person.
///
/// Outside of an attempt, in a task of its own or in a test, the call is made and what fails is blamed on `name`, no more.
///
/// # Errors
/// Those of the call, and one for the engine when the system is away: hand it on.
pub async fn ask<T, E: Into<HandlerError>>(
    name: impl Into<Cow<'static, str>>,
    call: impl Future<Output = Result<T, E>>,
) -> Result<T, HandlerError> {
    let name = name.into();
    let begun = ASKED.try_with(|asked| asked.borrow_mut().begin(&name)).unwrap_or(true);
    if !begun {
        return Err(HandlerError::dependency(name, Away));
    }
    let open = Open(&name);
    let outcome = call.await.map_err(Into::into);
    drop(open);
    let (came_to, outcome) = match outcome {
        Ok(answer) => (CameTo::Answer, Ok(answer)),
        Err(error) => {
            let (came_to, error) = put_down(&name, error);
            (came_to, Err(error))
        }
    };
    let _ = ASKED.try_with(|asked| asked.borrow_mut().calls.note(&name, came_to));
    outcome
}

/// A call that has begun. A panic that ends it says nothing of the system, unlike a limit that cuts it off.
struct Open<'n>(&'n str);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            let _ = ASKED.try_with(|asked| asked.borrow_mut().calls.note(self.0, CameTo::NoWord));
        }
    }
}

/// What a failed call says of the system, which it is put down to unless it is nobody's outage or that of another call within.
fn put_down(name: &str, error: HandlerError) -> (CameTo, HandlerError) {
    match error {
        HandlerError::Reject { ref source, .. } => {
            let is_unasked = source.downcast_ref::<reqwest::Error>().is_some_and(reqwest::Error::is_builder);
            (if is_unasked { CameTo::NoWord } else { CameTo::Answer }, error)
        }
        HandlerError::Retry { category: Category::Processing, dependency: None, .. } => (CameTo::NoWord, error),
        HandlerError::Retry { dependency: Some(ref inner), .. }
            if inner != name && ASKED.try_with(|asked| asked.borrow().calls.of(inner).is_some()).unwrap_or(false) =>
        {
            (CameTo::NoWord, error)
        }
        HandlerError::Retry { category, source, .. } => {
            (CameTo::Failure, HandlerError::Retry { category, dependency: Some(Cow::Owned(name.to_owned())), source })
        }
    }
}

/// Runs what makes attempts one after the other, so that the calls of each can be noted. Entered once for many of them: with a
/// scope for each, the moves into it and the shared count were felt by a handler that does nothing.
pub(super) fn scope<F: Future>(breakers: &Arc<Breakers>, attempts: F) -> impl Future<Output = F::Output> + use<F> {
    let asked = Asked { breakers: Arc::clone(breakers), calls: Calls::default() };
    ASKED.scope(RefCell::new(asked), attempts)
}

/// Runs an attempt and notes its calls; within a [`scope`].
pub(super) async fn noting<F: Future>(probes: Vec<Probe>, attempt: F) -> (F::Output, Calls) {
    if !probes.is_empty() {
        ASKED.with(|asked| asked.borrow_mut().calls.probes = probes);
    }
    let outcome = attempt.await;
    (outcome, ASKED.with(|asked| mem::take(&mut asked.borrow_mut().calls)))
}

impl Asked {
    /// Returns whether the call may be made.
    fn begin(&mut self, name: &str) -> bool {
        let is_probe = self.calls.probes.iter().any(|probe| *probe.name == *name);
        let turn = if is_probe { Ok(None) } else { self.breakers.may_ask(name) };
        self.calls.note(name, if turn.is_ok() { CameTo::Nothing } else { CameTo::Wait });
        let may = turn.is_ok();
        self.calls.probes.extend(turn.ok().flatten());
        may
    }
}

impl Calls {
    fn of(&self, name: &str) -> Option<CameTo> {
        self.calls.iter().find(|call| *call.name == *name).map(|call| call.came_to)
    }

    fn note(&mut self, name: &str, came_to: CameTo) {
        let known = self.calls.iter().position(|call| *call.name == *name);
        let name = known.map_or_else(|| name.into(), |index| self.calls.remove(index).name);
        self.calls.push(Call { name, came_to });
    }

    /// Whether the attempt named this system before it asked.
    pub(super) fn has_named(&self, name: &str) -> bool {
        self.of(name).is_some()
    }

    /// Whether the attempt was told to wait for this system.
    pub(super) fn has_to_wait_for(&self, name: &str) -> bool {
        self.of(name) == Some(CameTo::Wait)
    }

    /// A failure that blames nobody is put down to a system that was asked in vain, the last of them: a handler may have put the
    /// call's own error into words of its own, or have cut the call off.
    pub(super) fn put_down(&self, error: HandlerError) -> HandlerError {
        let HandlerError::Retry { category, dependency: None, source } = error else {
            return error;
        };
        let away = self.calls.iter().find(|call| call.came_to == CameTo::Wait);
        let in_vain = || self.calls.iter().rfind(|call| matches!(call.came_to, CameTo::Failure | CameTo::Nothing));
        let dependency = away.or_else(in_vain).map(|call| Cow::Owned(call.name.to_string()));
        HandlerError::Retry { category, dependency, source }
    }

    /// Tells the breakers what the calls came to, but for the system that the whole attempt blames.
    pub(super) fn tell(&self, breakers: &Breakers, blamed: Option<&str>) {
        for call in self.calls.iter().filter(|call| blamed != Some(&*call.name)) {
            match call.came_to {
                CameTo::Answer => breakers.answered(&call.name),
                CameTo::Failure => {
                    breakers.failed(&call.name, Blame::default(), None);
                }
                CameTo::Nothing | CameTo::NoWord | CameTo::Wait => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::{pending, ready},
        panic::AssertUnwindSafe,
        time::Duration,
    };

    use futures::FutureExt;
    use tokio::time::timeout;

    use super::*;
    use crate::flow::breaker::BreakerPolicy;

    const MOMENT: Duration = Duration::from_millis(1);

    fn gone() -> Result<(), HandlerError> {
        Err(HandlerError::dependency("inner", "it is gone"))
    }

    async fn noted<F: Future>(breakers: &Arc<Breakers>, attempt: F) -> (F::Output, Calls) {
        scope(breakers, noting(Vec::new(), attempt)).await
    }

    /// What an attempt with one call comes to, and whether the system counts as away after it.
    async fn outcome(call: impl Future<Output = Result<(), HandlerError>>, was_away: bool) -> (HandlerError, bool) {
        let policy = BreakerPolicy { failures: 1, first_probe: Duration::ZERO, ..BreakerPolicy::default() };
        let breakers = Breakers::new(policy, crate::consume::ConsumerStatus::default());
        if was_away {
            breakers.failed("a", Blame::default(), None);
        }
        let (outcome, calls) = noted(&breakers, ask("a", call)).await;
        let error = calls.put_down(outcome.unwrap_err());
        calls.tell(&breakers, None);
        drop(calls);
        // Whoever has its turn has it because the system is away.
        let is_away = breakers.may_ask("a").unwrap().is_some();
        (error, is_away)
    }

    #[tokio::test]
    async fn a_failure_is_put_down_to_the_system_that_was_named() {
        let (error, is_away) = outcome(ready(gone()), false).await;
        assert_eq!((error.blames().map(|name| &**name), is_away), (Some("a"), true));
        let (error, is_away) = outcome(ready(Err(HandlerError::timeout("too long"))), false).await;
        assert_eq!((error.blames().map(|name| &**name), is_away), (Some("a"), true));
        let outside = ask("a", ready(gone())).await.unwrap_err();
        assert_eq!(outside.blames().map(|name| &**name), Some("a"));
    }

    #[tokio::test]
    async fn a_refusal_is_an_answer_and_what_asked_nobody_is_not() {
        let refused = HandlerError::reject("unknown", "there is no such customer");
        assert!(!outcome(ready(Err(refused)), true).await.1);
        let no_url = reqwest::get("no url").await.unwrap_err();
        assert!(outcome(ready(Err(no_url.into())), true).await.1);
        assert!(outcome(ready(Err(HandlerError::retry("a collision"))), true).await.1);
    }

    #[tokio::test]
    async fn the_outage_of_a_call_within_a_call_is_not_that_of_the_outer_one() {
        let (error, is_away) = outcome(ask("b", ready(gone())), false).await;
        assert_eq!((error.blames().map(|name| &**name), is_away), (Some("b"), false));
    }

    #[tokio::test]
    async fn a_call_is_blamed_whatever_words_the_handler_finds_for_its_failure_or_its_end() {
        let breakers = Breakers::new(
            BreakerPolicy { failures: 1, ..BreakerPolicy::default() },
            crate::consume::ConsumerStatus::default(),
        );
        let blamed = async |attempt: futures::future::BoxFuture<'static, HandlerError>| {
            let (error, calls) = noted(&breakers, attempt).await;
            calls.put_down(error).blames().map(ToString::to_string)
        };
        let in_other_words = Box::pin(async {
            ask("a", ready(gone())).await.unwrap_err();
            HandlerError::retry("no customer")
        });
        assert_eq!(blamed(in_other_words).await.as_deref(), Some("a"));
        for in_the_end in [HandlerError::timeout, HandlerError::retry] as [fn(&'static str) -> HandlerError; 2] {
            let cut_off = Box::pin(async move {
                timeout(MOMENT, ask("b", pending::<Result<(), HandlerError>>())).await.unwrap_err();
                in_the_end("too long")
            });
            assert_eq!(blamed(cut_off).await.as_deref(), Some("b"));
        }
        let both = Box::pin(async {
            timeout(MOMENT, ask("a", pending::<Result<(), HandlerError>>())).await.unwrap_err();
            ask("b", ready(gone())).await.unwrap_err();
            HandlerError::retry("neither of them")
        });
        assert_eq!(blamed(both).await.as_deref(), Some("b"));
        breakers.failed("c", Blame::default(), None);
        let not_made = Box::pin(async {
            ask("c", async { panic!("it is away") as Result<(), HandlerError> }).await.unwrap_err();
            HandlerError::retry("no customer")
        });
        assert_eq!(blamed(not_made).await.as_deref(), Some("c"));
    }

    #[tokio::test]
    async fn a_system_that_answered_in_the_end_and_one_whose_call_panicked_are_not_blamed() {
        let breakers = Breakers::new(BreakerPolicy::default(), crate::consume::ConsumerStatus::default());
        let blamed = async |attempt: futures::future::BoxFuture<'static, ()>| {
            let (_, calls) = noted(&breakers, AssertUnwindSafe(attempt).catch_unwind()).await;
            calls.put_down(HandlerError::retry("a collision")).blames().map(ToString::to_string)
        };
        let again = Box::pin(async {
            timeout(MOMENT, ask("a", pending::<Result<(), HandlerError>>())).await.unwrap_err();
            ask("a", ready(Ok::<_, HandlerError>(()))).await.unwrap();
        });
        assert_eq!(blamed(again).await, None);
        let within = Box::pin(async {
            ask("a", async { panic!("no answer has this shape") as Result<(), HandlerError> }).await.unwrap()
        });
        assert_eq!(blamed(within).await, None);
        let beside = Box::pin(async {
            let broken = async { panic!("beside it") };
            futures::join!(ask("a", pending::<Result<(), HandlerError>>()), broken).1
        });
        assert_eq!(blamed(beside).await, None);
        let after = Box::pin(async {
            timeout(MOMENT, ask("a", pending::<Result<(), HandlerError>>())).await.expect("an answer in time").unwrap();
        });
        assert_eq!(blamed(after).await.as_deref(), Some("a"));
    }
}
