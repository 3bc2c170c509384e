//! Amendments in memory.

use std::sync::{Arc, Mutex, PoisonError};

use domain::amend::{Amendment, Amendments};
use domain::ids::AgencyCode;
use domain::partners::Partners;
use jiff::Timestamp;

use super::Directory;
use crate::faults::{Faults, Turn};
use crate::store::StoreError;

/// Amendments in memory. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct FakeDirectory {
    amendments: Arc<Mutex<Amendments>>,
    faults: Faults,
}

impl FakeDirectory {
    /// No amendments; reads obey these faults.
    #[must_use]
    pub fn new(faults: Faults) -> Self {
        FakeDirectory { amendments: Arc::default(), faults }
    }

    /// Makes an amendment, as an operator does.
    ///
    /// # Panics
    /// The amendment makes no sense.
    pub fn amend(&self, rows: &Partners, agency: &AgencyCode, amendment: Amendment) {
        let mut all = self.amendments.lock().unwrap_or_else(PoisonError::into_inner);
        let by = ("an operator", "a test");
        let amended = all.amend(rows, agency, amendment, by, Timestamp::UNIX_EPOCH);
        *all = amended.expect("an amendment that makes sense").0;
    }
}

impl Directory for FakeDirectory {
    async fn amendments(&self) -> Result<Amendments, StoreError> {
        match self.faults.turn("directory.amendments") {
            Turn::Works => Ok(self.amendments.lock().unwrap_or_else(PoisonError::into_inner).clone()),
            Turn::Fails | Turn::LosesAnswer => Err(StoreError::Unavailable),
            Turn::Throttles => Err(StoreError::Throttled),
        }
    }
}
