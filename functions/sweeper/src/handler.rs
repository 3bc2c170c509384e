//! One sweep over the index of wake-up times.
//!
//! For each application whose wake-up time has come: record uploads whose S3 event was lost, take the step that is due
//! (expire, lapse, overdue), send the agency's message if the router did not, erase the files that it does not need,
//! and set the next wake-up time. Concurrent sweeps are safe: every message has its id, and every write its expected
//! version.

use domain::application::{Application, parse_object_key};
use domain::command::{Attempt, Command};
use domain::effect::{lost_in_queue, open_notices, undelivered};
use domain::ids::ApplicationId;
use domain::time::later;
use domain::wake::{due, next_wake};
use jiff::{SignedDuration, Timestamp};
use platform::agency_messages::{AgencyMessage, Sending, Undeliverable, message};
use platform::apply::{ApplyError, apply_all};
use platform::arrivals::arrivals;
use platform::clock::Clock as _;
use platform::documents::{Documents as _, DocumentsError, ERASED_AT_ONCE};
use platform::hub::Hub;
use platform::log_fault;
use platform::queues::{Queues as _, SendError};
use platform::store::{DUE_SHARDS, Store as _, StoreError, StoredApplication};
use protocol::jose::PrivateKey;
use serde::Serialize;
use thiserror::Error;
use tokio::time::{Duration, Instant, timeout_at};

/// Most applications of one shard in one sweep; the next sweep takes the rest.
pub const MAX_PER_SHARD: usize = 200;
/// Wait before an application that could not be swept is tried again, so that it does not take the place of others.
pub const BACKOFF: SignedDuration = SignedDuration::from_mins(5);
/// Wait before an application is tried again that needs a person, or a newer version of the hub.
pub const LONG_BACKOFF: SignedDuration = SignedDuration::from_hours(1);
/// Time before the function's timeout in which no further application is begun.
const MARGIN: Duration = Duration::from_secs(5);

/// Sweeps the applications whose wake-up time has come.
pub struct Sweeper<H> {
    hub: H,
    signing: PrivateKey,
}

/// The counts of one sweep.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SweepCounts {
    /// Applications whose wake-up time had come.
    pub due: u32,
    /// Writes that took a step or recorded uploads or a dispatch.
    pub moved: u32,
    /// Messages sent.
    pub sent: u32,
    /// Versions of uploaded files that were erased.
    pub erased: u32,
    /// Cases that wait because their agency is suspended, unknown or has no key.
    pub waiting: u32,
    /// Applications that could not be swept; a sweep after [`BACKOFF`] or [`LONG_BACKOFF`] tries again.
    pub failed: u32,
}

