//! The messages of one application, one after the other.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use domain::ids::{ApplicationId, EventId};
use protocol::case::{Case, Envelope};
use protocol::jose::{JoseError, PrivateKey, decrypt, signer_kid};
use tokio::time::{Instant, interval_at};

use super::Counter;
use crate::case_handler::CaseHandler;
use crate::hub_keys::HubKeysError;
use crate::inbox::Inbox;
use crate::queue::{CaseQueue, Delivery};
use crate::stop::Stop;

/// What becomes of a message.
enum Ended {
    /// Done with: delete it.
    Delete,
    /// To come again, after this long or after what the queue has left.
    Leave(Option<Duration>),
}

/// How long a delivery waits whose application is being worked on.
const IN_HAND: Duration = Duration::from_secs(5);

/// The first wait of a message that was left because the hub's keys could not be fetched.
const WITHOUT_KEYS: Duration = Duration::from_secs(30);
/// The longest such wait.
const WITHOUT_KEYS_LONGEST: Duration = Duration::from_secs(30 * 60);

/// How long such a message waits. It doubles with each delivery, so that ten of them, after which it would go to the
/// dead-letter queue, outlast a hub that is away for some hours.
fn without_keys(times: u32) -> Duration {
    let doubled = 1u32.checked_shl(times.saturating_sub(1)).unwrap_or(u32::MAX);
    WITHOUT_KEYS.saturating_mul(doubled).min(WITHOUT_KEYS_LONGEST)
}

/// Why a message was not opened.
#[derive(Debug)]
enum Unopened {
    /// It cannot be read, now or later. A name, nothing of the message.
    ForEver(String),
    /// The hub's keys are not to be had now.
    NoKeys(HubKeysError),
}

impl Unopened {
    fn for_ever(why: &str) -> Unopened {
        Unopened::ForEver(why.to_owned())
    }
}

impl From<HubKeysError> for Unopened {
    fn from(error: HubKeysError) -> Self {
        Unopened::NoKeys(error)
    }
}

/// Which of the hub's keys a message names, where one of the own keys decrypts it.
fn signer(envelope: &Envelope, own: &[PrivateKey]) -> Option<String> {
    let jws = decrypt(&envelope.data, own).ok()?;
    signer_kid(std::str::from_utf8(&jws).ok()?).ok()
}

/// Keeps an application marked as worked on, also where the work panics.
struct InHand<'c> {
    all: &'c Mutex<std::collections::HashSet<ApplicationId>>,
    application: ApplicationId,
}

impl Drop for InHand<'_> {
    fn drop(&mut self) {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.remove(&self.application);
    }
}

impl<Q: CaseQueue, D: CaseHandler, I: Inbox> Counter<Q, D, I> {
    pub(super) fn note(&self, what: &'static str, event: Option<EventId>, detail: &str) {
        let case = event.map(|event| (event.application(), event.version()));
        self.journal.write(&self.agency, what, case, detail);
    }

    /// Works through the messages of one group. The first that must come again keeps those behind it back.
    pub(super) async fn work(&self, mut messages: VecDeque<Delivery>, stop: &Stop) {
        while !messages.is_empty() {
            if stop.is_asked() {
                self.give_back(messages.make_contiguous(), Duration::ZERO).await;
                return;
            }
            match self.attended(messages.make_contiguous()).await {
                Ended::Delete => {
                    if let Some(first) = messages.pop_front()
                        && let Err(error) = self.queue.delete(&first).await
                    {
                        // It comes again, and the inbox knows it.
                        tracing::warn!(agency = %self.agency, %error, "a message was not deleted");
                    }
                }
                Ended::Leave(after) => {
                    if let Some(after) = after {
                        self.give_back(messages.make_contiguous(), after).await;
                    }
                    return;
                }
            }
        }
    }

