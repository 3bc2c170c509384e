//! Requests that change a subscription exactly once.
//!
//! The answer is stored in the same transaction as the change. A repeat, however late, changes nothing and receives the
//! same bytes. Stored answers are encrypted: some contain secret keys.

use std::future::Future;

use axum::response::{IntoResponse, Response};
use domain::ids::{SubscriptionId, TenantId};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use http_kit::idempotency::IdempotencyKey;
use http_kit::namespace::Namespace;
use http_kit::problem::{Code, Problem};
use platform::clock::Clock as _;
use platform::deliveries::{Deliveries as _, Notice, NoticeKind};
use platform::hub::Hub;
use platform::stored_responses::{StoredResponse, StoredResponses as _};
use platform::subscriptions::{Changes, Subscription, Subscriptions as _};
use platform::vault::Vault as _;
use serde::Serialize;

use crate::lookup::find;

/// The vault's purpose for stored answers. The vault's owner of an answer is the request's key.
const ANSWER: &str = "answer";
/// Maximum attempts to commit a change while other requests change the same subscription.
const COMMIT_ATTEMPTS: usize = 5;

/// A request that creates or changes a subscription, with its idempotency key.
#[derive(Debug)]
pub struct IdempotentRequest<'a, H> {
    pub(crate) hub: &'a H,
    pub(crate) tenant: &'a TenantId,
    pub(crate) id: SubscriptionId,
    /// Key of the stored answer: derived from the subscription and the idempotency key.
    answer_key: String,
    /// Derived from the complete request. A request with a known key and another fingerprint is answered 422.
    pub(crate) fingerprint: [u8; 16],
}

impl<'a, H: Hub> IdempotentRequest<'a, H> {
    /// A request to create a subscription. The subscription's id is derived from the idempotency key.
    ///
    /// # Errors
    /// 500 when the derived bytes are not a subscription id, which cannot happen.
    pub fn of_new_subscription(
        hub: &'a H,
        namespace: &Namespace,
        tenant: &'a TenantId,
        key: &IdempotencyKey,
        body: &[u8],
    ) -> Result<Self, Problem> {
        let id = namespace.subscription(tenant, key).ok_or_else(|| Problem::new(Code::Internal))?;
        let fingerprint = namespace.request("subscribe", id, key, body);
        Ok(IdempotentRequest { hub, tenant, id, answer_key: id.as_uuid().simple().to_string(), fingerprint })
    }

    /// A request to change a subscription. An idempotency key can be used for one request of a subscription only, of
    /// any purpose.
    pub fn of_subscription(
        hub: &'a H,
        namespace: &Namespace,
        (tenant, id): (&'a TenantId, SubscriptionId),
        purpose: &str,
        key: &IdempotencyKey,
        body: &[u8],
    ) -> Self {
        let fingerprint = namespace.request(purpose, id, key, body);
        let answer_key = hex(namespace.request("any", id, key, b""));
        IdempotentRequest { hub, tenant, id, answer_key, fingerprint }
    }

    /// The fingerprint in hexadecimal.
    pub(crate) fn fingerprint_text(&self) -> String {
        hex(self.fingerprint)
    }

    /// The current subscription.
    ///
    /// # Errors
    /// 404 when the tenant has no subscription with this id.
    pub(crate) async fn subscription(&self) -> Result<Subscription, Problem> {
        find(self.hub, self.tenant, self.id).await
    }

    /// Returns the stored answer. Without one, runs `decide` and commits its answer and change together. `decide` runs
    /// again when another request has changed the subscription in the meantime.
    ///
    /// # Errors
    /// 422 when the key was used for another request; the errors of `decide`; 503 after [`COMMIT_ATTEMPTS`] conflicts.
    pub(crate) async fn answer_once<T, F>(
        &self,
        decide: impl Fn() -> F + Send + Sync,
    ) -> Result<StoredAnswer, Problem>
    where
        T: Serialize + Send,
        F: Future<Output = Result<Outcome<T>, Problem>> + Send,
    {
        let (hub, tenant) = (self.hub, self.tenant);
        for _ in 0..COMMIT_ATTEMPTS {
            if let Some(stored) = hub.stored_responses().get(tenant, &self.answer_key).await? {
                if stored.request_hash != self.fingerprint_text() {
                    return Err(Problem::new(Code::KeyReused));
                }
                let answer = hub.vault().decrypt(ANSWER, &self.answer_key, &stored.encrypted).await?;
                return Ok(StoredAnswer(answer.to_vec()));
            }
            let Outcome { changes, notice, answer } = decide().await?;
            let answer = serde_json::to_vec(&answer).map_err(|_| Problem::new(Code::Internal))?;
            let encrypted = hub.vault().encrypt(ANSWER, &self.answer_key, &answer).await?;
            let response = StoredResponse {
                key: self.answer_key.clone(),
                request_hash: self.fingerprint_text(),
                encrypted,
            };
            if hub.subscriptions().commit(tenant, &changes, &response).await? {
                if let Some(kind) = notice {
                    self.notify(kind).await;
                }
                return Ok(StoredAnswer(answer));
            }
        }
        Err(Problem::new(Code::Throttled))
    }

    /// Writes a notice, best effort: the caller has the answer, and notices inform the tenant's other staff.
    async fn notify(&self, kind: NoticeKind) {
        let (subscription, at) = (self.id, self.hub.clock().now());
        let notice = Notice { kind, subscription, at, reason: None };
        if let Err(error) = self.hub.deliveries().notify(self.tenant, &notice).await {
            tracing::warn!(%subscription, %error, "the subscription was changed, but its notice could not be written; the tenant's notices lack this change");
        }
    }
}

fn hex(bytes: [u8; 16]) -> String {
    format!("{:032x}", u128::from_be_bytes(bytes))
}

/// The result of `decide`, before the commit.
#[derive(Debug)]
pub(crate) struct Outcome<T> {
    pub(crate) changes: Changes,
    /// Notice to write after the commit.
    pub(crate) notice: Option<NoticeKind>,
    pub(crate) answer: T,
}

impl<T> Outcome<T> {
    /// An answer without a change.
    pub(crate) fn unchanged(answer: T) -> Self {
        Outcome { changes: Changes::default(), notice: None, answer }
    }

    /// Replaces one subscription.
    pub(crate) fn replaced(after: Subscription, answer: T) -> Self {
        let changes = Changes { replaced: vec![after], ..Changes::default() };
        Outcome { changes, notice: None, answer }
    }

    /// The same outcome with a notice.
    pub(crate) fn with_notice(self, kind: NoticeKind) -> Self {
        Outcome { notice: Some(kind), ..self }
    }
}

/// The bytes of an answer, as the first request received them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredAnswer(Vec<u8>);

impl StoredAnswer {
    /// The response with this status; 204 has no body.
    #[must_use]
    pub fn with_status(self, status: StatusCode) -> Response {
        const JSON: HeaderValue = HeaderValue::from_static("application/json");
        if status == StatusCode::NO_CONTENT {
            return status.into_response();
        }
        (status, [(CONTENT_TYPE, JSON)], self.0).into_response()
    }
}
