//! Ending a child process: at once, or by asking and waiting.

use std::{
    process::{Child, Command, ExitStatus},
    time::Duration,
};

use crate::wait::wait_for;

/// `kill -9`, and gone when this returns.
pub(crate) fn kill9(child: &mut Child) -> ExitStatus {
    // Fails only for a child that has ended already.
    let _ = child.kill();
    child.wait().unwrap()
}

/// SIGTERM, and waits for the end.
pub(crate) async fn terminate(child: &mut Child, what: &str, limit: Duration) -> ExitStatus {
    signal(child, "TERM", what);
    ended(child, &format!("{what} ends after SIGTERM"), limit).await
}

/// Waits until it has ended by itself.
pub(crate) async fn ended(child: &mut Child, what: &str, limit: Duration) -> ExitStatus {
    wait_for(what, limit, || {
        let ended = child.try_wait().unwrap();
        async move { ended }
    })
    .await
}

/// Sends a signal by its name, such as `STOP`. One that has ended already is left in peace.
pub(crate) fn signal(child: &mut Child, name: &str, what: &str) {
    // The shell's own kill: the command is not on every machine, and the call would need unsafe code.
    let sent = Command::new("sh").args(["-c", "kill -\"$0\" \"$1\"", name, &child.id().to_string()]).status().unwrap();
    assert!(sent.success() || child.try_wait().unwrap().is_some(), "cannot send SIG{name} to {what}");
}
