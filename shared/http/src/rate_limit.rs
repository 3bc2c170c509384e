//! Rate limits of a tenant, without a call to a shared counter for every request.
//!
//! A process reserves a lease of the window's limit in advance and spends it without any call. Only when the lease is
//! used up does the process reserve the next lease from the counter of tenant and window. A lease is never larger than
//! what is left, so the limit is never exceeded. Requests that a process reserves and does not spend are lost to the
//! window, so leases are small: an idle process keeps at most a two-hundredth of the limit ([`lease`]), and twenty idle
//! processes keep at most a tenth.
//!
//! When the counter does not answer, requests are admitted: a limit protects the hub and must not stop it.

pub mod decision;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use domain::ids::TenantId;
use jiff::Timestamp;

use platform::rate_limits::{RateLimits, Reserved};

pub use decision::{Decision, Policy};

/// Maximum number of tenants whose leases one process holds.
const TENANTS: usize = 1_000;

/// The request extension through which the authenticator hands its decision to the edge.
pub type Slot = Arc<OnceLock<Decision>>;

/// The lease that a process holds for a tenant.
#[derive(Clone, Copy, Debug)]
struct Lease {
    window: i64,
    /// Requests of the lease that are not spent yet.
    unspent: u32,
    /// Requests that were left in the window when the lease was reserved.
    left: u32,
}

/// Result of spending one request from the process's lease.
enum LeaseState {
    /// The request is admitted; the number of requests left.
    Remaining(u32),
    /// The lease is used up; the number of requests that were left in the window.
    NeedsLease(u32),
    /// The lease and the window are used up.
    UsedUp,
}

/// One policy, and the leases that this process holds under it. Clones share the leases.
#[derive(Clone, Debug)]
pub struct RateLimiter {
    policy: Policy,
    leases: Arc<Mutex<HashMap<TenantId, Lease>>>,
}

/// Size of the next lease: a two-hundredth of the limit, and no more than a twentieth of what is left.
#[must_use]
pub fn lease(limit: u32, left: u32) -> u32 {
    (limit / 200).min(left / 20).max(1)
}

/// Rate limits of a tenant; `None` sets no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Maximum requests a minute.
    pub requests_per_minute: Option<u32>,
    /// Maximum new applications a day, counted from midnight UTC.
    pub applications_per_day: Option<u32>,
}

