//! A callback receiver for tests. It records callbacks, and fails the test when a callback does not verify.

use app_client::{CallbackLog, CallbackReceiver, ReceivedCallback};
use axum::http::StatusCode;
use jiff::Timestamp;
use protocol::callback::Secret;

/// Receives callbacks on its own port until it is dropped.
#[derive(Debug)]
pub struct Receiver {
    receiver: CallbackReceiver,
    log: CallbackLog,
}

impl Receiver {
    /// Listens on any free port.
    ///
    /// # Panics
    /// No port is free.
    pub async fn listen() -> Receiver {
        Receiver::listen_by(Timestamp::now).await
    }

    /// Listens on any free port with the caller's clock.
    ///
    /// # Panics
    /// No port is free.
    pub async fn listen_by(now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Receiver {
        let log = CallbackLog::default();
        let receiver = CallbackReceiver::listen_with_clock(0, now, log.handler()).await;
        Receiver { receiver: receiver.expect("a free port"), log }
    }

    /// The address to subscribe.
    #[must_use]
    pub fn url(&self) -> &str {
        self.receiver.url()
    }

    /// Verifies callbacks with this secret alone from now on.
    ///
    /// # Panics
    /// The text is not a webhook secret.
    pub fn trust(&self, secret: &str) {
        self.receiver.trust(Secret::parse(secret).expect("a webhook secret"));
    }

    /// Accepts callbacks signed with this secret, too.
    ///
    /// # Panics
    /// The text is not a webhook secret.
    pub fn also_trust(&self, secret: &str) {
        self.receiver.also_trust(Secret::parse(secret).expect("a webhook secret"));
    }

    /// Number of trusted secrets that signed the last callback with this id.
    ///
    /// # Panics
    /// No such callback has arrived.
    #[must_use]
    pub fn signed_by(&self, id: &str) -> usize {
        let calls = self.calls();
        calls.iter().rfind(|call| call.id == id).expect("a callback that has arrived").signed_by
    }

    /// Answers every later callback with this status and does not record it. `None` ends that.
    ///
    /// # Panics
    /// The number is not an HTTP status.
    pub fn answer(&self, status: Option<u16>) {
        self.receiver.force_status(status.map(|code| StatusCode::from_u16(code).expect("a status")));
    }

    /// Number of callbacks that were answered with a forced status.
    #[must_use]
    pub fn turned_away(&self) -> usize {
        self.receiver.turned_away()
    }

    /// The verified callbacks in the order of arrival.
    ///
    /// # Panics
    /// A callback did not verify.
    #[must_use]
    pub fn calls(&self) -> Vec<ReceivedCallback> {
        let rejections = self.log.rejections();
        assert!(rejections.is_empty(), "callbacks that do not verify: {rejections:?}");
        self.log.callbacks()
    }
}
