//! One callback to one endpoint: directly while the endpoint takes callbacks, else held.
//!
//! No callback is posted to an endpoint in trouble but by its drainer ([`crate::drain`]) and, in the first
//! moments, by the message that met the trouble. So a dead endpoint costs a write for each event, and nobody's
//! time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::ids::SubscriptionId;
use jiff::Timestamp;
use platform::batch::{Failure, Message};
use platform::clock::Clock as _;
use platform::config::Mode;
use platform::deliveries::{Attempt, Deliveries as _, Notice, NoticeKind};
use platform::hub::Hub;
use platform::outbox::drain_message;
use platform::queues::{Outgoing, Queue, Queues as _, SendError};
use platform::settings::{EndpointState, PROPAGATION_DELAY, Reason};
use protocol::callback::{Callback, CallbackMessage, Directed, Drain};
use tokio::sync::Semaphore;
use uuid::Uuid;

use crate::connector::{Answer, Connector, Head};
use crate::endpoints::{Endpoint, Endpoints, EndpointsError};
use crate::journal::Journal;
use crate::resolve::SystemLookup;
use crate::schedule::wait_after;

/// Sockets of a process, at once.
pub const SOCKETS: usize = 64;
/// Sockets to one endpoint, at once.
pub const SOCKETS_EACH: usize = 8;
/// An endpoint that takes this long is no better than one that fails, for whoever waits beside it: its callbacks
/// are held and drained by themselves, although each arrives.
pub const SLOW: Duration = Duration::from_secs(5);
/// Receives of a message after which its callback is held, whatever its endpoint takes of others: long before the queue
/// gives it up.
const PATIENCE: u32 = 8;
/// Endpoints whose sockets are counted at once.
const COUNTED: usize = 1_000;
/// Status that ends a subscription (Standard Webhooks).
const GONE: u16 = 410;

/// Delivers callbacks. Clones share connections and memory.
#[derive(Clone)]
pub struct CallbackSender<H> {
    pub(crate) hub: H,
    pub(crate) endpoints: Endpoints<H>,
    pub(crate) journal: Journal<H>,
    connector: Connector,
    slow: Duration,
    sockets: Arc<Semaphore>,
    each: Arc<Mutex<HashMap<SubscriptionId, Arc<Semaphore>>>>,
}

impl<H: Hub> CallbackSender<H> {
    /// A courier with its own connections, which it keeps between callbacks.
    ///
    /// # Errors
    /// Where no HTTP client can be made.
    pub fn new(hub: H, mode: Mode) -> Result<Self, reqwest::Error> {
        Ok(CallbackSender::over(hub, Connector::new(mode, Arc::new(SystemLookup))?))
    }

    /// A courier over connections that there are.
    #[must_use]
    pub fn over(hub: H, connector: Connector) -> Self {
        CallbackSender {
            endpoints: Endpoints::new(hub.clone()),
            journal: Journal::new(hub.clone()),
            connector,
            slow: SLOW,
            sockets: Arc::new(Semaphore::new(SOCKETS)),
            each: Arc::default(),
            hub,
        }
    }

    /// The same with another bound than [`SLOW`].
    #[must_use]
    pub fn with_slow(self, slow: Duration) -> Self {
        CallbackSender { slow, ..self }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.hub.clock().now()
    }

    /// To every subscription of the tenant that wants it: a message of its own to each, so that none waits for another;
    /// or at once, to one that has never had another beside it.
    pub(crate) async fn to_all(&self, callback: Callback, message: &Message) -> Result<(), Failure> {
        let mut wanted = self.endpoints.of(&callback.tenant).await.map_err(Failure::retry)?;
        wanted.retain(|endpoint| endpoint.subscription.wants(&callback.kind));
        let now = self.now();
        let (directed, direct): (Vec<_>, Vec<_>) = wanted
            .into_iter()
            .partition(|endpoint| endpoint.subscription.directed_from.is_some_and(|from| from <= now));
        let directed = directed.iter().map(|endpoint| {
            let subscription = endpoint.subscription.id;
            Directed { subscription, callback: callback.clone(), again: false }
        });
        self.send_directed(directed.collect()).await?;
        // One at most: the second one of a tenant is directed from its first moment.
        for endpoint in direct {
            self.direct(endpoint, &callback, message, message.receives).await?;
        }
        Ok(())
    }

