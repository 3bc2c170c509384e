//! Pausing and resuming.

use domain::endpoint::{EndpointEffect, EndpointEvent, next};
use http_kit::problem::Problem;
use platform::clock::Clock as _;
use platform::deliveries::NoticeKind;
use platform::hub::Hub;
use platform::outbox::drain_message;
use platform::queues::{Queue, Queues as _, SendError};
use platform::settings::Subscription;
use protocol::app::SubscriptionView;
use protocol::callback::Drain;
use uuid::Uuid;

use super::once::{Answer, Outcome, Request};
use super::view;

/// Stores callbacks from now on; after 20 seconds no process sends any more. A disabled endpoint stays disabled.
///
/// # Errors
/// 404 where the tenant has no subscription with this id, 422 where the key was used for another request.
pub async fn pause<H: Hub>(request: &Request<'_, H>) -> Result<Answer, Problem> {
    let decide =
        || async { Ok(after(request.subscription().await?, EndpointEvent::PauseRequested, request.hub)) };
    request.once(decide).await
}

/// Ends a pause, and the disabled state: stored callbacks are delivered, in order. A failing endpoint is tried at once.
///
/// # Errors
/// 404 where the tenant has no subscription with this id, 422 where the key was used for another request.
pub async fn resume<H: Hub>(request: &Request<'_, H>) -> Result<Answer, Problem> {
    let decide =
        || async { Ok(after(request.subscription().await?, EndpointEvent::ResumeRequested, request.hub)) };
    let answer = request.once(decide).await?;
    // A repeat wakes the drainer, too: the process that answered first may have died before it did.
    wake(request).await;
    Ok(answer)
}

/// The subscription after an event, with the notice that the state machine asks for.
fn after<H: Hub>(before: Subscription, event: EndpointEvent, hub: &H) -> Outcome<SubscriptionView> {
    let (state, effects) = next(before.state, event, hub.clock().now());
    if before.state == state {
        return Outcome::unchanged(view(before, None));
    }
    let after = Subscription { state, revision: before.revision.saturating_add(1), ..before };
    let notice = effects.into_iter().find_map(|effect| match effect {
        EndpointEffect::NotifyPaused => Some(NoticeKind::Paused),
        EndpointEffect::NotifyEnabled => Some(NoticeKind::Enabled),
        EndpointEffect::NotifyDisabled(_) => Some(NoticeKind::Disabled),
        EndpointEffect::WakeDrainer => None,
    });
    Outcome { notice, ..Outcome::replaced(after.clone(), view(after, None)) }
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
