//! The store in memory. It behaves like the table and counts the same write units.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::ids::ApplicationId;
use jiff::Timestamp;

use super::row::Row;
use super::table::{
    ApplicationRows, ApplicationTable, ItemChange, ItemCondition, ItemWrite, ListIndex, first_page,
};
use super::{Cursor, DUE_SHARDS, Page, StoreError, shard};
use crate::faults::{CallOutcome, Faults};

/// Write request units, by DynamoDB's documented rules. A write costs the larger of the items before and after the
/// write, rounded up to KiB. An index costs the size of each entry removed or put, rounded up to KiB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Units {
    pub table: u64,
    /// Units of all indexes.
    pub indexes: u64,
}

impl Units {
    /// Units of the table and the indexes.
    #[must_use]
    pub fn total(self) -> u64 {
        self.table + self.indexes
    }
}

#[derive(Debug, Default)]
struct State {
    rows: BTreeMap<ApplicationId, Row>,
    units: Units,
}

/// Applications in memory. Clones share the applications.
pub type FakeStore = ApplicationTable<MemoryApplicationRows>;

/// Items in memory, with the sizes and write units of DynamoDB.
#[derive(Clone, Debug, Default)]
pub struct MemoryApplicationRows {
    state: Arc<Mutex<State>>,
    faults: Faults,
}

impl FakeStore {
    /// An empty store whose calls obey these faults.
    #[must_use]
    pub fn new(faults: Faults) -> Self {
        ApplicationTable(MemoryApplicationRows { state: Arc::default(), faults })
    }

    /// Write units consumed so far, failed conditions included.
    #[must_use]
    pub fn units(&self) -> Units {
        self.0.lock().units
    }

    /// Bytes of an item as DynamoDB counts them.
    #[must_use]
    pub fn item_size(&self, id: ApplicationId) -> Option<usize> {
        self.0.lock().rows.get(&id).map(Row::size)
    }

    /// The application's wake-up time; `None` when the application is not in the due index.
    #[must_use]
    pub fn wake(&self, id: ApplicationId) -> Option<Timestamp> {
        let wake = self.0.lock().rows.get(&id)?.wake?;
        Timestamp::from_millisecond(wake).ok()
    }

    /// The ids of all applications, sorted by id.
    #[must_use]
    pub fn ids(&self) -> Vec<ApplicationId> {
        self.0.lock().rows.keys().copied().collect()
    }
}

impl MemoryApplicationRows {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs one call, subject to the fault planned for it.
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

impl State {
    fn put(&mut self, row: Row) {
        self.charge(self.rows.get(&row.id).cloned().as_ref(), &row);
        self.rows.insert(row.id, row);
    }

    fn charge(&mut self, before: Option<&Row>, after: &Row) {
        self.units.table += kibibytes(before.map_or(0, Row::size).max(after.size()));
        self.units.indexes += index_units(before.map(Row::tenant_entry), Some(after.tenant_entry()));
        self.units.indexes += index_units(before.and_then(Row::due_entry), after.due_entry());
        self.units.indexes += index_units(before.and_then(Row::agency_entry), after.agency_entry());
    }

    /// Refuses a write whose condition failed, which costs the size of the existing item.
    fn refuse(&mut self, found: Option<Row>) -> ItemWrite {
        self.units.table += kibibytes(found.as_ref().map_or(0, Row::size));
        ItemWrite::Refused(found.map(Box::new))
    }
}

/// The keys of an index entry, and its size in bytes.
type Entry = (String, usize);

/// The indexes project keys only, so an entry changes only with its key. A changed key is a removal and a new entry.
fn index_units(before: Option<Entry>, after: Option<Entry>) -> u64 {
    match (before, after) {
        (None, None) => 0,
        (None, Some((_, size))) | (Some((_, size)), None) => kibibytes(size),
        (Some((old, removed)), Some((new, put))) if old != new => kibibytes(removed) + kibibytes(put),
        (Some(_), Some(_)) => 0,
    }
}

fn kibibytes(bytes: usize) -> u64 {
    u64::try_from(bytes.div_ceil(1024).max(1)).unwrap_or(u64::MAX)
}

impl Row {
    fn tenant_entry(&self) -> Entry {
        (format!("{}/{}", self.tenant, self.created), self.tenant_entry_size())
    }