    async fn send_directed(&self, all: Vec<Directed>) -> Result<(), Failure> {
        if all.is_empty() {
            return Ok(());
        }
        let mut messages = Vec::new();
        for directed in all {
            let (id, group) = (directed.callback.id(), directed.group());
            let body = serde_json::to_string(&CallbackMessage::V2(directed)).map_err(Failure::poison)?;
            messages.push(Outgoing { id: group.clone(), group, dedup: id, body });
        }
        self.send(Queue::Callbacks, messages).await.map_err(Failure::retry)
    }

    /// To one subscription.
    pub(crate) async fn to_one(&self, directed: Directed, message: &Message) -> Result<(), Failure> {
        let Directed { subscription, callback, again } = directed;
        let known = self.endpoints.of(&callback.tenant).await.map_err(Failure::retry)?;
        let known = known.into_iter().find(|endpoint| endpoint.subscription.id == subscription);
        let endpoint = match known {
            Some(endpoint) => Some(endpoint),
            None => self.endpoints.fresh(&callback.tenant, subscription).await.map_err(Failure::retry)?,
        };
        let Some(endpoint) = endpoint else { return Ok(()) };
        let number = message.receives.saturating_add(u32::from(again));
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
        let is_settling =
            |endpoint: &Endpoint| endpoint.state().settles_at().is_some_and(|at| self.now() < at);
        let unsure = !endpoint.state().takes_directly() && is_settling(&endpoint);
        if message.receives > 1 || unsure {
            let fresh = self.endpoints.fresh(&callback.tenant, id).await.map_err(Failure::retry)?;
            let Some(fresh) = fresh else { return Ok(()) };
            endpoint = fresh;
        }
        let state = endpoint.state();
        if state.takes_directly() {
            // A message that came before may have been held by a process that died on the way.
            let cautious = state.is_cautious(self.now()) || message.receives > 1;
            if message.receives > PATIENCE || cautious && self.is_held(id, callback).await? {
                return self.hold(&endpoint, callback).await;
            }
            return self.try_it(&endpoint, callback, message, number).await;
        }
        if !is_settling(&endpoint) {
            return self.hold(&endpoint, callback).await;
        }
        if let EndpointState::Failing { attempt, since, next_at } = state
            && next_at <= self.now()
        {
            // It had recovered, and fell ill again while it was drained.
            if self.is_held(id, callback).await? {
                return self.hold(&endpoint, callback).await;
            }
            // The attempt is counted before it is made, so that one process makes it; whether it failed is
            // written over that.
            let counted = self.after_failure(attempt.saturating_add(1), since, None);
            let claimed = self.endpoints.change(&endpoint, counted).await.map_err(Failure::retry)?;
            if let Some(claimed) = claimed {
                let mut before = (*claimed).clone();
                before.subscription.state = state;
                return self.try_it(&before, callback, message, number).await;
            }
        }
        self.wait_until_settled(&endpoint, message).await
    }

    /// Whether something of a callback's application is held.
    async fn is_held(&self, id: SubscriptionId, callback: &Callback) -> Result<bool, Failure> {
        self.hub.deliveries().holds(id, callback.application).await.map_err(Failure::retry)
    }

