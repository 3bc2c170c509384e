//! How much a tenant may ask within a window of time, without a counter that every request waits for.
//!
//! A process takes a part of the window's allowance in advance, and gives it out by itself; only where the part is used
//! up does it take the next one from the one counter of tenant and window. Parts are never larger than what is left
//! allows, so the limit is never passed; what processes hold and do not use is lost to the window, and is kept small by
//! taking small parts: each process that stands still keeps at most a two-hundredth of the limit ([`part`]), so up to
//! twenty of them keep less than a tenth.
//!
//! Where the counter cannot be reached requests are let through: a limit protects the hub's work, and must not stop it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use domain::ids::TenantId;
use http::{HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;

use crate::problem::{Code, Problem};
use platform::rate_limits::{RateLimits, Reserved};

/// Tenants whose parts one process holds.
const TENANTS: usize = 1_000;
/// The header that tells what is left (draft-ietf-httpapi-ratelimit-headers).
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
/// The header that tells the rule.
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// A rule: so many requests in each window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Its name, in headers and keys.
    pub name: &'static str,
    /// Requests of one window.
    pub limit: u32,
    /// Seconds of a window; windows begin at multiples of it.
    pub window: i64,
}

/// How a tenant stands after a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The rule.
    pub policy: Policy,
    /// What is left of the window, as far as this process knows.
    pub remaining: u32,
    /// Seconds until the next window.
    pub resets_in: u32,
}

impl Decision {
    /// Tells the caller, beside what other rules have told.
    pub fn tell(&self, headers: &mut HeaderMap) {
        let Policy { name, limit, window } = self.policy;
        let told = [
            (RATE_LIMIT_POLICY, format!("\"{name}\";q={limit};w={window}")),
            (RATE_LIMIT, format!("\"{name}\";r={};t={}", self.remaining, self.resets_in)),
        ];
        let of_this = format!("\"{}\";", self.policy.name);
        for (header, value) in told {
            let before = headers.get(&header).and_then(|before| before.to_str().ok());
            let value = match before {
                Some(before) if before.contains(&of_this) => continue,
                Some(before) => format!("{before}, {value}"),
                None => value,
            };
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(header, value);
            }
        }
    }

    /// 429, with the rule and the time to come again.
    #[must_use]
    pub fn refusal(&self) -> Problem {
        Problem::new(Code::TooManyRequests)
            .with_member("policy", self.policy.name.into())
            .with_retry_after(self.resets_in.max(1))
            .with_standing(*self)
    }
}

/// Where the edge finds how the caller of a request stands.
pub type Slot = Arc<OnceLock<Decision>>;

/// What a process holds for a tenant.
#[derive(Clone, Copy, Debug)]
struct Part {
    window: i64,
    /// Not used yet.
    held: u32,
    /// What was left of the window when the part was taken.
    left: u32,
}

/// What became of a request in this process.
enum Spent {
    /// It was let through; with what is left after it.
    One(u32),
    /// Nothing is held, and so much was left of the window.
    NeedsPart(u32),
    /// Nothing is held, and nothing left.
    UsedUp,
}

/// One rule and what this process holds under it. Clones share it.
#[derive(Clone, Debug)]
pub struct RateLimiter {
    policy: Policy,
    parts: Arc<Mutex<HashMap<TenantId, Part>>>,
}

/// How much to take at once, with this much left: a two-hundredth of the limit, and towards the end no more than a
/// twentieth of what is left.
#[must_use]
pub fn part(limit: u32, left: u32) -> u32 {
    (limit / 200).min(left / 20).max(1)
}

/// What a tenant may ask. No bound where there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Requests in a minute.
    pub requests_per_minute: Option<u32>,
    /// New applications in a day, from midnight UTC.
    pub applications_per_day: Option<u32>,
}

impl RateLimiter {
    /// Nothing is held yet.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        RateLimiter { policy, parts: Arc::default() }
    }

    /// One request of a tenant.
    ///
    /// # Errors
    /// How it stands, where the window's allowance is used up.
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
    use jiff::SignedDuration;

    use super::*;
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
        assert_eq!((refused.remaining, refused.refusal().status().as_u16()), (0, 429));
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
