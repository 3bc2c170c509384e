//! Attempts to deliver callbacks, notices to tenants, and the bounds of both.

use domain::endpoint::DisabledReason;
use domain::ids::SubscriptionId;
use jiff::Timestamp;
use protocol::callback::Callback;
use serde::{Deserialize, Serialize};

/// Days a stored callback is kept. Its event can always be read later (`GET /v1/applications/{id}/events`).
pub const STORED_DAYS: i64 = 30;
/// Days an attempt is kept.
pub const LOG_DAYS: i64 = 7;
/// Days a notice is kept.
pub const NOTICE_DAYS: i64 = 30;
/// Bound on the count of stored callbacks.
pub const COUNT_LIMIT: u32 = 1_000;
/// Rows of one call (AWS limit of `BatchWriteItem`).
pub const BATCH: usize = 25;

/// Why an attempt got no HTTP status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The deadline for connecting, headers and body passed.
    Timeout,
    /// The host name has no address.
    Dns,
    /// The hub must not call this address, scheme or port.
    RefusedAddress,
    /// The TLS handshake failed, or the certificate does not verify.
    Tls,
    /// The connection was refused or not established.
    Connect,
    /// The connection broke off.
    Reset,
    /// The answer is not HTTP.
    Protocol,
}

/// One attempt to deliver one callback. The log holds no response body and no address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The subscription of the endpoint.
    pub subscription: SubscriptionId,
    pub callback: Callback,
    /// Number of the attempt of this callback, counted from 1.
    pub number: u32,
    /// Start of the attempt.
    pub at: Timestamp,
    /// The HTTP status, or why the attempt got none.
    pub result: Result<u16, Cause>,
    /// Duration in milliseconds.
    pub latency_ms: u32,
}

impl Attempt {
    /// Whether the endpoint accepted the callback (status 2xx).
    #[must_use]
    pub fn is_delivered(&self) -> bool {
        self.result.is_ok_and(|status| (200..300).contains(&status))
    }
}

/// A write to the deliveries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeliveryWrite {
    /// An attempt. A successful attempt removes the callback from the list of failed ones.
    Attempted(Attempt),
    /// A stored callback was delivered, and is removed.
    Released(SubscriptionId, Callback),
}

/// Which attempts to list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// All attempts, newest first.
    All,
    /// The last attempt of each undelivered callback, by application and version.
    Failed,
}

/// A notice to a tenant about one of its subscriptions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// The change.
    #[serde(rename = "type")]
    pub kind: NoticeKind,
    pub subscription: SubscriptionId,
    /// Time of the change.
    pub at: Timestamp,
    /// Why the subscription was disabled; `None` for the other kinds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<DisabledReason>,
}

/// A change of a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NoticeKind {
    /// The hub has stopped delivering to the endpoint.
    #[serde(rename = "subscription.disabled")]
    Disabled,
    /// The subscription was resumed.
    #[serde(rename = "subscription.enabled")]
    Enabled,
    /// The subscription was paused.
    #[serde(rename = "subscription.paused")]
    Paused,
    /// The signing keys were rotated.
    #[serde(rename = "subscription.secret_rotated")]
    Rotated,
}

impl NoticeKind {
    /// Stable name on the wire and in the table.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            NoticeKind::Disabled => "subscription.disabled",
            NoticeKind::Enabled => "subscription.enabled",
            NoticeKind::Paused => "subscription.paused",
            NoticeKind::Rotated => "subscription.secret_rotated",
        }
    }
}
