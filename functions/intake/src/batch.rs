//! Many new applications in one request, for app backends that collect them while offline.
//!
//! Each has a key of its own and is what the same body under the same key is alone: the batch adds nothing and keeps
//! nothing. So a batch that was answered in part, or not at all, is sent again as it is.

use std::collections::HashSet;

use domain::ids::TenantId;
use futures_util::{StreamExt as _, stream};
use http::StatusCode;
use http_kit::fields::{Fields, FromFields, Json, any, list, object, text};
use http_kit::idempotency::IdempotencyKey;
use http_kit::problem::{Language, Problem};
use platform::hub::Hub;
use protocol::app::ApplicationView;
use serde::Serialize;
use serde_json::Value;

use crate::handler::Intake;

/// Applications of one batch.
pub const APPLICATIONS: usize = 100;
/// Applications that are opened at once.
const AT_ONCE: usize = 8;

/// The applications that are asked for.
#[derive(Debug)]
pub struct Wanted(Vec<(IdempotencyKey, Json)>);

impl FromFields for Wanted {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let item = |fields: &mut Fields<'_>| {
            let key = fields.required("key", text::<IdempotencyKey>);
            let application = fields.required("application", any);
            Some((key?, Json::of(application?)))
        };
        let wanted = fields.required("applications", list(1..=APPLICATIONS, |place| object(item)(place)))?;
        let mut keys = HashSet::new();
        for (index, (key, _)) in wanted.iter().enumerate() {
            if !keys.insert(key.clone()) {
                fields.refuse(&format!("applications/{index}/key"), "duplicate");
            }
        }
        Some(Wanted(wanted))
    }
}

/// What became of each application, in the order of the request.
#[derive(Debug, Serialize)]
pub struct Results {
    /// The results.
    pub results: Vec<Outcome>,
}

/// What became of one application.
#[derive(Debug, Serialize)]
pub struct Outcome {
    /// Its key.
    pub key: String,
    /// The status that it would have been answered with alone.
    pub status: u16,
    /// The application, where it is opened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub application: Option<ApplicationView>,
    /// What is wrong, where it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<Value>,
    /// Seconds to wait before it is sent again, where that may help.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u32>,
}

impl Outcome {
    fn of(
        key: &IdempotencyKey,
        created: Result<ApplicationView, Problem>,
        (language, trace): (Language, Option<&str>),
    ) -> Outcome {
        let retry_after = created.as_ref().err().and_then(Problem::retry_after);
        let (status, application, problem) = match created {
            Ok(view) => (StatusCode::CREATED, Some(view), None),
            Err(problem) => (problem.status(), None, Some(problem.body(language, trace))),
        };
        Outcome { key: key.as_str().to_owned(), status: status.as_u16(), application, problem, retry_after }
    }
}

/// Opens them. One that is refused does not keep the others from being opened.
pub async fn open<H: Hub>(
    intake: &Intake<H>,
    tenant: &TenantId,
    Wanted(wanted): Wanted,
    told: (Language, Option<&str>),
) -> Results {
    // Counted one after the other, so that the first ones are those that still fit.
    let mut counted = Vec::with_capacity(wanted.len());
    for (key, body) in wanted {
        counted.push((key, body, intake.count(tenant).await));
    }
    let opened = stream::iter(counted)
        .map(|(key, body, counted)| async move {
            Outcome::of(&key, intake.open(tenant, &key, &body, counted).await, told)
        })
        .buffered(AT_ONCE);
    Results { results: opened.collect().await }
}
