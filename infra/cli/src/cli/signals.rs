//! Signals that end the command.

use anyhow::{Context as _, Result, bail};
use tongban::children;

/// Ends the programs that this command runs as soon as a signal arrives. Waiting for a build blocks the command itself.
pub(crate) fn end_children_on_signal() {
    tokio::spawn(async {
        if termination().await.is_ok() {
            children::end_all();
        }
    });
}

/// Runs the work to its end or until a signal. A signal drops the work, which ends every process that it started.
///
/// # Errors
/// The error of the work, or "interrupted".
pub(crate) async fn interruptible(work: impl Future<Output = Result<()>>) -> Result<()> {
    end_children_on_signal();
    tokio::select! {
        result = work => result,
        signal = termination() => {
            signal?;
            bail!("interrupted")
        }
    }
}

/// Waits for Ctrl-C, SIGTERM or SIGHUP.
///
/// # Errors
/// Signals cannot be received on this system.
pub(crate) async fn termination() -> Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).context("signals cannot be received")?;
    let mut hang_up = signal(SignalKind::hangup()).context("signals cannot be received")?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted.context("signals cannot be received"),
        _ = terminate.recv() => Ok(()),
        _ = hang_up.recv() => Ok(()),
    }
}
