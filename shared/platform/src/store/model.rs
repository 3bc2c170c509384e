//! A stored application, what becomes of a write, and the errors of the store.

use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use domain::ids::ApplicationId;
use domain::ledger::{Ledger, LedgerError};
use thiserror::Error;

use crate::failure::Failure;

/// Shards of the index by tenant: a tenant's newest applications are spread over as many key ranges.
pub const TENANT_SHARDS: u8 = 8;
/// Shards of the index by wake-up time.
pub const DUE_SHARDS: u8 = 16;
/// Shards of the index by agency.
pub const AGENCY_SHARDS: u8 = 4;
/// Most applications on one page of a list; also the bound of one `BatchGetItem` (AWS: 100).
pub const PAGE: usize = 100;
/// Days an expired draft is kept before DynamoDB removes it. A draft that was handed in stays.
pub const EXPIRED_DRAFT_DAYS: i64 = 180;

/// An application as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredApplication {
    /// Its record and head.
    pub ledger: Ledger,
    /// The sealed personal part, as the vault made it.
    pub encrypted: Vec<u8>,
    /// Hash of the request that created it: tells a replay from a misuse of its key.
    pub payload_hash: [u8; 32],
}

impl StoredApplication {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> ApplicationId {
        self.ledger.state().id
    }

    /// Its version.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.ledger.state().version
    }

    /// Whether its first version is the very write that made `other`: the sealed part carries a random
    /// nonce, so no two requests ever write the same bytes.
    pub(super) fn began_as(&self, other: &StoredApplication) -> bool {
        let first = |stored: &StoredApplication| stored.ledger.lines().first().map(|line| line.bytes.clone());
        self.encrypted == other.encrypted && first(self) == first(other)
    }

    /// Whether the entries of `other` after `expected_version` are in this record at the same place.
    pub(super) fn contains(&self, other: &StoredApplication, expected_version: u32) -> bool {
        let ours = self.ledger.after(expected_version);
        let theirs = other.ledger.after(expected_version);
        ours.len() >= theirs.len() && ours.iter().zip(theirs).all(|(a, b)| a.bytes == b.bytes)
    }
}

/// What became of a create.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Created {
    /// It is new.
    New,
    /// The id was taken, by an earlier delivery of the same request or by another one: compare
    /// [`Kept::payload_hash`].
    Existing(Box<StoredApplication>),
}

/// What became of an append.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AppendOutcome {
    /// It is written.
    Done,
    /// Someone else was faster; this is the current state.
    Conflict(Box<StoredApplication>),
    /// There is no such application (any more).
    Missing,
}

/// What became of a message that was asked for again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResendMark {
    /// The stream shows it, and the router sends it.
    Set,
    /// It was asked for a moment ago.
    TooSoon,
    /// There is no such application (any more).
    Missing,
}

/// Why the store does not answer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StoreError {
    /// The table or a key range of it takes no more for now.
    #[error("the store is throttled")]
    Throttled,
    /// It did not answer, or not in time. A write may have happened.
    #[error("the store is not available")]
    Unavailable,
    /// What is kept cannot be trusted.
    #[error("the record is corrupt")]
    Corrupt(#[from] LedgerError),
    /// An attribute of what is kept is missing or of another type.
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
    /// A denied or refused call is a fault of ours: the caller cannot mend it, and a deploy may.
    fn from(trouble: Failure) -> Self {
        match trouble {
            Failure::Throttled => StoreError::Throttled,
            Failure::Denied | Failure::NotFound | Failure::Unavailable | Failure::Refused => {
                StoreError::Unavailable
            }
        }
    }
}

/// The error of a call to the table, logged.
pub(crate) fn store_error<E: ProvideErrorMetadata, R>(
    operation: &'static str,
    error: &SdkError<E, R>,
) -> StoreError {
    Failure::of(operation, error).into()
}

/// The shard of the due index that holds an application.
#[must_use]
pub fn due_shard(id: ApplicationId) -> u8 {
    shard(id, DUE_SHARDS)
}

/// The id is a keyed hash, so its last byte is spread evenly.
pub(super) fn shard(id: ApplicationId, of: u8) -> u8 {
    id.as_uuid().as_bytes()[15] % of
}
