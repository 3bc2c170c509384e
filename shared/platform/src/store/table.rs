//! The store over the items of one table: the logic that the adapter and the fake share.

use std::future::Future;

use domain::ids::{AgencyCode, ApplicationId, TenantId};
use jiff::Timestamp;

use super::lists::{Index, KeyRange, ListFilter};
use super::row::{self, Row};
use super::{
    AGENCY_SHARDS, AppendOutcome, Created, Cursor, PAGE, Page, ResendMark, Store, StoreError,
    StoredApplication, resend_mark_before,
};
use crate::log_fault;

/// Condition of an update. An item that does not exist never meets the condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ItemCondition {
    /// The item has this version.
    Version(u32),
    /// The item's wake-up time has come at this time.
    DueAt(Timestamp),
    /// The item has no mark of a resend request, or an earlier one than this.
    ResendMarkBefore(String),
}

/// The changes of an update. `None` leaves an attribute unchanged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ItemChange {
    /// Entries to append, and the version after them.
    pub(super) entries: Option<(Vec<Vec<u8>>, u32)>,
    /// The encrypted personal data of a corrected draft.
    pub(super) encrypted: Option<Vec<u8>>,
    /// The wake-up time; an inner `None` removes the item from the due index.
    pub(super) wake: Option<Option<Timestamp>>,
    /// Hash keys of the lists' indexes by attribute; `None` as a key removes the item from that index.
    pub(super) keys: Vec<(&'static str, Option<String>)>,
    /// Epoch seconds after which DynamoDB may remove the item.
    pub(super) ttl: Option<i64>,
    /// Mark of a resend request.
    pub(super) resend_requested: Option<String>,
}

/// The outcome of a conditional write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ItemWrite {
    /// The item is written.
    Done,
    /// The condition failed; this is the current item, if it exists.
    Refused(Option<Box<Row>>),
}

