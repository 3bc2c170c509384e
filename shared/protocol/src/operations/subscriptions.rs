//! Callback subscriptions: to create and change them, their deliveries, replays and notices.

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
    /// Oldest first, without their secrets.
    LIST_SUBSCRIPTIONS = "listSubscriptions" get "/v1/subscriptions" Subscriptions token(SubscriptionsWrite) {
        responses((status = 200, description = "All of them.", body = Subscriptions)),
    }

    /// Subscribe to callbacks
    ///
    /// The secret that callbacks are signed with is shown on this answer alone, and on a repeat of the same request.
    SUBSCRIBE = "subscribe" post "/v1/subscriptions" Subscriptions token(SubscriptionsWrite) idempotent {
        request_body = NewSubscription,
        responses((status = 201, description = "It is made.", body = SubscriptionView,
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
    /// Nothing is called back there any more, at the latest after 15 seconds.
    UNSUBSCRIBE = "unsubscribe" delete "/v1/subscriptions/{id}" Subscriptions token(SubscriptionsWrite) idempotent {
        params(Subscription),
        responses((status = 204, description = "It is removed.")),
        extensions(("x-problems" = json!(["key_reused"]))),
    }

    /// Read a subscription
    ///
    /// With the state of its endpoint, and how many callbacks are held for it.
    READ_SUBSCRIPTION = "readSubscription" get "/v1/subscriptions/{id}" Subscriptions token(SubscriptionsWrite) {
        params(Subscription),
        responses((status = 200, description = "The subscription.", body = SubscriptionView)),
    }

    /// Change a subscription
    ///
    /// Where callbacks go, or which; what is not named stays. In force within 15 seconds.
    CHANGE_SUBSCRIPTION = "changeSubscription" patch "/v1/subscriptions/{id}" Subscriptions token(SubscriptionsWrite) idempotent {
        params(Subscription), request_body = SubscriptionChange,
        responses((status = 200, description = "It is changed.", body = SubscriptionView)),
        extensions(("x-problems" = json!(["key_reused"]))),
    }

    /// Give a subscription new keys
    ///
    /// The new secret is shown on this answer, and on a repeat of the same request. For the overlap callbacks carry
    /// signatures of the old keys, too: take a callback where one of its signatures fits.
    ROTATE_KEYS = "rotateKeys" post "/v1/subscriptions/{id}/rotate" Subscriptions token(SubscriptionsWrite) idempotent {
        params(Subscription), request_body = Option<Rotation>,
        responses((status = 200, description = "It has new keys.", body = SubscriptionView)),
        extensions(("x-problems" = json!(["key_reused"]))),
    }

    /// Send a test event
    ///
    /// Of type `webhook.test`, the way of every callback. Its application exists nowhere.
    SEND_TEST_EVENT = "sendTestEvent" post "/v1/subscriptions/{id}/test" Subscriptions token(SubscriptionsWrite) idempotent {
        params(Subscription), request_body = Option<Nothing>,
        responses((status = 202, description = "It is on its way.", body = Tested)),
        extensions(("x-problems" = json!(["key_reused"]))),
    }

    /// List the attempts at an endpoint
    ///
    /// Of the last 7 days: status and time of each, no bodies.
    LIST_DELIVERIES = "listDeliveries" get "/v1/subscriptions/{id}/deliveries" Subscriptions token(SubscriptionsWrite) {
        params(
            Subscription,
            ("failed" = Option<bool>, Query, description = "Only callbacks that have not arrived."),
            ("cursor" = Option<Cursor>, Query, description = "`next` of the page before."),
            ("limit" = Option<u32>, Query, minimum = 1, maximum = 100, description = "Entries on the page; 50 without it."),
        ),
        responses((status = 200, description = "A page.", body = Deliveries)),
    }

    /// Send callbacks again
    ///
    /// One, all since a moment, or those that failed; under the same `webhook-id`. A repeat with the same `Idempotency-Key`
    /// sends nothing more, another key sends again.
    REPLAY = "replay" post "/v1/subscriptions/{id}/replay" Subscriptions token(SubscriptionsWrite) idempotent {
        params(Subscription), request_body = Replay,
        responses((status = 202, description = "They are on their way.", body = Replayed)),
        extensions(("x-problems" = json!(["key_reused"]))),
    }

    /// Pause a subscription
    ///
    /// Callbacks are held from now on, for 30 days each; within 20 seconds nothing is sent any more.
    PAUSE_SUBSCRIPTION = "pauseSubscription" post "/v1/subscriptions/{id}/pause" Subscriptions token(SubscriptionsWrite) idempotent {
        params(Subscription), request_body = Option<Nothing>,
        responses((status = 200, description = "It is paused.", body = SubscriptionView)),
        extensions(("x-problems" = json!(["key_reused"]))),
    }

    /// Resume a subscription
    ///
    /// Ends a pause, and what disabled it: what was held is delivered, in order.
    RESUME_SUBSCRIPTION = "resumeSubscription" post "/v1/subscriptions/{id}/resume" Subscriptions token(SubscriptionsWrite) idempotent {
        params(Subscription), request_body = Option<Nothing>,
        responses((status = 200, description = "It is resumed.", body = SubscriptionView)),
        extensions(("x-problems" = json!(["key_reused"]))),
    }

    /// Read what happened to the app's subscriptions
    ///
    /// The second channel, for what callbacks cannot tell: that an endpoint was disabled. Of the last 30 days.
    LIST_NOTICES = "listNotices" get "/v1/notices" Subscriptions token(SubscriptionsWrite) {
        params(
            ("after" = Option<Cursor>, Query, description = "`after` of the page before."),
            ("limit" = Option<u32>, Query, minimum = 1, maximum = 100, description = "Entries on the page; 50 without it."),
        ),
        responses((status = 200, description = "A page.", body = Notices)),
    }
}
