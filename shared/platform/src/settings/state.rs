//! The state of an endpoint, kept with its subscription.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// How long a process remembers a tenant's subscriptions: a change is known everywhere after it.
pub const REMEMBERED: SignedDuration = SignedDuration::from_secs(15);
/// How long after an endpoint left health nothing is held yet: longer than [`REMEMBERED`], so that no process
/// delivers a later event of an application while another one holds an earlier one.
pub const PROPAGATION_DELAY: SignedDuration = SignedDuration::from_secs(20);
/// How long after a recovery a direct delivery first looks for held events of its application.
pub const CAUTIOUS: SignedDuration = SignedDuration::from_secs(60);

/// How an endpoint is. Every change is a conditional write on its subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum EndpointState {
    /// Callbacks go to it as they come.
    Healthy {
        /// When it last recovered.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        recovered: Option<Timestamp>,
    },
    /// It answers again, and what was held is being delivered.
    Recovering {
        /// When it left health.
        since: Timestamp,
    },
    /// It does not take callbacks, or holds up others. They are held, and it is tried by the schedule.
    Failing {
        /// Failed attempts in a row; 0 where it answers, but too slowly.
        attempt: u32,
        /// When it left health.
        since: Timestamp,
        /// When it is tried next.
        next_at: Timestamp,
    },
    /// It is not tried any more. Callbacks are held until it is resumed.
    Disabled {
        /// Why.
        reason: Reason,
        /// When it left health.
        since: Timestamp,
        /// When it was disabled.
        at: Timestamp,
    },
    /// Its tenant wants no callbacks for now. They are held.
    Paused {
        /// When it left health.
        since: Timestamp,
        /// When it was paused.
        at: Timestamp,
    },
}

/// Why an endpoint is disabled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// It answered 410.
    Gone,
    /// The schedule is over.
    Exhausted,
}

impl Default for EndpointState {
    fn default() -> Self {
        EndpointState::Healthy { recovered: None }
    }
}

impl EndpointState {
    /// Its stable name.
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

    /// When it left health; `None` where it is well.
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

    /// When somebody must look after it; `None` where nobody need.
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

    /// Whether a direct delivery first looks for held events of its application.
    #[must_use]
    pub fn is_cautious(self, now: Timestamp) -> bool {
        match self {
            EndpointState::Healthy { recovered } => {
                recovered.is_some_and(|at| now.duration_since(at) < CAUTIOUS)
            }
            EndpointState::Recovering { .. } => true,
            EndpointState::Failing { .. } | EndpointState::Disabled { .. } | EndpointState::Paused { .. } => {
                false
            }
        }
    }

    /// Whether callbacks may go to it directly.
    #[must_use]
    pub fn takes_directly(self) -> bool {
        matches!(self, EndpointState::Healthy { .. } | EndpointState::Recovering { .. })
    }

    /// Until when nothing is held, because some process may not know yet that it left health.
    #[must_use]
    pub fn settles_at(self) -> Option<Timestamp> {
        self.since()?.checked_add(PROPAGATION_DELAY).ok()
    }
}
