//! The only path that changes an application: read, decide, write under the version that was read. On a conflict the
//! commands are decided again on the state that the other writer left.

use std::time::Duration;

use domain::application::CommandKey;
use domain::command::{Actor, Attempt};
use domain::decide::{Refusal, decide, is_repeatable};
use domain::effect::undelivered;
use domain::ids::ApplicationId;
use domain::ledger::{Cause, LedgerError, Proof};
use domain::limits::ITEM_BYTES_SOFT;
use domain::wake::next_wake;
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::clock::Clock as _;
use crate::hub::Hub;
use crate::jitter::{doubled, jitter};
use crate::store::{AppendOutcome, Store as _, StoreError, StoredApplication};

/// Writes tried before [`ApplyError::Contended`].
pub const MAX_ATTEMPTS: u32 = 8;

/// The result of one command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The stored application, at `version` or later.
    pub stored: StoredApplication,
    /// Version after this command; a repeat gets the version of the first time.
    pub version: u32,
    /// Whether this call wrote something; false on a repeat. Two deliveries in one millisecond write the same bytes, so
    /// both report true.
    pub changed: bool,
}

/// The result of several commands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppliedAll {
    pub stored: StoredApplication,
    /// Whether this call wrote something.
    pub changed: bool,
    /// For each attempt the version after it, or its refusal. A refused attempt does not stop the others.
    pub outcomes: Vec<Result<u32, Refusal>>,
}

/// Why a command was not applied.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ApplyError {
    #[error("no application has this id")]
    NotFound,
    /// The domain refused the command.
    #[error("the command was refused")]
    Refused(#[source] Refusal),
    /// The store failed. The write may have happened.
    #[error("the store failed")]
    Store(#[from] StoreError),
    /// Other writers were faster [`MAX_ATTEMPTS`] times.
    #[error("other writers changed the application at every try; a later call may succeed")]
    Contended,
}

impl From<LedgerError> for ApplyError {
    fn from(error: LedgerError) -> Self {
        ApplyError::Store(StoreError::Corrupt(error))
    }
}

/// The key of a command: a hash of the caller and the caller's key, and a hash of the body. Two callers never share a
/// key.
#[must_use]
pub fn command_key(by: &Actor, key: &str, body: &[u8]) -> CommandKey {
    let caller = match by {
        Actor::Tenant(tenant) => format!("tenant:{tenant}"),
        Actor::Agency(agency) => format!("agency:{agency}"),
        Actor::Hub => "hub".to_owned(),
        // No such party acts.
        Actor::Unknown => "unknown".to_owned(),
    };
    let id = Sha256::new().chain_update(caller).chain_update([0]).chain_update(key).finalize();
    let body = Sha256::digest(body);
    CommandKey { id: first(&id), body: first(&body) }
}

fn first<const N: usize>(hash: &[u8]) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.iter_mut().zip(hash).for_each(|(to, from)| *to = *from);
    bytes
}

/// Applies one command. `proof` is its evidence: the agency's signed report.
///
/// # Errors
/// Every [`ApplyError`]; a refusal is always decided on a consistent read.
pub async fn apply<H: Hub>(
    hub: &H,
    id: ApplicationId,
    attempt: &Attempt,
    proof: Option<Proof>,
) -> Result<Applied, ApplyError> {
    // An agency that reports has received its case, so a cached state that still waits for the dispatch is most likely
    // out of date. A write from it would be a conflict, which DynamoDB bills by the size of the item.
    let by_agency = matches!(attempt.by, Actor::Agency(_));
    let outdated = |stored: &StoredApplication| by_agency && undelivered(stored.ledger.state()).is_some();
    let known = hub.recent().get(id).filter(|stored| !outdated(stored));
    let done = write(hub, id, known, std::slice::from_ref(attempt), proof).await?;
    match done.outcomes.into_iter().next() {
        Some(Ok(version)) => Ok(Applied { stored: done.stored, version, changed: done.changed }),
        Some(Err(refusal)) => Err(ApplyError::Refused(refusal)),
        None => Ok(Applied { version: done.stored.version(), stored: done.stored, changed: false }),
    }
}

/// Applies commands in order, in one write.
///
/// # Errors
/// [`ApplyError`] other than refusals, which are in [`AppliedAll::outcomes`].
pub async fn apply_all<H: Hub>(
    hub: &H,
    id: ApplicationId,
    attempts: &[Attempt],
) -> Result<AppliedAll, ApplyError> {
    let known = hub.recent().get(id);
    write(hub, id, known, attempts, None).await
}

/// Applies commands in order, in one write, starting from the caller's state, such as a stream image. The state may be
/// out of date.
///
/// # Errors
/// As [`apply_all`].
pub async fn apply_to<H: Hub>(
    hub: &H,
    stored: StoredApplication,
    attempts: &[Attempt],
) -> Result<AppliedAll, ApplyError> {
    let id = stored.id();
    let later = hub.recent().get(id).filter(|known| known.version() > stored.version());
    write(hub, id, Some(later.unwrap_or(stored)), attempts, None).await
}

