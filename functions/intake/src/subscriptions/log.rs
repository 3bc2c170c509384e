//! What an app reads of deliveries, and the notices to it.

use domain::ids::{ApplicationId, SubscriptionId, TenantId};
use http_kit::fields::{Fields, FromFields, flag, text, whole};
use http_kit::problem::Problem;
use jiff::Timestamp;
use platform::deliveries::{Attempt, Cause, Deliveries as _, LogCursor, Notice, Which};
use platform::hub::Hub;
use serde::Serialize;

use super::find;

/// Most entries of a page.
const PAGE: u64 = 100;
/// Entries of a page where nothing else is asked.
const USUAL_PAGE: u64 = 50;

/// `GET /v1/subscriptions/{id}/deliveries?failed=&cursor=&limit=`.
#[derive(Clone, Debug)]
pub struct DeliveriesQuery {
    which: Which,
    limit: usize,
    cursor: Option<LogCursor>,
}

impl FromFields for DeliveriesQuery {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let failed = fields.optional("failed", flag).unwrap_or(false);
        let which = if failed { Which::Failed } else { Which::All };
        Some(DeliveriesQuery { which, limit: limit(fields), cursor: fields.optional("cursor", text) })
    }
}

/// `GET /v1/notices?after=&limit=`.
#[derive(Clone, Debug)]
pub struct NoticesQuery {
    limit: usize,
    after: Option<LogCursor>,
}

impl FromFields for NoticesQuery {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        Some(NoticesQuery { limit: limit(fields), after: fields.optional("after", text) })
    }
}

fn limit(fields: &mut Fields<'_>) -> usize {
    let limit = fields.optional("limit", whole(1..=PAGE)).unwrap_or(USUAL_PAGE);
    usize::try_from(limit).unwrap_or(1)
}

/// An attempt to deliver a callback.
#[derive(Clone, Debug, Serialize)]
pub struct DeliveryView {
    /// `webhook-id`.
    pub webhook_id: String,
    /// `application.<event>`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The application.
    pub application: ApplicationId,
    /// Version of the event.
    pub version: u32,
    /// Which attempt at the endpoint, counted from 1.
    pub attempt: u32,
    /// When it began.
    pub at: Timestamp,
    /// Whether it arrived.
    pub delivered: bool,
    /// The status that was answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Why there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// How long it took.
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

/// Attempts, the newest first; with `failed` the last of each callback that has not arrived. The newest
/// successes may be missing for a minute, and a few where a process ended; no failure and no test is.
#[derive(Clone, Debug, Serialize)]
pub struct DeliveriesPage {
    /// The attempts.
    pub deliveries: Vec<DeliveryView>,
    /// Pass as `cursor` to read on; none at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Notices, the oldest first.
#[derive(Clone, Debug, Serialize)]
pub struct NoticesPage {
    /// The notices.
    pub notices: Vec<Notice>,
    /// Pass as `after` to read on, now or later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Whether there may be more already.
    pub more: bool,
}

/// A page of a subscription's attempts, of the last 7 days.
///
/// # Errors
/// 404 where the tenant has no subscription with this id.
pub async fn deliveries<H: Hub>(
    hub: &H,
    tenant: &TenantId,
    id: SubscriptionId,
    query: DeliveriesQuery,
) -> Result<DeliveriesPage, Problem> {
    find(hub, tenant, id).await?;
    let page = hub.deliveries().attempts(id, query.which, query.cursor, query.limit).await?;
    Ok(DeliveriesPage {
        deliveries: page.items.into_iter().map(DeliveryView::from).collect(),
        next: page.next.map(|next| next.to_string()),
    })
}

/// A page of a tenant's notices, of the last 30 days.
///
/// # Errors
/// 503 where they cannot be read.
pub async fn notices<H: Hub>(
    hub: &H,
    tenant: &TenantId,
    query: NoticesQuery,
) -> Result<NoticesPage, Problem> {
    let before = query.after.clone();
    let page = hub.deliveries().notices(tenant, query.after, query.limit).await?;
    let after = page.items.last().map(LogCursor::behind).or(before);
    Ok(NoticesPage {
        more: page.next.is_some(),
        notices: page.items,
        after: after.map(|after| after.to_string()),
    })
}
