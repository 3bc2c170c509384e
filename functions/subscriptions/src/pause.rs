//! Pausing and resuming a subscription.

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

use crate::idempotent_request::{IdempotentRequest, Outcome, StoredAnswer};
use crate::view::view;

/// Pauses a subscription: its callbacks are held. Senders that have cached the state stop within 20 seconds. A disabled
/// endpoint stays disabled.
///
/// # Errors
/// 404 when the tenant has no subscription with this id, 422 when the key was used for another request.
pub async fn pause<H: Hub>(request: &IdempotentRequest<'_, H>) -> Result<StoredAnswer, Problem> {
    let decide = || async {
        let before = request.subscription().await?;
        let state = match before.state {
            state @ (EndpointState::Paused { .. } | EndpointState::Disabled { .. }) => state,
            state @ (EndpointState::Healthy { .. }
            | EndpointState::Recovering { .. }
            | EndpointState::Failing { .. }) => paused(state, request.hub.clock().now()),
        };
        Ok(in_state(before, state, NoticeKind::Paused))
    };
    request.answer_once(decide).await
}

/// The paused state. A failing endpoint keeps the time since which it fails. Callbacks reached a recovering endpoint, so
/// its time starts now, like that of a healthy one.
fn paused(state: EndpointState, now: Timestamp) -> EndpointState {
    let since = match state {
        EndpointState::Failing { since, .. } => since,
        EndpointState::Healthy { .. }
        | EndpointState::Recovering { .. }
        | EndpointState::Disabled { .. }
        | EndpointState::Paused { .. } => now,
    };
    EndpointState::Paused { since, at: now }
}

/// Resumes a paused or disabled subscription: held callbacks are delivered in order. A failing endpoint is tried at
/// once.
///
/// # Errors
/// 404 when the tenant has no subscription with this id, 422 when the key was used for another request.
pub async fn resume<H: Hub>(request: &IdempotentRequest<'_, H>) -> Result<StoredAnswer, Problem> {
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
    let answer = request.answer_once(decide).await?;
    // On a repeat, too: the first request may have committed and then crashed before it woke the drainer.
    wake_drainer(request).await;
    Ok(answer)
}

/// The subscription in this state, with a notice when the state has changed.
fn in_state(before: Subscription, state: EndpointState, kind: NoticeKind) -> Outcome<SubscriptionView> {
    if before.state == state {
        return Outcome::unchanged(view(before, None));
    }
    let after = Subscription { state, revision: before.revision.saturating_add(1), ..before };
    Outcome::replaced(after.clone(), view(after, None)).with_notice(kind)
}

/// Wakes the drainer of held callbacks. If the message cannot be sent, the schedule wakes the drainer within a minute.
async fn wake_drainer<H: Hub>(request: &IdempotentRequest<'_, H>) {
    let (id, mark) = (request.id, Uuid::new_v4().simple().to_string());
    let drain = Drain { tenant: request.tenant.clone(), subscription: id };
    let sent = async {
        let message = drain_message(drain, &mark).map_err(|_| SendError::Refused)?;
        let receipts = request.hub.queues().send(Queue::Drains, vec![message]).await?;
        receipts.into_iter().try_for_each(|(_, result)| result)
    };
    if let Err(error) = sent.await {
        tracing::warn!(subscription = %id, %error, "the drainer could not be woken: held callbacks wait for the schedule");
    }
}
