//! Rows of the subscriptions table, which three ports share: subscriptions, stored responses and rate limits.
//!
//! `pk` is `tenant#<tenant>`. The ports share their logic over [`TenantRows`], so the fake and the AWS adapter differ
//! only in IO.
//!
//! | `sk` | row |
//! |---|---|
//! | `subscription` | counts the subscriptions ever added, in `rv` |
//! | `subscription#<id>` | a subscription; while a drainer is due, `du` and `dt`: the keys of the sparse index `due` |
//! | `answer#<key>` | a stored response |
//! | `rate_limit#<rule>#<window>` | a counter, which DynamoDB removes after `tt` |

mod aws;
#[cfg(any(test, feature = "testing"))]
mod fake;
mod row;

use std::future::Future;

use jiff::Timestamp;

pub use aws::AwsTenantRows;
#[cfg(any(test, feature = "testing"))]
pub use fake::MemoryTenantRows;
pub(crate) use row::partition;
pub use row::{Condition, Counter, Key, Row, Write};

use crate::store::StoreError;

/// The rows of the table, in DynamoDB or in memory. Reads are consistent, except [`TenantRows::due`]. `call` names the
/// operation for fault injection.
pub trait TenantRows: Clone + Send + Sync + 'static {
    /// Reads a row.
    fn get(
        &self,
        call: &'static str,
        key: Key,
    ) -> impl Future<Output = Result<Option<Row>, StoreError>> + Send;

    /// Rows of a tenant whose `sk` begins with `prefix`, sorted by `sk`: at most one page of 1 MB, which is enough for
    /// the ten subscriptions of a tenant.
    fn with_prefix(
        &self,
        call: &'static str,
        pk: String,
        prefix: &'static str,
    ) -> impl Future<Output = Result<Vec<Row>, StoreError>> + Send;

    /// Writes a row if the condition holds. Returns whether the row is written, which is true for a repeat of the same
    /// write.
    fn put(
        &self,
        call: &'static str,
        row: Row,
        condition: Condition,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Makes all writes; or makes none and returns false, when a condition fails or another process writes a row at the
    /// same time.
    fn transact(
        &self,
        call: &'static str,
        writes: Vec<Write>,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Adds `wanted` to a counter if the sum is within the limit. Returns the sum, or the unchanged value as the inner
    /// error.
    fn add(
        &self,
        call: &'static str,
        counter: Counter,
        wanted: u32,
    ) -> impl Future<Output = Result<Result<u32, u32>, StoreError>> + Send;

    /// Keys of the rows that are due at `now`, longest due first. Eventually consistent.
    fn due(
        &self,
        call: &'static str,
        now: Timestamp,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Key>, StoreError>> + Send;
}
