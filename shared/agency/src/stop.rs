//! Graceful stop: requested once, seen by every task.

use tokio::sync::watch;

/// Requests the stop. Dropping the value requests the stop too, so that no consumer outlives its owner.
#[derive(Debug)]
pub struct Stopper(watch::Sender<bool>);

impl Stopper {
    /// Requests that every holder of the [`Stop`] ends.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}

/// Shows whether a stop was requested. Clones share the state.
#[derive(Clone, Debug)]
pub struct Stop(watch::Receiver<bool>);

impl Stop {
    /// A stopper and its stop.
    #[must_use]
    pub fn new() -> (Stopper, Stop) {
        let (sender, receiver) = watch::channel(false);
        (Stopper(sender), Stop(receiver))
    }

    /// A stop that SIGTERM or ctrl-c requests. Needs a tokio runtime.
    ///
    /// # Errors
    /// The signal handlers cannot be installed.
    pub fn on_signals() -> std::io::Result<Stop> {
        let (stopper, stop) = Stop::new();
        let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        let mut interrupt = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt())?;
        tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            stopper.stop();
        });
        Ok(stop)
    }

    /// Whether the stop was requested.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        *self.0.borrow() || self.0.has_changed().is_err()
    }

    /// Waits until the stop is requested.
    pub async fn requested(&self) {
        let mut receiver = self.0.clone();
        // An error means that the stopper was dropped, which requests the stop too.
        let _dropped = receiver.wait_for(|requested| *requested).await.is_err();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn stopping_and_dropping_both_request_a_stop() {
        let (stopper, stop) = Stop::new();
        assert!(!stop.is_requested());
        stopper.stop();
        stop.requested().await;
        assert!(stop.is_requested());
        let (stopper, stop) = Stop::new();
        drop(stopper);
        stop.requested().await;
        assert!(stop.is_requested());
    }
}
