//! The daily quota of new applications.

use domain::ids::TenantId;
use http_kit::problem::Problem;
use http_kit::rate_limit::{Policy, RateLimiter};
use platform::clock::Clock as _;
use platform::hub::Hub;

const DAY_SECONDS: i64 = 24 * 60 * 60;

/// Limits the applications that a tenant creates in a day, counted from midnight UTC. Clones share the counts.
#[derive(Clone, Debug)]
pub struct DailyQuota(Option<RateLimiter>);

impl DailyQuota {
    /// A quota of `limit` applications a day; `None` sets no quota.
    #[must_use]
    pub fn new(limit: Option<u32>) -> Self {
        let policy = |limit| Policy { name: "day", limit, window: DAY_SECONDS };
        DailyQuota(limit.map(|limit| RateLimiter::new(policy(limit))))
    }

    /// Reserves one application of the tenant's day.
    ///
    /// # Errors
    /// 429 when the quota is used up.
    pub(crate) async fn reserve<H: Hub>(&self, hub: &H, tenant: &TenantId) -> Result<Reservation, Problem> {
        if let Some(limiter) = &self.0 {
            let taken = limiter.take(hub.rate_limits(), tenant, hub.clock().now()).await;
            taken.map_err(Problem::too_many_requests)?;
        }
        Ok(Reservation(self.clone()))
    }
}

/// One application of a tenant's day. It stays counted unless it is refunded.
#[derive(Debug)]
pub(crate) struct Reservation(DailyQuota);

impl Reservation {
    /// Gives the application back to the tenant's day.
    pub(crate) fn refund<H: Hub>(self, hub: &H, tenant: &TenantId) {
        if let DailyQuota(Some(limiter)) = &self.0 {
            limiter.give_back(tenant, hub.clock().now());
        }
    }
}
