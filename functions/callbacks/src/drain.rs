//! Delivers the stored callbacks of an endpoint: first one callback to try a failing endpoint, then all of them, in version
//! order within an application, several applications at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use domain::endpoint::{EndpointEvent, EndpointState};
use futures_util::stream::{self, StreamExt as _};
use platform::batch::Failure;
use platform::deliveries::{Deliveries as _, Line};
use platform::hub::Hub;
use platform::outbox::drain_message;
use platform::queues::Queue;
use platform::subscriptions::Subscriptions as _;
use protocol::callback::{Callback, Drain};
use tokio::time::Instant;

use crate::connector::{Answer, DEADLINE};
use crate::delivery::{CallbackSender, SOCKETS_EACH};
use crate::endpoints::Endpoint;

/// Held callbacks read at once.
pub const PAGE: usize = 200;
/// Endpoints that one wake looks after; what is due beyond them is due at the next one.
pub const WOKEN: usize = 1_000;
/// How long a page is delivered by what was read before it: as long as anything is remembered of an endpoint.
const PAGE_TIME: Duration = Duration::from_secs(15);
/// Refused callbacks of a page that end it.
const REFUSALS: usize = 3;
/// Time kept for writing down what was done.
const MARGIN: Duration = Duration::from_secs(3);

/// What became of some held callbacks.
#[derive(Default)]
struct Outcome {
    lines: Vec<Line>,
    failure: Option<Answer>,
}

impl<H: Hub> CallbackSender<H> {
    /// What the schedule does: writes what is left of the log, and wakes the drainers of all endpoints that are due. One
    /// that was woken a moment ago and has not come to it is not woken again.
    pub async fn wake_due(&self) -> usize {
        self.journal.write().await;
        let now = self.now();
        let due = match self.hub.subscriptions().due(now, WOKEN).await {
            Ok(due) => due,
            Err(error) => {
                tracing::warn!(%error, "the due endpoints could not be read; the next wake tries again");
                return 0;
            }
        };
        let minute = (now.as_second() / 60).to_string();
        let messages: Result<Vec<_>, _> = due
            .into_iter()
            .map(|(tenant, subscription)| drain_message(Drain { tenant, subscription }, &minute))
            .collect();
        let messages = match messages {
            Ok(messages) => messages,
            Err(error) => {
                tracing::error!(%error, "no drainer could be woken; held callbacks wait for the next wake");
                return 0;
            }
        };
        let count = messages.len();
        if let Err(error) = self.send(Queue::Drains, messages).await {
            tracing::warn!(%error, "some drainers could not be woken; the next wake tries again");
        }
        count
    }

    /// Delivers what is held for an endpoint, if it is due, until `deadline`; the rest by another message.
    ///
    /// # Errors
    /// What is to be tried again. Nothing that is held is lost, and something may be delivered twice.
    pub async fn drain(&self, drain: &Drain, deadline: Instant) -> Result<(), Failure> {
        let (tenant, id) = (&drain.tenant, drain.subscription);
        let Some(mut endpoint) = self.endpoints.fresh(tenant, id).await.map_err(Failure::retry)? else {
            return Ok(());
        };
        while endpoint.state().may_drain(self.now()) {
            if !has_time(deadline) {
                return self.wake(&endpoint).await;
            }
            let page = self.hub.deliveries().held(id, None, PAGE).await.map_err(Failure::retry)?;
            let changed = if page.is_empty() {
                self.emptied(&endpoint).await?
            } else if let EndpointState::Failing { attempt, .. } = endpoint.state() {
                self.probe(&endpoint, candidate(&page, attempt)).await?
            } else {
                self.deliver_page(&endpoint, page, deadline).await?
            };
            match changed {
                Some(next) => endpoint = next,
                None => return Ok(()),
            }
        }
        Ok(())
    }

    /// No callback is stored: the endpoint is healthy, unless one was stored while that was written.
    async fn emptied(&self, endpoint: &Endpoint) -> Result<Option<Arc<Endpoint>>, Failure> {
        if matches!(endpoint.state(), EndpointState::Healthy { .. }) {
            return Ok(None);
        }
        self.after(endpoint, EndpointEvent::Drained).await.map_err(Failure::retry)
    }

