//! Delivers a callback to an endpoint: directly while the endpoint is healthy, otherwise stores it for later. The rules
//! are in [`domain::endpoint`]; this file executes them.
//!
//! A failing endpoint is called only by the drainer ([`crate::drain`]) and, shortly after the first failure, by retries
//! of the message that failed. A dead endpoint therefore costs one write for each event and delays no other endpoint.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::endpoint::{EndpointEvent, Route};
use domain::ids::SubscriptionId;
use jiff::Timestamp;
use platform::batch::{Failure, Message};
use platform::clock::Clock as _;
use platform::config::Mode;
use platform::deliveries::{Attempt, Cause, Deliveries as _};
use platform::hub::Hub;
use platform::jitter::schedule_jitter;
use platform::outbox::drain_message;
use platform::queues::{Outgoing, Queue, Queues as _, SendError};
use protocol::callback::{Callback, CallbackMessage, Drain, SubscriptionCallback};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use uuid::Uuid;

use crate::connector::{Answer, Connector, WebhookHeaders};
use crate::endpoints::{Endpoint, Endpoints};
use crate::journal::Journal;
use crate::resolve::SystemLookup;

/// Maximum number of concurrent requests of a process.
pub const SOCKETS: usize = 64;
/// Maximum number of concurrent requests to one endpoint.
pub const SOCKETS_EACH: usize = 8;
/// Maximum duration of a direct delivery, including the wait for a socket. A batch is answered when its slowest
/// delivery has ended, so the messages behind an endpoint that hangs wait as long. A delivery that takes longer is
/// abandoned and its callback is stored. The drainer, which delays no other endpoint, gives it the deadline of the
/// connector.
pub const DELIVERY_BOUND: Duration = Duration::from_millis(1_500);
/// Receives of a message after which its callback is stored, even when the endpoint accepts others. The queue moves a
/// message to its dead-letter queue much later.
const MAX_RECEIVES: u32 = 8;
/// Number of endpoint semaphores from which unused ones are removed.
const MAX_ENDPOINTS: usize = 1_000;

/// Delivers callbacks. Clones share connections, caches and limits.
#[derive(Clone)]
pub struct CallbackSender<H> {
    pub(crate) hub: H,
    pub(crate) endpoints: Endpoints<H>,
    pub(crate) journal: Journal<H>,
    connector: Connector,
    patience: Duration,
    sockets: Arc<Semaphore>,
    each: Arc<Mutex<HashMap<SubscriptionId, Arc<Semaphore>>>>,
}

impl<H: Hub> CallbackSender<H> {
    /// A sender with a connector of its own.
    ///
    /// # Errors
    /// When the HTTP client cannot be built.
    pub fn new(hub: H, mode: Mode) -> Result<Self, reqwest::Error> {
        Ok(CallbackSender::over(hub, Connector::new(mode, Arc::new(SystemLookup))?))
    }

    /// A sender over a given connector.
    #[must_use]
    pub fn over(hub: H, connector: Connector) -> Self {
        CallbackSender {
            endpoints: Endpoints::new(hub.clone()),
            journal: Journal::new(hub.clone()),
            connector,
            patience: DELIVERY_BOUND,
            sockets: Arc::new(Semaphore::new(SOCKETS)),
            each: Arc::default(),
            hub,
        }
    }

    /// The same sender with another bound than [`DELIVERY_BOUND`].
    #[must_use]
    pub fn with_patience(self, patience: Duration) -> Self {
        CallbackSender { patience, ..self }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.hub.clock().now()
    }

    /// Delivers a callback to every subscription of the tenant that wants it. Each subscription gets its own message,
    /// so that no endpoint waits for another. The callback is sent directly to a subscription that has always been the
    /// only one.
    pub(crate) async fn to_all(&self, callback: Callback, message: &Message) -> Result<(), Failure> {
        let mut wanted = self.endpoints.of(&callback.tenant).await.map_err(Failure::retry)?;
        wanted.retain(|endpoint| endpoint.subscription.wants(&callback.kind));
        let now = self.now();
        let (addressed, direct): (Vec<_>, Vec<_>) = wanted
            .into_iter()
            .partition(|endpoint| endpoint.subscription.own_messages_from.is_some_and(|from| from <= now));
        let addressed = addressed.iter().map(|endpoint| {
            let subscription = endpoint.subscription.id;
            SubscriptionCallback { subscription, callback: callback.clone(), replay: false }
        });
        self.send_to_subscriptions(addressed.collect()).await?;
        // At most one: a tenant's second subscription has its own messages from the beginning.
        for endpoint in direct {
            self.direct(endpoint, &callback, message, message.receives).await?;
        }
        Ok(())
    }

