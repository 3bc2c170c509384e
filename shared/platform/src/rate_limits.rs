//! Counters of rate limits, which all processes of all functions share.

use std::future::Future;

use domain::ids::TenantId;

use crate::store::StoreError;
#[cfg(any(test, feature = "testing"))]
use crate::tenant_rows::MemoryTenantRows;
use crate::tenant_rows::{AwsTenantRows, Counter, Key, TenantRows};

/// Most attempts of one reservation while other processes use up the same counter.
const MAX_ATTEMPTS: usize = 3;

/// A reserved share of a rate limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reserved {
    /// The granted share.
    pub granted: u32,
    /// The rest of the limit after this reservation.
    pub left: u32,
}

/// Counts the use of each tenant's limits.
pub trait RateLimits: Clone + Send + Sync + 'static {
    /// Reserves up to `wanted` (at least 1) of the tenant's `limit` in the window `counter`. All reservations of a
    /// window together never exceed `limit`. DynamoDB may remove the counter after `until`, in seconds since 1970.
    /// After [`StoreError::Unavailable`] the share may be reserved.
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
        for _ in 0..MAX_ATTEMPTS {
            match self.0.add("rate_limits.reserve", counter.clone(), granted).await? {
                Ok(used) => return Ok(Reserved { granted, left: limit.saturating_sub(used) }),
                Err(used) if used >= limit => break,
                Err(used) => granted = granted.min(limit.saturating_sub(used)),
            }
        }
        Ok(Reserved { granted: 0, left: 0 })
    }
}
