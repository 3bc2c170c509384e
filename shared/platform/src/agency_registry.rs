//! The current agencies: the rows that a function was deployed with, and the overrides of operators on top.
//!
//! A function reads the overrides again when its cached ones are older than [`FRESH`], so a revoked key is rejected
//! within a quarter of a minute, and most calls need no read. While the table does not answer, the function uses the
//! cached overrides for up to [`STALE`], and then fails: it never guesses who may act.

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

/// How long the cached overrides are used without another read.
pub const FRESH: SignedDuration = SignedDuration::from_secs(15);
/// How long the cached overrides are used while the table cannot be read. With [`FRESH`] this stays below the minute in
/// which a revocation must take effect.
pub const STALE: SignedDuration = SignedDuration::from_secs(45);

/// The table of overrides. Functions read it; operators write it.
pub trait AgencyRegistry: Clone + Send + Sync + 'static {
    /// The overrides in force now, read consistently.
    fn overrides(&self) -> impl Future<Output = Result<AgencyOverrides, StoreError>> + Send;
}

/// The agencies with the overrides applied.
#[derive(Clone, Debug)]
pub struct CurrentAgencies {
    /// The agencies' rows.
    pub agencies: Agencies,
    /// The agencies' signing keys.
    pub keyring: Keyring,
    version: u32,
}

impl CurrentAgencies {
    fn new(rows: &Agencies, overrides: &AgencyOverrides) -> CurrentAgencies {
        let agencies = rows.with_overrides(overrides);
        CurrentAgencies { keyring: Keyring::of(&agencies), agencies, version: overrides.version }
    }
}

/// The agencies that a process has cached. Clones share the cache.
#[derive(Clone, Debug, Default)]
pub struct CachedAgencies(Arc<Mutex<Option<CacheEntry>>>);

/// The time of the read, and its result.
type CacheEntry = (Timestamp, Arc<CurrentAgencies>);

impl CachedAgencies {
    fn get(&self) -> Option<CacheEntry> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn put(&self, at: Timestamp, agencies: &Arc<CurrentAgencies>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((at, agencies.clone()));
    }
}