/// Corrects a draft: one command, with the personal data that it leaves and the values of the person index. The command and the data were made from
/// `stored`, so a conflict is not decided again: `None`, and the caller makes both from the current state.
///
/// # Errors
/// [`ApplyError`]; the refusal is decided on `stored`, which must be a consistent read.
pub async fn correct<H: Hub>(
    hub: &H,
    stored: StoredApplication,
    attempt: &Attempt,
    (encrypted, person): (Vec<u8>, Vec<String>),
) -> Result<Option<Applied>, ApplyError> {
    let (now, expected_version) = (hub.clock().now(), stored.version());
    let (mut after, outcomes) = decide_all(&stored, std::slice::from_ref(attempt), None, now)?;
    let version = match outcomes.into_iter().next().map(Decided::outcome) {
        Some(Ok(version)) => version,
        Some(Err(refusal)) => return Err(ApplyError::Refused(refusal)),
        None => stored.version(),
    };
    if after.version() == expected_version {
        return Ok(Some(Applied { stored, version, changed: false }));
    }
    (after.encrypted, after.person) = (encrypted, person);
    match hub.store().append(expected_version, &after, next_wake(after.ledger.state(), now)).await {
        Ok(AppendOutcome::Done) => {
            hub.recent().put(&after);
            Ok(Some(Applied { stored: after, version, changed: true }))
        }
        Ok(AppendOutcome::Conflict(_)) => Ok(None),
        Ok(AppendOutcome::Missing) => {
            hub.recent().forget(stored.id());
            Err(ApplyError::NotFound)
        }
        Err(error) => {
            hub.recent().forget(stored.id());
            Err(error.into())
        }
    }
}

/// `known` may be out of date, so it may only lead to a conditional write, never to a refusal or an answer.
async fn write<H: Hub>(
    hub: &H,
    id: ApplicationId,
    known: Option<StoredApplication>,
    attempts: &[Attempt],
    proof: Option<Proof>,
) -> Result<AppliedAll, ApplyError> {
    let (mut stored, mut certain) = match known {
        Some(stored) => (stored, false),
        None => (read(hub, id).await?, true),
    };
    let mut tries = 0_u32;
    while tries < MAX_ATTEMPTS {
        let now = hub.clock().now();
        let expected_version = stored.version();
        let (after, outcomes) = decide_all(&stored, attempts, proof.as_ref(), now)?;
        let all_written = outcomes.iter().all(|outcome| matches!(outcome, Decided::Written(_)));
        if !all_written && !certain {
            stored = read(hub, id).await?;
            certain = true;
            continue;
        }
        let outcomes = outcomes.into_iter().map(Decided::outcome).collect();
        if after.version() == expected_version {
            hub.recent().put(&stored);
            return Ok(AppliedAll { stored, changed: false, outcomes });
        }
        match hub.store().append(expected_version, &after, next_wake(after.ledger.state(), now)).await {
            Ok(AppendOutcome::Done) => {
                hub.recent().put(&after);
                return Ok(AppliedAll { stored: after, changed: true, outcomes });
            }
            Ok(AppendOutcome::Conflict(current)) => {
                stored = *current;
                certain = true;
            }
            Ok(AppendOutcome::Missing) => {
                hub.recent().forget(id);
                return Err(ApplyError::NotFound);
            }
            // The item holds evidence from before the bound of evidence.
            Err(StoreError::Full) => return Err(ApplyError::Refused(Refusal::Full)),
            Err(error) => {
                // The write may have happened, so the cached state is no longer the likely one.
                hub.recent().forget(id);
                return Err(error.into());
            }
        }
        tries = tries.saturating_add(1);
        pause_after_conflict(tries).await;
    }
    Err(ApplyError::Contended)
}

/// The wait before the next try, after `tries` conflicts with other writers. The first conflict returned the current
/// state, so an immediate second try is likely to succeed.
pub async fn pause_after_conflict(tries: u32) {
    if tries > 1 {
        tokio::time::sleep(jitter(doubled(Duration::from_millis(10), tries.min(MAX_ATTEMPTS)))).await;
    }
}

async fn read<H: Hub>(hub: &H, id: ApplicationId) -> Result<StoredApplication, ApplyError> {
    hub.store().get(id).await?.ok_or(ApplyError::NotFound)
}

/// The decision on one attempt.
enum Decided {
    /// The attempt adds events; this is the version after them.
    Written(u32),
    /// The attempt was applied before, at this version.
    Done(u32),
    /// The domain refused the attempt.
    Refused(Refusal),
}

impl Decided {
    fn outcome(self) -> Result<u32, Refusal> {
        match self {
            Decided::Written(version) | Decided::Done(version) => Ok(version),
            Decided::Refused(refusal) => Err(refusal),
        }
    }
}

/// Decides each attempt on the state after the attempts before it.
fn decide_all(
    stored: &StoredApplication,
    attempts: &[Attempt],
    proof: Option<&Proof>,
    now: Timestamp,
) -> Result<(StoredApplication, Vec<Decided>), LedgerError> {
    let mut after = stored.clone();
    let mut outcomes = Vec::with_capacity(attempts.len());
    for attempt in attempts {
        let state = after.ledger.state();
        let events = match decide(state, attempt, now) {
            Ok(events) => events,
            Err(refusal) => {
                outcomes.push(Decided::Refused(refusal));
                continue;
            }
        };
        if events.is_empty() {
            let taken = attempt.key.and_then(|key| state.applied_command(&key.id).copied());
            outcomes.push(Decided::Done(taken.map_or(state.version, |taken| taken.version)));
            continue;
        }
        // Steps that may repeat leave room for every step that can follow, so that the item always takes an end.
        if is_repeatable(attempt.command.step()) && after.bytes() > ITEM_BYTES_SOFT {
            outcomes.push(Decided::Refused(Refusal::Full));
            continue;
        }
        let cause = Cause { by: attempt.by.clone(), at: now, key: attempt.key, proof: proof.cloned() };
        after.ledger = after.ledger.append(events, &cause)?;
        outcomes.push(Decided::Written(after.version()));
    }
    Ok((after, outcomes))
}

#[cfg(test)]
mod tests;
