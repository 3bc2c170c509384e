//! Subscriptions: where callbacks go.

use utoipa::IntoParams;

use super::applications::Idempotent;
use super::names::{
    Cursor, Deliveries, NewSubscription, Nothing, Notices, Replay, Replayed, Rotation, SubscriptionChange,
    SubscriptionId, SubscriptionView, Subscriptions, Tested,
};

/// Which subscription.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
struct Subscription {
    /// The subscription.
    id: SubscriptionId,
}

/// List the app's subscriptions
///
/// Oldest first, without their secrets.
#[utoipa::path(get, path = "/v1/subscriptions", operation_id = "listSubscriptions", tag = "subscriptions",
    security(("token" = ["subscriptions:write"])),
    responses((status = 200, description = "All of them.", body = Subscriptions)))]
pub(super) fn list_subscriptions() {}

/// Subscribe to callbacks
///
/// The secret that callbacks are signed with is shown on this answer alone, and on a repeat of the same request.
#[utoipa::path(post, path = "/v1/subscriptions", operation_id = "subscribe", tag = "subscriptions",
    params(Idempotent), request_body = NewSubscription, security(("token" = ["subscriptions:write"])),
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
    extensions(("x-problems" = json!(["key_reused", "too_many_subscriptions"]))))]
pub(super) fn subscribe() {}

/// Remove a subscription
///
/// Nothing is called back there any more, at the latest after 15 seconds.
#[utoipa::path(delete, path = "/v1/subscriptions/{id}", operation_id = "unsubscribe", tag = "subscriptions",
    params(Subscription, Idempotent), security(("token" = ["subscriptions:write"])),
    responses((status = 204, description = "It is removed.")),
    extensions(("x-problems" = json!(["key_reused"]))))]
pub(super) fn unsubscribe() {}

/// Read a subscription
///
/// With the state of its endpoint, and how many callbacks are held for it.
#[utoipa::path(get, path = "/v1/subscriptions/{id}", operation_id = "readSubscription", tag = "subscriptions",
    params(Subscription), security(("token" = ["subscriptions:write"])),
    responses((status = 200, description = "The subscription.", body = SubscriptionView)))]
pub(super) fn read_subscription() {}

/// Change a subscription
///
/// Where callbacks go, or which; what is not named stays. In force within 15 seconds.
#[utoipa::path(patch, path = "/v1/subscriptions/{id}", operation_id = "changeSubscription", tag = "subscriptions",
    params(Subscription, Idempotent), request_body = SubscriptionChange, security(("token" = ["subscriptions:write"])),
    responses((status = 200, description = "It is changed.", body = SubscriptionView)),
    extensions(("x-problems" = json!(["key_reused"]))))]
pub(super) fn change_subscription() {}

/// Give a subscription new keys
///
/// The new secret is shown on this answer, and on a repeat of the same request. For the overlap callbacks carry
/// signatures of the old keys, too: take a callback where one of its signatures fits.
#[utoipa::path(post, path = "/v1/subscriptions/{id}/rotate", operation_id = "rotateKeys", tag = "subscriptions",
    params(Subscription, Idempotent), request_body = Option<Rotation>, security(("token" = ["subscriptions:write"])),
    responses((status = 200, description = "It has new keys.", body = SubscriptionView)),
    extensions(("x-problems" = json!(["key_reused"]))))]
pub(super) fn rotate_keys() {}

/// Send a test event
///
/// Of type `webhook.test`, the way of every callback. Its application exists nowhere.
#[utoipa::path(post, path = "/v1/subscriptions/{id}/test", operation_id = "sendTestEvent", tag = "subscriptions",
    params(Subscription, Idempotent), request_body = Option<Nothing>, security(("token" = ["subscriptions:write"])),
    responses((status = 202, description = "It is on its way.", body = Tested)),
    extensions(("x-problems" = json!(["key_reused"]))))]
pub(super) fn send_test_event() {}

/// List the attempts at an endpoint
///
/// Of the last 7 days: status and time of each, no bodies.
#[utoipa::path(get, path = "/v1/subscriptions/{id}/deliveries", operation_id = "listDeliveries", tag = "subscriptions",
    params(
        Subscription,
        ("failed" = Option<bool>, Query, description = "Only callbacks that have not arrived."),
        ("cursor" = Option<Cursor>, Query, description = "`next` of the page before."),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 100, description = "Entries on the page; 50 without it."),
    ), security(("token" = ["subscriptions:write"])),
    responses((status = 200, description = "A page.", body = Deliveries)))]
pub(super) fn list_deliveries() {}

/// Send callbacks again
///
/// One, all since a moment, or those that failed; under the same `webhook-id`. A repeat with the same `Idempotency-Key`
/// sends nothing more, another key sends again.
#[utoipa::path(post, path = "/v1/subscriptions/{id}/replay", operation_id = "replay", tag = "subscriptions",
    params(Subscription, Idempotent), request_body = Replay, security(("token" = ["subscriptions:write"])),
    responses((status = 202, description = "They are on their way.", body = Replayed)),
    extensions(("x-problems" = json!(["key_reused"]))))]
pub(super) fn replay() {}

/// Pause a subscription
///
/// Callbacks are held from now on, for 30 days each; within 20 seconds nothing is sent any more.
#[utoipa::path(post, path = "/v1/subscriptions/{id}/pause", operation_id = "pauseSubscription", tag = "subscriptions",
    params(Subscription, Idempotent), request_body = Option<Nothing>, security(("token" = ["subscriptions:write"])),
    responses((status = 200, description = "It is paused.", body = SubscriptionView)),
    extensions(("x-problems" = json!(["key_reused"]))))]
pub(super) fn pause_subscription() {}

/// Resume a subscription
///
/// Ends a pause, and what disabled it: what was held is delivered, in order.
#[utoipa::path(post, path = "/v1/subscriptions/{id}/resume", operation_id = "resumeSubscription", tag = "subscriptions",
    params(Subscription, Idempotent), request_body = Option<Nothing>, security(("token" = ["subscriptions:write"])),
    responses((status = 200, description = "It is resumed.", body = SubscriptionView)),
    extensions(("x-problems" = json!(["key_reused"]))))]
pub(super) fn resume_subscription() {}

/// Read what happened to the app's subscriptions
///
/// The second channel, for what callbacks cannot tell: that an endpoint was disabled. Of the last 30 days.
#[utoipa::path(get, path = "/v1/notices", operation_id = "listNotices", tag = "subscriptions",
    params(
        ("after" = Option<Cursor>, Query, description = "`after` of the page before."),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 100, description = "Entries on the page; 50 without it."),
    ), security(("token" = ["subscriptions:write"])),
    responses((status = 200, description = "A page.", body = Notices)))]
pub(super) fn list_notices() {}
