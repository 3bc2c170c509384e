//! A graceful end: asked once, seen by everyone.

use tokio::sync::watch;

/// Asks for the end. Dropping it asks too, so that no consumer outlives who started it.
#[derive(Debug)]
pub struct Stopper(watch::Sender<bool>);

impl Stopper {
    /// Asks everyone who holds the [`Stop`] to come to an end.
    pub fn ask(&self) {
        self.0.send_replace(true);
    }
}

/// Tells whether the end was asked for. Clones see the same.
#[derive(Clone, Debug)]
pub struct Stop(watch::Receiver<bool>);

impl Stop {
    /// A new pair.
    #[must_use]
    pub fn new() -> (Stopper, Stop) {
        let (sender, receiver) = watch::channel(false);
        (Stopper(sender), Stop(receiver))
    }

    /// Asked when the process gets SIGTERM or ctrl-c. Needs a tokio runtime.
    ///
    /// # Errors
    /// Where the signals cannot be listened to.
    pub fn on_signals() -> std::io::Result<Stop> {
        let (stopper, stop) = Stop::new();
        let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        let mut interrupt = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt())?;
        tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            stopper.ask();
        });
        Ok(stop)
    }

    /// Whether it was asked.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        *self.0.borrow() || self.0.has_changed().is_err()
    }

    /// Waits until it is asked.
    pub async fn asked(&self) {
        let mut receiver = self.0.clone();
        // An error means the stopper is gone, which asks as well.
        let _gone = receiver.wait_for(|asked| *asked).await.is_err();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn asking_and_dropping_both_ask() {
        let (stopper, stop) = Stop::new();
        assert!(!stop.is_asked());
        stopper.ask();
        stop.asked().await;
        assert!(stop.is_asked());
        let (stopper, stop) = Stop::new();
        drop(stopper);
        stop.asked().await;
        assert!(stop.is_asked());
    }
}
