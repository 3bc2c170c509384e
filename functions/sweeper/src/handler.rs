//! One sweep over the index of wake-up times.
//!
//! For each application whose time has come: take the step that time has made due (expire, lapse, overdue),
//! record uploads whose event never came, send the message that an agency is owed where the router did not, and
//! set the next wake-up time. Two sweeps at once do no harm: every effect has its id, every write its version.

use domain::command::{Attempt, Command};
use domain::effect::{lost_in_queue, open_notices, undelivered};
use domain::ids::ApplicationId;
use domain::wake::{due, next_wake};
use jiff::Timestamp;
use platform::agency_messages::{Sending, Undeliverable, message};
use platform::apply::{ApplyError, apply_all};
use platform::arrivals::arrivals;
use platform::clock::Clock as _;
use platform::documents::DocumentsError;
use platform::hub::Hub;
use platform::queues::{Queues as _, SendError};
use platform::store::{DUE_SHARDS, Store as _, StoreError, StoredApplication};
use protocol::jose::PrivateKey;
use serde::Serialize;
use thiserror::Error;

/// Applications taken from one shard in one sweep; the rest is taken by the next.
pub const PER_SHARD: usize = 200;

/// Sweeps.
pub struct Sweeper<H> {
    hub: H,
    signing: PrivateKey,
}

/// What a sweep did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Swept {
    /// Applications whose time had come.
    pub due: u32,
    /// Steps taken, uploads and dispatches recorded.
    pub moved: u32,
    /// Messages sent.
    pub sent: u32,
    /// Cases that wait because their agency cannot be sent a message.
    pub waiting: u32,
    /// Applications that could not be looked at; the next sweep does.
    pub failed: u32,
}

/// Why an application could not be looked at.
#[derive(Debug, Error)]
enum Failure {
    #[error("not applied")]
    Apply(#[from] ApplyError),
    #[error("not kept")]
    Store(#[from] StoreError),
    #[error("not looked at")]
    Documents(#[from] DocumentsError),
    #[error("not sent")]
    Send(#[from] SendError),
    #[error("not sealed")]
    Message(#[from] Undeliverable),
}

impl<H: Hub> Sweeper<H> {
    /// A sweeper that signs with the hub's key.
    pub fn new(hub: H, signing: PrivateKey) -> Self {
        Sweeper { hub, signing }
    }

    /// Sweeps every shard once.
    pub async fn sweep(&self) -> Swept {
        let mut swept = Swept::default();
        for shard in 0..DUE_SHARDS {
            let now = self.hub.clock().now();
            let ids = match self.hub.store().due(shard, now, PER_SHARD).await {
                Ok(ids) => ids,
                Err(error) => {
                    tracing::warn!(shard, %error, "a shard of the due index could not be read; the next sweep reads it again");
                    swept.failed += 1;
                    continue;
                }
            };
            for id in ids {
                swept.due += 1;
                if let Err(error) = self.look_at(id, &mut swept).await {
                    let cause = std::error::Error::source(&error).map(ToString::to_string);
                    tracing::warn!(application = %id, %error, cause, "an application could not be swept; the next sweep tries again");
                    swept.failed += 1;
                }
            }
        }
        swept
    }

    async fn look_at(&self, id: ApplicationId, swept: &mut Swept) -> Result<(), Failure> {
        let Some(mut stored) = self.hub.store().get(id).await? else { return Ok(()) };
        let now = self.hub.clock().now();
        // Uploads first: a draft that is complete since its last minute is submitted, not expired.
        let found = arrivals(&self.hub, stored.ledger.state()).await?;
        stored = self.apply(stored, found, swept).await?;
        if let Some(command) = due(stored.ledger.state(), now) {
            stored = self.apply(stored, vec![Attempt::hub(command)], swept).await?;
        }
        if let Some(message_version) = self.dispatch(&stored, now, swept).await? {
            swept.sent += 1;
            stored =
                self.apply(stored, vec![Attempt::hub(Command::Dispatch { message_version })], swept).await?;
        }
        self.set_wake(&stored, now).await
    }

    async fn apply(
        &self,
        stored: StoredApplication,
        attempts: Vec<Attempt>,
        swept: &mut Swept,
    ) -> Result<StoredApplication, Failure> {
        if attempts.is_empty() {
            return Ok(stored);
        }
        let applied = apply_all(&self.hub, stored.id(), &attempts).await?;
        swept.moved += u32::from(applied.changed);
        Ok(applied.stored)
    }

    /// Sends what the current leg's agency is owed: while its dispatch is not recorded, and again when its queue has
    /// kept it for as long as a queue keeps anything. `Some` is the version that owes it.
    async fn dispatch(
        &self,
        stored: &StoredApplication,
        now: Timestamp,
        swept: &mut Swept,
    ) -> Result<Option<u32>, Failure> {
        let head = stored.ledger.state();
        let lost = || lost_in_queue(head, now).then(|| open_notices(&stored.ledger).pop()).flatten();
        let Some(notice) = undelivered(head).or_else(lost) else { return Ok(None) };
        let (queue, outgoing) = match message(&self.hub, &self.signing, stored, &notice, Sending::Again).await
        {
            Ok(message) => message,
            // The alarm was given when the router met it first.
            Err(error @ Undeliverable::Suspended(_)) => {
                tracing::info!(application = %stored.id(), %error, "the case is held: its agency is suspended; it is sent when the agency resumes");
                swept.waiting += 1;
                return Ok(None);
            }
            Err(error) if error.waits_for_agency() => {
                tracing::error!(application = %stored.id(), %error, "the case cannot be sent to its agency; a later sweep tries again");
                swept.waiting += 1;
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        };
        for (_, result) in self.hub.queues().send(queue, vec![outgoing]).await? {
            result?;
        }
        Ok(Some(notice.version))
    }

    async fn set_wake(&self, stored: &StoredApplication, now: Timestamp) -> Result<(), Failure> {
        let wake = next_wake(stored.ledger.state(), now);
        Ok(self.hub.store().touch(stored.id(), stored.version(), wake).await?)
    }
}
