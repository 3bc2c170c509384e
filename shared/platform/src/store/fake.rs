//! The store in memory. It behaves like the table and counts the same write units.
#![allow(clippy::arithmetic_side_effects, reason = "a test may fail")]

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::ids::{ApplicationId, TenantId};
use domain::limits::ITEM_BYTES;
use jiff::Timestamp;

use super::keys::{LAST_AGENCY, OPEN, OVERDUE, PERSON, PHASE, SERVICE, key_before_services, tenant_key};
use super::lists::{KeyRange, Merge, Wanted, newest, person_ranges};
use super::row::Row;
use super::table::{ApplicationRows, ApplicationTable, ItemChange, ItemCondition, ItemWrite};
use super::{Cursor, DUE_SHARDS, Page, StoreError, TENANT_SHARDS, shard};
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
    /// Entries of the indexes by time of creation: attribute and hash key, then range key.
    entries: BTreeMap<(&'static str, String), BTreeMap<String, ApplicationId>>,
    units: Units,
    /// Entries of indexes and items that lists have read.
    listed: usize,
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

    /// Entries of indexes and items that lists have read so far.
    #[must_use]
    pub fn listed(&self) -> usize {
        self.0.lock().listed
    }

    /// Puts an application under another tenant's keys, as a fault or an attacker with access to the table may.
    pub fn misplace(&self, id: ApplicationId, tenant: &TenantId) {
        let mut state = self.0.lock();
        if let Some(mut row) = state.rows.get(&id).cloned() {
            row.tenant = tenant_key(tenant, shard(id, TENANT_SHARDS), false);
            for key in row.lists.values_mut() {
                let rest = key.split_once('#').map(|(_, rest)| format!("#{rest}")).unwrap_or_default();
                *key = format!("{tenant}{rest}");
            }
            state.put(row);
        }
    }

    /// Puts an application under the keys that it had before they named the service, and out of the person index.
    pub fn age(&self, id: ApplicationId) {
        let mut state = self.0.lock();
        let Some(mut row) = state.rows.get(&id).cloned() else { return };
        let Ok(stored) = row.clone().stored() else { return };
        let head = stored.ledger.state();
        row.tenant = tenant_key(head.tenant(), shard(id, TENANT_SHARDS), false);
        row.lists.remove(PERSON);
        row.lists.insert(SERVICE, format!("{}#{}", head.tenant(), head.opened.service));
        let phase = if head.is_before_agency() { OPEN } else { head.stage.name() };
        row.lists.insert(PHASE, key_before_services(head.tenant(), phase));
        if head.overdue {
            row.lists.insert(OVERDUE, head.tenant().to_string());
        }
        if head.leg_opened > 0 {
            row.lists.insert(LAST_AGENCY, key_before_services(head.tenant(), &head.agency().to_string()));
        }
        state.put(row);
    }

    /// Removes an application, as DynamoDB removes an expired draft.
    pub fn remove(&self, id: ApplicationId) {
        self.0.lock().rows.remove(&id);
    }

    /// Rewrites the last entry of an application, as another version of the hub writes it, or as a fault destroys it.
    pub fn rewrite_last(&self, id: ApplicationId, rewrite: impl FnOnce(Vec<u8>) -> Vec<u8>) {
        let mut state = self.0.lock();
        if let Some(mut row) = state.rows.get(&id).cloned()
            && let Some(last) = row.events.pop()
        {
            row.events.push(rewrite(last));
            state.put(row);
        }
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
    fn call<T>(
        &self,
        name: &'static str,
        effect: impl FnOnce(&mut State) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        match self.faults.next_call(name) {
            CallOutcome::Succeeds => effect(&mut self.lock()),
            CallOutcome::Fails => Err(StoreError::Unavailable),
            CallOutcome::Throttles => Err(StoreError::Throttled),
            CallOutcome::LosesAnswer => {
                effect(&mut self.lock())?;
                Err(StoreError::Unavailable)
            }
        }
    }
}

impl State {
    fn put(&mut self, row: Row) {
        let before = self.rows.get(&row.id).cloned();
        self.charge(before.as_ref(), &row);
        for (attribute, key) in before.iter().flat_map(Row::hash_keys) {
            if let Some(entries) = self.entries.get_mut(&(attribute, key)) {
                entries.remove(&row.created);
            }
        }
        for keys in row.hash_keys() {
            self.entries.entry(keys).or_default().insert(row.created.clone(), row.id);
        }
        self.rows.insert(row.id, row);
    }

    /// Refuses a larger item than the table accepts, as DynamoDB does.
    fn put_within_bound(&mut self, row: Row) -> Result<(), StoreError> {
        if row.size() > ITEM_BYTES {
            return Err(StoreError::Full);
        }
        self.put(row);
        Ok(())
    }

    fn charge(&mut self, before: Option<&Row>, after: &Row) {
        self.units.table += kibibytes(before.map_or(0, Row::size).max(after.size()));
        self.units.indexes += index_units(before.and_then(Row::due_entry), after.due_entry());
        let (old, new) = (before.map(Row::hash_keys).unwrap_or_default(), after.hash_keys());
        let attributes: BTreeSet<&str> = old.keys().chain(new.keys()).copied().collect();
        for attribute in attributes {
            let entry = |row: &Row, keys: &BTreeMap<&'static str, String>| {
                let key = keys.get(attribute)?;
                Some((format!("{key}/{}", row.created), row.entry_size(attribute, key)))
            };
            let before = before.and_then(|row| entry(row, &old));
            self.units.indexes += index_units(before, entry(after, &new));
        }
    }

    /// One page, merged from several key ranges.
    fn page(&mut self, ranges: &[KeyRange], limit: usize, after: Option<Cursor>) -> Page<Row> {
        let mut merge = Merge::new(ranges, limit, after);
        loop {
            let wanted = merge.wanted();
            if wanted.is_empty() {
                break;
            }
            for wanted in wanted {
                let Some(range) = ranges.get(wanted.stream) else { continue };
                let entries = self.query(range, &wanted);
                self.listed += entries.len();
                merge.add(&wanted, entries);
            }
        }
        let Page { items, next } = merge.page();
        self.listed += items.len();
        let rows = items.iter().filter_map(|id| self.rows.get(&id.parse().ok()?).cloned());
        Page { items: rows.collect(), next }
    }

    fn of_person(&self, values: &[String], except: Option<ApplicationId>, limit: usize) -> Vec<Row> {
        let wanted = Wanted { stream: 0, after: None, limit: limit.saturating_add(1) };
        let ranges = person_ranges(values);
        let entries: Vec<_> = ranges.iter().flat_map(|range| self.query(range, &wanted)).collect();
        let ids = newest(entries, except, limit);
        ids.iter().filter_map(|id| self.rows.get(&id.parse().ok()?).cloned()).collect()
    }

    fn query(&self, KeyRange { index, key }: &KeyRange, wanted: &Wanted) -> Vec<(String, String)> {
        let Some(entries) = self.entries.get(&(index.key, key.clone())) else { return Vec::new() };
        let entry = |(created, id): (&String, &ApplicationId)| (created.clone(), id.to_string());
        match (&wanted.after, index.newest_first) {
            (None, true) => entries.iter().rev().take(wanted.limit).map(entry).collect(),
            (None, false) => entries.iter().take(wanted.limit).map(entry).collect(),
            (Some(after), true) => {
                entries.range(..after.clone()).rev().take(wanted.limit).map(entry).collect()
            }
            (Some(after), false) => {
                let rest = (Bound::Excluded(after.clone()), Bound::Unbounded);
                entries.range(rest).take(wanted.limit).map(entry).collect()
            }
        }
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
    fn due_entry(&self) -> Option<Entry> {
        let wake = self.wake?;
        Some((format!("{}/{wake}", self.due()), self.due_entry_size()?))
    }
}

impl ItemCondition {
    fn holds(&self, row: &Row) -> bool {
        match self {
            ItemCondition::Version(version) => row.version == *version,
            ItemCondition::DueAt(now) => row.wake.is_some_and(|wake| wake <= now.as_millisecond()),
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
        row.encrypted = self.encrypted.unwrap_or(row.encrypted);
        for (attribute, key) in self.keys {
            row.set_index_key(attribute, key);
        }
        row.ttl = self.ttl.or(row.ttl);
        row.resend_requested = self.resend_requested.or(row.resend_requested);
        row
    }
}

impl ApplicationRows for MemoryApplicationRows {
    async fn insert(&self, call: &'static str, row: Row) -> Result<ItemWrite, StoreError> {
        self.call(call, |state| {
            let found = state.rows.get(&row.id).cloned();
            if found.is_some() {
                return Ok(state.refuse(found));
            }
            state.put_within_bound(row).map(|()| ItemWrite::Done)
        })
    }

    async fn get(&self, call: &'static str, id: ApplicationId) -> Result<Option<Row>, StoreError> {
        self.call(call, |state| Ok(state.rows.get(&id).cloned()))
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
                state.put_within_bound(change.apply(found)).map(|()| ItemWrite::Done)
            }
            found => Ok(state.refuse(found)),
        })
    }

    async fn page(
        &self,
        call: &'static str,
        ranges: Vec<KeyRange>,
        limit: usize,
        after: Option<Cursor>,
    ) -> Result<Page<Row>, StoreError> {
        self.call(call, |state| Ok(state.page(&ranges, limit, after)))
    }

    async fn of_person(
        &self,
        call: &'static str,
        values: &[String],
        except: Option<ApplicationId>,
        limit: usize,
    ) -> Result<Vec<Row>, StoreError> {
        self.call(call, |state| Ok(state.of_person(values, except, limit)))
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
            Ok(found.into_iter().take(limit).map(|(_, id)| id).collect())
        })
    }
}
