//! The view of a subscription in answers.

use domain::endpoint::{DisabledReason, EndpointState};
use platform::subscriptions::Subscription;
use protocol::app::SubscriptionView;
use protocol::callback::Secret;

/// The view of a subscription. `secret` is given only in the answer to the request that created it.
pub(crate) fn view(subscription: Subscription, secret: Option<&Secret>) -> SubscriptionView {
    let state = subscription.state;
    let reason = match state {
        EndpointState::Disabled { reason: DisabledReason::Gone, .. } => Some("gone".to_owned()),
        EndpointState::Disabled { reason: DisabledReason::Exhausted, .. } => Some("exhausted".to_owned()),
        EndpointState::Healthy { .. }
        | EndpointState::Recovering { .. }
        | EndpointState::Failing { .. }
        | EndpointState::Paused { .. } => None,
    };
    SubscriptionView {
        id: subscription.id,
        url: subscription.url,
        events: subscription.events,
        created_at: subscription.created,
        state: state.name().to_owned(),
        reason,
        since: state.since(),
        next_attempt_at: state.due(),
        stored_callbacks: None,
        public_key: subscription.public_key,
        former_keys_until: subscription.former.map(|former| former.until),
        secret: secret.map(Secret::reveal),
    }
}
