//! The subscriptions table in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;

use super::TenantRows;
use super::row::{Condition, Counter, Key, Row, Write};
use crate::faults::{CallOutcome, Faults};
use crate::store::StoreError;

#[derive(Debug, Default)]
struct Table {
    rows: BTreeMap<Key, Row>,
    counters: BTreeMap<Key, u32>,
}

/// Rows in memory, which never expire. Clones share the rows.
#[derive(Clone, Debug, Default)]
pub struct MemoryTenantRows {
    table: Arc<Mutex<Table>>,
    faults: Faults,
}

impl MemoryTenantRows {
    /// An empty table whose calls obey these faults.
    #[must_use]
    pub fn new(faults: Faults) -> Self {
        MemoryTenantRows { table: Arc::default(), faults }
    }

    fn call<T>(&self, name: &'static str, effect: impl FnOnce(&mut Table) -> T) -> Result<T, StoreError> {
        let outcome = self.faults.next_call(name);
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        match outcome {
            CallOutcome::Succeeds => Ok(effect(&mut table)),
            CallOutcome::Fails => Err(StoreError::Unavailable),
            CallOutcome::Throttles => Err(StoreError::Throttled),
            CallOutcome::LosesAnswer => {
                effect(&mut table);
                Err(StoreError::Unavailable)
            }
        }
    }
}

impl Table {
    fn holds(&self, key: &Key, condition: Condition) -> bool {
        let found = self.rows.get(key).map(|row| row.revision);
        match condition {
            Condition::Absent => found.is_none(),
            Condition::Present => found.is_some(),
            Condition::At(revision) => found == Some(revision),
            Condition::AtOrAbsent(revision) => found.unwrap_or_default() == revision,
        }
    }
}

impl TenantRows for MemoryTenantRows {
    async fn get(&self, call: &'static str, key: Key) -> Result<Option<Row>, StoreError> {
        self.call(call, |table| table.rows.get(&key).cloned())
    }

    async fn with_prefix(
        &self,
        call: &'static str,
        pk: String,
        prefix: &'static str,
    ) -> Result<Vec<Row>, StoreError> {
        self.call(call, |table| {
            let rows = table.rows.values();
            rows.filter(|row| row.key.pk == pk && row.key.sk.starts_with(prefix)).cloned().collect()
        })
    }

    async fn put(&self, call: &'static str, row: Row, condition: Condition) -> Result<bool, StoreError> {
        self.call(call, |table| {
            if table.holds(&row.key, condition) {
                table.rows.insert(row.key.clone(), row.clone());
            }
            table.rows.get(&row.key) == Some(&row)
        })
    }

    async fn transact(&self, call: &'static str, writes: Vec<Write>) -> Result<bool, StoreError> {
        self.call(call, |table| {
            let as_expected = writes.iter().all(|write| match write {
                Write::Put(row, condition) => table.holds(&row.key, *condition),
                Write::Delete(key, condition) => table.holds(key, *condition),
            });
            if as_expected {
                for write in writes {
                    match write {
                        Write::Put(row, _) => table.rows.insert(row.key.clone(), row),
                        Write::Delete(key, _) => table.rows.remove(&key),
                    };
                }
            }
            as_expected
        })
    }

    async fn add(
        &self,
        call: &'static str,
        counter: Counter,
        wanted: u32,
    ) -> Result<Result<u32, u32>, StoreError> {
        // Lets other tasks run, as a network call does: callers must tolerate this.
        tokio::task::yield_now().await;
        self.call(call, |table| {
            let used = table.counters.entry(counter.key).or_default();
            match used.checked_add(wanted).filter(|after| *after <= counter.limit) {
                Some(after) => {
                    *used = after;
                    Ok(after)
                }
                None => Err(*used),
            }
        })
    }

    async fn due(&self, call: &'static str, now: Timestamp, limit: usize) -> Result<Vec<Key>, StoreError> {
        self.call(call, |table| {
            let rows = table.rows.values().filter_map(|row| Some((row.due?, row.key.clone())));
            let mut due: Vec<_> = rows.filter(|(at, _)| *at <= now.as_millisecond()).collect();
            due.sort();
            due.into_iter().take(limit).map(|(_, key)| key).collect()
        })
    }
}
