//! Subscriptions: where callbacks go.

use utoipa::IntoParams;

use super::applications::Idempotent;
use super::names::{NewSubscription, SubscriptionId, SubscriptionView, Subscriptions};

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
        links(("remove" = (operation_id = "unsubscribe", parameters(("id" = "$response.body#/id"))))))),
    extensions(("x-problems" = json!(["key_reused", "too_many_subscriptions"]))))]
pub(super) fn subscribe() {}

/// Remove a subscription
///
/// Nothing is called back there any more.
#[utoipa::path(delete, path = "/v1/subscriptions/{id}", operation_id = "unsubscribe", tag = "subscriptions",
    params(Subscription), security(("token" = ["subscriptions:write"])),
    responses((status = 204, description = "It is removed.")))]
pub(super) fn unsubscribe() {}
