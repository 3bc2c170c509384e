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
use platform::internal_queue::proven;
use platform::jitter::schedule_jitter;
use platform::outbox::drain_message;
use platform::queues::{Outgoing, Queue, Queues as _, SendError};
use protocol::callback::{Callback, CallbackMessage, Drain, SubscriptionCallback, TEST};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};
use uuid::Uuid;

use crate::connector::{Answer, Connector, DEADLINE, GONE, WebhookHeaders};
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
/// Receives of a message after which a rejected callback is stored, even when the endpoint accepts others. The queue
/// moves a message to its dead-letter queue much later.
const MAX_RECEIVES: u32 = 8;
/// Attempts to record that an endpoint has accepted a test event, while other processes change its state.
const TEST_WRITES: u32 = 3;
/// Number of endpoint semaphores from which unused ones are removed.
const MAX_ENDPOINTS: usize = 1_000;

/// What is known about earlier attempts of a callback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Earlier {
    /// There was none: the message is new, and the endpoint healthy.
    None,
    /// The delivery log says whether there were some.
    Logged,
    /// The callback was sent before: this is a replay.
    Replayed,
}

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
        let mut wanted = self.endpoints.of(&callback.tenant).await?;
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
            self.direct(endpoint, &callback, message, false).await?;
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
            let body = proven(&self.hub, &CallbackMessage::V2(addressed)).await?;
            messages.push(Outgoing { id: group.clone(), group, dedup: id, body });
        }
        Ok(self.send(Queue::Callbacks, messages).await?)
    }

    /// Delivers a callback to one subscription.
    pub(crate) async fn to_one(
        &self,
        addressed: SubscriptionCallback,
        message: &Message,
    ) -> Result<(), Failure> {
        let SubscriptionCallback { subscription, callback, replay } = addressed;
        if callback.kind == TEST {
            return self.test(subscription, &callback).await;
        }
        let cached = self.endpoints.of(&callback.tenant).await?;
        let cached = cached.into_iter().find(|endpoint| endpoint.subscription.id == subscription);
        let endpoint = match cached {
            Some(endpoint) => Some(endpoint),
            None => self.endpoints.fresh(&callback.tenant, subscription).await?,
        };
        let Some(endpoint) = endpoint else { return Ok(()) };
        self.direct(endpoint, &callback, message, replay).await
    }

    /// Sends a test event at once, whatever the state of the endpoint. An accepted test ends the state `failing`; a
    /// rejected one is in the delivery log, and has no other effect.
    async fn test(&self, id: SubscriptionId, callback: &Callback) -> Result<(), Failure> {
        // The tenant may have changed the URL or the keys just before the test.
        let Some(mut endpoint) = self.endpoints.fresh(&callback.tenant, id).await? else { return Ok(()) };
        // Without its keys a test would be unsigned. The loss of the keys is in the log as an error.
        if !endpoint.can_sign() {
            return Ok(());
        }
        let number = self.number(id, callback, Earlier::Logged).await;
        let (attempt, answer) = self.post(&endpoint, callback, number, DEADLINE).await;
        self.journal.add(attempt);
        if !answer.is_delivered() {
            return Ok(());
        }
        for _ in 0..TEST_WRITES {
            let transition = self.transition(&endpoint, EndpointEvent::Delivered).await?;
            if transition.endpoint.is_some() {
                return if transition.wakes_drainer { self.wake_drainer(&endpoint).await } else { Ok(()) };
            }
            let Some(current) = self.endpoints.fresh(&callback.tenant, id).await? else { return Ok(()) };
            endpoint = current;
        }
        Ok(())
    }

    /// Number of the next attempt of a callback. The delivery log has the last failed attempt. When the log cannot be
    /// read, the attempt counts as the second, because a failed read of the log fails no delivery.
    pub(crate) async fn number(&self, id: SubscriptionId, callback: &Callback, earlier: Earlier) -> u32 {
        let first = match earlier {
            Earlier::None => return 1,
            Earlier::Logged => 1,
            Earlier::Replayed => 2,
        };
        match self.hub.deliveries().last_failed(id, callback.application, callback.version).await {
            Ok(last) => last.map_or(first, |last| last.saturating_add(1).max(first)),
            Err(error) => {
                tracing::warn!(callback = callback.id(), %error, "the delivery log could not be read; the number of an attempt may be wrong");
                2
            }
        }
    }

    async fn direct(
        &self,
        mut endpoint: Arc<Endpoint>,
        callback: &Callback,
        message: &Message,
        replay: bool,
    ) -> Result<(), Failure> {
        let id = endpoint.subscription.id;
        let repeated = message.receives > 1;
        if repeated || endpoint.state().is_propagating(self.now()) {
            let Some(fresh) = self.endpoints.fresh(&callback.tenant, id).await? else { return Ok(()) };
            endpoint = fresh;
        }
        if !endpoint.can_sign() {
            return self.store(&endpoint, callback).await;
        }
        let route = endpoint.state().route_callback(self.now(), repeated);
        let earlier = match route {
            Route::Post if !replay => Earlier::None,
            Route::Post | Route::PostUnlessStored | Route::ClaimUnlessStored | Route::Store | Route::Wait => {
                if replay {
                    Earlier::Replayed
                } else {
                    Earlier::Logged
                }
            }
        };
        match route {
            Route::Post => self.attempt(&endpoint, callback, message, earlier).await,
            Route::PostUnlessStored => {
                if self.is_stored(id, callback).await? {
                    return self.store(&endpoint, callback).await;
                }
                self.attempt(&endpoint, callback, message, earlier).await
            }
            // The endpoint had recovered and failed again while a drainer was delivering.
            Route::ClaimUnlessStored if self.is_stored(id, callback).await? => {
                self.store(&endpoint, callback).await
            }
            Route::ClaimUnlessStored => {
                let claim = self.transition(&endpoint, EndpointEvent::Claimed(schedule_jitter())).await;
                let Some(claimed) = claim?.endpoint else {
                    return self.return_to_queue(&endpoint, message).await;
                };
                // The result of the attempt replaces the claim, so that the attempt counts once.
                let mut before = (*claimed).clone();
                before.subscription.state = endpoint.state();
                self.attempt(&before, callback, message, earlier).await
            }
            Route::Store => self.store(&endpoint, callback).await,
            Route::Wait => self.return_to_queue(&endpoint, message).await,
        }
    }

    /// Whether an earlier callback of the same application is stored.
    async fn is_stored(&self, id: SubscriptionId, callback: &Callback) -> Result<bool, Failure> {
        Ok(self.hub.deliveries().has_stored_callbacks(id, callback.application).await?)
    }

    /// Sends a callback to the endpoint and records the result.
    async fn attempt(
        &self,
        endpoint: &Endpoint,
        callback: &Callback,
        message: &Message,
        earlier: Earlier,
    ) -> Result<(), Failure> {
        let number = self.number(endpoint.subscription.id, callback, earlier).await;
        let (attempt, answer) = self.post(endpoint, callback, number, self.patience).await;
        self.journal.add(attempt);
        if !answer.is_delivered() {
            return match self.rejected(endpoint, &answer, message).await? {
                None => Ok(()),
                Some(endpoint) => self.return_to_queue(&endpoint, message).await,
            };
        }
        let transition = self.transition(endpoint, EndpointEvent::Delivered).await?;
        if transition.wakes_drainer { self.wake_drainer(endpoint).await } else { Ok(()) }
    }

    /// Applies a failed direct delivery. A callback must not be stored before every process knows that the endpoint
    /// left health, because a process with an older state would send later callbacks of the application directly. So a
    /// slow endpoint, and the endpoint of a message that was received too often, first leave health, and the message
    /// waits until that is known.
    async fn rejected(
        &self,
        endpoint: &Endpoint,
        answer: &Answer,
        message: &Message,
    ) -> Result<Option<Arc<Endpoint>>, Failure> {
        let (id, latency_ms) = (endpoint.subscription.id, answer.took.as_millis());
        let set_aside = match answer.result {
            Err(Cause::Timeout) => {
                tracing::warn!(subscription = %id, latency_ms, "an endpoint is slow; its callbacks are stored from now on");
                true
            }
            Ok(GONE) => false,
            Ok(_) | Err(_) => message.receives > MAX_RECEIVES,
        };
        Ok(if set_aside {
            self.after(endpoint, EndpointEvent::TooSlow).await?
        } else {
            self.failed(endpoint, answer).await?
        })
    }

    /// Returns the message to the queue until the endpoint is due again, or its callbacks are stored instead.
    async fn return_to_queue(&self, endpoint: &Endpoint, message: &Message) -> Result<(), Failure> {
        let state = endpoint.state();
        let times = [state.propagated_at(), state.due()];
        let at = times.into_iter().flatten().min().unwrap_or_else(|| self.now());
        let wait = Duration::try_from(at.duration_since(self.now())).unwrap_or_default();
        self.postpone(message, wait.max(Duration::from_secs(1)).saturating_add(Duration::from_millis(999)))
            .await;
        Err(Failure::retry(format!("the endpoint is {}", state.name())))
    }

    /// Hides a received message for a time. After a failure the message returns after the queue's visibility timeout.
    pub(crate) async fn postpone(&self, message: &Message, wait: Duration) {
        let drains = message.queue.as_deref().is_some_and(|queue| queue.ends_with("-drains.fifo"));
        let queue = if drains { Queue::Drains } else { Queue::Callbacks };
        if let Err(error) = self.hub.queues().postpone(queue, &message.receipt, wait).await {
            tracing::warn!(%error, "the visibility of a callback message could not be changed; the message returns after its visibility timeout");
        }
    }

    /// Stores a callback for a drainer. Another process may have found nothing stored and marked the endpoint healthy
    /// in the meantime. The endpoint then returns to state `recovering`, so that the schedule wakes a drainer even if
    /// this process crashes before it does.
    async fn store(&self, endpoint: &Endpoint, callback: &Callback) -> Result<(), Failure> {
        let (tenant, id) = (&endpoint.subscription.tenant, endpoint.subscription.id);
        self.hub.deliveries().store_callback(id, callback, self.now()).await?;
        let Some(current) = self.endpoints.fresh(tenant, id).await? else { return Ok(()) };
        let transition = self.transition(&current, EndpointEvent::Stored).await?;
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
        let mark = Uuid::new_v4().simple().to_string();
        let message = drain_message(&self.hub, drain, &mark).await?;
        Ok(self.send(Queue::Drains, vec![message]).await?)
    }

    pub(crate) async fn send(&self, queue: Queue, messages: Vec<Outgoing>) -> Result<(), SendError> {
        self.hub.queues().send(queue, messages).await?.into_iter().try_for_each(|(_, result)| result)
    }

    /// Posts a callback once. The status counts once the headers of the answer are there, within `patience`, the wait
    /// for a socket included. Returns the entry for the delivery log and the endpoint's answer.
    pub(crate) async fn post(
        &self,
        endpoint: &Endpoint,
        callback: &Callback,
        number: u32,
        patience: Duration,
    ) -> (Attempt, Answer) {
        let id = endpoint.subscription.id;
        let (each, begun, began_at) = (self.sockets_of(id), Instant::now(), self.now());
        let left = || patience.saturating_sub(begun.elapsed());
        // The semaphores are never closed. Dropping a permit releases it.
        let permits = timeout(patience, async { (each.acquire().await, self.sockets.acquire().await) }).await;
        let (at, answer) = match permits {
            // Without time left no request is started, because its callback is stored and sent again.
            Ok(_) | Err(_) if left().is_zero() => {
                (began_at, Answer { result: Err(Cause::Timeout), retry_after: None, took: begun.elapsed() })
            }
            _permits => {
                let at = self.now();
                // Serialisation cannot fail: the payload has only ids, numbers and names.
                let body = serde_json::to_vec(&callback.payload()).unwrap_or_default();
                let signatures = endpoint.sign(&callback.id(), at, &body);
                let webhook = WebhookHeaders { id: callback.id(), seconds: at.as_second(), signatures };
                (at, self.connector.post_within(&endpoint.subscription.url, &webhook, body, at, left()).await)
            }
        };
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
