//! Loads a subscription on behalf of a tenant.

use domain::ids::{SubscriptionId, TenantId};
use http_kit::problem::Problem;
use platform::hub::Hub;
use platform::subscriptions::{Subscription, Subscriptions as _};

/// The tenant's subscription with this id.
///
/// # Errors
/// 404 when the tenant has no subscription with this id, 503 when the table cannot be read.
pub(crate) async fn find<H: Hub>(
    hub: &H,
    tenant: &TenantId,
    id: SubscriptionId,
) -> Result<Subscription, Problem> {
    hub.subscriptions().get(tenant, id).await?.ok_or_else(Problem::not_found)
}
