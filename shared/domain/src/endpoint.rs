//! The state machine of a callback endpoint. It decides when the hub sends callbacks, stores them for later, and
//! retries. The machine is pure: the caller reads the clock, draws the jitter, writes the state conditionally and
//! executes the effects.

mod schedule;
mod table;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::time::later;

pub use schedule::{Jitter, WAITS, wait_after};
pub use table::endpoint_table;

/// How long a process caches a tenant's subscriptions. Every process knows a change after this time.
pub const SUBSCRIPTION_CACHE_TTL: SignedDuration = SignedDuration::from_secs(15);
/// Time after an endpoint left health in which no callback is stored. Longer than [`SUBSCRIPTION_CACHE_TTL`], so that
/// no process delivers a later event of an application while another one stores an earlier one.
pub const PROPAGATION_DELAY: SignedDuration = SignedDuration::from_secs(20);
/// Time after a recovery in which a direct delivery first checks for stored callbacks of its application. Longer than
/// [`SUBSCRIPTION_CACHE_TTL`]: a process with an outdated state may store a callback in this time.
pub const CAUTION_PERIOD: SignedDuration = SignedDuration::from_secs(60);

/// The state of an endpoint. Every change is a conditional write on its subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum EndpointState {
    /// The hub sends callbacks directly.
    Healthy {
        /// Time of the last recovery.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        recovered: Option<Timestamp>,
    },
    /// The endpoint answers again, and a drainer delivers the stored callbacks.
    Recovering {
        /// Time when the endpoint left health.
        since: Timestamp,
    },
    /// The endpoint rejects callbacks, or answers too slowly. Callbacks are stored, and the schedule says when the next
    /// attempt is due.
    Failing {
        /// Failed attempts in a row; 0 when the endpoint answers, but too slowly.
        attempt: u32,
        /// Time when the endpoint left health.
        since: Timestamp,
        /// Time of the next attempt.
        next_at: Timestamp,
    },
    /// The hub makes no further attempts and stores callbacks until the tenant resumes the subscription.
    Disabled {
        /// Why the endpoint is disabled.
        reason: DisabledReason,
        /// Time when the endpoint left health.
        since: Timestamp,
        /// Time when the hub disabled the endpoint.
        at: Timestamp,
    },
    /// The tenant has paused the subscription. The hub stores callbacks.
    Paused {
        /// Time when the endpoint left health.
        since: Timestamp,
        /// Time when the tenant paused the subscription.
        at: Timestamp,
    },
}

/// Why the hub disabled an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DisabledReason {
    /// The endpoint answered 410, which ends a subscription (Standard Webhooks).
    Gone,
    /// Every attempt of the schedule failed.
    Exhausted,
}

/// An event of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndpointEvent {
    /// The endpoint accepted a callback.
    Delivered,
    /// A direct delivery was abandoned because callbacks of other applications would have waited, or was rejected
    /// although its message had been received often. The callback may have arrived, and is to be stored.
    TooSlow,
    /// A process claims the attempt that is due. Counted before the attempt, so that only one process makes it.
    Claimed(Jitter),
    /// An attempt failed.
    Failed {
        /// The endpoint's own `Retry-After`.
        retry_after: Option<SignedDuration>,
        /// Random part of the wait.
        jitter: Jitter,
    },
    /// The endpoint answered 410.
    AnsweredGone,
    /// A callback was stored for later delivery.
    Stored,
    /// A drainer found no stored callback.
    Drained,
    /// The tenant pauses the subscription.
    PauseRequested,
    /// The tenant resumes the subscription.
    ResumeRequested,
    /// The tenant has given the subscription another URL.
    UrlChanged,
}

/// Effect that the caller must execute besides writing the new state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndpointEffect {
    /// Wake a drainer, which delivers the stored callbacks. The schedule also wakes it, if this effect is lost.
    WakeDrainer,
    /// Notify the tenant that the endpoint is disabled, before writing the state: a process that dies in between
    /// repeats the notice.
    NotifyDisabled(DisabledReason),
    /// Notify the tenant that the subscription is paused.
    NotifyPaused,
    /// Notify the tenant that the subscription is enabled again.
    NotifyEnabled,
}

/// How the hub handles a callback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// Send the callback.
    Post,
    /// Send the callback. If a callback of the same application is stored, store this callback behind it.
    PostUnlessStored,
    /// Claim the attempt ([`EndpointEvent::Claimed`]), then continue as in [`Route::PostUnlessStored`].
    ClaimUnlessStored,
    /// Store the callback for a drainer.
    Store,
    /// Leave the callback in its queue, because some process may not know yet that the endpoint left health.
    Wait,
}

