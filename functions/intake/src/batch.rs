//! Creates many applications in one request, for app backends that collect applications while offline.
//!
//! Each application has its own idempotency key, and its result is what a single request with the same key and body
//! would get. The batch itself is not stored. When the answer is lost or some applications failed, an app sends the
//! same batch again.

use std::collections::HashSet;

use futures_util::{StreamExt as _, stream};
use http::StatusCode;
use http_kit::fields::{Fields, FromFields, Json, list, object, text, unchecked};
use http_kit::idempotency::IdempotencyKey;
use http_kit::problem::{Language, Problem};
use platform::hub::Hub;
use protocol::app::ApplicationView;
use serde::Serialize;
use serde_json::Value;

use crate::creator::Creator;

/// Maximum number of applications in a batch.
pub const APPLICATIONS: usize = 100;
/// Number of applications created concurrently.
const CONCURRENCY: usize = 8;

/// The applications of a batch, each with its idempotency key.
#[derive(Debug)]
pub struct NewApplications(Vec<(IdempotencyKey, Json)>);

impl FromFields for NewApplications {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let item = |fields: &mut Fields<'_>| {
            let key = fields.required("key", text::<IdempotencyKey>);
            let application = fields.required("application", unchecked);
            Some((key?, Json::of(application?)))
        };
        let batch = fields.required("applications", list(1..=APPLICATIONS, |place| object(item)(place)))?;
        let mut keys = HashSet::new();
        for (index, (key, _)) in batch.iter().enumerate() {
            if !keys.insert(key.clone()) {
                fields.refuse(&format!("applications/{index}/key"), "duplicate");
            }
        }
        Some(NewApplications(batch))
    }
}

/// The result of each application, in the order of the request.
#[derive(Debug, Serialize)]
pub struct Results {
    /// Results, one for each application.
    pub results: Vec<ItemResult>,
}

/// The result of one application.
#[derive(Debug, Serialize)]
pub struct ItemResult {
    /// The application's idempotency key.
    pub key: String,
    /// Status that a single request would have received.
    pub status: u16,
    /// The application, when it exists now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub application: Option<ApplicationView>,
    /// The problem, when the application was not created.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<Value>,
    /// Seconds to wait before the application is sent again, when a repeat may succeed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u32>,
}

impl ItemResult {
    fn of(
        key: &IdempotencyKey,
        created: Result<ApplicationView, Problem>,
        (language, trace): (Language, Option<&str>),
    ) -> ItemResult {
        let retry_after = created.as_ref().err().and_then(Problem::retry_after);
        let (status, application, problem) = match created {
            Ok(view) => (StatusCode::CREATED, Some(view), None),
            Err(problem) => (problem.status(), None, Some(problem.body(language, trace))),
        };
        ItemResult {
            key: key.as_str().to_owned(),
            status: status.as_u16(),
            application,
            problem,
            retry_after,
        }
    }
}

/// Creates the applications. A rejected application does not affect the others.
pub async fn create_all<H: Hub>(
    creator: &Creator<H>,
    NewApplications(batch): NewApplications,
    language_and_trace: (Language, Option<&str>),
) -> Results {
    // Reservations are made in sequence, so that the first applications of the batch get the rest of the quota.
    let mut reserved = Vec::with_capacity(batch.len());
    for (key, body) in batch {
        reserved.push((key, body, creator.reserve().await));
    }
    let results = stream::iter(reserved)
        .map(|(key, body, reservation)| async move {
            ItemResult::of(&key, creator.create(&key, &body, reservation).await, language_and_trace)
        })
        .buffered(CONCURRENCY);
    Results { results: results.collect().await }
}