    /// Handles the first message, and hides all of them for longer while that lasts.
    async fn attended(&self, messages: &[Delivery]) -> Ended {
        let Some(first) = messages.first() else {
            return Ended::Leave(None);
        };
        let beat = (self.hidden / 3).max(Duration::from_secs(1));
        let mut beats = interval_at(Instant::now() + beat, beat);
        let mut work = std::pin::pin!(self.handle(first));
        loop {
            tokio::select! {
                ended = &mut work => return ended,
                _ = beats.tick() => {
                    if let Err(error) = self.queue.hide(messages, self.hidden).await {
                        tracing::warn!(agency = %self.agency, %error, "messages were not hidden for longer");
                    }
                }
            }
        }
    }

    async fn give_back(&self, messages: &[Delivery], after: Duration) {
        if let Err(error) = self.queue.hide(messages, after).await {
            tracing::warn!(agency = %self.agency, %error, "messages were not given back early");
        }
    }

    /// Opens a message.
    async fn open(&self, delivery: &Delivery) -> Result<(EventId, Case), Unopened> {
        let envelope: Envelope =
            serde_json::from_str(&delivery.body).map_err(|_| Unopened::for_ever("no envelope"))?;
        let case = match envelope.open(&self.keys, &*self.hub_keys.current().await?) {
            Err(JoseError::UnknownKey) => {
                // Either it is encrypted to a key that is not here, or it is signed with one that is not known yet.
                let kid = signer(&envelope, &self.keys)
                    .ok_or(Unopened::for_ever("encrypted to a key that is not configured"))?;
                envelope.open(&self.keys, &*self.hub_keys.naming(&kid).await?)
            }
            opened => opened,
        };
        let case = case.map_err(|error| Unopened::ForEver(error.to_string()))?;
        if case.agency == self.agency {
            Ok((envelope.id, case))
        } else {
            Err(Unopened::for_ever("for another agency"))
        }
    }

    async fn handle(&self, delivery: &Delivery) -> Ended {
        let (event, case) = match self.open(delivery).await {
            Ok(opened) => opened,
            Err(Unopened::NoKeys(error)) => {
                tracing::warn!(agency = %self.agency, delivery = delivery.message, %error, "a message is left");
                self.note("left", None, &error.to_string());
                return Ended::Leave(Some(without_keys(delivery.times)));
            }
            Err(Unopened::ForEver(why)) => {
                tracing::error!(
                    agency = %self.agency,
                    delivery = delivery.message,
                    times = delivery.times,
                    why,
                    "a message cannot be read and is left"
                );
                self.note("unreadable", None, &why);
                return Ended::Leave(None);
            }
        };
        let Some(_in_hand) = self.take_up(event.application()) else {
            return Ended::Leave(Some(IN_HAND));
        };
        match self.inbox.handled(event).await {
            Ok(false) => {}
            Ok(true) => {
                self.note("repeat", Some(event), "");
                return Ended::Delete;
            }
            Err(error) => {
                tracing::error!(agency = %self.agency, %error, "a message is left");
                return Ended::Leave(None);
            }
        }
        self.note("case", Some(event), case.purpose.name());
        match self.handler.handle(case, &self.client).await {
            Ok(outcome) => {
                if let Err(error) = self.inbox.remember(event).await {
                    tracing::error!(agency = %self.agency, %error, "a message is left");
                    return Ended::Leave(None);
                }
                self.note("handled", Some(event), outcome.name());
                Ended::Delete
            }
            Err(error) => {
                let why = error.shown();
                tracing::warn!(agency = %self.agency, %event, why, "a case is left for later");
                self.note("left", Some(event), &why);
                Ended::Leave(error.hide_for())
            }
        }
    }

    fn take_up(&self, application: ApplicationId) -> Option<InHand<'_>> {
        let mut all = self.in_hand.lock().unwrap_or_else(PoisonError::into_inner);
        // Built only where the mark was set: dropping it takes the mark away again.
        all.insert(application).then(|| InHand { all: &self.in_hand, application })
    }
}