impl Default for EndpointState {
    fn default() -> Self {
        EndpointState::Healthy { recovered: None }
    }
}

impl EndpointState {
    /// Stable name of the state.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            EndpointState::Healthy { .. } => "healthy",
            EndpointState::Recovering { .. } => "recovering",
            EndpointState::Failing { .. } => "failing",
            EndpointState::Disabled { .. } => "disabled",
            EndpointState::Paused { .. } => "paused",
        }
    }

    /// Time when the endpoint left health; `None` while it is healthy.
    #[must_use]
    pub fn since(self) -> Option<Timestamp> {
        match self {
            EndpointState::Healthy { .. } => None,
            EndpointState::Recovering { since }
            | EndpointState::Failing { since, .. }
            | EndpointState::Disabled { since, .. }
            | EndpointState::Paused { since, .. } => Some(since),
        }
    }

    /// Time when the schedule must wake a drainer; `None` when no drainer is needed.
    #[must_use]
    pub fn due(self) -> Option<Timestamp> {
        match self {
            EndpointState::Recovering { since } => Some(since),
            EndpointState::Failing { next_at, .. } => Some(next_at),
            EndpointState::Healthy { .. } | EndpointState::Disabled { .. } | EndpointState::Paused { .. } => {
                None
            }
        }
    }

    /// Failed attempts in a row.
    #[must_use]
    pub fn failures(self) -> u32 {
        match self {
            EndpointState::Failing { attempt, .. } => attempt,
            EndpointState::Healthy { .. }
            | EndpointState::Recovering { .. }
            | EndpointState::Disabled { .. }
            | EndpointState::Paused { .. } => 0,
        }
    }

    /// Whether the hub may send callbacks directly.
    #[must_use]
    pub fn takes_directly(self) -> bool {
        match self {
            EndpointState::Healthy { .. } | EndpointState::Recovering { .. } => true,
            EndpointState::Failing { .. } | EndpointState::Disabled { .. } | EndpointState::Paused { .. } => {
                false
            }
        }
    }

    /// Time until which no callback is stored, because some process may not know yet that the endpoint left health.
    #[must_use]
    pub fn propagated_at(self) -> Option<Timestamp> {
        self.since()?.checked_add(PROPAGATION_DELAY).ok()
    }

    /// Whether a process that cached this state must read it again before it handles a callback.
    #[must_use]
    pub fn is_propagating(self, now: Timestamp) -> bool {
        !self.takes_directly() && self.propagated_at().is_some_and(|at| now < at)
    }

    /// How the hub handles a callback. `repeated`: its message was received before, so a process that died may have
    /// stored it.
    #[must_use]
    pub fn route_callback(self, now: Timestamp, repeated: bool) -> Route {
        match self {
            EndpointState::Healthy { recovered } => {
                let cautious = recovered.is_some_and(|at| now.duration_since(at) < CAUTION_PERIOD);
                if cautious || repeated { Route::PostUnlessStored } else { Route::Post }
            }
            EndpointState::Recovering { .. } => Route::PostUnlessStored,
            EndpointState::Failing { next_at, .. } if self.is_propagating(now) => {
                if next_at <= now {
                    Route::ClaimUnlessStored
                } else {
                    Route::Wait
                }
            }
            EndpointState::Disabled { .. } | EndpointState::Paused { .. } if self.is_propagating(now) => {
                Route::Wait
            }
            EndpointState::Failing { .. } | EndpointState::Disabled { .. } | EndpointState::Paused { .. } => {
                Route::Store
            }
        }
    }

    /// Whether a drainer may send stored callbacks. A healthy endpoint may have stored callbacks from a process with an
    /// older state.
    #[must_use]
    pub fn may_drain(self, now: Timestamp) -> bool {
        match self {
            EndpointState::Healthy { .. } | EndpointState::Recovering { .. } => true,
            EndpointState::Failing { next_at, .. } => next_at <= now && !self.is_propagating(now),
            EndpointState::Disabled { .. } | EndpointState::Paused { .. } => false,
        }
    }
}

