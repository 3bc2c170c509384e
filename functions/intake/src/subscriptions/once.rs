//! A request that changes something about subscriptions, and its one answer.
//!
//! The answer is written with what the request changes, so a request that is sent again, however late, changes nothing
//! and is answered with the same bytes. Answers are sealed: some show keys.

use std::future::Future;

use axum::response::{IntoResponse, Response};
use domain::ids::{SubscriptionId, TenantId};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use platform::clock::Clock as _;
use platform::deliveries::{Deliveries as _, Notice, NoticeKind};
use platform::hub::Hub;
use platform::idempotency::IdempotencyKey;
use platform::problem::{Code, Problem};
use platform::settings::{Answered, Changes, Settings as _, Subscription};
use platform::vault::Vault as _;
use serde::Serialize;

use crate::namespace::Namespace;

/// The vault's name for an answer; its owner is the request's key.
const ANSWER: &str = "answer";
/// Attempts at a change that others are faster with.
const CHANGES: usize = 5;

/// What a request is known by: its key, and what it asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    key: String,
    /// The whole request, as 16 bytes.
    pub(super) whole: [u8; 16],
}

impl Asked {
    /// A request for a new subscription, which has this id.
    #[must_use]
    pub fn anew(namespace: &Namespace, id: SubscriptionId, key: &IdempotencyKey, body: &[u8]) -> Self {
        Asked { key: id.as_uuid().simple().to_string(), whole: namespace.request("subscribe", id, key, body) }
    }

    /// A request about a subscription. Its key is one for every purpose.
    #[must_use]
    pub fn about(
        namespace: &Namespace,
        id: SubscriptionId,
        purpose: &str,
        key: &IdempotencyKey,
        body: &[u8],
    ) -> Self {
        Asked {
            key: hex(namespace.request("any", id, key, b"")),
            whole: namespace.request(purpose, id, key, body),
        }
    }

    /// The whole request, as text.
    pub(super) fn mark(&self) -> String {
        hex(self.whole)
    }
}

/// Sixteen bytes in hexadecimal.
fn hex(bytes: [u8; 16]) -> String {
    format!("{:032x}", u128::from_be_bytes(bytes))
}

/// What a request comes to, before it is written.
#[derive(Debug)]
pub(super) struct Outcome<T> {
    pub(super) changes: Changes,
    /// What the tenant's other people read of it.
    pub(super) notice: Option<(SubscriptionId, NoticeKind)>,
    pub(super) answer: T,
}

impl<T> Outcome<T> {
    /// Nothing changes.
    pub(super) fn unchanged(answer: T) -> Self {
        Outcome { changes: Changes::default(), notice: None, answer }
    }

    /// One subscription is another than before.
    pub(super) fn replaced(after: Subscription, answer: T) -> Self {
        let changes = Changes { replaced: vec![after], ..Changes::default() };
        Outcome { changes, notice: None, answer }
    }

    /// And it is told.
    pub(super) fn told(self, id: SubscriptionId, kind: NoticeKind) -> Self {
        Outcome { notice: Some((id, kind)), ..self }
    }
}

/// The body of an answer, as it was first given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer(Vec<u8>);

impl Answer {
    /// The response with this status.
    #[must_use]
    pub fn with(self, status: StatusCode) -> Response {
        const JSON: HeaderValue = HeaderValue::from_static("application/json");
        if status == StatusCode::NO_CONTENT {
            return status.into_response();
        }
        (status, [(CONTENT_TYPE, JSON)], self.0).into_response()
    }
}

/// Answers a request: as it was answered before, or by what `decide` makes of the moment, which is asked again where
/// others were faster.
///
/// # Errors
/// 422 where the key was used for something else, what `decide` refuses, 503 where others are always faster.
pub(super) async fn once<H, T, F>(
    hub: &H,
    tenant: &TenantId,
    asked: &Asked,
    decide: impl Fn() -> F + Send + Sync,
) -> Result<Answer, Problem>
where
    H: Hub,
    T: Serialize + Send,
    F: Future<Output = Result<Outcome<T>, Problem>> + Send,
{
    for _ in 0..CHANGES {
        if let Some(known) = hub.settings().answered(tenant, &asked.key).await? {
            if known.whole != asked.mark() {
                return Err(Problem::new(Code::KeyReused));
            }
            let answer = hub.vault().open(ANSWER, &asked.key, &known.sealed).await?;
            return Ok(Answer(answer.to_vec()));
        }
        let Outcome { changes, notice, answer } = decide().await?;
        let answer = serde_json::to_vec(&answer).map_err(|_| Problem::new(Code::Internal))?;
        let sealed = hub.vault().seal(ANSWER, &asked.key, &answer).await?;
        let answered = Answered { key: asked.key.clone(), whole: asked.mark(), sealed };
        if hub.settings().settle(tenant, &changes, &answered).await? {
            if let Some((subscription, kind)) = notice {
                tell(hub, tenant, Notice { kind, subscription, at: hub.clock().now(), reason: None }).await;
            }
            return Ok(Answer(answer));
        }
    }
    Err(Problem::new(Code::Throttled))
}

/// Who asked knows it; the tenant's other people read it in the notices.
async fn tell<H: Hub>(hub: &H, tenant: &TenantId, notice: Notice) {
    if let Err(error) = hub.deliveries().notify(tenant, &notice).await {
        tracing::warn!(subscription = %notice.subscription, %error, "a change is not in the notices");
    }
}
