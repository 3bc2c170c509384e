//! The store in memory. It behaves like the table and counts the same write units.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::ids::{AgencyCode, ApplicationId, TenantId};
use jiff::Timestamp;

use super::keys::list_keys;
use super::lists::{Index, ListBy, Merge, Wanted};
use super::row::{self, Row};
use super::{
    AGENCY_SHARDS, AppendOutcome, Created, Cursor, DUE_SHARDS, PAGE, Page, ResendMark, Store, StoreError,
    StoredApplication, TENANT_SHARDS, resend_mark_before, shard,
};
use crate::faults::{CallOutcome, Faults};

/// Write request units, by DynamoDB's documented rules. A write costs the larger of the items before and after the
/// write, rounded up to KiB. An index costs the size of each entry removed or put, rounded up to KiB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Units {
    /// Units of the table.
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
#[derive(Clone, Debug, Default)]
pub struct FakeStore {
    state: Arc<Mutex<State>>,
    faults: Faults,
}

impl FakeStore {
    /// An empty store whose calls obey these faults.
    #[must_use]
    pub fn new(faults: Faults) -> Self {
        FakeStore { state: Arc::default(), faults }
    }

    /// Write units consumed so far, failed conditions included.
    #[must_use]
    pub fn units(&self) -> Units {
        self.lock().units
    }

    /// Entries of indexes and items that lists have read so far.
    #[must_use]
    pub fn listed(&self) -> usize {
        self.lock().listed
    }

    /// Puts an application under another tenant's keys, as a fault or an attacker with access to the table may.
    pub fn misplace(&self, id: ApplicationId, tenant: &TenantId) {
        let mut state = self.lock();
        if let Some(mut row) = state.rows.get(&id).cloned() {
            row.tenant = row::tenant_key(tenant.as_str(), shard(id, TENANT_SHARDS));
            for key in row.lists.values_mut() {
                let rest = key.split_once('#').map(|(_, rest)| format!("#{rest}")).unwrap_or_default();
                *key = format!("{tenant}{rest}");
            }
            state.put(row);
        }
    }

    /// Bytes of an item as DynamoDB counts them.
    #[must_use]
    pub fn item_size(&self, id: ApplicationId) -> Option<usize> {
        self.lock().rows.get(&id).map(Row::size)
    }

    /// The application's wake-up time; `None` when the application is not in the due index.
    #[must_use]
    pub fn wake(&self, id: ApplicationId) -> Option<Timestamp> {
        let wake = self.lock().rows.get(&id)?.wake?;
        Timestamp::from_millisecond(wake).ok()
    }

    /// The ids of all applications, sorted by id.
    #[must_use]
    pub fn ids(&self) -> Vec<ApplicationId> {
        self.lock().rows.keys().copied().collect()
    }

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

    /// One page of a list, merged from several keys of an index.
    fn page(
        &mut self,
        index: &Index,
        hash_keys: &[String],
        limit: usize,
        after: Option<Cursor>,
    ) -> Page<StoredApplication> {
        let limit = limit.clamp(1, PAGE);
        let after = after.map(|cursor| cursor.0);
        let mut merge = Merge::new(hash_keys.len(), limit + 1, after, index.newest_first);
        loop {
            let wanted = merge.wanted();
            if wanted.is_empty() {
                break;
            }
            for wanted in wanted {
                let key = hash_keys.get(wanted.stream).cloned().unwrap_or_default();
                let entries = self.query(index, key, &wanted);
                self.listed += entries.len();
                merge.add(&wanted, entries);
            }
        }
        let mut found = merge.found();
        let more = found.len() > limit;
        found.truncate(limit);
        self.listed += found.len();
        let next = if more { found.last().map(|(created, _)| Cursor(created.clone())) } else { None };
        let rows = found.iter().filter_map(|(_, id)| self.rows.get(&id.parse().ok()?).cloned());
        Page { items: rows.filter_map(super::readable).collect(), next }
    }

