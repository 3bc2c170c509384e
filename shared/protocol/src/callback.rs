//! Callbacks to app backends after Standard Webhooks: they carry ids only, are signed, and keep their id on every
//! retry.

mod signature;

use domain::ids::{ApplicationId, SubscriptionId, TenantId};
use domain::stage::Stage;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use crate::wire_names::TEST;
pub use signature::{EndpointKeys, PublicKey, Secret, SignatureError, TOLERANCE_SECONDS};

/// A message of the callback queue. It carries ids only, no personal data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "v")]
pub enum CallbackMessage {
    /// A callback for every subscription of the tenant that has this event type.
    #[serde(rename = "1")]
    V1(Callback),
    /// A callback for one subscription.
    #[serde(rename = "2")]
    V2(SubscriptionCallback),
    /// No callback: wakes the drainer of a subscription whose stored callbacks may be due.
    #[serde(rename = "drain-1")]
    Drain(Drain),
}

/// A callback for one subscription: one of several of the tenant, a replay, or a test.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscriptionCallback {
    /// Subscription that receives the callback.
    pub subscription: SubscriptionId,
    /// The callback.
    pub callback: Callback,
    /// Whether this callback is a replay.
    #[serde(default)]
    pub replay: bool,
}

impl SubscriptionCallback {
    /// Message group of the FIFO queue: order is kept by subscription and application.
    #[must_use]
    pub fn group(&self) -> String {
        format!("{}:{}", self.subscription, self.callback.application)
    }
}

/// A subscription whose stored callbacks may be due.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drain {
    /// Tenant that owns the subscription.
    pub tenant: TenantId,
    /// Subscription to drain.
    pub subscription: SubscriptionId,
}

impl Drain {
    /// Message group of the FIFO queue: one drainer at a time for each subscription.
    #[must_use]
    pub fn group(&self) -> String {
        format!("drain:{}", self.subscription)
    }
}

/// A callback: one event of an application, for one tenant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Callback {
    /// Tenant to call.
    pub tenant: TenantId,
    /// Id of the application.
    pub application: ApplicationId,
    /// Version of the event.
    pub version: u32,
    /// `application.<event>`, for example `application.received`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Time at which the hub recorded the event.
    pub at: Timestamp,
    /// Stage after the event.
    pub stage: Stage,
}

/// The body of a callback.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Callback"))]
pub struct Payload {
    /// Event type. The hub will add types: answer 2xx to a type that you do not know, and ignore the event.
    #[serde(rename = "type")]
    #[cfg_attr(feature = "schema", schemars(transform = crate::contracts::fields::callback_type))]
    pub kind: String,
    /// Time at which the hub recorded the event.
    #[cfg_attr(feature = "schema", schemars(with = "domain::schema::Moment"))]
    pub timestamp: Timestamp,
    /// Ids with which to read the application.
    pub data: Data,
}

/// The ids of a callback.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "CallbackData"))]
pub struct Data {
    /// Id of the application.
    pub application: ApplicationId,
    /// Version of the event.
    pub version: u32,
    /// Stage after the event.
    pub stage: Stage,
    /// Path of the application, relative to the hub's address.
    pub url: String,
}

impl Callback {
    /// The `webhook-id` header: the same on every attempt.
    #[must_use]
    pub fn id(&self) -> String {
        format!("{}:{}", self.application, self.version)
    }

    /// Body of the HTTP request.
    #[must_use]
    pub fn payload(&self) -> Payload {
        Payload {
            kind: self.kind.clone(),
            timestamp: self.at,
            data: Data {
                application: self.application,
                version: self.version,
                stage: self.stage,
                url: format!("/v1/applications/{}", self.application),
            },
        }
    }
}
