//! Processes the messages of one FIFO group, one after the other.

use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use domain::ids::{AgencyCode, ApplicationId, EventId};
use protocol::case::{Case, Envelope};
use protocol::jose::{JoseError, PrivateKey, decrypt, signer_kid};
use tokio::time::interval;

use crate::case_handler::CaseHandler;
use crate::hub_client::HubClient;
use crate::hub_keys::{HubKeys, HubKeysError};
use crate::inbox::Inbox;
use crate::journal::ConsumerJournal;
use crate::queue::{CaseQueue, ReceivedMessage};
use crate::stop::Stop;

/// State that every task of a consumer shares.
#[derive(Debug)]
pub(super) struct MessageProcessor<Q, D, I> {
    pub(super) agency: AgencyCode,
    pub(super) keys: Vec<PrivateKey>,
    pub(super) hub_keys: HubKeys,
    pub(super) queue: Q,
    pub(super) handler: D,
    pub(super) inbox: I,
    pub(super) client: HubClient,
    pub(super) journal: ConsumerJournal,
    pub(super) visibility: Duration,
    /// Applications with a message in progress. A concurrent delivery of the same application must wait.
    pub(super) in_progress: Mutex<HashSet<ApplicationId>>,
}

/// What happens to a message after it was processed.
enum Disposition {
    /// The message was handled, or needs no handling.
    Delete,
    /// The message stays in the queue, hidden for this long, or for the rest of its visibility timeout.
    Retry(Option<Duration>),
}

/// How long a message waits while another message of its application is in progress.
const BUSY_DELAY: Duration = Duration::from_secs(5);

/// The first delay of a message that could not be verified because the hub's keys are not available.
const NO_KEYS_DELAY: Duration = Duration::from_secs(30);
/// The longest such delay.
const NO_KEYS_DELAY_MAX: Duration = Duration::from_secs(30 * 60);

/// The delay doubles with each delivery. So the ten deliveries before the dead-letter queue outlast an outage of some
/// hours.
fn no_keys_delay(times: u32) -> Duration {
    let doubled = 1u32.checked_shl(times.saturating_sub(1)).unwrap_or(u32::MAX);
    NO_KEYS_DELAY.saturating_mul(doubled).min(NO_KEYS_DELAY_MAX)
}

/// Why a message was not decrypted and verified.
#[derive(Debug)]
enum OpenError {
    /// No retry makes the message readable. Holds the reason but no content of the message.
    Unreadable(String),
    /// The hub's keys are not available now.
    NoHubKeys(HubKeysError),
}

impl OpenError {
    fn unreadable(reason: &str) -> OpenError {
        OpenError::Unreadable(reason.to_owned())
    }
}

impl From<HubKeysError> for OpenError {
    fn from(error: HubKeysError) -> Self {
        OpenError::NoHubKeys(error)
    }
}

/// The `kid` of the hub's key that signed a message. `None` when no key of the agency decrypts the message.
fn signer(envelope: &Envelope, own: &[PrivateKey]) -> Option<String> {
    let jws = decrypt(&envelope.data, own).ok()?;
    signer_kid(std::str::from_utf8(&jws).ok()?).ok()
}

/// Marks an application as in progress. Dropping the value removes the mark, also after a panic.
struct InProgress<'p> {
    all: &'p Mutex<HashSet<ApplicationId>>,
    application: ApplicationId,
}

impl Drop for InProgress<'_> {
    fn drop(&mut self) {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.remove(&self.application);
    }
}

impl<Q: CaseQueue, D: CaseHandler, I: Inbox> MessageProcessor<Q, D, I> {
    pub(super) fn note(&self, action: &'static str, event: Option<EventId>, detail: &str) {
        let case = event.map(|event| (event.application(), event.version()));
        self.journal.write(&self.agency, action, case, detail);
    }

    /// Processes the messages of one group in order. A message that must be retried stops the group's later messages.
    pub(super) async fn process_group(&self, mut messages: VecDeque<ReceivedMessage>, stop: &Stop) {
        while !messages.is_empty() {
            if stop.is_requested() {
                self.release(messages.make_contiguous(), Duration::ZERO).await;
                return;
            }
            match self.process_first(messages.make_contiguous()).await {
                Disposition::Delete => {
                    if let Some(first) = messages.pop_front()
                        && let Err(error) = self.queue.delete(&first).await
                    {
                        // SQS delivers the message again, and the inbox recognises the repeat.
                        tracing::warn!(
                            agency = %self.agency, message = first.message, %error,
                            "handled message could not be deleted, it will be delivered again"
                        );
                    }
                }
                Disposition::Retry(after) => {
                    if let Some(after) = after {
                        self.release(messages.make_contiguous(), after).await;
                    }
                    return;
                }
            }
        }
    }

