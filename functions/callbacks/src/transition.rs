//! What an event makes of an endpoint, written and told. The rules are those of [`domain::endpoint`].

use std::sync::Arc;

use domain::endpoint::{EndpointEffect, EndpointEvent, EndpointState, next};
use jiff::SignedDuration;
use platform::deliveries::{Deliveries as _, Notice, NoticeKind};
use platform::hub::Hub;
use platform::jitter::schedule_jitter;

use crate::connector::Answer;
use crate::delivery::CallbackSender;
use crate::endpoints::{Endpoint, EndpointsError};

/// Status that ends a subscription (Standard Webhooks).
const GONE: u16 = 410;

/// What became of an event.
pub(crate) struct Transition {
    /// The endpoint after the event; `None` where another process changed it first.
    pub(crate) endpoint: Option<Arc<Endpoint>>,
    /// Whether a drainer is to be woken.
    pub(crate) wakes_drainer: bool,
}

impl<H: Hub> CallbackSender<H> {
    /// Writes the state after an event, and tells the tenant where the machine says so.
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
            // The notice is written before the state: a process that dies between the two leads to a second notice,
            // never to none.
            let current = self.endpoints.fresh(tenant, id).await?;
            if current.is_some_and(|it| it.subscription.revision != endpoint.subscription.revision) {
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

    /// The endpoint after an event, whoever changed it; `None` where it is gone.
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

    /// The endpoint after a failed attempt, whoever changed it; `None` where it is gone.
    pub(crate) async fn failed(
        &self,
        endpoint: &Endpoint,
        answer: &Answer,
    ) -> Result<Option<Arc<Endpoint>>, EndpointsError> {
        let (status, cause) = (answer.result.ok(), answer.result.err());
        let (id, state) = (endpoint.subscription.id, endpoint.state().name());
        tracing::warn!(subscription = %id, state, status, ?cause, "an attempt at an endpoint failed");
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