impl RateLimiter {
    /// A limiter that holds no leases yet.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        RateLimiter { policy, leases: Arc::default() }
    }

    /// Counts one request of a tenant.
    ///
    /// # Errors
    /// The decision to refuse, when the window's limit is used up.
    pub async fn take<C: RateLimits>(
        &self,
        counters: &C,
        tenant: &TenantId,
        now: Timestamp,
    ) -> Result<Decision, Decision> {
        let Policy { name, limit, window: seconds } = self.policy;
        let window = now.as_second().div_euclid(seconds);
        let decision = |remaining| Decision {
            policy: self.policy,
            remaining,
            resets_in: u32::try_from(seconds.saturating_sub(now.as_second().rem_euclid(seconds)))
                .unwrap_or(1),
        };
        let wanted = match self.spend(tenant, window) {
            LeaseState::Remaining(remaining) => return Ok(decision(remaining)),
            LeaseState::UsedUp => return Err(decision(0)),
            LeaseState::NeedsLease(left) => lease(limit, left),
        };
        let counter = format!("{name}#{window}");
        // The counter is stored one window longer than it counts, because clocks differ.
        let until = window.saturating_add(2).saturating_mul(seconds);
        match counters.reserve(tenant, &counter, limit, wanted, until).await {
            Ok(reserved) => self.keep_lease(tenant, window, reserved).map(decision).ok_or(decision(0)),
            Err(error) => {
                tracing::warn!(%error, "the rate limit counter cannot be reached; the request is admitted");
                Ok(decision(limit))
            }
        }
    }

    /// Returns one counted request to the lease, for a request that does not count after all. Does nothing when the
    /// window has ended.
    pub fn give_back(&self, tenant: &TenantId, now: Timestamp) {
        let window = now.as_second().div_euclid(self.policy.window);
        if let Some(lease) = self.leases().get_mut(tenant).filter(|lease| lease.window == window) {
            lease.unspent = lease.unspent.saturating_add(1);
        }
    }

    /// Spends one request of the lease under the lock: other requests of this process spend from the same lease.
    fn spend(&self, tenant: &TenantId, window: i64) -> LeaseState {
        let mut leases = self.leases();
        match leases.get_mut(tenant).filter(|lease| lease.window == window) {
            None => LeaseState::NeedsLease(self.policy.limit),
            Some(lease) if lease.unspent > 0 => {
                lease.unspent = lease.unspent.saturating_sub(1);
                LeaseState::Remaining(lease.left.saturating_add(lease.unspent))
            }
            Some(lease) if lease.left > 0 => LeaseState::NeedsLease(lease.left),
            Some(_) => LeaseState::UsedUp,
        }
    }

    /// Adds the reserved requests to the lease and spends one of them; returns the number left. Another request of this
    /// process may have added to the lease in the meantime. `None` when the lease is empty.
    fn keep_lease(&self, tenant: &TenantId, window: i64, reserved: Reserved) -> Option<u32> {
        let mut leases = self.leases();
        if leases.len() >= TENANTS && !leases.contains_key(tenant) {
            leases.retain(|_, lease| lease.window == window);
            if leases.len() >= TENANTS {
                leases.clear();
            }
        }
        let lease = leases.entry(tenant.clone()).or_insert(Lease { window, unspent: 0, left: reserved.left });
        if lease.window != window {
            *lease = Lease { window, unspent: 0, left: reserved.left };
        }
        lease.unspent = lease.unspent.saturating_add(reserved.granted);
        lease.left = lease.left.min(reserved.left);
        lease.unspent = lease.unspent.checked_sub(1)?;
        Some(lease.left.saturating_add(lease.unspent))
    }

    fn leases(&self) -> std::sync::MutexGuard<'_, HashMap<TenantId, Lease>> {
        self.leases.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail")]

    use futures_util::future::join_all;
    use http::HeaderMap;
    use jiff::SignedDuration;

    use super::*;
    use crate::problem::Problem;
    use platform::contract::sample;
    use platform::faults::{Fault, Faults};
    use platform::rate_limits::FakeRateLimits;
    use platform::tenant_rows::MemoryTenantRows;

    const RULE: Policy = Policy { name: "minute", limit: 600, window: 60 };

    fn start() -> Timestamp {
        Timestamp::from_second(1_772_413_200).unwrap()
    }

    /// Number of admitted requests, of `requests` sent to the processes in turn.
    async fn admitted(
        processes: &[RateLimiter],
        counters: &FakeRateLimits,
        requests: usize,
        at: Timestamp,
    ) -> usize {
        let (tenant, mut admitted) = (sample::tenant("an-app"), 0);
        for number in 0..requests {
            // The load is uneven: the first process gets half of the requests.
            let process = if number % 2 == 0 { 0 } else { number % processes.len() };
            admitted += usize::from(processes[process].take(counters, &tenant, at).await.is_ok());
        }
        admitted
    }

    #[tokio::test]
    async fn many_processes_admit_at_least_nine_tenths_of_one_limit() {
        for processes in [1, 2, 10, 30] {
            let counters = FakeRateLimits::default();
            let processes: Vec<RateLimiter> = (0..processes).map(|_| RateLimiter::new(RULE)).collect();
            let count = admitted(&processes, &counters, 3_000, start()).await;
            assert!((540..=600).contains(&count), "{} processes admitted {count}", processes.len());
            let next = start() + SignedDuration::from_secs(60);
            assert!(
                admitted(&processes, &counters, 100, next).await == 100,
                "the next window starts at zero"
            );
        }
    }

    /// Idle processes with one request each withhold little from a busy process.
    #[tokio::test]
    async fn idle_processes_keep_at_most_a_tenth_of_the_limit() {
        let counters = FakeRateLimits::default();
        let idle: Vec<RateLimiter> = (0..20).map(|_| RateLimiter::new(RULE)).collect();
        let tenant = sample::tenant("an-app");
        for process in &idle {
            process.take(&counters, &tenant, start()).await.unwrap();
        }
        let busy = [RateLimiter::new(RULE)];
        let count = admitted(&busy, &counters, 1_000, start()).await + idle.len();
        assert!((540..=600).contains(&count), "{count}");
    }

    #[tokio::test]
    async fn the_counter_is_not_called_for_every_request() {
        let faults = Faults::default();
        let counters = FakeRateLimits::new(MemoryTenantRows::new(faults.clone()));
        let process = [RateLimiter::new(Policy { limit: 6_000, ..RULE })];
        assert_eq!(admitted(&process, &counters, 3_000, start()).await, 3_000);
        assert!(faults.calls().len() <= 100, "{} calls for 3,000 requests", faults.calls().len());
        // When the window is used up, the counter is not called at all.
        assert_eq!(admitted(&process, &counters, 10_000, start()).await, 3_000);
        let calls = faults.calls().len();
        assert_eq!((admitted(&process, &counters, 100, start()).await, faults.calls().len()), (0, calls));
    }

    /// A batch counts many requests at once. They share the leases that any of them reserves.
    #[tokio::test]
    async fn concurrent_requests_neither_lose_nor_repeat_a_lease() {
        let counters = FakeRateLimits::default();
        let process = RateLimiter::new(RULE);
        let tenant = sample::tenant("an-app");
        let mut admitted = 0;
        for _ in 0..100 {
            let at_once = (0..8).map(|_| process.take(&counters, &tenant, start()));
            admitted += join_all(at_once).await.into_iter().filter(Result::is_ok).count();
        }
        assert_eq!(admitted, 600);
    }

    #[tokio::test]
    async fn tenants_have_separate_limits_and_a_failed_counter_stops_nobody() {
        let faults = Faults::default();
        let counters = FakeRateLimits::new(MemoryTenantRows::new(faults.clone()));
        let process = RateLimiter::new(Policy { limit: 1, ..RULE });
        let (one, other) = (sample::tenant("an-app"), sample::tenant("other-app"));
        assert!(process.take(&counters, &one, start()).await.is_ok());
        let refused = process.take(&counters, &one, start()).await.unwrap_err();
        assert_eq!((refused.remaining, Problem::too_many_requests(refused).status().as_u16()), (0, 429));
        assert!(process.take(&counters, &other, start()).await.is_ok());
        faults.plan(faults.calls().len() + 1, Fault::Throttled);
        let later = start() + SignedDuration::from_secs(60);
        assert!(process.take(&counters, &one, later).await.is_ok());
        let mut headers = HeaderMap::new();
        refused.write_headers(&mut headers);
        assert_eq!(headers["ratelimit-policy"], "\"minute\";q=1;w=60");
        assert_eq!(headers["ratelimit"], format!("\"minute\";r=0;t={}", refused.resets_in));
    }
}