/// Why an application could not be swept.
#[derive(Debug, Error)]
enum Failure {
    #[error("a command could not be applied")]
    Apply(#[from] ApplyError),
    #[error("the store failed")]
    Store(#[from] StoreError),
    #[error("the bucket could not be searched for uploads, or a file could not be erased")]
    Documents(#[from] DocumentsError),
    #[error("the queue did not accept the message")]
    Send(#[from] SendError),
    #[error("the message to the agency could not be built")]
    Message(#[from] Undeliverable),
    #[error("a newer version of the hub changed the application: its sweeper takes the steps that are due")]
    IncompleteRead,
}

impl Failure {
    /// Whether no wait helps without a person. A denied call is logged where it happens.
    fn needs_person(&self) -> bool {
        match self {
            Failure::Apply(ApplyError::Store(error)) | Failure::Store(error) => !error.is_transient(),
            Failure::Apply(ApplyError::NotFound | ApplyError::Refused(_) | ApplyError::Contended)
            | Failure::Documents(_) => false,
            Failure::Send(error) => !error.is_transient(),
            Failure::Message(error) => error.needs_person(),
            Failure::IncompleteRead => true,
        }
    }

    fn backoff(&self) -> SignedDuration {
        if self.needs_person() { LONG_BACKOFF } else { BACKOFF }
    }
}

impl<H: Hub> Sweeper<H> {
    /// A sweeper that signs with the hub's key.
    pub fn new(hub: H, signing: PrivateKey) -> Self {
        Sweeper { hub, signing }
    }

    /// Sweeps every shard once, until `deadline`. The next sweep takes the rest, and begins with another shard, so that no
    /// shard starves behind a slow one.
    pub async fn sweep(&self, deadline: Instant) -> SweepCounts {
        let mut swept = SweepCounts::default();
        // To cancel a sweep is as safe as a crash.
        if timeout_at(deadline, self.sweep_shards(deadline, &mut swept)).await != Ok(true) {
            tracing::warn!(
                due = swept.due,
                "the sweep stopped before the function's timeout; the next sweep takes the rest"
            );
        }
        swept
    }

    /// Returns false when the time is over.
    async fn sweep_shards(&self, deadline: Instant, swept: &mut SweepCounts) -> bool {
        for shard in shards(self.hub.clock().now()) {
            let now = self.hub.clock().now();
            let ids = match self.hub.store().due(shard, now, MAX_PER_SHARD).await {
                Ok(ids) => ids,
                Err(error) => {
                    log_fault!(!error.is_transient(), &format!("shard {shard}"), shard, %error, "a shard of the due index could not be read; the next sweep reads it again");
                    swept.failed = swept.failed.saturating_add(1);
                    continue;
                }
            };
            for id in ids {
                if deadline.saturating_duration_since(Instant::now()) <= MARGIN {
                    return false;
                }
                swept.due = swept.due.saturating_add(1);
                if let Err(error) = self.sweep_one(id, swept).await {
                    let cause = std::error::Error::source(&error).map(ToString::to_string);
                    let fault = format!("sweep {id} {error} {cause:?}");
                    log_fault!(error.needs_person(), &fault, application = %id, %error, cause, "an application could not be swept; a later sweep tries again");
                    swept.failed = swept.failed.saturating_add(1);
                }
            }
        }
        true
    }

    async fn sweep_one(&self, id: ApplicationId, swept: &mut SweepCounts) -> Result<(), Failure> {
        let now = self.hub.clock().now();
        let done = match self.hub.store().get(id).await {
            Ok(Some(stored)) => self.take_steps(stored, now, swept).await,
            Ok(None) => Ok(()),
            Err(error) => Err(error.into()),
        };
        if let Err(error) = &done {
            // Nothing changes when another write has set a new wake-up time since.
            self.hub.store().postpone(id, now, later(now, error.backoff())).await?;
        }
        done
    }

    async fn take_steps(
        &self,
        mut stored: StoredApplication,
        now: Timestamp,
        swept: &mut SweepCounts,
    ) -> Result<(), Failure> {
        if stored.ledger.state().is_incomplete() {
            return Err(Failure::IncompleteRead);
        }
        // Uploads first: a draft that is complete since its last minute is submitted, not expired.
        let found = arrivals(&self.hub, stored.ledger.state()).await?;
        stored = self.apply(stored, found, swept).await?;
        if let Some(command) = due(stored.ledger.state(), now) {
            stored = self.apply(stored, vec![Attempt::hub(command)], swept).await?;
        }
        if let Some(message_version) = self.dispatch(&stored, now, swept).await? {
            swept.sent = swept.sent.saturating_add(1);
            stored =
                self.apply(stored, vec![Attempt::hub(Command::Dispatch { message_version })], swept).await?;
        }
        let (erased, more) = self.erase_leftovers(stored.ledger.state()).await?;
        swept.erased = swept.erased.saturating_add(erased);
        if more {
            // The application stays due, so the next sweep erases the rest.
            return Ok(());
        }
        self.set_wake(&stored, now).await
    }

    /// Erases the uploaded files that the application does not need: rejected and replaced ones, all of them after a
    /// withdrawal or an expiry, and those that came late through a link. Returns the number of erased versions, and
    /// whether more may be left.
    async fn erase_leftovers(&self, state: &Application) -> Result<(u32, bool), Failure> {
        if state.leftovers_since.is_none() {
            return Ok((0, false));
        }
        let mut leftovers = self.hub.documents().versions(state.id).await?;
        let is_full = leftovers.len() >= ERASED_AT_ONCE;
        leftovers.retain(|one| match parse_object_key(&one.key) {
            Some((_, document, round)) => !state.needs_file(document, round, &one.version),
            // No link of the hub has such a key.
            None => state.is_abandoned(),
        });
        if !leftovers.is_empty() {
            self.hub.documents().erase(&leftovers).await?;
            tracing::info!(application = %state.id, files = leftovers.len(), "erased uploaded files that the application does not need");
        }
        let erased = u32::try_from(leftovers.len()).unwrap_or(u32::MAX);
        Ok((erased, is_full && erased > 0))
    }

    async fn apply(
        &self,
        stored: StoredApplication,
        attempts: Vec<Attempt>,
        swept: &mut SweepCounts,
    ) -> Result<StoredApplication, Failure> {
        if attempts.is_empty() {
            return Ok(stored);
        }
        let applied = apply_all(&self.hub, stored.id(), &attempts).await?;
        swept.moved = swept.moved.saturating_add(u32::from(applied.changed));
        Ok(applied.stored)
    }

    /// Sends the undelivered message of the current leg's agency, and sends it again when the queue's retention period
    /// has passed without a report. Returns the message's version.
    async fn dispatch(
        &self,
        stored: &StoredApplication,
        now: Timestamp,
        swept: &mut SweepCounts,
    ) -> Result<Option<u32>, Failure> {
        let state = stored.ledger.state();
        let lost = || lost_in_queue(state, now).then(|| open_notices(&stored.ledger).pop()).flatten();
        let Some(notice) = undelivered(state).or_else(lost) else { return Ok(None) };
        let built = match message(&self.hub, &self.signing, stored, &notice, Sending::Resend).await {
            Ok(message) => message,
            // The router has already logged the error that raises the alarm.
            Err(error @ Undeliverable::Suspended(_)) => {
                tracing::info!(application = %stored.id(), %error, "the case is held: its agency is suspended; it is sent when the agency resumes");
                swept.waiting = swept.waiting.saturating_add(1);
                return Ok(None);
            }
            Err(error) if error.waits_for_agency() => {
                log_fault!(true, &error.to_string(), application = %stored.id(), %error, "the case cannot be sent to its agency; a later sweep tries again");
                swept.waiting = swept.waiting.saturating_add(1);
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        };
        if let Some(others) = built.others() {
            let (application, agency) = (stored.id(), &notice.agency);
            tracing::warn!(%application, %agency, others, "an application may repeat others of the same person");
        }
        let AgencyMessage { queue, outgoing, .. } = built;
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

/// The shards, beginning with another one each minute.
fn shards(now: Timestamp) -> impl Iterator<Item = u8> {
    let first = u8::try_from((now.as_second() / 60).rem_euclid(i64::from(DUE_SHARDS))).unwrap_or_default();
    (first..DUE_SHARDS).chain(0..first)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn o7_every_sweep_begins_with_another_shard() {
        let sweeps: Vec<Vec<u8>> = (0..i64::from(DUE_SHARDS))
            .map(|minute| shards(Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minute)).collect())
            .collect();
        let all: BTreeSet<u8> = (0..DUE_SHARDS).collect();
        assert!(sweeps.iter().all(|sweep| sweep.iter().copied().collect::<BTreeSet<_>>() == all));
        assert_eq!(sweeps.iter().map(|sweep| sweep[0]).collect::<BTreeSet<_>>(), all);
    }
}
