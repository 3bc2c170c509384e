//! Rate limits of a tenant, without a counter that every request waits for.
//!
//! A process reserves a part of the window's limit in advance and spends it without any call. Only when the part is used up
//! does the process reserve the next one from the one counter of tenant and window. A part is never larger than what is
//! left, so the limit is never exceeded. What a process reserves and does not spend is lost to the window, so parts are
//! small: an idle process keeps at most a two-hundredth of the limit ([`part`]), and twenty of them less than a tenth.
//!
//! When the counter does not answer, requests pass: a limit protects the hub's work and must not stop it.

pub mod decision;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use domain::ids::TenantId;
use jiff::Timestamp;

use platform::rate_limits::{RateLimits, Reserved};

pub use decision::{Decision, Policy};

/// Most tenants whose parts one process holds.
const TENANTS: usize = 1_000;

/// The request extension through which the authenticator hands its decision to the edge.
pub type Slot = Arc<OnceLock<Decision>>;

/// The part that a process holds for a tenant.
#[derive(Clone, Copy, Debug)]
struct Part {
    window: i64,
    /// Requests of the part that are not spent yet.
    held: u32,
    /// Requests that were left of the window when the part was reserved.
    left: u32,
}

/// Result of spending one request from the process's part.
enum Spent {
    /// The request passes, and so many are left.
    One(u32),
    /// The part is used up, and so many were left of the window.
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
    /// Requests in a minute.
    pub requests_per_minute: Option<u32>,
    /// New applications in a day, from midnight UTC.
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
        let standing = |remaining| Decision {
            policy: self.policy,
            remaining,
            resets_in: u32::try_from(seconds - now.as_second().rem_euclid(seconds)).unwrap_or(1),
        };
        let wanted = match self.spend(tenant, window) {
            Spent::One(remaining) => return Ok(standing(remaining)),
            Spent::UsedUp => return Err(standing(0)),
            Spent::NeedsPart(left) => part(limit, left),
        };
        let counter = format!("{name}#{window}");
        // Kept a window longer than it counts, for clocks that differ.
        let until = (window + 2).saturating_mul(seconds);
        match counters.reserve(tenant, &counter, limit, wanted, until).await {
            Ok(reserved) => self.hold(tenant, window, reserved).map(standing).ok_or(standing(0)),
            Err(error) => {
                tracing::warn!(%error, "the rate limit counter cannot be reached; the request is admitted");
                Ok(standing(limit))
            }
        }
    }

    /// Takes back one of a window's that came to nothing.
    pub fn give_back(&self, tenant: &TenantId, now: Timestamp) {
        let window = now.as_second().div_euclid(self.policy.window);
        if let Some(part) = self.parts().get_mut(tenant).filter(|part| part.window == window) {
            part.held = part.held.saturating_add(1);
        }
    }

    /// Gives out one of what is held, in one step: other requests of this process do the same.
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

    /// Adds a part to what is held, which others of this process may have added to meanwhile, and gives out one: with
    /// what is left after it. `None` where nothing is held.
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

    /// Requests let through, of as many as are asked, by processes in turn.
    async fn let_through(
        processes: &[RateLimiter],
        counters: &FakeRateLimits,
        asked: usize,
        at: Timestamp,
    ) -> usize {
        let (tenant, mut through) = (sample::tenant("an-app"), 0);
        for number in 0..asked {
            // Unevenly: the first process has half of the requests.
            let process = if number % 2 == 0 { 0 } else { number % processes.len() };
            through += usize::from(processes[process].take(counters, &tenant, at).await.is_ok());
        }
        through
    }

    #[tokio::test]
    async fn many_processes_hold_one_limit_within_a_tenth() {
        for processes in [1, 2, 10, 30] {
            let counters = FakeRateLimits::default();
            let processes: Vec<RateLimiter> = (0..processes).map(|_| RateLimiter::new(RULE)).collect();
            let through = let_through(&processes, &counters, 3_000, start()).await;
            assert!((540..=600).contains(&through), "{} processes let {through} through", processes.len());
            let next = start() + SignedDuration::from_secs(60);
            assert!(let_through(&processes, &counters, 100, next).await == 100, "the next window is another");
        }
    }

    /// Processes that ask once and stand still keep little from the others.
    #[tokio::test]
    async fn what_idle_processes_hold_is_little() {
        let counters = FakeRateLimits::default();
        let idle: Vec<RateLimiter> = (0..20).map(|_| RateLimiter::new(RULE)).collect();
        let tenant = sample::tenant("an-app");
        for process in &idle {
            process.take(&counters, &tenant, start()).await.unwrap();
        }
        let busy = [RateLimiter::new(RULE)];
        let through = let_through(&busy, &counters, 1_000, start()).await + idle.len();
        assert!((540..=600).contains(&through), "{through}");
    }

    #[tokio::test]
    async fn the_counter_is_not_asked_for_every_request() {
        let faults = Faults::default();
        let counters = FakeRateLimits::new(MemoryTenantRows::new(faults.clone()));
        let process = [RateLimiter::new(Policy { limit: 6_000, ..RULE })];
        assert_eq!(let_through(&process, &counters, 3_000, start()).await, 3_000);
        assert!(faults.calls().len() <= 100, "{} calls for 3,000 requests", faults.calls().len());
        // Used up, it is not asked at all.
        assert_eq!(let_through(&process, &counters, 10_000, start()).await, 3_000);
        let calls = faults.calls().len();
        assert_eq!((let_through(&process, &counters, 100, start()).await, faults.calls().len()), (0, calls));
    }

    /// A batch counts many at once, and each part that one of them takes is there for the others.
    #[tokio::test]
    async fn requests_at_once_neither_lose_nor_double_a_part() {
        let counters = FakeRateLimits::default();
        let process = RateLimiter::new(RULE);
        let tenant = sample::tenant("an-app");
        let mut through = 0;
        for _ in 0..100 {
            let at_once = (0..8).map(|_| process.take(&counters, &tenant, start()));
            through += join_all(at_once).await.into_iter().filter(Result::is_ok).count();
        }
        assert_eq!(through, 600);
    }

    #[tokio::test]
    async fn tenants_do_not_share_and_a_lost_counter_stops_nobody() {
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
        refused.tell(&mut headers);
        assert_eq!(headers["ratelimit-policy"], "\"minute\";q=1;w=60");
        assert_eq!(headers["ratelimit"], format!("\"minute\";r=0;t={}", refused.resets_in));
    }
}
