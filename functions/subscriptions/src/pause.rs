//! Pausing and resuming a subscription.

use domain::endpoint::{EndpointEffect, EndpointEvent, next};
use http_kit::problem::Problem;
use platform::clock::Clock as _;
use platform::deliveries::NoticeKind;
use platform::hub::Hub;
use platform::outbox::drain_message;
use platform::queues::{Queue, Queues as _, SendError};
use platform::subscriptions::Subscription;
use protocol::app::SubscriptionView;
use protocol::callback::Drain;
use uuid::Uuid;

use crate::idempotent_request::{IdempotentRequest, Outcome, StoredAnswer};
use crate::view::view;

/// Pauses a subscription: its callbacks are stored. Senders that have cached the state stop within 20 seconds. A
/// disabled endpoint stays disabled.
///
/// # Errors
/// 404 when the tenant has no subscription with this id, 422 when the key was used for another request.
pub async fn pause<H: Hub>(request: &IdempotentRequest<'_, H>) -> Result<StoredAnswer, Problem> {
    let decide =
        || async { Ok(after(request.subscription().await?, EndpointEvent::PauseRequested, request.hub)) };
    request.answer_once(decide).await
}

/// Resumes a paused or disabled subscription: stored callbacks are delivered in order. A failing endpoint is tried at
/// once.
///
/// # Errors
/// 404 when the tenant has no subscription with this id, 422 when the key was used for another request.
pub async fn resume<H: Hub>(request: &IdempotentRequest<'_, H>) -> Result<StoredAnswer, Problem> {
    let decide =
        || async { Ok(after(request.subscription().await?, EndpointEvent::ResumeRequested, request.hub)) };
    let answer = request.answer_once(decide).await?;
    // A repeat wakes the drainer, too: the first request may have crashed between the commit and the wake.
    wake_drainer(request).await;
    Ok(answer)
}

/// The subscription after an event, with the notice that the state machine requires.
fn after<H: Hub>(before: Subscription, event: EndpointEvent, hub: &H) -> Outcome<SubscriptionView> {
    let (state, effects) = next(before.state, event, hub.clock().now());
    if before.state == state {
        return Outcome::unchanged(view(before, None));
    }
    let after = Subscription { state, revision: before.revision.saturating_add(1), ..before };
    let outcome = Outcome::replaced(after.clone(), view(after, None));
    let notice = effects.into_iter().find_map(|effect| match effect {
        EndpointEffect::NotifyPaused => Some(NoticeKind::Paused),
        EndpointEffect::NotifyEnabled => Some(NoticeKind::Enabled),
        EndpointEffect::NotifyDisabled(_) => Some(NoticeKind::Disabled),
        EndpointEffect::WakeDrainer => None,
    });
    match notice {
        Some(kind) => outcome.with_notice(kind),
        None => outcome,
    }
}

/// Wakes the drainer of stored callbacks. When the message cannot be sent, the schedule wakes the drainer within a
/// minute.
pub(crate) async fn wake_drainer<H: Hub>(request: &IdempotentRequest<'_, H>) {
    let (id, mark) = (request.id, Uuid::new_v4().simple().to_string());
    let drain = Drain { tenant: request.tenant.clone(), subscription: id };
    let sent = async {
        let message = drain_message(request.hub, drain, &mark).await.map_err(|_| SendError::Unavailable)?;
        let receipts = request.hub.queues().send(Queue::Drains, vec![message]).await?;
        receipts.into_iter().try_for_each(|(_, result)| result)
    };
    if let Err(error) = sent.await {
        tracing::warn!(subscription = %id, %error, "the drainer could not be woken; stored callbacks wait for the schedule");
    }
}
