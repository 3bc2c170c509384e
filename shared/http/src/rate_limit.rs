//! Rate limits of a tenant, without a call to a shared counter for every request.
//!
//! A process reserves a part of the window's limit in advance and spends it without any call. Only when the part is used up
//! does the process reserve the next part from the counter of tenant and window. A part is never larger than what is
//! left, so the limit is never exceeded. Requests that a process reserves and does not spend are lost to the window, so
//! parts are small: an idle process keeps at most a two-hundredth of the limit ([`part`]), and twenty idle processes keep
//! at most a tenth.
//!
//! When the counter does not answer, requests are admitted: a limit protects the hub and must not stop it.

pub mod decision;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use domain::ids::TenantId;
use jiff::Timestamp;

use platform::rate_limits::{RateLimits, Reserved};

pub use decision::{Decision, Policy};

/// Maximum number of tenants whose parts one process holds.
const TENANTS: usize = 1_000;

/// The request extension through which the authenticator hands its decision to the edge.
pub type Slot = Arc<OnceLock<Decision>>;

/// The part that a process holds for a tenant.
#[derive(Clone, Copy, Debug)]
struct Part {
    window: i64,
    /// Requests of the part that are not spent yet.
    held: u32,
    /// Requests that were left in the window when the part was reserved.
    left: u32,
}

/// Result of spending one request from the process's part.
enum Spent {
    /// The request is admitted; the number of requests left.
    One(u32),
    /// The part is used up; the number of requests that were left in the window.
    NeedsPart(u32),
    /// The part and the window are used up.
    UsedUp,
}

/// One policy, and the parts that this process holds under it. Clones share the parts.
#[derive(Clone, Debug)]
pub struct RateLimiter {
    policy: Policy,
    parts: Arc<Mutex<HashMap<TenantId, Part>>>,
}

/// Size of the next part: a two-hundredth of the limit, and no more than a twentieth of what is left.
#[must_use]
pub fn part(limit: u32, left: u32) -> u32 {
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
    /// A limiter that holds no parts yet.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        RateLimiter { policy, parts: Arc::default() }
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
            resets_in: u32::try_from(seconds - now.as_second().rem_euclid(seconds)).unwrap_or(1),
        };
        let wanted = match self.spend(tenant, window) {
            Spent::One(remaining) => return Ok(decision(remaining)),
            Spent::UsedUp => return Err(decision(0)),
            Spent::NeedsPart(left) => part(limit, left),
        };
        let counter = format!("{name}#{window}");
        // The counter is stored one window longer than it counts, because clocks differ.
        let until = (window + 2).saturating_mul(seconds);
        match counters.reserve(tenant, &counter, limit, wanted, until).await {
            Ok(reserved) => self.hold(tenant, window, reserved).map(decision).ok_or(decision(0)),
            Err(error) => {
                tracing::warn!(%error, "the rate limit counter cannot be reached; the request is admitted");
                Ok(decision(limit))
            }
        }
    }

    /// Returns one counted request to the part, for a request that does not count after all. Does nothing when the window
    /// has ended.
    pub fn give_back(&self, tenant: &TenantId, now: Timestamp) {
        let window = now.as_second().div_euclid(self.policy.window);
        if let Some(part) = self.parts().get_mut(tenant).filter(|part| part.window == window) {
            part.held = part.held.saturating_add(1);
        }
    }

    /// Spends one request of the part under the lock: other requests of this process spend from the same part.
    fn spend(&self, tenant: &TenantId, window: i64) -> Spent {
        let mut parts = self.parts();
        match parts.get_mut(tenant).filter(|part| part.window == window) {
            None => Spent::NeedsPart(self.policy.limit),
            Some(part) if part.held > 0 => {
                part.held -= 1;
                Spent::One(part.left + part.held)
            }
            Some(part) if part.left > 0 => Spent::NeedsPart(part.left),
            Some(_) => Spent::UsedUp,
        }
    }

    /// Adds the reserved requests to the part and spends one of them; returns the number left. Another request of this
    /// process may have added to the part in the meantime. `None` when the part is empty.
    fn hold(&self, tenant: &TenantId, window: i64, reserved: Reserved) -> Option<u32> {
        let mut parts = self.parts();
        if parts.len() >= TENANTS && !parts.contains_key(tenant) {
            parts.retain(|_, part| part.window == window);
            if parts.len() >= TENANTS {
                parts.clear();
            }
        }
        let part = parts.entry(tenant.clone()).or_insert(Part { window, held: 0, left: reserved.left });
        if part.window != window {
            *part = Part { window, held: 0, left: reserved.left };
        }
        part.held += reserved.granted;
        part.left = part.left.min(reserved.left);
        part.held = part.held.checked_sub(1)?;
        Some(part.left + part.held)
    }

    fn parts(&self) -> std::sync::MutexGuard<'_, HashMap<TenantId, Part>> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
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
    async fn many_processes_hold_one_limit_within_a_tenth() {
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
    async fn idle_processes_hold_little() {
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

    /// A batch counts many requests at once. They share the parts that any of them reserves.
    #[tokio::test]
    async fn concurrent_requests_neither_lose_nor_double_a_part() {
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
