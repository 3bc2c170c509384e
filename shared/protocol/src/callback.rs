//! Callbacks to app backends after Standard Webhooks: thin, signed, and the same id however often they come.

mod signature;

use domain::ids::{ApplicationId, SubscriptionId, TenantId};
use domain::stage::Stage;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use signature::{EndpointKeys, PublicKey, Secret, SignatureError, TOLERANCE_SECONDS};

/// The type of an event that a tenant sends to itself, to try an endpoint. Its application exists nowhere.
pub const TEST: &str = "webhook.test";

/// A callback that is due, as it lies in the callback queue. Ids only: nothing personal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "v")]
pub enum CallbackMessage {
    /// To every subscription of the tenant that wants it.
    #[serde(rename = "1")]
    V1(Callback),
    /// To one subscription.
    #[serde(rename = "2")]
    V2(Directed),
    /// No callback: what is held for a subscription may be due.
    #[serde(rename = "drain-1")]
    Drain(Drain),
}

/// A callback to one subscription: one of several that want it, a replay, or a test.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Directed {
    /// To whom.
    pub subscription: SubscriptionId,
    /// What.
    pub callback: Callback,
    /// Whether it has been tried before: a replay.
    #[serde(default)]
    pub again: bool,
}

impl Directed {
    /// Its message group: order is kept by subscription and application.
    #[must_use]
    pub fn group(&self) -> String {
        format!("{}:{}", self.subscription, self.callback.application)
    }
}

/// A subscription whose held callbacks may be due.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drain {
    /// Whose it is.
    pub tenant: TenantId,
    /// Which.
    pub subscription: SubscriptionId,
}

impl Drain {
    /// Its message group: one drainer at a time for each subscription.
    #[must_use]
    pub fn group(&self) -> String {
        format!("drain:{}", self.subscription)
    }
}

/// What happened, to whom it matters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Callback {
    /// The tenant to call.
    pub tenant: TenantId,
    /// The application.
    pub application: ApplicationId,
    /// Version of the event.
    pub version: u32,
    /// `application.<event>`, for example `application.received`.
    #[serde(rename = "type")]
    pub kind: String,
    /// When it was recorded.
    pub at: Timestamp,
    /// Stage after it.
    pub stage: Stage,
}

/// The body of a callback.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Callback"))]
pub struct Payload {
    /// What happened. Types are added in time: take those that you do not know, and do nothing.
    #[serde(rename = "type")]
    #[cfg_attr(feature = "schema", schemars(transform = crate::contracts::fields::callback_type))]
    pub kind: String,
    /// When it was recorded.
    #[cfg_attr(feature = "schema", schemars(with = "domain::schema::Moment"))]
    pub timestamp: Timestamp,
    /// The ids to read more with.
    pub data: Data,
}

/// The ids of a callback.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "CallbackData"))]
pub struct Data {
    /// The application.
    pub application: ApplicationId,
    /// Version of the event.
    pub version: u32,
    /// Stage after it.
    pub stage: Stage,
    /// Path to read it at, relative to the hub's address.
    pub url: String,
}

impl Callback {
    /// `webhook-id`: the same for every attempt.
    #[must_use]
    pub fn id(&self) -> String {
        format!("{}:{}", self.application, self.version)
    }

    /// The body.
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
