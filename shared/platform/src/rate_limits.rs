//! Counters of rate limits, shared by all processes of all functions.

use std::future::Future;

use domain::ids::TenantId;

use crate::store::StoreError;
#[cfg(any(test, feature = "testing"))]
use crate::tenant_rows::MemoryTenantRows;
use crate::tenant_rows::{AwsTenantRows, Counter, Key, TenantRows};

/// Tries at a counter that other processes use up meanwhile.
const TRIES: usize = 3;

/// A share of a rate limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reserved {
    /// How much was granted.
    pub granted: u32,
    /// What is left after it.
    pub left: u32,
}

/// Counts what tenants use of their limits.
pub trait RateLimits: Clone + Send + Sync + 'static {
    /// Takes up to `wanted` (from 1) of the tenant's limit in the window `counter`, which has `limit` in all; the counter may
    /// be removed after `until`, in seconds since 1970. Never grants more than `limit` in all. After
    /// [`StoreError::Unavailable`] the share may have been taken.
    fn reserve(
        &self,
        tenant: &TenantId,
        counter: &str,
        limit: u32,
        wanted: u32,
        until: i64,
    ) -> impl Future<Output = Result<Reserved, StoreError>> + Send;
}

/// Counters in the rows of a table.
#[derive(Clone, Debug, Default)]
pub struct CounterTable<R>(R);

/// Counters in DynamoDB.
pub type AwsRateLimits = CounterTable<AwsTenantRows>;
/// Counters in memory.
#[cfg(any(test, feature = "testing"))]
pub type FakeRateLimits = CounterTable<MemoryTenantRows>;

impl<R> CounterTable<R> {
    /// The counters of these rows.
    #[must_use]
    pub fn new(rows: R) -> Self {
        CounterTable(rows)
    }
}

impl<R: TenantRows> RateLimits for CounterTable<R> {
    async fn reserve(
        &self,
        tenant: &TenantId,
        counter: &str,
        limit: u32,
        wanted: u32,
        until: i64,
    ) -> Result<Reserved, StoreError> {
        let counter = Counter { key: Key::new(tenant, format!("rate_limit#{counter}")), limit, until };
        let mut granted = wanted.min(limit);
        for _ in 0..TRIES {
            match self.0.add("rate_limits.reserve", counter.clone(), granted).await? {
                Ok(used) => return Ok(Reserved { granted, left: limit.saturating_sub(used) }),
                Err(used) if used >= limit => break,
                Err(used) => granted = granted.min(limit - used),
            }
        }
        Ok(Reserved { granted: 0, left: 0 })
    }
}
