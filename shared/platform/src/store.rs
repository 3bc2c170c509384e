//! Stores applications: one item for each application, one conditional write for each step.
//!
//! Attribute names are short because DynamoDB bills an update by the size of the complete item. The state is not
//! stored: `domain::ledger` computes it from the events. The adapter and the fake differ only in [`ApplicationRows`].

mod aws;
#[cfg(any(test, feature = "testing"))]
mod fake;
mod keys;
mod lists;
mod model;
mod page;
mod row;
mod table;

use std::collections::HashMap;
use std::future::Future;

use domain::ids::{AgencyCode, ApplicationId, TenantId};
use domain::time::later;
use jiff::{SignedDuration, Timestamp};
use protocol::backlog::RESEND_SECONDS;

pub use aws::{AwsApplicationRows, AwsStore};
#[cfg(any(test, feature = "testing"))]
pub use fake::{FakeStore, MemoryApplicationRows, Units};
pub use lists::ListFilter;
use model::shard;
pub(crate) use model::store_error;
pub use model::{
    AGENCY_SHARDS, AppendOutcome, Created, DUE_SHARDS, EXPIRED_DRAFT_DAYS, PAGE, ResendMark, StoreError,
    StoredApplication, TENANT_SHARDS, due_shard,
};
pub use page::{Cursor, CursorError, Page};
pub use table::{ApplicationRows, ApplicationTable, ItemChange, ItemCondition, ItemWrite};

/// Stores applications.
///
/// Every call may fail with [`StoreError`]. After [`StoreError::Unavailable`] a write may have happened, and a repeat
/// is safe.
pub trait Store: Clone + Send + Sync + 'static {
    /// Writes a new application, or returns the stored application with the same id. A repeat of the same write answers
    /// [`Created::New`].
    fn create(
        &self,
        stored: &StoredApplication,
        wake: Option<Timestamp>,
    ) -> impl Future<Output = Result<Created, StoreError>> + Send;

    /// Reads an application with a consistent read.
    fn get(
        &self,
        id: ApplicationId,
    ) -> impl Future<Output = Result<Option<StoredApplication>, StoreError>> + Send;

    /// Appends the entries of `after` that follow `expected_version`, if that is still the current version. A repeat of
    /// the same write answers [`AppendOutcome::Done`]. The encrypted personal data is written when a new entry corrects
    /// the draft. `wake` replaces the wake-up time; `None` removes the application from the due index.
    fn append(
        &self,
        expected_version: u32,
        after: &StoredApplication,
        wake: Option<Timestamp>,
    ) -> impl Future<Output = Result<AppendOutcome, StoreError>> + Send;

    /// Replaces the wake-up time if `version` is still the current version. Otherwise does nothing, because the write
    /// of the newer version has set the wake-up time.
    fn touch(
        &self,
        id: ApplicationId,
        version: u32,
        wake: Option<Timestamp>,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// A tenant's applications, newest first, `limit` (1 to [`PAGE`]) a page. Eventually consistent: a new application
    /// appears after a moment. An unreadable record is logged and left out, so that it does not hide the others. A record
    /// that a newer version of the hub wrote is listed, and known in part
    /// ([`Application::is_incomplete`](domain::application::Application::is_incomplete)).
    fn list(
        &self,
        tenant: &TenantId,
        limit: usize,
        after: Option<Cursor>,
    ) -> impl Future<Output = Result<Page<StoredApplication>, StoreError>> + Send {
        async move { self.list_by(tenant, &ListFilter::default(), limit, after).await }
    }

    /// Like [`Store::list`], restricted. It examines `limit` applications; a page may be short although there is a next one,
    /// because the index lags behind the table, and because not every filter is exact ([`ListFilter::is_exact`]).
    fn list_by(
        &self,
        tenant: &TenantId,
        filter: &ListFilter,
        limit: usize,
        after: Option<Cursor>,
    ) -> impl Future<Output = Result<Page<StoredApplication>, StoreError>> + Send;

    /// The newest applications that are found by one of these values of the person index ([`crate::person_index`]), but
    /// the application `except`, of all tenants, at most `limit` (below [`PAGE`]). Eventually consistent.
    fn of_person(
        &self,
        values: &[String],
        except: Option<ApplicationId>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<StoredApplication>, StoreError>> + Send;

    /// The applications that are before an agency ([`Application::is_before_agency`]), oldest first, `limit` (1 to
    /// [`PAGE`]) a page. Eventually consistent, like [`Store::list`].
    ///
    /// [`Application::is_before_agency`]: domain::application::Application::is_before_agency
    fn before_agency(
        &self,
        agency: &AgencyCode,
        limit: usize,
        after: Option<Cursor>,
    ) -> impl Future<Output = Result<Page<StoredApplication>, StoreError>> + Send;

    /// Marks the application so that the router, which reads the table's stream, sends the message of version `message`
    /// again. Refused when the last mark is less than [`RESEND_SECONDS`] old at `now`. Does not check that such a
    /// message exists.
    fn mark_for_resend(
        &self,
        id: ApplicationId,
        message: u32,
        now: Timestamp,
    ) -> impl Future<Output = Result<ResendMark, StoreError>> + Send;

    /// Postpones the wake-up time of an application that is due at `now`, without reading its record. Does nothing when the
    /// application is not due any more.
    fn postpone(
        &self,
        id: ApplicationId,
        now: Timestamp,
        wake: Timestamp,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Applications of a shard (below [`DUE_SHARDS`]) whose wake-up time has come, earliest first, at most `limit`.
    /// Eventually consistent.
    fn due(
        &self,
        shard: u8,
        now: Timestamp,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<ApplicationId>, StoreError>> + Send;
}

/// An image of the table's stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// The application in the image.
    pub stored: StoredApplication,
    /// Time of the last resend request, and the version of the requested message.
    pub resend_requested: Option<(Timestamp, u32)>,
}

/// Reads an image of the table's stream.
///
/// # Errors
/// [`StoreError::Unreadable`] or [`StoreError::Corrupt`]. A retry fails in the same way.
pub fn read_image(image: &HashMap<String, serde_dynamo::AttributeValue>) -> Result<Image, StoreError> {
    let row = row::Row::read(row::from_stream(image))?;
    // A mark of another form, by another version of the hub, stays on the item and must not make it unreadable.
    let resend_requested = row.resend_requested.as_deref().and_then(row::parse_resend_mark);
    Ok(Image { resend_requested, stored: row.stored()? })
}

/// The bound for [`Store::mark_for_resend`]: only a mark below it may be replaced, which is at least [`RESEND_SECONDS`]
/// old. The bound is the next millisecond without a message, because a message's number does not sort as a text.
fn resend_mark_before(now: Timestamp) -> String {
    let oldest = later(now, SignedDuration::from_secs(-RESEND_SECONDS));
    format!("{:013}", oldest.as_millisecond().max(0).saturating_add(1))
}

#[cfg(test)]
mod tests;
