//! Who takes part right now: the rows that a function carries, and over them what operators have overridden since.
//!
//! A function reads the overrides again when what it knows is older than [`FRESH`], so a key that is revoked counts for
//! nothing within half a minute, and the ordinary call pays for no read. While the table does not answer it goes on
//! with what it knows for as long as [`STALE`], and then refuses to: who may act is never guessed.

mod aws;
mod current;
#[cfg(any(test, feature = "testing"))]
mod fake;

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use domain::agencies::Agencies;
use domain::agency_override::AgencyOverrides;
use jiff::{SignedDuration, Timestamp};

pub use aws::AwsAgencyRegistry;
pub use current::{current_agencies, fresh_agencies};
#[cfg(any(test, feature = "testing"))]
pub use fake::FakeAgencyRegistry;

use crate::keyring::Keyring;
use crate::store::StoreError;

/// How long what was read counts without being read again.
pub const FRESH: SignedDuration = SignedDuration::from_secs(15);
/// How long it counts while it cannot be read again: with [`FRESH`] within the minute in which a revocation takes
/// effect.
pub const STALE: SignedDuration = SignedDuration::from_secs(45);

/// Where overrides are kept. Functions only read; operators write.
pub trait AgencyRegistry: Clone + Send + Sync + 'static {
    /// What is in force now, read consistently.
    fn overrides(&self) -> impl Future<Output = Result<AgencyOverrides, StoreError>> + Send;
}

/// The agencies as they count now.
#[derive(Clone, Debug)]
pub struct CurrentAgencies {
    /// Their rows.
    pub agencies: Agencies,
    /// Their signing keys.
    pub keyring: Keyring,
    version: u32,
}

impl CurrentAgencies {
    fn new(rows: &Agencies, overrides: &AgencyOverrides) -> CurrentAgencies {
        let agencies = rows.with_overrides(overrides);
        CurrentAgencies { keyring: Keyring::of(&agencies), agencies, version: overrides.version }
    }
}

/// What a process knows of the agencies. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct CachedAgencies(Arc<Mutex<Option<Read>>>);

/// What was read, and when.
type Read = (Timestamp, Arc<CurrentAgencies>);

impl CachedAgencies {
    fn get(&self) -> Option<Read> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn put(&self, at: Timestamp, agencies: &Arc<CurrentAgencies>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((at, agencies.clone()));
    }
}
