//! The record of applications: one item each, one conditional write a step.
//!
//! Attributes are short because DynamoDB bills an update by the size of the whole item. The head is not
//! stored: it is what the events add up to (see `domain::ledger`).

mod aws;
#[cfg(any(test, feature = "testing"))]
mod fake;
mod model;
mod row;

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::ids::{AgencyCode, ApplicationId, TenantId};
use jiff::{SignedDuration, Timestamp};
use protocol::backlog::RESEND_SECONDS;
use thiserror::Error;

pub use aws::AwsStore;
#[cfg(any(test, feature = "testing"))]
pub use fake::{FakeStore, Units};
use model::shard;
pub(crate) use model::store_error;
pub use model::{
    AGENCY_SHARDS, AppendOutcome, Created, DUE_SHARDS, EXPIRED_DRAFT_DAYS, PAGE, ResendMark, StoreError,
    StoredApplication, TENANT_SHARDS, due_shard,
};

/// A place in a list, of a tenant or of an agency. Opaque to callers; it stays valid however many applications are added.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor(String);

impl Cursor {
    /// Behind an application: the list goes on with the next one.
    #[must_use]
    pub fn behind(stored: &StoredApplication) -> Cursor {
        Cursor(row::created_key(stored.ledger.state().opened_at, stored.id()))
    }
}

/// A text that is no cursor of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not a cursor of this list")]
pub struct CursorError;

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(&self.0))
    }
}

impl FromStr for Cursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| CursorError)?;
        let key = String::from_utf8(bytes).map_err(|_| CursorError)?;
        let (at, id) = key.split_once('#').ok_or(CursorError)?;
        let at: Timestamp = at.parse().map_err(|_| CursorError)?;
        let id: ApplicationId = id.parse().map_err(|_| CursorError)?;
        if row::created_key(at, id) == key { Ok(Cursor(key)) } else { Err(CursorError) }
    }
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// Where the next page begins; `None` on the last.
    pub next: Option<Cursor>,
}

/// Where applications are kept.
///
/// Every call may fail with [`StoreError`]; after [`StoreError::Unavailable`] a write may have happened,
/// and repeating it is safe.
pub trait Store: Clone + Send + Sync + 'static {
    /// Keeps a new application, or answers with the one that has its id. A repeat of the very same write
    /// is recognised and answers [`Created::New`].
    fn create(
        &self,
        stored: &StoredApplication,
        wake: Option<Timestamp>,
    ) -> impl Future<Output = Result<Created, StoreError>> + Send;

    /// Reads an application, consistently.
    fn get(
        &self,
        id: ApplicationId,
    ) -> impl Future<Output = Result<Option<StoredApplication>, StoreError>> + Send;

    /// Writes the entries of `after` beyond version `expected_version`, if that is still the current version. A repeat
    /// of the very same write is recognised and answers [`AppendOutcome::Done`]. `wake` replaces the wake-up
    /// time; `None` takes the application out of the due index.
    fn append(
        &self,
        expected_version: u32,
        after: &StoredApplication,
        wake: Option<Timestamp>,
    ) -> impl Future<Output = Result<AppendOutcome, StoreError>> + Send;

    /// Moves the wake-up time if the version is still this one; else does nothing: whoever changed the
    /// application has set it.
    fn touch(
        &self,
        id: ApplicationId,
        version: u32,
        wake: Option<Timestamp>,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// A tenant's applications, newest first, `limit` (1 to [`PAGE`]) a page. Eventually consistent: an
    /// application appears within moments of its creation. A record that cannot be read is left out and
    /// logged, so that it does not hide the others.
    fn list(
        &self,
        tenant: &TenantId,
        limit: usize,
        after: Option<Cursor>,
    ) -> impl Future<Output = Result<Page<StoredApplication>, StoreError>> + Send;

    /// The applications that are before an agency ([`Application::is_before_agency`]), oldest first, `limit` (1 to
    /// [`PAGE`]) a page. Eventually consistent, as [`Store::list`].
    ///
    /// [`Application::is_before_agency`]: domain::application::Application::is_before_agency
    fn before_agency(
        &self,
        agency: &AgencyCode,
        limit: usize,
        after: Option<Cursor>,
    ) -> impl Future<Output = Result<Page<StoredApplication>, StoreError>> + Send;

    /// Asks that the message of version `message` be sent once more: marks the application, so that the stream
    /// shows it to the router. Refused while it was asked less than [`RESEND_SECONDS`] before `now`. Says nothing of
    /// whether there is such a message.
    fn mark_for_resend(
        &self,
        id: ApplicationId,
        message: u32,
        now: Timestamp,
    ) -> impl Future<Output = Result<ResendMark, StoreError>> + Send;

    /// Applications of a shard (below [`DUE_SHARDS`]) whose wake-up time has come, earliest first, at most
    /// `limit`. Eventually consistent.
    fn due(
        &self,
        shard: u8,
        now: Timestamp,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<ApplicationId>, StoreError>> + Send;
}

/// A row for a list: what cannot be read is left out, and said.
fn readable(row: row::Row) -> Option<StoredApplication> {
    let id = row.id;
    row.stored()
        .inspect_err(|error| tracing::error!(application = %id, %error, "an application is left out of a list: its record cannot be read"))
        .ok()
}

/// An image of the table's stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// The application.
    pub stored: StoredApplication,
    /// When a message was last asked for again, and of which version.
    pub asked: Option<(Timestamp, u32)>,
}

/// Reads an image of the table's stream.
///
/// # Errors
/// [`StoreError::Unreadable`] or [`StoreError::Corrupt`]: both stay so however often it is read.
pub fn read_image(image: &HashMap<String, serde_dynamo::AttributeValue>) -> Result<Image, StoreError> {
    let row = row::Row::read(row::from_stream(image))?;
    let asked =
        row.asked.as_deref().map(|asked| row::asked_at(asked).ok_or(StoreError::Unreadable(row::ASKED)));
    Ok(Image { asked: asked.transpose()?, stored: row.stored()? })
}

/// The latest mark of [`Store::ask_again`] that does not keep another one from being made.
fn asked_before(now: Timestamp) -> String {
    row::asked(now - SignedDuration::from_secs(RESEND_SECONDS), u32::MAX)
}

#[cfg(test)]
mod tests;
