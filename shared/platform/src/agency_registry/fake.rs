//! Overrides of agencies in memory.

use std::sync::{Arc, Mutex, PoisonError};

use domain::agencies::Agencies;
use domain::agency_override::{AgencyOverride, AgencyOverrides};
use domain::ids::AgencyCode;
use jiff::Timestamp;

use super::AgencyRegistry;
use crate::faults::{CallOutcome, Faults};
use crate::store::StoreError;

/// Overrides of agencies in memory. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct FakeAgencyRegistry {
    overrides: Arc<Mutex<AgencyOverrides>>,
    faults: Faults,
}

impl FakeAgencyRegistry {
    /// An empty registry whose reads obey these faults.
    #[must_use]
    pub fn new(faults: Faults) -> Self {
        FakeAgencyRegistry { overrides: Arc::default(), faults }
    }

    /// Applies an override, as an operator does.
    ///
    /// # Panics
    /// When the domain refuses the override.
    #[expect(clippy::expect_used, reason = "only tests override so")]
    pub fn override_agency(&self, rows: &Agencies, agency: &AgencyCode, change: AgencyOverride) {
        let mut all = self.overrides.lock().unwrap_or_else(PoisonError::into_inner);
        let by = ("an operator", "a test");
        let overridden = all.apply(rows, agency, change, by, Timestamp::UNIX_EPOCH);
        *all = overridden.expect("the domain accepts the override").0;
    }
}

impl AgencyRegistry for FakeAgencyRegistry {
    async fn overrides(&self) -> Result<AgencyOverrides, StoreError> {
        match self.faults.next_call("agency_registry.overrides") {
            CallOutcome::Succeeds => {
                Ok(self.overrides.lock().unwrap_or_else(PoisonError::into_inner).clone())
            }
            CallOutcome::Fails | CallOutcome::LosesAnswer => Err(StoreError::Unavailable),
            CallOutcome::Throttles => Err(StoreError::Throttled),
        }
    }
}