/// The items of the table, in DynamoDB or in memory: the part in which the adapter and the fake differ. `call` names the
/// operation for fault injection.
pub trait ApplicationRows: Clone + Send + Sync + 'static {
    /// Writes an item if the table has none with its id.
    fn insert(
        &self,
        call: &'static str,
        row: Row,
    ) -> impl Future<Output = Result<ItemWrite, StoreError>> + Send;

    /// Reads an item with a consistent read.
    fn get(
        &self,
        call: &'static str,
        id: ApplicationId,
    ) -> impl Future<Output = Result<Option<Row>, StoreError>> + Send;

    /// Changes an item if the condition holds.
    fn update(
        &self,
        call: &'static str,
        id: ApplicationId,
        condition: ItemCondition,
        change: ItemChange,
    ) -> impl Future<Output = Result<ItemWrite, StoreError>> + Send;

    /// One page, merged from these key ranges, in the order of their indexes. The range keys are those of creation.
    fn page(
        &self,
        call: &'static str,
        ranges: Vec<KeyRange>,
        limit: usize,
        after: Option<Cursor>,
    ) -> impl Future<Output = Result<Page<Row>, StoreError>> + Send;

    /// The newest items that have one of these values in the person index, but the item `except`, at most `limit`.
    fn of_person(
        &self,
        call: &'static str,
        values: &[String],
        except: Option<ApplicationId>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Row>, StoreError>> + Send;

    /// Ids of a shard of the due index whose wake-up time has come, earliest first.
    fn due(
        &self,
        call: &'static str,
        shard: u8,
        now: Timestamp,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<ApplicationId>, StoreError>> + Send;
}

/// Applications in the items of a table. Clones share the table.
#[derive(Clone, Debug, Default)]
pub struct ApplicationTable<R>(pub(super) R);

impl<R: ApplicationRows> ApplicationTable<R> {
    async fn page(
        &self,
        call: &'static str,
        ranges: Vec<KeyRange>,
        limit: usize,
        after: Option<Cursor>,
    ) -> Result<Page<StoredApplication>, StoreError> {
        let page = self.0.page(call, ranges, limit.clamp(1, PAGE), after).await?;
        Ok(Page { items: page.items.into_iter().filter_map(readable).collect(), next: page.next })
    }
}

impl<R: ApplicationRows> Store for ApplicationTable<R> {
    async fn create(
        &self,
        stored: &StoredApplication,
        wake: Option<Timestamp>,
    ) -> Result<Created, StoreError> {
        match self.0.insert("store.create", Row::new(stored, wake)).await? {
            ItemWrite::Done => Ok(Created::New),
            // The item was removed between the write and the read that followed.
            ItemWrite::Refused(None) => Err(StoreError::Unavailable),
            ItemWrite::Refused(Some(found)) => {
                let found = found.stored()?;
                Ok(if found.began_as(stored) { Created::New } else { Created::Existing(Box::new(found)) })
            }
        }
    }

    async fn get(&self, id: ApplicationId) -> Result<Option<StoredApplication>, StoreError> {
        self.0.get("store.get", id).await?.map(Row::stored).transpose()
    }

    async fn append(
        &self,
        expected_version: u32,
        after: &StoredApplication,
        wake: Option<Timestamp>,
    ) -> Result<AppendOutcome, StoreError> {
        let new = after.ledger.after(expected_version).iter().map(|entry| entry.bytes.clone());
        let corrected = row::is_corrected(expected_version, after);
        let mut keys = row::index_keys(after.ledger.state());
        keys.extend(row::person_keys(&after.person).into_iter().filter(|_| corrected));
        let change = ItemChange {
            entries: Some((new.collect(), after.version())),
            encrypted: corrected.then(|| after.encrypted.clone()),
            wake: Some(wake),
            keys,
            ttl: row::time_to_live(after),
            resend_requested: None,
        };
        let condition = ItemCondition::Version(expected_version);
        match self.0.update("store.append", after.id(), condition, change).await? {
            ItemWrite::Done => Ok(AppendOutcome::Done),
            ItemWrite::Refused(None) => Ok(AppendOutcome::Missing),
            ItemWrite::Refused(Some(found)) => {
                let found = found.stored()?;
                // The same write may have committed before: the SDK retries, and so do callers.
                Ok(if found.contains(after, expected_version) {
                    AppendOutcome::Done
                } else {
                    AppendOutcome::Conflict(Box::new(found))
                })
            }
        }
    }

    async fn touch(
        &self,
        id: ApplicationId,
        version: u32,
        wake: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        let change = ItemChange { wake: Some(wake), ..ItemChange::default() };
        // A refused update is no error: the write of the newer version has set the wake-up time.
        self.0.update("store.touch", id, ItemCondition::Version(version), change).await.map(drop)
    }

    async fn list_by(
        &self,
        tenant: &TenantId,
        filter: &ListFilter,
        limit: usize,
        after: Option<Cursor>,
    ) -> Result<Page<StoredApplication>, StoreError> {
        let mut page = self.page("store.list", filter.ranges(tenant), limit, after).await?;
        filter.check(tenant, &mut page.items);
        Ok(page)
    }

    async fn of_person(
        &self,
        values: &[String],
        except: Option<ApplicationId>,
        limit: usize,
    ) -> Result<Vec<StoredApplication>, StoreError> {
        let rows = self.0.of_person("store.of_person", values, except, limit).await?;
        let mut found: Vec<StoredApplication> = rows.into_iter().filter_map(readable).collect();
        // The index lags behind the table: a corrected draft may be another person's now.
        found.retain(|stored| stored.person.first().is_some_and(|value| values.contains(value)));
        Ok(found)
    }

    async fn before_agency(
        &self,
        agency: &AgencyCode,
        limit: usize,
        after: Option<Cursor>,
    ) -> Result<Page<StoredApplication>, StoreError> {
        let range = |shard| KeyRange { index: &Index::AGENCY, key: row::agency_shard_key(agency, shard) };
        let ranges = (0..AGENCY_SHARDS).map(range).collect();
        let mut page = self.page("store.before_agency", ranges, limit, after).await?;
        // The index lags behind the table: leave out cases that are no longer before this agency.
        page.items.retain(|stored| {
            let state = stored.ledger.state();
            // Of an incomplete record the index knows more than this version.
            if state.is_incomplete() {
                return state.involves(agency);
            }
            state.is_before_agency() && state.agency() == agency
        });
        Ok(page)
    }

    async fn mark_for_resend(
        &self,
        id: ApplicationId,
        message: u32,
        now: Timestamp,
    ) -> Result<ResendMark, StoreError> {
        let mark = row::resend_mark(now, message);
        let condition = ItemCondition::ResendMarkBefore(resend_mark_before(now));
        let change = ItemChange { resend_requested: Some(mark.clone()), ..ItemChange::default() };
        Ok(match self.0.update("store.mark_for_resend", id, condition, change).await? {
            ItemWrite::Done => ResendMark::Set,
            ItemWrite::Refused(None) => ResendMark::Missing,
            // The same write may have committed before: the SDK retries.
            ItemWrite::Refused(Some(found)) if found.resend_requested.as_ref() == Some(&mark) => {
                ResendMark::Set
            }
            ItemWrite::Refused(Some(_)) => ResendMark::TooSoon,
        })
    }

    async fn postpone(&self, id: ApplicationId, now: Timestamp, wake: Timestamp) -> Result<(), StoreError> {
        let change = ItemChange { wake: Some(Some(wake)), ..ItemChange::default() };
        match self.0.update("store.postpone", id, ItemCondition::DueAt(now), change).await {
            // Refused, and the item that refused cannot be read: it is not due.
            Ok(_) | Err(StoreError::Unreadable(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn due(&self, shard: u8, now: Timestamp, limit: usize) -> Result<Vec<ApplicationId>, StoreError> {
        self.0.due("store.due", shard, now, limit.max(1)).await
    }
}

/// The application of a row, for a list. An unreadable row is logged and left out.
fn readable(row: Row) -> Option<StoredApplication> {
    let id = row.id;
    row.stored()
        .inspect_err(|error| log_fault!(true, &format!("record of {id}"), application = %id, %error, "an application is left out of a list: its record cannot be read"))
        .ok()
}
