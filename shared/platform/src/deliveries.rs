//! Deliveries of callbacks: callbacks stored for an endpoint, the log of attempts, and notices to tenants.
//!
//! The adapter and the fake differ only in [`Rows`]; the layout of the rows is defined once, in `row`.

mod aws;
#[cfg(any(test, feature = "testing"))]
mod fake;
mod model;
mod row;

use std::future::Future;

use domain::ids::{ApplicationId, SubscriptionId, TenantId};
use jiff::Timestamp;
use protocol::callback::Callback;

pub use aws::{AwsDeliveries, AwsRows};
#[cfg(any(test, feature = "testing"))]
pub use fake::{FakeDeliveries, MemoryRows};
pub use model::{
    Attempt, BATCH, COUNT_LIMIT, Cause, DeliveryWrite, LOG_DAYS, NOTICE_DAYS, Notice, NoticeKind,
    STORED_DAYS, Which,
};
pub use row::LogCursor;

use crate::store::StoreError;
use crate::telemetry::is_new_fault;
use row::{Change, Row};

/// A page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogPage<T> {
    /// The items of this page.
    pub items: Vec<T>,
    /// Start of the next page; `None` on the last page.
    pub next: Option<LogCursor>,
}

/// The table of deliveries. Repeating a write is safe. Reads of stored callbacks are consistent; lists may be a moment
/// behind.
pub trait Deliveries: Clone + Send + Sync + 'static {
    /// Stores a callback for later delivery, for [`STORED_DAYS`]. A repeat does not store it twice.
    fn store_callback(
        &self,
        subscription: SubscriptionId,
        callback: &Callback,
        now: Timestamp,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// The stored callbacks in the order of application and version, after this application and version. An unreadable
    /// row of this table is logged and left out, so that it does not hide the others.
    fn stored_callbacks(
        &self,
        subscription: SubscriptionId,
        after: Option<(ApplicationId, u32)>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Callback>, StoreError>> + Send;

    /// Whether a callback of this application is stored.
    fn has_stored_callbacks(
        &self,
        subscription: SubscriptionId,
        application: ApplicationId,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Number of stored callbacks, at most [`COUNT_LIMIT`].
    fn count_stored_callbacks(
        &self,
        subscription: SubscriptionId,
    ) -> impl Future<Output = Result<u32, StoreError>> + Send;

    /// Writes lines, [`BATCH`] rows in a call. After an error some lines may have been written.
    fn write(&self, lines: Vec<DeliveryWrite>) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// A page of the log of attempts.
    fn attempts(
        &self,
        subscription: SubscriptionId,
        which: Which,
        after: Option<LogCursor>,
        limit: usize,
    ) -> impl Future<Output = Result<LogPage<Attempt>, StoreError>> + Send;

    /// Number of the last failed attempt of a callback that is not delivered yet; `None` when the log has none.
    fn last_failed(
        &self,
        subscription: SubscriptionId,
        application: ApplicationId,
        version: u32,
    ) -> impl Future<Output = Result<Option<u32>, StoreError>> + Send;

    /// Stores a notice to a tenant.
    fn notify(
        &self,
        tenant: &TenantId,
        notice: &Notice,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// The notices to a tenant, oldest first.
    fn notices(
        &self,
        tenant: &TenantId,
        after: Option<LogCursor>,
        limit: usize,
    ) -> impl Future<Output = Result<LogPage<Notice>, StoreError>> + Send;
}

/// A range of rows in one partition.
#[derive(Clone, Debug)]
pub struct Range {
    pk: String,
    /// Prefix of the sort key; empty for all rows.
    prefix: String,
    /// Sort key after which the range begins.
    after: Option<String>,
    newest_first: bool,
    consistent: bool,
    limit: usize,
}

/// A table of rows: the part in which the adapter and the fake differ. `call` names the operation for fault injection.
pub trait Rows: Clone + Send + Sync + 'static {
    /// Puts and deletes rows, [`BATCH`] in a call. No key may occur twice.
    fn apply(
        &self,
        call: &'static str,
        changes: Vec<Change>,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Rows of a range, in the order of their sort key.
    fn range(
        &self,
        call: &'static str,
        range: Range,
    ) -> impl Future<Output = Result<Vec<Row>, StoreError>> + Send;

    /// Number of rows in a range, at most the range's limit.
    fn count(
        &self,
        call: &'static str,
        range: Range,
    ) -> impl Future<Output = Result<usize, StoreError>> + Send;
}

/// Deliveries in the rows of a table.
#[derive(Clone, Debug, Default)]
pub struct DeliveryTable<R>(pub(crate) R);

impl<R: Rows> Deliveries for DeliveryTable<R> {
    async fn store_callback(
        &self,
        subscription: SubscriptionId,
        callback: &Callback,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let row = Row::stored_callback(subscription, callback, now)?;
        self.0.apply("deliveries.store_callback", vec![Change::Put(row)]).await
    }

    async fn stored_callbacks(
        &self,
        subscription: SubscriptionId,
        after: Option<(ApplicationId, u32)>,
        limit: usize,
    ) -> Result<Vec<Callback>, StoreError> {
        let mut after = after.map(|(application, version)| row::stored_sk(application, version));
        loop {
            let range = stored_range(subscription, String::new(), after, limit);
            let rows = self.0.range("deliveries.stored_callbacks", range).await?;
            let callbacks = readable(&rows, Row::callback);
            let last = rows.get(limit.wrapping_sub(1));
            // A full page without a readable row must not hide the rows behind it.
            match last.filter(|_| callbacks.is_empty()) {
                Some(last) => after = Some(last.sk.clone()),
                None => return Ok(callbacks),
            }
        }
    }

    async fn has_stored_callbacks(
        &self,
        subscription: SubscriptionId,
        application: ApplicationId,
    ) -> Result<bool, StoreError> {
        let of = format!("{application}#");
        Ok(self.0.count("deliveries.has_stored_callbacks", stored_range(subscription, of, None, 1)).await?
            > 0)
    }

    async fn count_stored_callbacks(&self, subscription: SubscriptionId) -> Result<u32, StoreError> {
        let limit = usize::try_from(COUNT_LIMIT).unwrap_or(usize::MAX);
        let range = stored_range(subscription, String::new(), None, limit);
        let count = self.0.count("deliveries.count_stored_callbacks", range).await?;
        Ok(u32::try_from(count).unwrap_or(COUNT_LIMIT))
    }

    async fn write(&self, lines: Vec<DeliveryWrite>) -> Result<(), StoreError> {
        let changes = row::changes(&lines)?;
        if changes.is_empty() { Ok(()) } else { self.0.apply("deliveries.write", changes).await }
    }

    async fn attempts(
        &self,
        subscription: SubscriptionId,
        which: Which,
        after: Option<LogCursor>,
        limit: usize,
    ) -> Result<LogPage<Attempt>, StoreError> {
        let range = Range {
            pk: row::log_pk(subscription, which),
            prefix: String::new(),
            after: after.map(|cursor| cursor.0),
            newest_first: which == Which::All,
            consistent: false,
            limit,
        };
        let rows = self.0.range("deliveries.attempts", range).await?;
        Ok(page(&rows, limit, |row| row.attempt(subscription)))
    }

    async fn last_failed(
        &self,
        subscription: SubscriptionId,
        application: ApplicationId,
        version: u32,
    ) -> Result<Option<u32>, StoreError> {
        let range = Range {
            pk: row::log_pk(subscription, Which::Failed),
            prefix: row::stored_sk(application, version),
            after: None,
            newest_first: false,
            consistent: true,
            limit: 1,
        };
        let rows = self.0.range("deliveries.last_failed", range).await?;
        // An unreadable row hides a number, and must not delay a callback.
        Ok(rows.first().and_then(|row| row.attempt(subscription).ok()).map(|attempt| attempt.number))
    }

    async fn notify(&self, tenant: &TenantId, notice: &Notice) -> Result<(), StoreError> {
        let row = Row::notice(tenant, notice)?;
        self.0.apply("deliveries.notify", vec![Change::Put(row)]).await
    }

    async fn notices(
        &self,
        tenant: &TenantId,
        after: Option<LogCursor>,
        limit: usize,
    ) -> Result<LogPage<Notice>, StoreError> {
        let range = Range {
            pk: row::notices_pk(tenant),
            prefix: String::new(),
            after: after.map(|cursor| cursor.0),
            newest_first: false,
            consistent: false,
            limit,
        };
        let rows = self.0.range("deliveries.notices", range).await?;
        Ok(page(&rows, limit, Row::read))
    }
}

fn stored_range(subscription: SubscriptionId, prefix: String, after: Option<String>, limit: usize) -> Range {
    Range { pk: row::stored_pk(subscription), prefix, after, newest_first: false, consistent: true, limit }
}

/// A full page always gets a cursor, so the page after it may be empty.
fn page<T>(rows: &[Row], limit: usize, read: impl Fn(&Row) -> Result<T, StoreError>) -> LogPage<T> {
    let next = rows.get(limit.wrapping_sub(1)).map(|last| LogCursor(last.sk.clone()));
    LogPage { items: readable(rows, read), next }
}

/// The readable rows. An unreadable row is logged and left out, so that it does not hide the others.
fn readable<T>(rows: &[Row], read: impl Fn(&Row) -> Result<T, StoreError>) -> Vec<T> {
    let read = |row: &Row| match read(row) {
        Ok(item) => Some(item),
        Err(error) => {
            if is_new_fault(&format!("{} {}", row.pk, row.sk)) {
                tracing::error!(row = row.sk, %error, "a row of the deliveries cannot be read; it is left out");
            }
            None
        }
    };
    rows.iter().filter_map(read).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail")]

    use domain::stage::Stage;

    use super::*;
    use crate::contract::sample;

    #[tokio::test]
    async fn a8_an_unreadable_row_hides_no_other() {
        let (table, id, now) =
            (FakeDeliveries::default(), "018f2d3e-0000-7000-8000-000000000001", sample::start());
        let id: SubscriptionId = id.parse().unwrap();
        let callback = |version| Callback {
            tenant: sample::tenant("an-app"),
            application: sample::id(1),
            version,
            kind: "application.dispatched".to_owned(),
            at: now,
            stage: Stage::Dispatched,
        };
        for version in 1..=5 {
            let mut row = Row::stored_callback(id, &callback(version), now).unwrap();
            if version <= 3 {
                row.body = "{}".to_owned();
            }
            table.0.apply("deliveries.store_callback", vec![Change::Put(row)]).await.unwrap();
        }
        let read = table.stored_callbacks(id, None, 10).await.unwrap();
        assert_eq!(read, [4, 5].map(callback));
        assert_eq!(
            table.stored_callbacks(id, None, 2).await.unwrap(),
            [callback(4)],
            "behind an unreadable page"
        );
        assert!(table.stored_callbacks(id, Some((callback(5).application, 5)), 2).await.unwrap().is_empty());
        let tenant = sample::tenant("an-app");
        for kind in [NoticeKind::Paused, NoticeKind::Enabled] {
            let mut row =
                Row::notice(&tenant, &Notice { subscription: id, kind, at: now, reason: None }).unwrap();
            if kind == NoticeKind::Paused {
                row.body = "{}".to_owned();
            }
            table.0.apply("deliveries.notify", vec![Change::Put(row)]).await.unwrap();
        }
        let notices = table.notices(&tenant, None, 10).await.unwrap();
        assert_eq!(notices.items.iter().map(|notice| notice.kind).collect::<Vec<_>>(), [NoticeKind::Enabled]);
    }
}
