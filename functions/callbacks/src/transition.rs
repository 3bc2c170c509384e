//! Applies an event to an endpoint: writes the new state and notifies the tenant. The rules are in
//! [`domain::endpoint`].

use std::sync::Arc;

use domain::endpoint::{EndpointEffect, EndpointEvent, EndpointState, next};
use jiff::SignedDuration;
use platform::deliveries::{Deliveries as _, Notice, NoticeKind};
use platform::hub::Hub;
use platform::jitter::schedule_jitter;

use crate::connector::{Answer, GONE};
use crate::delivery::CallbackSender;
use crate::endpoints::{Endpoint, EndpointsError};

/// Result of applying an event.
pub(crate) struct Transition {
    /// The endpoint after the event; `None` when another process has changed it first.
    pub(crate) endpoint: Option<Arc<Endpoint>>,
    /// Whether the caller must wake a drainer.
    pub(crate) wakes_drainer: bool,
}

impl<H: Hub> CallbackSender<H> {
    /// Writes the state after an event. When the endpoint becomes disabled, writes a notice for the tenant.
    pub(crate) async fn transition(
        &self,
        endpoint: &Endpoint,
        event: EndpointEvent,
    ) -> Result<Transition, EndpointsError> {
        let (state, effects) = next(endpoint.state(), event, self.now());
        let wakes_drainer = effects.contains(&EndpointEffect::WakeDrainer);
        if state == endpoint.state() {
            return Ok(Transition { endpoint: Some(Arc::new(endpoint.clone())), wakes_drainer });
        }
        let (tenant, id) = (&endpoint.subscription.tenant, endpoint.subscription.id);
        if let EndpointState::Disabled { reason, at, .. } = state {
            // The notice is written before the state, so that a crash between the two writes causes a second notice and
            // not a missing one.
            let current = self.endpoints.fresh(tenant, id).await?;
            if current.is_some_and(|current| current.subscription.revision != endpoint.subscription.revision)
            {
                return Ok(Transition { endpoint: None, wakes_drainer });
            }
            let notice = Notice { kind: NoticeKind::Disabled, subscription: id, at, reason: Some(reason) };
            self.hub.deliveries().notify(tenant, &notice).await?;
        }
        let changed = self.endpoints.change(endpoint, state).await?;
        if let (EndpointState::Disabled { reason, .. }, true) = (state, changed.is_some()) {
            // A metric counts these lines.
            tracing::warn!(subscription = %id, ?reason, "an endpoint is disabled");
        }
        Ok(Transition { endpoint: changed, wakes_drainer })
    }

    /// Applies an event and returns the endpoint, even when another process has changed it first; `None` when its
    /// subscription is deleted.
    pub(crate) async fn after(
        &self,
        endpoint: &Endpoint,
        event: EndpointEvent,
    ) -> Result<Option<Arc<Endpoint>>, EndpointsError> {
        match self.transition(endpoint, event).await?.endpoint {
            Some(changed) => Ok(Some(changed)),
            None => self.endpoints.fresh(&endpoint.subscription.tenant, endpoint.subscription.id).await,
        }
    }

    /// Applies a failed attempt and returns the endpoint, as [`CallbackSender::after`] does.
    pub(crate) async fn failed(
        &self,
        endpoint: &Endpoint,
        answer: &Answer,
    ) -> Result<Option<Arc<Endpoint>>, EndpointsError> {
        let (status, cause) = (answer.result.ok(), answer.result.err());
        let (id, state) = (endpoint.subscription.id, endpoint.state().name());
        tracing::warn!(subscription = %id, state, status, ?cause, "a delivery attempt failed; the callback is retried or stored");
        let event = match answer.result {
            Ok(GONE) => EndpointEvent::AnsweredGone,
            _ => EndpointEvent::Failed {
                retry_after: answer.retry_after.and_then(|wait| SignedDuration::try_from(wait).ok()),
                jitter: schedule_jitter(),
            },
        };
        self.after(endpoint, event).await
    }
}
