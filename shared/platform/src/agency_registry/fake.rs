//! AgencyOverrides in memory.

use std::sync::{Arc, Mutex, PoisonError};

use domain::agencies::Agencies;
use domain::agency_override::{AgencyOverride, AgencyOverrides};
use domain::ids::AgencyCode;
use jiff::Timestamp;

use super::AgencyRegistry;
use crate::faults::{Faults, Turn};
use crate::store::StoreError;

/// AgencyOverrides in memory. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct FakeAgencyRegistry {
    overrides: Arc<Mutex<AgencyOverrides>>,
    faults: Faults,
}

impl FakeAgencyRegistry {
    /// No amendments; reads obey these faults.
    #[must_use]
    pub fn new(faults: Faults) -> Self {
        FakeAgencyRegistry { overrides: Arc::default(), faults }
    }

    /// Makes an amendment, as an operator does.
    ///
    /// # Panics
    /// The amendment makes no sense.
    pub fn amend(&self, rows: &Agencies, agency: &AgencyCode, override_: AgencyOverride) {
        let mut all = self.overrides.lock().unwrap_or_else(PoisonError::into_inner);
        let by = ("an operator", "a test");
        let amended = all.amend(rows, agency, override_, by, Timestamp::UNIX_EPOCH);
        *all = amended.expect("an override_ that makes sense").0;
    }
}

impl AgencyRegistry for FakeAgencyRegistry {
    async fn overrides(&self) -> Result<AgencyOverrides, StoreError> {
        match self.faults.turn("agency_registry.overrides") {
            Turn::Works => Ok(self.overrides.lock().unwrap_or_else(PoisonError::into_inner).clone()),
            Turn::Fails | Turn::LosesAnswer => Err(StoreError::Unavailable),
            Turn::Throttles => Err(StoreError::Throttled),
        }
    }
}
