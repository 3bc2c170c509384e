//! Attempts to deliver callbacks, notices to tenants, and the bounds of both.

use domain::endpoint::DisabledReason;
use domain::ids::SubscriptionId;
use jiff::Timestamp;
use protocol::callback::Callback;
use serde::{Deserialize, Serialize};

/// Days a held callback is kept. What it tells of can be read for ever (`GET /v1/applications/{id}/events`).
pub const HELD_DAYS: i64 = 30;
/// Days an attempt is kept.
pub const LOG_DAYS: i64 = 7;
/// Days a notice is kept.
pub const NOTICE_DAYS: i64 = 30;
/// How far held callbacks are counted.
pub const COUNTED: u32 = 1_000;
/// Rows of one call (AWS limit of `BatchWriteItem`).
pub const BATCH: usize = 25;

/// Why an endpoint gave no status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The deadline over connecting, headers and body was over.
    Timeout,
    /// Its name has no address.
    Dns,
    /// An address, a scheme or a port that may not be called.
    RefusedAddress,
    /// No TLS connection, or a certificate that does not verify.
    Tls,
    /// No connection.
    Connect,
    /// The connection broke off.
    Reset,
    /// What came is no HTTP.
    Protocol,
}

/// One attempt to deliver one callback. No body, no address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// To whom.
    pub subscription: SubscriptionId,
    /// What.
    pub callback: Callback,
    /// Which attempt at this endpoint, counted from 1 since it last took a callback.
    pub number: u32,
    /// When it began.
    pub at: Timestamp,
    /// The status, or why there is none.
    pub result: Result<u16, Cause>,
    /// How long it took, in milliseconds.
    pub latency_ms: u32,
}

impl Attempt {
    /// Whether the endpoint took the callback.
    #[must_use]
    pub fn is_delivered(&self) -> bool {
        self.result.is_ok_and(|status| (200..300).contains(&status))
    }
}

/// What to write of deliveries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// An attempt was made. One that delivers ends what had failed before.
    Attempted(Attempt),
    /// A held callback has arrived.
    Released(SubscriptionId, Callback),
}

/// Which attempts to list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// All, the newest first.
    All,
    /// The last one of each callback that has not arrived, by application and version.
    Failed,
}

/// What a tenant is told of its subscriptions beside the callbacks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// What happened.
    #[serde(rename = "type")]
    pub kind: NoticeKind,
    /// To which subscription.
    pub subscription: SubscriptionId,
    /// When.
    pub at: Timestamp,
    /// Why it was disabled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<DisabledReason>,
}

/// What happened to a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NoticeKind {
    /// It is not tried any more.
    #[serde(rename = "subscription.disabled")]
    Disabled,
    /// It was resumed.
    #[serde(rename = "subscription.enabled")]
    Enabled,
    /// It was paused.
    #[serde(rename = "subscription.paused")]
    Paused,
    /// It has other keys.
    #[serde(rename = "subscription.secret_rotated")]
    Rotated,
}

impl NoticeKind {
    /// Its stable name, as it is written.
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
