//! Subscriptions over a hub in memory.

use http_kit::authentication::Authenticator;
use http_kit::testing::{Parts, TestHub};
use platform::contract::sample::agencies;
use subscriptions::handler::{SubscriptionHandler, routes};

/// A hub in memory behind the routes of subscriptions.
pub(crate) fn new_hub() -> TestHub {
    TestHub::new(agencies(), |parts| {
        let Parts { hub, issuers, namespace, mode, limits } = parts;
        let authenticator = Authenticator::new(hub.clone(), issuers, limits.requests_per_minute);
        routes(SubscriptionHandler::new(hub, authenticator, namespace, mode))
    })
}
