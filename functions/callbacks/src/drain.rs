//! Delivers the stored callbacks of an endpoint: first one callback to try a failing endpoint, then all of them, in
//! version order within an application, several applications at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use domain::endpoint::{EndpointEvent, EndpointState};
use futures_util::stream::{self, StreamExt as _};
use platform::batch::Failure;
use platform::deliveries::{Attempt, Deliveries as _, DeliveryWrite};
use platform::hub::Hub;
use platform::outbox::drain_message;
use platform::queues::Queue;
use platform::subscriptions::Subscriptions as _;
use protocol::callback::{Callback, Drain};
use tokio::time::Instant;

use crate::connector::{Answer, DEADLINE};
use crate::delivery::{CallbackSender, Earlier, SOCKETS_EACH};
use crate::endpoints::Endpoint;

/// Number of stored callbacks read in one page.
pub const PAGE: usize = 200;
/// Maximum number of endpoints that one run of the schedule wakes; the others are woken by the next run.
pub const WAKES_PER_RUN: usize = 1_000;
/// Maximum time to deliver a page with the endpoint state read before it: as long as cached endpoints are used.
const PAGE_TIME: Duration = Duration::from_secs(15);
/// Number of failed callbacks after which the rest of a page is not tried.
const FAILURES: usize = 3;
/// Time reserved for writing the results.
const MARGIN: Duration = Duration::from_secs(3);

/// Results of delivering stored callbacks: writes for the delivery log, and the answer that ended the delivery.
#[derive(Default)]
struct DrainOutcome {
    writes: Vec<DeliveryWrite>,
    failure: Option<Answer>,
}

impl<H: Hub> CallbackSender<H> {
    /// Runs on the schedule: writes the rest of the delivery log and wakes the drainers of all due endpoints. Two runs
    /// in the same minute wake a drainer once, because the messages have the same deduplication id. Returns the number
    /// of messages.
    pub async fn wake_due(&self) -> usize {
        self.journal.write().await;
        let now = self.now();
        let due = match self.hub.subscriptions().due(now, WAKES_PER_RUN).await {
            Ok(due) => due,
            Err(error) => {
                tracing::warn!(%error, "the due endpoints could not be read; the next run of the schedule tries again");
                return 0;
            }
        };
        let minute = (now.as_second() / 60).to_string();
        let mut messages = Vec::with_capacity(due.len());
        for (tenant, subscription) in due {
            match drain_message(&self.hub, Drain { tenant, subscription }, &minute).await {
                Ok(message) => messages.push(message),
                Err(error) => {
                    tracing::warn!(%subscription, %error, "a drainer could not be woken; the next run of the schedule tries again");
                }
            }
        }
        let count = messages.len();
        if let Err(error) = self.send(Queue::Drains, messages).await {
            tracing::warn!(%error, "some drainers could not be woken; the next run of the schedule tries again");
        }
        count
    }

