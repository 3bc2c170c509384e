//! A request that changes something about subscriptions, and its one answer.
//!
//! The answer is written with what the request changes, so a request that is sent again, however late, changes nothing
//! and is answered with the same bytes. Answers are sealed: some show keys.

use std::future::Future;

use axum::response::{IntoResponse, Response};
use domain::ids::{SubscriptionId, TenantId};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use http_kit::idempotency::IdempotencyKey;
use http_kit::problem::{Code, Problem};
use platform::clock::Clock as _;
use platform::deliveries::{Deliveries as _, Notice, NoticeKind};
use platform::hub::Hub;
use platform::settings::{Answered, Changes, Settings as _, Subscription};
use platform::vault::Vault as _;
use serde::Serialize;

use super::find;
use crate::namespace::Namespace;

/// The vault's name for an answer; its owner is the request's key.
const ANSWER: &str = "answer";
/// Attempts at a change that others are faster with.
const CHANGES: usize = 5;

/// A request that changes something about a subscription: whose it is, which it is about, and what it is known by.
#[derive(Debug)]
pub struct Request<'a, H> {
    pub(super) hub: &'a H,
    pub(super) tenant: &'a TenantId,
    pub(super) id: SubscriptionId,
    /// What its key came to, as text.
    key: String,
    /// What the whole request came to.
    pub(super) whole: [u8; 16],
}

impl<'a, H: Hub> Request<'a, H> {
    /// A tenant's request for a new subscription, whose id follows from the key.
    ///
    /// # Errors
    /// 500 where the key comes to no id, which none does.
    pub fn anew(
        hub: &'a H,
        namespace: &Namespace,
        tenant: &'a TenantId,
        key: &IdempotencyKey,
        body: &[u8],
    ) -> Result<Self, Problem> {
        let id = namespace.subscription(tenant, key).ok_or_else(|| Problem::new(Code::Internal))?;
        let whole = namespace.request("subscribe", id, key, body);
        Ok(Request { hub, tenant, id, key: id.as_uuid().simple().to_string(), whole })
    }

    /// A tenant's request about a subscription. Its key is one for every purpose.
    pub fn about(
        hub: &'a H,
        namespace: &Namespace,
        (tenant, id): (&'a TenantId, SubscriptionId),
        purpose: &str,
        key: &IdempotencyKey,
        body: &[u8],
    ) -> Self {
        let whole = namespace.request(purpose, id, key, body);
        Request { hub, tenant, id, key: hex(namespace.request("any", id, key, b"")), whole }
    }

    /// The whole request, as text.
    pub(super) fn mark(&self) -> String {
        hex(self.whole)
    }

    /// The subscription as it is now.
    ///
    /// # Errors
    /// 404 where the tenant has none with this id.
    pub(super) async fn subscription(&self) -> Result<Subscription, Problem> {
        find(self.hub, self.tenant, self.id).await
    }

    /// Answers: as it was answered before, or by what `decide` makes of the moment, which is asked again where others
    /// were faster.
    ///
    /// # Errors
    /// 422 where the key was used for something else, what `decide` refuses, 503 where others are always faster.
    pub(super) async fn once<T, F>(&self, decide: impl Fn() -> F + Send + Sync) -> Result<Answer, Problem>
    where
        T: Serialize + Send,
        F: Future<Output = Result<Outcome<T>, Problem>> + Send,
    {
        let (hub, tenant) = (self.hub, self.tenant);
        for _ in 0..CHANGES {
            if let Some(known) = hub.settings().answered(tenant, &self.key).await? {
                if known.whole != self.mark() {
                    return Err(Problem::new(Code::KeyReused));
                }
                let answer = hub.vault().open(ANSWER, &self.key, &known.sealed).await?;
                return Ok(Answer(answer.to_vec()));
            }
            let Outcome { changes, notice, answer } = decide().await?;
            let answer = serde_json::to_vec(&answer).map_err(|_| Problem::new(Code::Internal))?;
            let sealed = hub.vault().seal(ANSWER, &self.key, &answer).await?;
            let answered = Answered { key: self.key.clone(), whole: self.mark(), sealed };
            if hub.settings().settle(tenant, &changes, &answered).await? {
                if let Some(kind) = notice {
                    self.tell(kind).await;
                }
                return Ok(Answer(answer));
            }
        }
        Err(Problem::new(Code::Throttled))
    }

    /// Who asked knows it; the tenant's other people read it in the notices.
    async fn tell(&self, kind: NoticeKind) {
        let (subscription, at) = (self.id, self.hub.clock().now());
        let notice = Notice { kind, subscription, at, reason: None };
        if let Err(error) = self.hub.deliveries().notify(self.tenant, &notice).await {
            tracing::warn!(%subscription, %error, "a change is not in the notices");
        }
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
    pub(super) notice: Option<NoticeKind>,
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
    pub(super) fn told(self, kind: NoticeKind) -> Self {
        Outcome { notice: Some(kind), ..self }
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
