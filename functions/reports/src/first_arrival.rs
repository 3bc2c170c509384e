//! The time at which a report first arrived in the reports queue.
//!
//! A signature must be fresh when the report arrives. SQS keeps that time while it delivers the message again and when
//! it moves the message to the dead-letter queue, but a redrive makes a new message with a new time. So the hub itself
//! stores the time of a report that it could not process: a report that an operator redrives after the agency's key was
//! added, or after the hub was down, is as fresh as it was when the agency sent it.

use jiff::Timestamp;
use platform::documents::{Documents as _, DocumentsError};
use platform::hub::Hub;
use serde::{Deserialize, Serialize};

use crate::evidence::sha256;

/// The object in the bucket. It holds nothing of the report.
#[derive(Debug, Serialize, Deserialize)]
struct FirstArrival {
    at: Timestamp,
}

/// `first-arrivals/<SHA-256 of the JWS>.json`.
fn key(jws: &str) -> String {
    format!("first-arrivals/{}.json", sha256(jws))
}

/// Stores the time of a report that stays in the queue. An earlier time stays. After a failure the next delivery tries
/// again.
pub(crate) async fn remember<H: Hub>(hub: &H, jws: &str, at: Timestamp) {
    let Ok(json) = serde_json::to_vec(&FirstArrival { at }) else { return };
    if let Err(error) = hub.documents().store_text(&key(jws), &json).await {
        tracing::warn!(sha256 = sha256(jws), %error, "the first arrival of a report was not stored: after a redrive the report may count as expired");
    }
}

/// The stored time of a report's first arrival.
///
/// # Errors
/// When the bucket does not answer: the caller must not treat the report as expired then.
pub(crate) async fn recall<H: Hub>(hub: &H, jws: &str) -> Result<Option<Timestamp>, DocumentsError> {
    let found = hub.documents().inspect(&key(jws), None).await?;
    Ok(found
        .and_then(|found| serde_json::from_slice::<FirstArrival>(&found.head.0).ok())
        .map(|first| first.at))
}
