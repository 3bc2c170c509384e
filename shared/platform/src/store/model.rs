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

/// An application as the store keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredApplication {
    /// The events and the state.
    pub ledger: Ledger,
    /// The personal data, encrypted by the vault.
    pub encrypted: Vec<u8>,
    /// Hash of the creating request: distinguishes a replay from a misuse of the idempotency key.
    pub payload_hash: [u8; 32],
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
    /// There is no such application (any more).
    Missing,
}

/// The outcome of a resend request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResendMark {
    /// The application is marked; the router sends the message.
    Set,
    /// The last resend request is too recent.
    TooSoon,
    /// There is no such application (any more).
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
            StoreError::Corrupt(_) | StoreError::Unreadable(_) => false,
        }
    }
}

impl From<Failure> for StoreError {
    /// A denied or refused call is a fault of the hub: the caller cannot fix it, but a deployment may.
    fn from(trouble: Failure) -> Self {
        match trouble {
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
    Failure::of(operation, error).into()
}

/// The application's shard of the due index.
#[must_use]
pub fn due_shard(id: ApplicationId) -> u8 {
    shard(id, DUE_SHARDS)
}

/// The shard of an id. The id is a keyed hash, so its last byte is evenly distributed.
pub(super) fn shard(id: ApplicationId, of: u8) -> u8 {
    id.as_uuid().as_bytes()[15] % of
}
