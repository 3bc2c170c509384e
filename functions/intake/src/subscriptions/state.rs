//! Pausing and resuming.

use domain::ids::{SubscriptionId, TenantId};
use jiff::Timestamp;
use platform::clock::Clock as _;
use platform::deliveries::NoticeKind;
use platform::hub::Hub;
use platform::problem::Problem;
use platform::queues::{Outgoing, Queue, Queues as _};
use platform::settings::{EndpointState, Subscription};
use protocol::app::SubscriptionView;
use protocol::callback::{Drain, Due};
use uuid::Uuid;

use super::once::{Answer, Outcome, Request};
use super::view;

/// Holds callbacks from now on; within 20 seconds nothing is sent any more. A disabled endpoint stays so.
///
/// # Errors
/// 404 where the tenant has none with this id, 422 where the key was used for something else.
pub async fn pause<H: Hub>(request: &Request<'_, H>) -> Result<Answer, Problem> {
    let decide = || async {
        let before = request.subscription().await?;
        let state = match before.state {
            state @ (EndpointState::Paused { .. } | EndpointState::Disabled { .. }) => state,
            state @ (EndpointState::Healthy { .. }
            | EndpointState::Recovering { .. }
            | EndpointState::Troubled { .. }) => left(state, request.hub.clock().now()),
        };
        Ok(in_state(before, state, NoticeKind::Paused))
    };
    request.once(decide).await
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
/// 404 where the tenant has none with this id, 422 where the key was used for something else.
pub async fn resume<H: Hub>(request: &Request<'_, H>) -> Result<Answer, Problem> {
    let decide = || async {
        let before = request.subscription().await?;
        Ok(match before.state {
            EndpointState::Paused { since, .. } | EndpointState::Disabled { since, .. } => {
                in_state(before, EndpointState::Recovering { since }, NoticeKind::Enabled)
            }
            EndpointState::Troubled { attempt, since, next_at } => {
                let next_at = next_at.min(request.hub.clock().now());
                let state = EndpointState::Troubled { attempt, since, next_at };
                Outcome { notice: None, ..in_state(before, state, NoticeKind::Enabled) }
            }
            EndpointState::Healthy { .. } | EndpointState::Recovering { .. } => {
                Outcome::unchanged(view(before, None))
            }
        })
    };
    let answer = request.once(decide).await?;
    // A repeat, too: whoever asked first may have died before.
    wake(request.hub, request.tenant, request.id).await;
    Ok(answer)
}

/// A subscription in a state, which is told if it is another than before.
fn in_state(before: Subscription, state: EndpointState, kind: NoticeKind) -> Outcome<SubscriptionView> {
    if before.state == state {
        return Outcome::unchanged(view(before, None));
    }
    let after = Subscription { state, revision: before.revision.saturating_add(1), ..before };
    Outcome::replaced(after.clone(), view(after, None)).told(kind)
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
