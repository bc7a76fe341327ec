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
    // The shell's own kill: the command is not on every machine, and the call would need unsafe code.
    let sent = Command::new("sh").args(["-c", "kill -TERM \"$0\"", &child.id().to_string()]).status().unwrap();
    assert!(sent.success() || child.try_wait().unwrap().is_some(), "cannot send SIGTERM to {what}");
    wait_for(&format!("{what} ends after SIGTERM"), limit, || {
        let ended = child.try_wait().unwrap();
        async move { ended }
    })
    .await
}