    async fn send_to_subscriptions(&self, all: Vec<SubscriptionCallback>) -> Result<(), Failure> {
        if all.is_empty() {
            return Ok(());
        }
        let mut messages = Vec::new();
        for addressed in all {
            let (id, group) = (addressed.callback.id(), addressed.group());
            let body = serde_json::to_string(&CallbackMessage::V2(addressed)).map_err(Failure::poison)?;
            messages.push(Outgoing { id: group.clone(), group, dedup: id, body });
        }
        self.send(Queue::Callbacks, messages).await.map_err(Failure::retry)
    }

    /// Delivers a callback to one subscription.
    pub(crate) async fn to_one(
        &self,
        addressed: SubscriptionCallback,
        message: &Message,
    ) -> Result<(), Failure> {
        let SubscriptionCallback { subscription, callback, replay } = addressed;
        let cached = self.endpoints.of(&callback.tenant).await.map_err(Failure::retry)?;
        let cached = cached.into_iter().find(|endpoint| endpoint.subscription.id == subscription);
        let endpoint = match cached {
            Some(endpoint) => Some(endpoint),
            None => self.endpoints.fresh(&callback.tenant, subscription).await.map_err(Failure::retry)?,
        };
        let Some(endpoint) = endpoint else { return Ok(()) };
        let number = message.receives.saturating_add(u32::from(replay));
        self.direct(endpoint, &callback, message, number).await
    }

    async fn direct(
        &self,
        mut endpoint: Arc<Endpoint>,
        callback: &Callback,
        message: &Message,
        number: u32,
    ) -> Result<(), Failure> {
        let id = endpoint.subscription.id;
        let repeated = message.receives > 1;
        if repeated || endpoint.state().is_propagating(self.now()) {
            let fresh = self.endpoints.fresh(&callback.tenant, id).await.map_err(Failure::retry)?;
            let Some(fresh) = fresh else { return Ok(()) };
            endpoint = fresh;
        }
        match endpoint.state().route_callback(self.now(), repeated) {
            Route::Post | Route::PostUnlessStored if message.receives > MAX_RECEIVES => {
                self.store(&endpoint, callback).await
            }
            Route::Post => self.attempt(&endpoint, callback, message, number).await,
            Route::PostUnlessStored => {
                if self.is_stored(id, callback).await? {
                    return self.store(&endpoint, callback).await;
                }
                self.attempt(&endpoint, callback, message, number).await
            }
            // The endpoint had recovered and failed again while a drainer was delivering.
            Route::ClaimUnlessStored if self.is_stored(id, callback).await? => {
                self.store(&endpoint, callback).await
            }
            Route::ClaimUnlessStored => {
                let claim = self.transition(&endpoint, EndpointEvent::Claimed(schedule_jitter())).await;
                let Some(claimed) = claim.map_err(Failure::retry)?.endpoint else {
                    return self.return_to_queue(&endpoint, message).await;
                };
                // The result of the attempt replaces the claim, so that the attempt counts once.
                let mut before = (*claimed).clone();
                before.subscription.state = endpoint.state();
                self.attempt(&before, callback, message, number).await
            }
            Route::Store => self.store(&endpoint, callback).await,
            Route::Wait => self.return_to_queue(&endpoint, message).await,
        }
    }

    /// Whether an earlier callback of the same application is stored.
    async fn is_stored(&self, id: SubscriptionId, callback: &Callback) -> Result<bool, Failure> {
        self.hub.deliveries().has_stored_callbacks(id, callback.application).await.map_err(Failure::retry)
    }

    /// Sends a callback to the endpoint and records the result.
    async fn attempt(
        &self,
        endpoint: &Endpoint,
        callback: &Callback,
        message: &Message,
        number: u32,
    ) -> Result<(), Failure> {
        let at = self.now();
        let posted = timeout(self.patience, self.post(endpoint, callback, number)).await;
        let Ok((attempt, answer)) = posted else {
            return self.abandoned(endpoint, callback, message, number, at).await;
        };
        self.journal.add(attempt);
        if !answer.is_delivered() {
            let changed = self.failed(endpoint, &answer).await.map_err(Failure::retry)?;
            return match changed {
                None => Ok(()),
                Some(endpoint) => self.return_to_queue(&endpoint, message).await,
            };
        }
        let transition = self.transition(endpoint, EndpointEvent::Delivered).await.map_err(Failure::retry)?;
        if transition.wakes_drainer { self.wake_drainer(endpoint).await } else { Ok(()) }
    }

