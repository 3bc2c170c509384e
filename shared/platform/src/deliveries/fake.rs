//! Deliveries in memory.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::row::{Change, Row};
use super::{BATCH, DeliveryTable, Range, Rows};
use crate::faults::{CallOutcome, Faults};
use crate::store::StoreError;

/// Deliveries in memory. Clones share them.
pub type FakeDeliveries = DeliveryTable<MemoryRows>;

#[derive(Debug, Default)]
struct State {
    rows: BTreeMap<(String, String), Row>,
    written: u64,
}

/// Rows in memory. Nothing expires.
#[derive(Clone, Debug, Default)]
pub struct MemoryRows {
    faults: Faults,
    state: Arc<Mutex<State>>,
}

impl FakeDeliveries {
    /// Empty deliveries whose calls obey these faults.
    #[must_use]
    pub fn new(faults: Faults) -> Self {
        DeliveryTable(MemoryRows { faults, state: Arc::default() })
    }

    /// Rows written and deleted so far. This equals the write units, because every row is below 1 KiB.
    #[must_use]
    pub fn units(&self) -> u64 {
        self.0.lock().written
    }
}

impl MemoryRows {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn call<T>(&self, name: &'static str, effect: impl FnOnce(&mut State) -> T) -> Result<T, StoreError> {
        match self.faults.next_call(name) {
            CallOutcome::Succeeds => Ok(effect(&mut self.lock())),
            CallOutcome::Fails => Err(StoreError::Unavailable),
            CallOutcome::Throttles => Err(StoreError::Throttled),
            CallOutcome::LosesAnswer => {
                effect(&mut self.lock());
                Err(StoreError::Unavailable)
            }
        }
    }
}

impl Range {
    /// The rows of this range, in its order.
    fn of<'a>(&'a self, rows: &'a BTreeMap<(String, String), Row>) -> impl Iterator<Item = &'a Row> {
        let (least, most) = match (&self.after, self.newest_first) {
            (None, _) => (Bound::Included(self.prefix.clone()), None),
            (Some(after), false) => (Bound::Excluded(after.clone()), None),
            (Some(after), true) => (Bound::Included(self.prefix.clone()), Some(after.clone())),
        };
        let with_pk = |sk: String| (self.pk.clone(), sk);
        let found: Vec<&Row> = rows
            .range((least.map(with_pk), Bound::Unbounded))
            .take_while(|((pk, sk), _)| *pk == self.pk && sk.starts_with(&self.prefix))
            .take_while(|((_, sk), _)| most.as_ref().is_none_or(|most| sk < most))
            .map(|(_, row)| row)
            // The newest rows are at the end of the map; in the other direction the first rows are enough.
            .take(if self.newest_first { usize::MAX } else { self.limit })
            .collect();
        let (forward, backward) = if self.newest_first { (Vec::new(), found) } else { (found, Vec::new()) };
        forward.into_iter().chain(backward.into_iter().rev()).take(self.limit)
    }
}

impl Rows for MemoryRows {
    async fn apply(&self, call: &'static str, changes: Vec<Change>) -> Result<(), StoreError> {
        for batch in changes.chunks(BATCH) {
            self.call(call, |state| {
                for change in batch {
                    state.written = state.written.saturating_add(1);
                    let key = change.key();
                    match change {
                        Change::Put(row) => state.rows.insert(key, row.clone()),
                        Change::Delete { .. } => state.rows.remove(&key),
                    };
                }
            })?;
        }
        Ok(())
    }

    async fn range(&self, call: &'static str, range: Range) -> Result<Vec<Row>, StoreError> {
        self.call(call, |state| range.of(&state.rows).cloned().collect())
    }

    async fn count(&self, call: &'static str, range: Range) -> Result<usize, StoreError> {
        self.call(call, |state| range.of(&state.rows).count())
    }
}
