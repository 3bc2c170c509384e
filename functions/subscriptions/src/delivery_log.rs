//! The log of delivery attempts, and the notices of a tenant.

use domain::ids::{ApplicationId, SubscriptionId, TenantId};
use http_kit::cursor::{BoundCursor, ListTag};
use http_kit::fields::{Fields, FromFields, boolean, page_limit, text};
use http_kit::problem::Problem;
use jiff::Timestamp;
use platform::deliveries::{Attempt, Cause, Deliveries as _, LogCursor, Notice, Which};
use platform::hub::Hub;
use serde::Serialize;

use crate::lookup::find;

/// Query of `GET /v1/subscriptions/{id}/deliveries?failed=&cursor=&limit=`.
#[derive(Clone, Debug)]
pub struct DeliveriesQuery {
    which: Which,
    limit: usize,
    cursor: Option<BoundCursor>,
}

impl FromFields for DeliveriesQuery {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let failed = fields.optional("failed", boolean).unwrap_or(false);
        let which = if failed { Which::Failed } else { Which::All };
        Some(DeliveriesQuery { which, limit: page_limit(fields), cursor: fields.optional("cursor", text) })
    }
}

/// Query of `GET /v1/notices?after=&limit=`.
#[derive(Clone, Debug)]
pub struct NoticesQuery {
    limit: usize,
    after: Option<BoundCursor>,
}

impl FromFields for NoticesQuery {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        Some(NoticesQuery { limit: page_limit(fields), after: fields.optional("after", text) })
    }
}

/// One attempt to deliver a callback.
#[derive(Clone, Debug, Serialize)]
pub struct DeliveryView {
    /// The header `webhook-id`.
    pub webhook_id: String,
    /// `application.<event>`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The application that the callback reports on.
    pub application: ApplicationId,
    /// Version of the application that the event made.
    pub version: u32,
    /// Number of the attempt of this callback, counted from 1.
    pub attempt: u32,
    /// Time at which the attempt began.
    pub at: Timestamp,
    /// Whether the endpoint accepted the callback.
    pub delivered: bool,
    /// Status of the endpoint's answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Cause for which the endpoint gave no answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// Duration of the attempt in milliseconds.
    pub latency_ms: u32,
}

impl From<Attempt> for DeliveryView {
    fn from(attempt: Attempt) -> Self {
        DeliveryView {
            webhook_id: attempt.callback.id(),
            delivered: attempt.is_delivered(),
            kind: attempt.callback.kind,
            application: attempt.callback.application,
            version: attempt.callback.version,
            attempt: attempt.number,
            at: attempt.at,
            status: attempt.result.ok(),
            cause: attempt.result.err(),
            latency_ms: attempt.latency_ms,
        }
    }
}

/// Answer of `GET …/deliveries`: attempts, the newest first; with `failed`, the last attempt of each callback that was
/// not delivered. Successes are written in groups, so the newest may be missing for a minute, and a few are lost when
/// a process ends. Failures and test events are written at once.
#[derive(Clone, Debug, Serialize)]
pub struct DeliveriesPage {
    /// The attempts of this page.
    pub deliveries: Vec<DeliveryView>,
    /// Pass as `cursor` to read the next page; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Answer of `GET /v1/notices`.
#[derive(Clone, Debug, Serialize)]
pub struct NoticesPage {
    /// The notices, the oldest first.
    pub notices: Vec<Notice>,
    /// Pass as `after` to read newer notices, now or later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Whether more notices may exist already.
    pub more: bool,
}

/// A page of a subscription's delivery attempts of the last 7 days.
///
/// # Errors
/// 404 when the tenant has no subscription with this id.
pub async fn deliveries<H: Hub>(
    hub: &H,
    tenant: &TenantId,
    id: SubscriptionId,
    query: DeliveriesQuery,
) -> Result<DeliveriesPage, Problem> {
    find(hub, tenant, id).await?;
    let list = match query.which {
        Which::All => "deliveries, newest first",
        Which::Failed => "failed deliveries",
    };
    let tag = ListTag::new(list, tenant, id);
    let after: Option<LogCursor> = tag.open(query.cursor.as_ref(), "/cursor")?;
    let page = hub.deliveries().attempts(id, query.which, after, query.limit).await?;
    Ok(DeliveriesPage {
        deliveries: page.items.into_iter().map(DeliveryView::from).collect(),
        next: page.next.map(|next| tag.bind(next)),
    })
}

/// A page of a tenant's notices of the last 30 days.
///
/// # Errors
/// 503 when the table cannot be read.
pub async fn notices<H: Hub>(
    hub: &H,
    tenant: &TenantId,
    query: NoticesQuery,
) -> Result<NoticesPage, Problem> {
    let tag = ListTag::new("notices, oldest first", tenant, "");
    let previous: Option<LogCursor> = tag.open(query.after.as_ref(), "/after")?;
    let page = hub.deliveries().notices(tenant, previous.clone(), query.limit).await?;
    let after = page.items.last().map(LogCursor::behind).or(previous);
    Ok(NoticesPage {
        more: page.next.is_some(),
        notices: page.items,
        after: after.map(|after| tag.bind(after)),
    })
}
