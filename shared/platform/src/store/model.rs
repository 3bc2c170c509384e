//! A stored application, the outcomes of writes, and the errors of the store.

use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use domain::ids::ApplicationId;
use domain::ledger::{Ledger, LedgerError};
use thiserror::Error;

use crate::failure::Failure;

/// Shards of the tenant index: the newest applications of one tenant spread over this many key ranges.
pub const TENANT_SHARDS: u8 = 8;
/// Shards of the due index.
pub const DUE_SHARDS: u8 = 16;
/// Shards of the agency index.
pub const AGENCY_SHARDS: u8 = 4;
/// Most applications on one page of a list. `BatchGetItem` reads at most 100 items (AWS limit).
pub const PAGE: usize = 100;
/// Days after which DynamoDB removes an expired or withdrawn draft. A submitted application is never removed.
pub const EXPIRED_DRAFT_DAYS: i64 = 180;

/// Bytes of an item's attributes beside the entries and the personal data, at most.
const KEY_BYTES: usize = 1024;
/// What DynamoDB says of an item that would have more than 400 KB. Its code is that of every invalid request.
const TOO_LARGE: &str = "maximum allowed size";

/// An application as the store returns it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredApplication {
    /// The events and the state.
    pub ledger: Ledger,
    /// The personal data, encrypted by the vault.
    pub encrypted: Vec<u8>,
    /// Hash of the creating request: distinguishes a replay from a misuse of the idempotency key.
    pub payload_hash: [u8; 32],
    /// The applicant's values in the person index ([`crate::person_index`]): under the present key, by which the
    /// application is found, then under the former one. Empty on records from before the index.
    pub person: Vec<String>,
}

impl StoredApplication {
    /// The application's id.
    #[must_use]
    pub fn id(&self) -> ApplicationId {
        self.ledger.state().id
    }

    /// The current version: the number of events.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.ledger.state().version
    }

    /// Bytes of the application's item, rounded up: the entries, the encrypted personal data, and a share for the keys.
    #[must_use]
    pub fn bytes(&self) -> usize {
        [KEY_BYTES, self.encrypted.len(), self.ledger.bytes(), self.ledger.entries().len()].into_iter().sum()
    }

    /// Whether the same write created this application and `other`. The encrypted part contains a random nonce, so two
    /// requests never write the same bytes.
    pub(super) fn began_as(&self, other: &StoredApplication) -> bool {
        let first =
            |stored: &StoredApplication| stored.ledger.entries().first().map(|line| line.bytes.clone());
        self.encrypted == other.encrypted && first(self) == first(other)
    }

    /// Whether this record has the entries of `other` that follow `expected_version`, at the same positions.
    pub(super) fn contains(&self, other: &StoredApplication, expected_version: u32) -> bool {
        let ours = self.ledger.after(expected_version);
        let theirs = other.ledger.after(expected_version);
        ours.len() >= theirs.len() && ours.iter().zip(theirs).all(|(a, b)| a.bytes == b.bytes)
    }
}

/// The outcome of a create.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Created {
    /// The application is written.
    New,
    /// An earlier delivery of the same request, or another request, has written this id: compare
    /// [`StoredApplication::payload_hash`].
    Existing(Box<StoredApplication>),
}

/// The outcome of an append.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AppendOutcome {
    /// The entries are written.
    Done,
    /// Another write came first; this is the current application.
    Conflict(Box<StoredApplication>),
    /// No application has this id (any more).
    Missing,
}

/// The outcome of a resend request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResendMark {
    /// The application is marked; the router sends the message.
    Set,
    /// The last resend request is too recent.
    TooSoon,
    /// No application has this id (any more).
    Missing,
}

/// Why a call of the store failed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StoreError {
    /// Too many calls to the table or to one key range; a later call may succeed.
    #[error("the store is throttled")]
    Throttled,
    /// The table did not answer in time. A write may have happened.
    #[error("the store is not available")]
    Unavailable,
    /// The item would be larger than the table accepts. Nothing was written, and the same write never succeeds.
    #[error("the item would be larger than the table accepts")]
    Full,
    /// The stored events cannot be read, or their hash chain is broken.
    #[error("the record is corrupt")]
    Corrupt(#[from] LedgerError),
    /// A stored attribute is missing or has the wrong type.
    #[error("attribute {0} cannot be read")]
    Unreadable(&'static str),
}

impl StoreError {
    /// Whether the same call may succeed later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            StoreError::Throttled | StoreError::Unavailable => true,
            StoreError::Full | StoreError::Corrupt(_) | StoreError::Unreadable(_) => false,
        }
    }
}

impl From<Failure> for StoreError {
    /// A denied or refused call is a fault of the hub: the caller cannot fix it, but a deployment may.
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Throttled => StoreError::Throttled,
            Failure::Denied | Failure::NotFound | Failure::Unavailable | Failure::Refused => {
                StoreError::Unavailable
            }
        }
    }
}

/// Logs the failure of a call to the table and classifies it.
pub(crate) fn store_error<E: ProvideErrorMetadata, R>(
    operation: &'static str,
    error: &SdkError<E, R>,
) -> StoreError {
    let failure = Failure::of(operation, error);
    let is_full = error.as_service_error().is_some_and(|answer| {
        answer.code() == Some("ValidationException")
            && answer.message().is_some_and(|message| message.contains(TOO_LARGE))
    });
    if is_full { StoreError::Full } else { failure.into() }
}

/// The application's shard of the due index.
#[must_use]
pub fn due_shard(id: ApplicationId) -> u8 {
    shard(id, DUE_SHARDS)
}

/// The shard of an id. The id is a keyed hash, so its last byte is evenly distributed.
pub(super) fn shard(id: ApplicationId, of: u8) -> u8 {
    id.as_uuid().as_bytes()[15].checked_rem(of).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may")]

    use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
    use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
    use aws_smithy_types::body::SdkBody;
    use aws_smithy_types::error::ErrorMetadata;

    use super::*;

    fn answered(message: &str) -> StoreError {
        let metadata = ErrorMetadata::builder().code("ValidationException").message(message).build();
        let raw = HttpResponse::new(400.try_into().unwrap(), SdkBody::empty());
        store_error("dynamodb.UpdateItem", &SdkError::service_error(UpdateItemError::generic(metadata), raw))
    }

    #[test]
    fn a2_an_item_that_would_be_too_large_is_full_and_not_unavailable() {
        let full = answered("Item size to update has exceeded the maximum allowed size");
        assert_eq!((full.clone(), full.is_transient()), (StoreError::Full, false));
        assert_eq!(answered("Item size has exceeded the maximum allowed size"), StoreError::Full);
        assert_eq!(answered("The parameter cannot be converted"), StoreError::Unavailable);
    }
}
