//! The app's endpoint: it refuses some callbacks with 503, and remembers when the others arrived.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use app_client::{CallbackLog, CallbackReceiver};
use domain::ids::ApplicationId;
use protocol::app::SubscriptionView;
use protocol::callback::Secret;
use reqwest::StatusCode;
use serde_json::json;
use tongban::local::LocalStack;
use tongban_agency::seeded_rng::SeededRng;
use tongban_tests::app_backend::AppBackend;

/// Share of the callbacks that the endpoint answers with 503.
const REFUSED: f64 = 0.02;

/// A subscribed endpoint.
pub(crate) struct Endpoint {
    _receiver: CallbackReceiver,
    log: CallbackLog,
    refused: Arc<AtomicUsize>,
}

impl Endpoint {
    /// Listens, and subscribes to every event of a tenant.
    pub(crate) async fn subscribe(stack: &LocalStack, tenant: &str, rng: SeededRng) -> Endpoint {
        let (log, refused) = (CallbackLog::default(), Arc::<AtomicUsize>::default());
        let (store, refusals, arrivals) = (log.handler(), refused.clone(), AtomicUsize::new(0));
        let receiver = CallbackReceiver::listen(0, move |callback| {
            // What does not verify is stored as a rejection, which fails the trial.
            let refuses = callback.is_ok()
                && rng.fraction(&[&"callback", &arrivals.fetch_add(1, Ordering::Relaxed)]) < REFUSED;
            refusals.fetch_add(usize::from(refuses), Ordering::Relaxed);
            !refuses && store(callback)
        });
        let receiver = receiver.await.expect("a free port");
        let created = AppBackend::open(stack, tenant)
            .post("/v1/subscriptions")
            .json(&json!({ "url": receiver.url() }))
            .send()
            .await;
        let created: SubscriptionView = created.read(StatusCode::CREATED);
        let secret = created.secret.expect("a secret, shown once");
        receiver.trust(Secret::parse(&secret).expect("a webhook secret"));
        Endpoint { _receiver: receiver, log, refused }
    }

    /// How many callbacks were answered with 503.
    pub(crate) fn refused(&self) -> usize {
        self.refused.load(Ordering::Relaxed)
    }

    /// Application and version of every callback that has arrived.
    pub(crate) fn received(&self) -> BTreeSet<(ApplicationId, u32)> {
        let callbacks = self.log.callbacks().into_iter();
        callbacks.map(|callback| (callback.payload.data.application, callback.payload.data.version)).collect()
    }

    /// The latency of each callback at its first arrival.
    ///
    /// # Panics
    /// A callback did not verify, another set of callbacks arrived than expected, or an application's callbacks first
    /// arrived in another order than that of their versions.
    pub(crate) fn check(&self, expected: &BTreeSet<(ApplicationId, u32)>) -> Vec<Duration> {
        let rejections = self.log.rejections();
        assert!(rejections.is_empty(), "callbacks that do not verify: {rejections:?}");
        let mut arrived = BTreeMap::<ApplicationId, Vec<u32>>::new();
        let mut latencies = Vec::new();
        for callback in self.log.callbacks() {
            let data = &callback.payload.data;
            let versions = arrived.entry(data.application).or_default();
            // Delivery is at least once: a repeat says nothing about the order.
            if !versions.contains(&data.version) {
                versions.push(data.version);
                latencies.push(Duration::try_from(callback.delay).unwrap_or_default());
            }
        }
        for (application, versions) in &arrived {
            assert!(versions.is_sorted(), "callbacks of {application} out of order: {versions:?}");
        }
        assert_eq!(self.received(), *expected, "the callbacks that arrived");
        latencies
    }
}