    fn query(&self, index: &Index, key: String, wanted: &Wanted) -> Vec<(String, String)> {
        let Some(entries) = self.entries.get(&(index.key, key)) else { return Vec::new() };
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

    /// A failed condition costs the size of the existing item.
    fn charge_refused(&mut self, found: Option<&Row>) {
        self.units.table += kibibytes(found.map_or(0, Row::size));
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

impl Store for FakeStore {
    async fn create(
        &self,
        stored: &StoredApplication,
        wake: Option<Timestamp>,
    ) -> Result<Created, StoreError> {
        self.call("store.create", |state| {
            let Some(found) = state.rows.get(&stored.id()).cloned() else {
                state.put(Row::new(stored, wake));
                return Ok(Created::New);
            };
            state.charge_refused(Some(&found));
            let found = found.stored()?;
            Ok(if found.began_as(stored) { Created::New } else { Created::Existing(Box::new(found)) })
        })
    }

    async fn get(&self, id: ApplicationId) -> Result<Option<StoredApplication>, StoreError> {
        self.call("store.get", |state| state.rows.get(&id).cloned().map(Row::stored).transpose())
    }

    async fn append(
        &self,
        expected_version: u32,
        after: &StoredApplication,
        wake: Option<Timestamp>,
    ) -> Result<AppendOutcome, StoreError> {
        self.call("store.append", |state| {
            let Some(found) = state.rows.get(&after.id()).cloned() else {
                state.charge_refused(None);
                return Ok(AppendOutcome::Missing);
            };
            if found.version != expected_version {
                state.charge_refused(Some(&found));
                let found = found.stored()?;
                return Ok(if found.contains(after, expected_version) {
                    AppendOutcome::Done
                } else {
                    AppendOutcome::Conflict(Box::new(found))
                });
            }
            let mut next = found;
            next.events.extend(after.ledger.after(expected_version).iter().map(|line| line.bytes.clone()));
            next.version = after.version();
            next.wake = wake.map(Timestamp::as_millisecond);
            next.agency = row::agency_key(after.ledger.state());
            next.lists = row::present(list_keys(after.ledger.state()));
            next.ttl = row::time_to_live(after);
            state.put(next);
            Ok(AppendOutcome::Done)
        })
    }

    async fn touch(
        &self,
        id: ApplicationId,
        version: u32,
        wake: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        self.call("store.touch", |state| {
            match state.rows.get(&id).cloned() {
                Some(found) if found.version == version => {
                    state.put(Row { wake: wake.map(Timestamp::as_millisecond), ..found });
                }
                found => state.charge_refused(found.as_ref()),
            }
            Ok(())
        })
    }

    async fn list_by(
        &self,
        tenant: &TenantId,
        by: &ListBy,
        limit: usize,
        after: Option<Cursor>,
    ) -> Result<Page<StoredApplication>, StoreError> {
        self.call("store.list", |state| {
            let (index, keys) = by.keys(tenant);
            let mut page = state.page(index, &keys, limit, after);
            by.check(tenant, &mut page.items);
            Ok(page)
        })
    }

    async fn before_agency(
        &self,
        agency: &AgencyCode,
        limit: usize,
        after: Option<Cursor>,
    ) -> Result<Page<StoredApplication>, StoreError> {
        self.call("store.before_agency", |state| {
            let keys: Vec<String> =
                (0..AGENCY_SHARDS).map(|number| row::agency_shard_key(agency, number)).collect();
            Ok(state.page(&Index::AGENCY, &keys, limit, after))
        })
    }

    async fn mark_for_resend(
        &self,
        id: ApplicationId,
        message: u32,
        now: Timestamp,
    ) -> Result<ResendMark, StoreError> {
        self.call("store.ask_again", |state| {
            let Some(found) = state.rows.get(&id).cloned() else {
                state.charge_refused(None);
                return Ok(ResendMark::Missing);
            };
            let mark = row::resend_mark(now, message);
            if found.resend_requested.as_ref() == Some(&mark) {
                return Ok(ResendMark::Set);
            }
            if found.resend_requested.as_ref().is_some_and(|mark| *mark >= resend_mark_before(now)) {
                state.charge_refused(Some(&found));
                return Ok(ResendMark::TooSoon);
            }
            state.put(Row { resend_requested: Some(mark), ..found });
            Ok(ResendMark::Set)
        })
    }

    async fn due(
        &self,
        shard_number: u8,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<ApplicationId>, StoreError> {
        self.call("store.due", |state| {
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
