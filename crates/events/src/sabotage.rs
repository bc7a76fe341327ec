//! Breaks a promise on purpose, so that the chaos harness can show that its checkers see it.
//!
//! Only with the cargo feature `sabotage`, which no default build has; without it [`is`] is a constant and the compiler removes
//! what asks. With it, the environment variable `SABOTAGE` names one promise, or none.

/// A promise that can be broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sabotage {
    /// Any success of a handler proves every outside system that it ever blamed.
    AnySuccessProvesAll,
    /// A record counts as done when it is taken.
    CommitTheLatest,
    /// A dead letter that Kafka refuses is forgotten.
    FireAndForgetDeadLetter,
    /// Events are handled without looking whether they were.
    NoInbox,
    /// The relay saves a position before what lies behind it is acknowledged.
    RelaySavesBeforeAck,
    /// What comes below what was taken is dropped, whatever log it stands in.
    IgnoreShorterLog,
    /// Records of one key run side by side.
    NoLanes,
    /// The producer is set as the settings say, whatever becomes of the order.
    ObeyProducerSettings,
}

#[cfg(not(feature = "sabotage"))]
pub(crate) const fn is(_: Sabotage) -> bool {
    false
}

#[cfg(feature = "sabotage")]
pub(crate) fn is(sabotage: Sabotage) -> bool {
    use std::sync::LazyLock;

    static CHOSEN: LazyLock<String> = LazyLock::new(|| std::env::var("SABOTAGE").unwrap_or_default());
    let name = match sabotage {
        Sabotage::AnySuccessProvesAll => "any-success-proves-all",
        Sabotage::CommitTheLatest => "commit-the-latest",
        Sabotage::FireAndForgetDeadLetter => "fire-and-forget-dead-letter",
        Sabotage::NoInbox => "no-inbox",
        Sabotage::RelaySavesBeforeAck => "relay-saves-before-ack",
        Sabotage::IgnoreShorterLog => "ignore-shorter-log",
        Sabotage::NoLanes => "no-lanes",
        Sabotage::ObeyProducerSettings => "obey-producer-settings",
    };
    *CHOSEN == name
}