    /// Posts a callback to an endpoint; where it fails, the endpoint is in trouble.
    async fn try_it(
        &self,
        endpoint: &Endpoint,
        callback: &Callback,
        message: &Message,
        number: u32,
    ) -> Result<(), Failure> {
        let (attempt, answer) = self.post(endpoint, callback, number).await;
        self.journal.note(attempt);
        if answer.is_delivered() {
            if answer.took >= self.slow {
                self.slowed(endpoint).await;
            } else if let EndpointState::Failing { since, .. } = endpoint.state() {
                // Not healthy yet: something may be held. The drainer sees, and the schedule wakes it if this does not.
                let better = EndpointState::Recovering { since };
                self.endpoints.change(endpoint, better).await.map_err(Failure::retry)?;
                self.wake(endpoint).await?;
            }
            return Ok(());
        }
        let changed = self.trouble(endpoint, &answer).await.map_err(Failure::retry)?;
        match changed {
            None => Ok(()),
            Some(endpoint) => self.wait_until_settled(&endpoint, message).await,
        }
    }

    /// Has the callbacks of a slow endpoint held from now on. Where that cannot be written, the next one tells.
    async fn slowed(&self, endpoint: &Endpoint) {
        let now = self.now();
        let id = endpoint.subscription.id;
        let state = EndpointState::Failing { attempt: 0, since: now, next_at: now + PROPAGATION_DELAY };
        match self.endpoints.change(endpoint, state).await {
            Ok(_) => tracing::info!(subscription = %id, "an endpoint is slow"),
            Err(error) => tracing::warn!(subscription = %id, %error, "a slow endpoint is not known as such"),
        }
    }

    /// The message comes again when the endpoint is tried next, or when events are held.
    async fn wait_until_settled(&self, endpoint: &Endpoint, message: &Message) -> Result<(), Failure> {
        let state = endpoint.state();
        let times = [state.settles_at(), state.due()];
        let at = times.into_iter().flatten().min().unwrap_or_else(|| self.now());
        let wait = Duration::try_from(at.duration_since(self.now())).unwrap_or_default();
        let wait = wait.max(Duration::from_secs(1)) + Duration::from_millis(999);
        if let Err(error) = self.hub.queues().postpone(Queue::Callbacks, &message.receipt, wait).await {
            tracing::warn!(%error, "a callback could not be postponed; it comes again when its queue lets it");
        }
        Err(Failure::retry(format!("the endpoint is {}", state.name())))
    }

    /// Holds a callback. The endpoint may have recovered meanwhile, in a process that saw nothing held: then it recovers
    /// again, so that the schedule has it drained even where this process dies before it wakes the drainer.
    async fn hold(&self, endpoint: &Endpoint, callback: &Callback) -> Result<(), Failure> {
        let (tenant, id) = (&endpoint.subscription.tenant, endpoint.subscription.id);
        self.hub.deliveries().hold(id, callback, self.now()).await.map_err(Failure::retry)?;
        let Some(now) = self.endpoints.fresh(tenant, id).await.map_err(Failure::retry)? else {
            return Ok(());
        };
        if matches!(now.state(), EndpointState::Healthy { .. }) {
            let again = EndpointState::Recovering { since: self.now() };
            if self.endpoints.change(&now, again).await.map_err(Failure::retry)?.is_none() {
                return Err(Failure::retry("the endpoint changed while a callback was held for it"));
            }
        }
        if now.state().takes_directly() { self.wake(&now).await } else { Ok(()) }
    }

    pub(crate) async fn wake(&self, endpoint: &Endpoint) -> Result<(), Failure> {
        let tenant = endpoint.subscription.tenant.clone();
        let drain = Drain { tenant, subscription: endpoint.subscription.id };
        let message = drain_message(drain, &Uuid::new_v4().simple().to_string()).map_err(Failure::poison)?;
        self.send(Queue::Drains, vec![message]).await.map_err(Failure::retry)
    }

    pub(crate) async fn send(&self, queue: Queue, messages: Vec<Outgoing>) -> Result<(), SendError> {
        self.hub.queues().send(queue, messages).await?.into_iter().try_for_each(|(_, result)| result)
    }

