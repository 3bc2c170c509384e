//! Rows of the subscriptions table, which three ports share: subscriptions, stored responses and rate limits.
//!
//! `pk` is `tenant#<tenant>`. The logic of the ports is written once over [`TenantRows`], so that the fake and the AWS
//! adapter differ in IO alone.
//!
//! | `sk` | row |
//! |---|---|
//! | `subscription` | counts the subscriptions that were ever added, in `rv` |
//! | `subscription#<id>` | a subscription; `du` and `dt` while a drainer is due: the keys of the sparse index `due` |
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

/// The table: what the adapter and the fake differ in. Reads are consistent, but those of the index. `call` names the
/// operation for fault injection.
pub trait TenantRows: Clone + Send + Sync + 'static {
    /// Reads a row.
    fn get(
        &self,
        call: &'static str,
        key: Key,
    ) -> impl Future<Output = Result<Option<Row>, StoreError>> + Send;

    /// Rows of a tenant whose `sk` begins with `prefix`, in its order: at most one page of 1 MB, which holds the ten
    /// subscriptions of a tenant.
    fn with_prefix(
        &self,
        call: &'static str,
        pk: String,
        prefix: &'static str,
    ) -> impl Future<Output = Result<Vec<Row>, StoreError>> + Send;

    /// Writes a row where its condition holds. A repeat of the very same write is recognised.
    fn put(
        &self,
        call: &'static str,
        row: Row,
        condition: Condition,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Writes all of these, or nothing where a condition does not hold or another process writes at this moment.
    fn transact(
        &self,
        call: &'static str,
        writes: Vec<Write>,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Adds `wanted` to a counter where it stays within `limit`: its value after that, or its value where it does not fit.
    fn add(
        &self,
        call: &'static str,
        counter: Counter,
        wanted: u32,
    ) -> impl Future<Output = Result<Result<u32, u32>, StoreError>> + Send;

    /// Keys of the rows that are due by `now`, those due longest first.
    fn due(
        &self,
        call: &'static str,
        now: Timestamp,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Key>, StoreError>> + Send;
}
