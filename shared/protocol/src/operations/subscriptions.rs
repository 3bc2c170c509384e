//! Operations that manage callback subscriptions, their deliveries, replays and notices.

#[cfg(feature = "schema")]
use crate::contracts::app::names::{
    Cursor, Deliveries, NewSubscription, Nothing, Notices, Replay, Replayed, Rotation, SubscriptionChange,
    SubscriptionView, Subscriptions, Tested,
};
#[cfg(feature = "schema")]
use crate::contracts::app::parameters::Subscription;
use crate::operations::operation::operations;

operations! {
    tag = "subscriptions";

    /// List the app's subscriptions
    ///
    /// Returns the subscriptions, oldest first, without their secrets.
    LIST_SUBSCRIPTIONS = "listSubscriptions" get "/v1/subscriptions" Subscriptions token(SubscriptionsWrite) {
        responses((status = 200, description = "All subscriptions of the app.", body = Subscriptions)),
    }

    /// Subscribe to callbacks
    ///
    /// The response contains the secret that signs the callbacks. Only this response and its repeats show the secret.
    SUBSCRIBE = "subscribe" post "/v1/subscriptions" Subscriptions token(SubscriptionsWrite) idempotent {
        request_body = NewSubscription,
        responses((status = 201, description = "The subscription was created.", body = SubscriptionView,
            links(
                ("read" = (operation_id = "readSubscription", parameters(("id" = "$response.body#/id")))),
                ("change" = (operation_id = "changeSubscription", parameters(("id" = "$response.body#/id")))),
                ("rotate" = (operation_id = "rotateKeys", parameters(("id" = "$response.body#/id")))),
                ("pause" = (operation_id = "pauseSubscription", parameters(("id" = "$response.body#/id")))),
                ("resume" = (operation_id = "resumeSubscription", parameters(("id" = "$response.body#/id")))),
                ("deliveries" = (operation_id = "listDeliveries", parameters(("id" = "$response.body#/id")))),
                ("remove" = (operation_id = "unsubscribe", parameters(("id" = "$response.body#/id")))),
            ))),
        extensions(("x-problems" = json!(["key_reused", "too_many_subscriptions"]))),
    }

    /// Remove a subscription
    ///
    /// The hub sends no further callbacks to its URL, at the latest after 15 seconds.
    UNSUBSCRIBE = "unsubscribe" delete "/v1/subscriptions/{id}" Subscriptions token(SubscriptionsWrite) idempotent {
        params(Subscription),
        responses((status = 204, description = "The subscription was removed.")),
        extensions(("x-problems" = json!(["key_reused"]))),
    }

    /// Read a subscription
    ///
    /// Returns the subscription with the state of its endpoint and the number of callbacks stored for it.
    READ_SUBSCRIPTION = "readSubscription" get "/v1/subscriptions/{id}" Subscriptions token(SubscriptionsWrite) {
        params(Subscription),
        responses((status = 200, description = "The subscription.", body = SubscriptionView)),
    }

    /// Change a subscription
    ///
    /// Changes the URL or the event types. Absent members stay unchanged. The change takes effect within 15 seconds.
    /// Another URL ends the state `failing`: stored callbacks are sent to it at once.
    CHANGE_SUBSCRIPTION = "changeSubscription" patch "/v1/subscriptions/{id}" Subscriptions token(SubscriptionsWrite) idempotent {
        params(Subscription), request_body = SubscriptionChange,
        responses((status = 200, description = "The subscription was changed.", body = SubscriptionView)),
        extensions(("x-problems" = json!(["key_reused"]))),
    }

    /// Give a subscription new keys
    ///
    /// Only this response and its repeats show the new secret. During the overlap, callbacks also carry signatures of
    /// the old keys: accept a callback when one of its signatures verifies.
    ROTATE_KEYS = "rotateKeys" post "/v1/subscriptions/{id}/rotate" Subscriptions token(SubscriptionsWrite) idempotent {
        params(Subscription), request_body = Option<Rotation>,
        responses((status = 200, description = "The subscription has new keys.", body = SubscriptionView)),
        extensions(("x-problems" = json!(["key_reused"]))),
    }

    /// Send a test event
    ///
    /// Sends an event of type `webhook.test` once and at once, whatever the state of the endpoint. When the endpoint
    /// accepts it, the state `failing` ends and stored callbacks are sent. No application has the id that it carries.
    SEND_TEST_EVENT = "sendTestEvent" post "/v1/subscriptions/{id}/test" Subscriptions token(SubscriptionsWrite) idempotent {
        params(Subscription), request_body = Option<Nothing>,
        responses((status = 202, description = "The hub sends the test event.", body = Tested)),
        extensions(("x-problems" = json!(["key_reused"]))),
    }

    /// List the delivery attempts of a subscription
    ///
    /// Returns status and time of each attempt of the last 7 days, without bodies.
    LIST_DELIVERIES = "listDeliveries" get "/v1/subscriptions/{id}/deliveries" Subscriptions token(SubscriptionsWrite) {
        params(
            Subscription,
            ("failed" = Option<bool>, Query, description = "Only callbacks that were not delivered."),
            ("cursor" = Option<Cursor>, Query, description = "`next` of the previous page."),
            ("limit" = Option<u32>, Query, minimum = 1, maximum = 100, description = "Entries on the page, 50 by default."),
        ),
        responses((status = 200, description = "A page of delivery attempts.", body = Deliveries)),
    }

    /// Send callbacks again
    ///
    /// Sends one callback, all callbacks since a time, or the failed ones, each with its original `webhook-id`. A
    /// repeat with the same `Idempotency-Key` sends nothing; a new key sends the callbacks once more.
    REPLAY = "replay" post "/v1/subscriptions/{id}/replay" Subscriptions token(SubscriptionsWrite) idempotent {
        params(Subscription), request_body = Replay,
        responses((status = 202, description = "The hub sends the callbacks.", body = Replayed)),
        extensions(("x-problems" = json!(["key_reused"]))),
    }

    /// Pause a subscription
    ///
    /// The hub stops sending within 20 seconds and stores each callback for 30 days.
    PAUSE_SUBSCRIPTION = "pauseSubscription" post "/v1/subscriptions/{id}/pause" Subscriptions token(SubscriptionsWrite) idempotent {
        params(Subscription), request_body = Option<Nothing>,
        responses((status = 200, description = "The subscription is paused.", body = SubscriptionView)),
        extensions(("x-problems" = json!(["key_reused"]))),
    }

    /// Resume a subscription
    ///
    /// Ends a pause, and enables a disabled subscription again. The hub delivers the stored callbacks in order.
    RESUME_SUBSCRIPTION = "resumeSubscription" post "/v1/subscriptions/{id}/resume" Subscriptions token(SubscriptionsWrite) idempotent {
        params(Subscription), request_body = Option<Nothing>,
        responses((status = 200, description = "The subscription is active again.", body = SubscriptionView)),
        extensions(("x-problems" = json!(["key_reused"]))),
    }

    /// List the notices about the app's subscriptions
    ///
    /// Notices of the last 30 days. Poll them to learn about a disabled endpoint, which no callback can reach.
    LIST_NOTICES = "listNotices" get "/v1/notices" Subscriptions token(SubscriptionsWrite) {
        params(
            ("after" = Option<Cursor>, Query, description = "`after` of the previous page."),
            ("limit" = Option<u32>, Query, minimum = 1, maximum = 100, description = "Entries on the page, 50 by default."),
        ),
        responses((status = 200, description = "A page of notices.", body = Notices)),
    }
}