    /// Handles the first message, and meanwhile extends the visibility timeout of all messages of the group.
    async fn process_first(&self, messages: &[ReceivedMessage]) -> Disposition {
        let Some(first) = messages.first() else {
            return Disposition::Retry(None);
        };
        let period = self.visibility.checked_div(3).unwrap_or_default().max(Duration::from_secs(1));
        let mut heartbeat = interval(period);
        // An interval ticks at once, and the group has just been received.
        heartbeat.reset();
        let mut work = std::pin::pin!(self.handle(first));
        loop {
            tokio::select! {
                disposition = &mut work => return disposition,
                _ = heartbeat.tick() => {
                    if let Err(error) = self.queue.hide(messages, self.visibility).await {
                        tracing::warn!(agency = %self.agency, %error, "visibility timeout could not be extended, messages may be delivered again");
                    }
                }
            }
        }
    }

    async fn release(&self, messages: &[ReceivedMessage], after: Duration) {
        if let Err(error) = self.queue.hide(messages, after).await {
            tracing::warn!(agency = %self.agency, %error, "messages could not be released, they come back after their visibility timeout");
        }
    }

    /// Decrypts and verifies a message.
    async fn open(&self, message: &ReceivedMessage) -> Result<(EventId, Case), OpenError> {
        let envelope: Envelope = protocol::json::from_slice(message.body.as_bytes(), message.body.len())
            .map_err(|_| OpenError::unreadable("the message is not a CloudEvent of the hub"))?;
        let case = match envelope.open(&self.keys, &*self.hub_keys.current().await?) {
            Err(JoseError::UnknownKey) => {
                // Either the agency lacks the encryption key, or the hub signed with a key that is not fetched yet.
                let kid = signer(&envelope, &self.keys).ok_or(OpenError::unreadable(
                    "the message is encrypted to a key that is not configured",
                ))?;
                envelope.open(&self.keys, &*self.hub_keys.containing(&kid).await?)
            }
            opened => opened,
        };
        let case = case.map_err(|error| OpenError::Unreadable(error.to_string()))?;
        if case.agency == self.agency {
            Ok((envelope.id, case))
        } else {
            Err(OpenError::unreadable("the message is for another agency"))
        }
    }

    async fn handle(&self, message: &ReceivedMessage) -> Disposition {
        let (event, case) = match self.open(message).await {
            Ok(opened) => opened,
            Err(OpenError::NoHubKeys(error)) => {
                tracing::warn!(
                    agency = %self.agency, message = message.message, %error,
                    "message cannot be verified without the hub's keys, will retry"
                );
                self.note("left", None, &error.to_string());
                return Disposition::Retry(Some(no_keys_delay(message.times)));
            }
            Err(OpenError::Unreadable(reason)) => {
                tracing::error!(
                    agency = %self.agency,
                    message = message.message,
                    deliveries = message.times,
                    reason,
                    "unreadable message stays in the queue until SQS moves it to the dead-letter queue"
                );
                self.note("unreadable", None, &reason);
                return Disposition::Retry(None);
            }
        };
        let Some(_in_progress) = self.mark_in_progress(event.application()) else {
            return Disposition::Retry(Some(BUSY_DELAY));
        };
        match self.inbox.handled(event).await {
            Ok(false) => {}
            Ok(true) => {
                self.note("repeat", Some(event), "");
                return Disposition::Delete;
            }
            Err(error) => {
                tracing::error!(agency = %self.agency, %event, %error, "inbox cannot be read, the message will be delivered again");
                return Disposition::Retry(None);
            }
        }
        self.note("case", Some(event), case.purpose.name());
        match self.handler.handle(case, &self.client).await {
            Ok(outcome) => {
                if let Err(error) = self.inbox.remember(event).await {
                    tracing::error!(
                        agency = %self.agency, %event, %error,
                        "inbox cannot be written, the message will be delivered again"
                    );
                    return Disposition::Retry(None);
                }
                self.note("handled", Some(event), outcome.name());
                Disposition::Delete
            }
            Err(error) => {
                let reason = error.log_text();
                tracing::warn!(agency = %self.agency, %event, reason, "handler failed, the message will be delivered again");
                self.note("left", Some(event), &reason);
                Disposition::Retry(error.hide_for())
            }
        }
    }

    fn mark_in_progress(&self, application: ApplicationId) -> Option<InProgress<'_>> {
        let mut all = self.in_progress.lock().unwrap_or_else(PoisonError::into_inner);
        // `then` builds the guard only when the mark is new: dropping the guard removes the mark.
        all.insert(application).then(|| InProgress { all: &self.in_progress, application })
    }
}
