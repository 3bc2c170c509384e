//! Pausing and resuming.

use domain::ids::{SubscriptionId, TenantId};
use jiff::Timestamp;
use platform::clock::Clock as _;
use platform::deliveries::{Deliveries as _, Notice, NoticeKind};
use platform::hub::Hub;
use platform::problem::Problem;
use platform::queues::{Outgoing, Queue, Queues as _};
use platform::settings::{EndpointState, Subscription};
use protocol::app::SubscriptionView;
use protocol::callback::{Drain, Due};
use uuid::Uuid;

use super::{Asked, replace_once, view};

/// Holds callbacks from now on; within 20 seconds nothing is sent any more. A disabled endpoint stays so.
///
/// # Errors
/// 404 where the tenant has none with this id, 422 where the key was used for another change.
pub async fn pause<H: Hub>(
    hub: &H,
    tenant: &TenantId,
    id: SubscriptionId,
    asked: &Asked,
) -> Result<SubscriptionView, Problem> {
    let now = hub.clock().now();
    let changed = replace_once(hub, tenant, id, asked, |before| {
        let state = match before.state {
            state @ (EndpointState::Paused { .. } | EndpointState::Disabled { .. }) => state,
            state @ (EndpointState::Healthy { .. }
            | EndpointState::Recovering { .. }
            | EndpointState::Troubled { .. }) => left(state, now),
        };
        Subscription { state, ..before.clone() }
    });
    let (before, after) = changed.await?;
    if before.state != after.state {
        tell(hub, tenant, id, NoticeKind::Paused).await;
    }
    Ok(view(after, None))
}

/// Callbacks went to one that recovers, so it leaves health anew.
fn left(state: EndpointState, now: Timestamp) -> EndpointState {
    let since = match state {
        EndpointState::Troubled { since, .. } => since,
        EndpointState::Healthy { .. }
        | EndpointState::Recovering { .. }
        | EndpointState::Disabled { .. }
        | EndpointState::Paused { .. } => now,
    };
    EndpointState::Paused { since, at: now }
}

/// Ends a pause, and what disabled an endpoint: what was held is delivered, in order. An endpoint in trouble is
/// tried at once.
///
/// # Errors
/// 404 where the tenant has none with this id, 422 where the key was used for another change.
pub async fn resume<H: Hub>(
    hub: &H,
    tenant: &TenantId,
    id: SubscriptionId,
    asked: &Asked,
) -> Result<SubscriptionView, Problem> {
    let now = hub.clock().now();
    let changed = replace_once(hub, tenant, id, asked, |before| {
        let state = match before.state {
            EndpointState::Paused { since, .. } | EndpointState::Disabled { since, .. } => {
                EndpointState::Recovering { since }
            }
            EndpointState::Troubled { attempt, since, next_at } => {
                EndpointState::Troubled { attempt, since, next_at: next_at.min(now) }
            }
            state @ (EndpointState::Healthy { .. } | EndpointState::Recovering { .. }) => state,
        };
        Subscription { state, ..before.clone() }
    });
    let (before, after) = changed.await?;
    let was_off = matches!(before.state, EndpointState::Paused { .. } | EndpointState::Disabled { .. });
    if was_off && before.state != after.state {
        tell(hub, tenant, id, NoticeKind::Enabled).await;
    }
    wake(hub, tenant, id).await;
    Ok(view(after, None))
}

/// What the tenant did itself it knows; its other people read it in the notices.
async fn tell<H: Hub>(hub: &H, tenant: &TenantId, id: SubscriptionId, kind: NoticeKind) {
    let notice = Notice { kind, subscription: id, at: hub.clock().now(), reason: None };
    if let Err(error) = hub.deliveries().notify(tenant, &notice).await {
        tracing::warn!(subscription = %id, %error, "a change is not in the notices");
    }
}

/// Wakes the drainer. Where that fails the schedule does, within a minute.
async fn wake<H: Hub>(hub: &H, tenant: &TenantId, id: SubscriptionId) {
    let drain = Drain { tenant: tenant.clone(), subscription: id };
    let (group, mark) = (drain.group(), Uuid::new_v4().simple());
    // Two ids: there is nothing in it that JSON cannot say.
    let body = serde_json::to_string(&Due::Drain(drain)).unwrap_or_default();
    let message = Outgoing { id: group.clone(), dedup: format!("{group}:{mark}"), group, body };
    let sent = hub.queues().send(Queue::Drains, vec![message]).await;
    let failed = match sent {
        Ok(receipts) => receipts.into_iter().find_map(|(_, result)| result.err()),
        Err(error) => Some(error),
    };
    if let Some(error) = failed {
        tracing::warn!(subscription = %id, %error, "a drainer was not woken; the schedule wakes it");
    }
}
