//! The messages of one application, one after the other.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use domain::ids::{ApplicationId, EventId};
use protocol::case::{Case, Envelope};
use tokio::time::{Instant, interval_at};

use super::Counter;
use crate::desk::Desk;
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

impl<Q: CaseQueue, D: Desk, I: Inbox> Counter<Q, D, I> {
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

    /// Opens a message. The error is a name, nothing of the message.
    fn open(&self, delivery: &Delivery) -> Result<(EventId, Case), String> {
        let envelope: Envelope =
            serde_json::from_str(&delivery.body).map_err(|_| "no envelope".to_owned())?;
        let case = envelope.open(&self.keys.encryption, &self.keys.hub).map_err(|error| error.to_string())?;
        if case.agency == self.agency {
            Ok((envelope.id, case))
        } else {
            Err("for another agency".to_owned())
        }
    }

    async fn handle(&self, delivery: &Delivery) -> Ended {
        let (event, case) = match self.open(delivery) {
            Ok(opened) => opened,
            Err(why) => {
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
        match self.desk.handle(case, &self.office).await {
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