/// The state after an event, and its effects. The caller writes the state only when it changed.
#[must_use]
pub fn next(
    state: EndpointState,
    event: EndpointEvent,
    now: Timestamp,
) -> (EndpointState, Vec<EndpointEffect>) {
    use EndpointEffect::{NotifyEnabled, NotifyPaused, WakeDrainer};
    use EndpointEvent as Event;
    use EndpointState::{Disabled, Failing, Healthy, Paused, Recovering};
    match (state, event) {
        // Not healthy yet, because callbacks may be stored. A drainer checks.
        (Failing { since, .. }, Event::Delivered) => (Recovering { since }, vec![WakeDrainer]),
        (Healthy { .. } | Recovering { .. }, Event::Delivered) => (state, vec![]),

        (Healthy { .. } | Recovering { .. } | Failing { .. }, Event::TooSlow) => {
            (Failing { attempt: 0, since: now, next_at: later(now, PROPAGATION_DELAY) }, vec![])
        }

        (Healthy { .. } | Recovering { .. }, Event::Claimed(_)) => (state, vec![]),
        (Failing { attempt, since, .. }, Event::Claimed(jitter)) => {
            failed(attempt.saturating_add(1), since, None, jitter, now)
        }

        (Healthy { .. } | Recovering { .. }, Event::Failed { retry_after, jitter }) => {
            failed(1, now, retry_after, jitter, now)
        }
        (Failing { attempt, since, .. }, Event::Failed { retry_after, jitter }) => {
            failed(attempt.saturating_add(1), since, retry_after, jitter, now)
        }

        (Healthy { .. } | Recovering { .. }, Event::AnsweredGone) => disabled(DisabledReason::Gone, now, now),
        (Failing { since, .. }, Event::AnsweredGone) => disabled(DisabledReason::Gone, since, now),

        // The process that stored the callback had an older state.
        (Healthy { .. }, Event::Stored) => (Recovering { since: now }, vec![WakeDrainer]),
        (Recovering { .. }, Event::Stored) => (state, vec![WakeDrainer]),
        (Failing { .. }, Event::Stored) => (state, vec![]),

        (Recovering { .. } | Failing { .. }, Event::Drained) => (Healthy { recovered: Some(now) }, vec![]),
        (Healthy { .. }, Event::Drained) => (state, vec![]),

        // Callbacks were sent directly until now, so the other processes must learn of the pause first.
        (Healthy { .. } | Recovering { .. }, Event::PauseRequested) => {
            (Paused { since: now, at: now }, vec![NotifyPaused])
        }
        (Failing { since, .. }, Event::PauseRequested) => (Paused { since, at: now }, vec![NotifyPaused]),

        (Healthy { .. } | Recovering { .. }, Event::ResumeRequested) => (state, vec![WakeDrainer]),
        (Failing { attempt, since, next_at }, Event::ResumeRequested) => {
            (Failing { attempt, since, next_at: next_at.min(now) }, vec![WakeDrainer])
        }
        (Disabled { since, .. } | Paused { since, .. }, Event::ResumeRequested) => {
            (Recovering { since }, vec![NotifyEnabled, WakeDrainer])
        }

        // The failures are those of another address.
        (Failing { since, .. }, Event::UrlChanged) => (Recovering { since }, vec![WakeDrainer]),
        (Healthy { .. } | Recovering { .. }, Event::UrlChanged) => (state, vec![]),

        // Only a resume by the tenant ends these two states. Attempts in flight change nothing.
        (
            Disabled { .. } | Paused { .. },
            Event::Delivered
            | Event::TooSlow
            | Event::Claimed(_)
            | Event::Failed { .. }
            | Event::AnsweredGone
            | Event::Stored
            | Event::Drained
            | Event::PauseRequested
            | Event::UrlChanged,
        ) => (state, vec![]),
    }
}

fn failed(
    failures: u32,
    since: Timestamp,
    retry_after: Option<SignedDuration>,
    jitter: Jitter,
    now: Timestamp,
) -> (EndpointState, Vec<EndpointEffect>) {
    match wait_after(failures, jitter) {
        None => disabled(DisabledReason::Exhausted, since, now),
        Some(wait) => {
            let wait = wait.max(retry_after.unwrap_or_default());
            (EndpointState::Failing { attempt: failures, since, next_at: later(now, wait) }, vec![])
        }
    }
}

fn disabled(
    reason: DisabledReason,
    since: Timestamp,
    now: Timestamp,
) -> (EndpointState, Vec<EndpointEffect>) {
    (EndpointState::Disabled { reason, since, at: now }, vec![EndpointEffect::NotifyDisabled(reason)])
}