    fn agency_entry(&self) -> Option<Entry> {
        Some((format!("{}/{}", self.agency.as_ref()?, self.created), self.agency_entry_size()?))
    }

    fn due_entry(&self) -> Option<Entry> {
        let wake = self.wake?;
        Some((format!("{}/{wake}", self.due()), self.due_entry_size()?))
    }
}

impl ItemCondition {
    fn holds(&self, row: &Row) -> bool {
        match self {
            ItemCondition::Version(version) => row.version == *version,
            ItemCondition::ResendMarkBefore(mark) => {
                row.resend_requested.as_ref().is_none_or(|found| found < mark)
            }
        }
    }
}

impl ItemChange {
    fn apply(self, row: Row) -> Row {
        let mut row = row;
        if let Some((entries, version)) = self.entries {
            row.events.extend(entries);
            row.version = version;
        }
        row.wake = self.wake.map_or(row.wake, |wake| wake.map(Timestamp::as_millisecond));
        row.agency = self.agency.unwrap_or(row.agency);
        row.ttl = self.ttl.or(row.ttl);
        row.resend_requested = self.resend_requested.or(row.resend_requested);
        row
    }
}

impl ListIndex {
    /// The row's key in this index; `None` when the row is not in it.
    fn key(self, row: &Row) -> Option<&String> {
        match self {
            ListIndex::Tenant => Some(&row.tenant),
            ListIndex::Agency => row.agency.as_ref(),
        }
    }

    fn is_after(self, created: &str, cursor: &Cursor) -> bool {
        if self.newest_first() { created < cursor.0.as_str() } else { created > cursor.0.as_str() }
    }
}

impl ApplicationRows for MemoryApplicationRows {
    async fn insert(&self, call: &'static str, row: Row) -> Result<ItemWrite, StoreError> {
        self.call(call, |state| {
            let found = state.rows.get(&row.id).cloned();
            if found.is_some() {
                return state.refuse(found);
            }
            state.put(row);
            ItemWrite::Done
        })
    }

    async fn get(&self, call: &'static str, id: ApplicationId) -> Result<Option<Row>, StoreError> {
        self.call(call, |state| state.rows.get(&id).cloned())
    }

    async fn update(
        &self,
        call: &'static str,
        id: ApplicationId,
        condition: ItemCondition,
        change: ItemChange,
    ) -> Result<ItemWrite, StoreError> {
        self.call(call, |state| match state.rows.get(&id).cloned() {
            Some(found) if condition.holds(&found) => {
                state.put(change.apply(found));
                ItemWrite::Done
            }
            found => state.refuse(found),
        })
    }

    async fn page(
        &self,
        call: &'static str,
        index: ListIndex,
        shard_keys: Vec<String>,
        limit: usize,
        after: Option<Cursor>,
    ) -> Result<Page<Row>, StoreError> {
        self.call(call, |state| {
            let rows = state
                .rows
                .values()
                .filter(|row| index.key(row).is_some_and(|key| shard_keys.contains(key)))
                .filter(|row| after.as_ref().is_none_or(|cursor| index.is_after(&row.created, cursor)));
            first_page(index, rows.map(|row| (row.created.clone(), row.clone())).collect(), limit)
        })
    }

    async fn due(
        &self,
        call: &'static str,
        shard_number: u8,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<ApplicationId>, StoreError> {
        self.call(call, |state| {
            let mut found: Vec<(i64, ApplicationId)> = state
                .rows
                .values()
                .filter(|row| shard(row.id, DUE_SHARDS) == shard_number)
                .filter_map(|row| Some((row.wake?, row.id)))
                .filter(|(wake, _)| *wake <= now.as_millisecond())
                .collect();
            found.sort_unstable();
            found.into_iter().take(limit).map(|(_, id)| id).collect()
        })
    }
}