    /// Posts a callback once: what is to be logged, and what came of it.
    pub(crate) async fn post(
        &self,
        endpoint: &Endpoint,
        callback: &Callback,
        number: u32,
    ) -> (Attempt, Answer) {
        let id = endpoint.subscription.id;
        let each = self.sockets_of(id);
        // Neither is ever closed; a place is given back when it is dropped.
        let _each = each.acquire().await;
        let _one = self.sockets.acquire().await;
        let at = self.now();
        // Ids, numbers and names: there is nothing in it that JSON cannot say.
        let body = serde_json::to_vec(&callback.payload()).unwrap_or_default();
        let signatures = endpoint.sign(&callback.id(), at, &body);
        let head = Head { id: callback.id(), seconds: at.as_second(), signatures };
        let answer = self.connector.post(&endpoint.subscription.url, &head, body, at).await;
        let latency_ms = u32::try_from(answer.took.as_millis()).unwrap_or(u32::MAX);
        let callback = callback.clone();
        (Attempt { subscription: id, callback, number, at, result: answer.result, latency_ms }, answer)
    }

    fn sockets_of(&self, id: SubscriptionId) -> Arc<Semaphore> {
        let mut each = self.each.lock().unwrap_or_else(PoisonError::into_inner);
        if each.len() >= COUNTED {
            each.retain(|_, sockets| Arc::strong_count(sockets) > 1);
        }
        each.entry(id).or_insert_with(|| Arc::new(Semaphore::new(SOCKETS_EACH))).clone()
    }

    /// Writes down that an endpoint failed. The endpoint as it is then: another process may have been faster.
    /// `None` where it is gone.
    pub(crate) async fn trouble(
        &self,
        endpoint: &Endpoint,
        answer: &Answer,
    ) -> Result<Option<Arc<Endpoint>>, EndpointsError> {
        let (tenant, id) = (&endpoint.subscription.tenant, endpoint.subscription.id);
        let next = self.failed(endpoint.state(), answer);
        let (status, cause) = (answer.result.ok(), answer.result.err());
        tracing::warn!(subscription = %id, status, ?cause, state = next.name(), "an endpoint failed");
        if let EndpointState::Disabled { reason, at, .. } = next {
            // It is told before it is so: whoever dies between the two tells it again.
            let current = self.endpoints.fresh(tenant, id).await?;
            if current.is_some_and(|it| it.subscription.revision != endpoint.subscription.revision) {
                return self.endpoints.fresh(tenant, id).await;
            }
            let notice = Notice { kind: NoticeKind::Disabled, subscription: id, at, reason: Some(reason) };
            self.hub.deliveries().notify(tenant, &notice).await?;
        }
        match self.endpoints.change(endpoint, next).await? {
            Some(changed) => {
                if let EndpointState::Disabled { reason, .. } = next {
                    // A metric counts these lines.
                    tracing::warn!(subscription = %id, ?reason, "an endpoint is disabled");
                }
                Ok(Some(changed))
            }
            None => self.endpoints.fresh(tenant, id).await,
        }
    }

    /// The state after a failure.
    fn failed(&self, state: EndpointState, answer: &Answer) -> EndpointState {
        let now = self.now();
        let (failures, since) = match state {
            EndpointState::Failing { attempt, since, .. } => (attempt.saturating_add(1), since),
            EndpointState::Healthy { .. }
            | EndpointState::Recovering { .. }
            | EndpointState::Disabled { .. }
            | EndpointState::Paused { .. } => (1, now),
        };
        if answer.result == Ok(GONE) {
            return EndpointState::Disabled { reason: Reason::Gone, since, at: now };
        }
        self.after_failure(failures, since, answer.retry_after)
    }

    /// The state after so many failures in a row, the endpoint's own wish included.
    fn after_failure(&self, failures: u32, since: Timestamp, asked: Option<Duration>) -> EndpointState {
        let now = self.now();
        match wait_after(failures) {
            None => EndpointState::Disabled { reason: Reason::Exhausted, since, at: now },
            Some(wait) => {
                let wait = wait.max(asked.unwrap_or_default());
                EndpointState::Failing { attempt: failures, since, next_at: now + wait }
            }
        }
    }
}