    /// Records that a direct delivery took too long, so that the callbacks of the endpoint are stored from now on.
    async fn abandoned(
        &self,
        endpoint: &Endpoint,
        callback: &Callback,
        message: &Message,
        number: u32,
        at: Timestamp,
    ) -> Result<(), Failure> {
        let id = endpoint.subscription.id;
        let latency_ms = u32::try_from(self.patience.as_millis()).unwrap_or(u32::MAX);
        let (callback, result) = (callback.clone(), Err(Cause::Timeout));
        self.journal.add(Attempt { subscription: id, callback, number, at, result, latency_ms });
        tracing::warn!(subscription = %id, latency_ms, "an endpoint is slow; its callbacks are stored from now on");
        match self.after(endpoint, EndpointEvent::TooSlow).await.map_err(Failure::retry)? {
            None => Ok(()),
            Some(endpoint) => self.return_to_queue(&endpoint, message).await,
        }
    }

    /// Returns the message to the queue until the endpoint is due again, or its callbacks are stored instead.
    async fn return_to_queue(&self, endpoint: &Endpoint, message: &Message) -> Result<(), Failure> {
        let state = endpoint.state();
        let times = [state.propagated_at(), state.due()];
        let at = times.into_iter().flatten().min().unwrap_or_else(|| self.now());
        let wait = Duration::try_from(at.duration_since(self.now())).unwrap_or_default();
        let wait = wait.max(Duration::from_secs(1)) + Duration::from_millis(999);
        if let Err(error) = self.hub.queues().postpone(Queue::Callbacks, &message.receipt, wait).await {
            tracing::warn!(%error, "the visibility of a callback message could not be changed; the message returns after its visibility timeout");
        }
        Err(Failure::retry(format!("the endpoint is {}", state.name())))
    }

    /// Stores a callback for a drainer. Another process may have found nothing stored and marked the endpoint healthy
    /// in the meantime. The endpoint then returns to state `recovering`, so that the schedule wakes a drainer even if
    /// this process crashes before it does.
    async fn store(&self, endpoint: &Endpoint, callback: &Callback) -> Result<(), Failure> {
        let (tenant, id) = (&endpoint.subscription.tenant, endpoint.subscription.id);
        self.hub.deliveries().store_callback(id, callback, self.now()).await.map_err(Failure::retry)?;
        let Some(current) = self.endpoints.fresh(tenant, id).await.map_err(Failure::retry)? else {
            return Ok(());
        };
        let transition = self.transition(&current, EndpointEvent::Stored).await.map_err(Failure::retry)?;
        if transition.endpoint.is_none() {
            return Err(Failure::retry(
                "the state of the endpoint changed while a callback was stored for it",
            ));
        }
        if transition.wakes_drainer { self.wake_drainer(&current).await } else { Ok(()) }
    }

    pub(crate) async fn wake_drainer(&self, endpoint: &Endpoint) -> Result<(), Failure> {
        let tenant = endpoint.subscription.tenant.clone();
        let drain = Drain { tenant, subscription: endpoint.subscription.id };
        let message = drain_message(drain, &Uuid::new_v4().simple().to_string()).map_err(Failure::poison)?;
        self.send(Queue::Drains, vec![message]).await.map_err(Failure::retry)
    }

    pub(crate) async fn send(&self, queue: Queue, messages: Vec<Outgoing>) -> Result<(), SendError> {
        self.hub.queues().send(queue, messages).await?.into_iter().try_for_each(|(_, result)| result)
    }

    /// Posts a callback once. Returns the entry for the delivery log and the endpoint's answer.
    pub(crate) async fn post(
        &self,
        endpoint: &Endpoint,
        callback: &Callback,
        number: u32,
    ) -> (Attempt, Answer) {
        let id = endpoint.subscription.id;
        let each = self.sockets_of(id);
        // The semaphores are never closed. Dropping a permit releases it.
        let _endpoint_permit = each.acquire().await;
        let _process_permit = self.sockets.acquire().await;
        let at = self.now();
        // Serialisation cannot fail: the payload has only ids, numbers and names.
        let body = serde_json::to_vec(&callback.payload()).unwrap_or_default();
        let signatures = endpoint.sign(&callback.id(), at, &body);
        let webhook = WebhookHeaders { id: callback.id(), seconds: at.as_second(), signatures };
        let answer = self.connector.post(&endpoint.subscription.url, &webhook, body, at).await;
        let latency_ms = u32::try_from(answer.took.as_millis()).unwrap_or(u32::MAX);
        let callback = callback.clone();
        (Attempt { subscription: id, callback, number, at, result: answer.result, latency_ms }, answer)
    }

    fn sockets_of(&self, id: SubscriptionId) -> Arc<Semaphore> {
        let mut each = self.each.lock().unwrap_or_else(PoisonError::into_inner);
        if each.len() >= MAX_ENDPOINTS {
            each.retain(|_, sockets| Arc::strong_count(sockets) > 1);
        }
        each.entry(id).or_insert_with(|| Arc::new(Semaphore::new(SOCKETS_EACH))).clone()
    }
}
