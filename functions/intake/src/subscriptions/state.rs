//! Pausing and resuming.

use http_kit::problem::Problem;
use jiff::Timestamp;
use platform::clock::Clock as _;
use platform::deliveries::NoticeKind;
use platform::hub::Hub;
use platform::outbox::drain_message;
use platform::queues::{Queue, Queues as _, SendError};
use platform::settings::{EndpointState, Subscription};
use protocol::app::SubscriptionView;
use protocol::callback::Drain;
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
            | EndpointState::Failing { .. }) => left(state, request.hub.clock().now()),
        };
        Ok(in_state(before, state, NoticeKind::Paused))
    };
    request.once(decide).await
}

/// Callbacks went to one that recovers, so it leaves health anew.
fn left(state: EndpointState, now: Timestamp) -> EndpointState {
    let since = match state {
        EndpointState::Failing { since, .. } => since,
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
            EndpointState::Failing { attempt, since, next_at } => {
                let next_at = next_at.min(request.hub.clock().now());
                let state = EndpointState::Failing { attempt, since, next_at };
                Outcome { notice: None, ..in_state(before, state, NoticeKind::Enabled) }
            }
            EndpointState::Healthy { .. } | EndpointState::Recovering { .. } => {
                Outcome::unchanged(view(before, None))
            }
        })
    };
    let answer = request.once(decide).await?;
    // A repeat, too: whoever asked first may have died before.
    wake(request).await;
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
async fn wake<H: Hub>(request: &Request<'_, H>) {
    let (id, mark) = (request.id, Uuid::new_v4().simple().to_string());
    let drain = Drain { tenant: request.tenant.clone(), subscription: id };
    let sent = async {
        let message = drain_message(drain, &mark).map_err(|_| SendError::Refused)?;
        let receipts = request.hub.queues().send(Queue::Drains, vec![message]).await?;
        receipts.into_iter().try_for_each(|(_, result)| result)
    };
    if let Err(error) = sent.await {
        tracing::warn!(subscription = %id, %error, "a drainer was not woken; the schedule wakes it");
    }
}