    /// Delivers the stored callbacks of a due endpoint until `deadline`, then enqueues a message that continues.
    ///
    /// # Errors
    /// A failure to retry. No stored callback is lost, and some may be delivered twice.
    pub async fn drain(&self, drain: &Drain, deadline: Instant) -> Result<(), Failure> {
        let (tenant, id) = (&drain.tenant, drain.subscription);
        let Some(mut endpoint) = self.endpoints.fresh(tenant, id).await? else {
            return Ok(());
        };
        while endpoint.can_sign() && endpoint.state().may_drain(self.now()) {
            if !has_time(deadline) {
                return self.wake_drainer(&endpoint).await;
            }
            let page = self.hub.deliveries().stored_callbacks(id, None, PAGE).await?;
            let changed = if page.is_empty() {
                self.drained(&endpoint).await?
            } else if let EndpointState::Failing { attempt, .. } = endpoint.state()
                && let Some(callback) = probe_callback(&page, attempt)
            {
                self.probe(&endpoint, callback).await?
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

    /// Marks an endpoint without stored callbacks as healthy, unless a callback was stored in the meantime.
    async fn drained(&self, endpoint: &Endpoint) -> Result<Option<Arc<Endpoint>>, Failure> {
        if matches!(endpoint.state(), EndpointState::Healthy { .. }) {
            return Ok(None);
        }
        Ok(self.after(endpoint, EndpointEvent::Drained).await?)
    }

    /// Tries a failing endpoint with one callback.
    async fn probe(
        &self,
        endpoint: &Endpoint,
        callback: &Callback,
    ) -> Result<Option<Arc<Endpoint>>, Failure> {
        let (attempt, answer) = self.post_stored(endpoint, callback).await;
        let mut writes = vec![DeliveryWrite::Attempted(attempt)];
        if !answer.is_delivered() {
            self.write(writes).await?;
            self.failed(endpoint, &answer).await?;
            return Ok(None);
        }
        writes.push(DeliveryWrite::Released(endpoint.subscription.id, callback.clone()));
        self.write(writes).await?;
        // The transition requires a drainer. This drainer continues with the recovering endpoint, so no message is
        // sent.
        Ok(self.after(endpoint, EndpointEvent::Delivered).await?)
    }

    /// Delivers a page while the endpoint state read before it is fresh enough. A rejected callback stops its
    /// application. An unavailable endpoint, or [`FAILURES`] rejected callbacks, stop the page. The endpoint is in
    /// state `failing` after each of these.
    async fn deliver_page(
        &self,
        endpoint: &Arc<Endpoint>,
        page: Vec<Callback>,
        deadline: Instant,
    ) -> Result<Option<Arc<Endpoint>>, Failure> {
        let begun = Instant::now();
        let has_time = &|| has_time(deadline) && begun.elapsed() < PAGE_TIME;
        let failures = &AtomicUsize::new(0);
        let applications = page.chunk_by(|a, b| a.application == b.application);
        let deliveries =
            applications.map(|callbacks| self.deliver_in_order(endpoint, callbacks, failures, has_time));
        let outcomes: Vec<DrainOutcome> =
            stream::iter(deliveries).buffer_unordered(SOCKETS_EACH).collect().await;
        let mut all = DrainOutcome::default();
        for outcome in outcomes {
            all.writes.extend(outcome.writes);
            // A failure of the endpoint has precedence over a rejected callback: the answer may be 410 or have
            // `Retry-After`.
            let answers = [all.failure, outcome.failure].into_iter().flatten();
            all.failure = answers.max_by_key(is_endpoint_failure);
        }
        self.write(all.writes).await?;
        let (tenant, id) = (&endpoint.subscription.tenant, endpoint.subscription.id);
        match all.failure {
            Some(answer) => {
                self.failed(endpoint, &answer).await?;
                Ok(None)
            }
            // The endpoint may have been paused in the meantime.
            None => Ok(self.endpoints.fresh(tenant, id).await?),
        }
    }

    /// Delivers the callbacks of one application in version order, until the first failure.
    async fn deliver_in_order(
        &self,
        endpoint: &Endpoint,
        callbacks: &[Callback],
        failures: &AtomicUsize,
        has_time: &impl Fn() -> bool,
    ) -> DrainOutcome {
        let mut outcome = DrainOutcome::default();
        for callback in callbacks {
            if failures.load(Ordering::Relaxed) >= FAILURES || !has_time() {
                break;
            }
            let (attempt, answer) = self.post_stored(endpoint, callback).await;
            outcome.writes.push(DeliveryWrite::Attempted(attempt));
            if !answer.is_delivered() {
                failures
                    .fetch_add(if is_endpoint_failure(&answer) { FAILURES } else { 1 }, Ordering::Relaxed);
                outcome.failure = Some(answer);
                break;
            }
            outcome.writes.push(DeliveryWrite::Released(endpoint.subscription.id, callback.clone()));
        }
        outcome
    }

    /// Posts a stored callback, which may have been tried before it was stored.
    async fn post_stored(&self, endpoint: &Endpoint, callback: &Callback) -> (Attempt, Answer) {
        let number = self.number(endpoint.subscription.id, callback, Earlier::Logged).await;
        self.post(endpoint, callback, number, DEADLINE).await
    }

    async fn write(&self, writes: Vec<DeliveryWrite>) -> Result<(), Failure> {
        Ok(self.hub.deliveries().write(writes).await?)
    }
}

/// Selects the callback that probes a failing endpoint. Each attempt uses another application, so that one rejected
/// callback does not keep the endpoint failing.
fn probe_callback(page: &[Callback], attempt: u32) -> Option<&Callback> {
    let oldest: Vec<&Callback> =
        page.chunk_by(|a, b| a.application == b.application).filter_map(<[Callback]>::first).collect();
    let index = usize::try_from(attempt).unwrap_or_default().checked_rem(oldest.len())?;
    oldest.get(index).copied()
}

/// Whether the failure concerns the endpoint and not only the callback.
fn is_endpoint_failure(answer: &Answer) -> bool {
    match answer.result {
        Ok(status) => matches!(status, 410 | 429 | 502..=504),
        Err(_) => true,
    }
}

fn has_time(deadline: Instant) -> bool {
    deadline.saturating_duration_since(Instant::now()) > DEADLINE.saturating_add(MARGIN)
}