    /// Tries a failing endpoint with one callback.
    async fn probe(
        &self,
        endpoint: &Endpoint,
        callback: &Callback,
    ) -> Result<Option<Arc<Endpoint>>, Failure> {
        let (attempt, answer) = self.post(endpoint, callback, number(endpoint.state())).await;
        let mut lines = vec![Line::Attempted(attempt)];
        if !answer.is_delivered() {
            self.write(lines).await?;
            self.failed(endpoint, &answer).await.map_err(Failure::retry)?;
            return Ok(None);
        }
        lines.push(Line::Released(endpoint.subscription.id, callback.clone()));
        self.write(lines).await?;
        // This drainer is the one that the transition wakes: it goes on with the recovering endpoint.
        self.after(endpoint, EndpointEvent::Delivered).await.map_err(Failure::retry)
    }

    /// Delivers a page, for as long as what is known of the endpoint counts. A callback that alone is refused ends its
    /// application; an answer that says that the endpoint is away, or several refusals, end the page. The endpoint is in state
    /// `failing` after each of these.
    async fn deliver_page(
        &self,
        endpoint: &Arc<Endpoint>,
        page: Vec<Callback>,
        deadline: Instant,
    ) -> Result<Option<Arc<Endpoint>>, Failure> {
        let deadline = deadline.min(Instant::now() + PAGE_TIME + DEADLINE + MARGIN);
        let refused = &AtomicUsize::new(0);
        let applications = page.chunk_by(|a, b| a.application == b.application);
        let deliveries = applications.map(|of_one| self.in_order(endpoint, of_one, refused, deadline));
        let outcomes: Vec<Outcome> = stream::iter(deliveries).buffer_unordered(SOCKETS_EACH).collect().await;
        let mut all = Outcome::default();
        for outcome in outcomes {
            all.lines.extend(outcome.lines);
            // What is about the endpoint counts before what is about one callback: it may be gone, or say when to come again.
            let failures = [all.failure, outcome.failure].into_iter().flatten();
            all.failure = failures.max_by_key(is_away);
        }
        self.write(all.lines).await?;
        let (tenant, id) = (&endpoint.subscription.tenant, endpoint.subscription.id);
        match all.failure {
            Some(answer) => {
                self.failed(endpoint, &answer).await.map_err(Failure::retry)?;
                Ok(None)
            }
            // It may have been paused meanwhile.
            None => self.endpoints.fresh(tenant, id).await.map_err(Failure::retry),
        }
    }

    async fn in_order(
        &self,
        endpoint: &Endpoint,
        callbacks: &[Callback],
        refused: &AtomicUsize,
        deadline: Instant,
    ) -> Outcome {
        let mut outcome = Outcome::default();
        for callback in callbacks {
            if refused.load(Ordering::Relaxed) >= REFUSALS || !has_time(deadline) {
                break;
            }
            let (attempt, answer) = self.post(endpoint, callback, number(endpoint.state())).await;
            outcome.lines.push(Line::Attempted(attempt));
            if !answer.is_delivered() {
                refused.fetch_add(if is_away(&answer) { REFUSALS } else { 1 }, Ordering::Relaxed);
                outcome.failure = Some(answer);
                break;
            }
            outcome.lines.push(Line::Released(endpoint.subscription.id, callback.clone()));
        }
        outcome
    }

    async fn write(&self, lines: Vec<Line>) -> Result<(), Failure> {
        self.hub.deliveries().write(lines).await.map_err(Failure::retry)
    }
}

/// The callback that a failing endpoint is tried with: another application's each time, so that one callback that is
/// refused does not stand for them all.
fn candidate(page: &[Callback], attempt: u32) -> &Callback {
    let heads: Vec<&Callback> =
        page.chunk_by(|a, b| a.application == b.application).filter_map(|of_one| of_one.first()).collect();
    let place = usize::try_from(attempt).unwrap_or_default() % heads.len().max(1);
    heads.get(place).copied().unwrap_or(&page[0])
}

/// Whether an answer is about the endpoint, and not about one callback.
fn is_away(answer: &Answer) -> bool {
    match answer.result {
        Ok(status) => matches!(status, 410 | 429 | 502..=504),
        Err(_) => true,
    }
}

/// The number of this attempt. A stored callback was tried before, or would have been: its first attempt is the second.
fn number(state: EndpointState) -> u32 {
    state.failures().saturating_add(1).max(2)
}

fn has_time(deadline: Instant) -> bool {
    Instant::now() + DEADLINE + MARGIN < deadline
}
