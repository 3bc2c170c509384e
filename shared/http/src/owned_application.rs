//! Loads an application on behalf of a tenant. Every handler for apps goes through this check of ownership.

use domain::ids::{ApplicationId, TenantId};
use platform::hub::Hub;
use platform::store::{Store as _, StoredApplication};

use crate::problem::Problem;

/// The tenant's application with this id.
///
/// # Errors
/// 404 when no application has this id, and the same 404 when another tenant owns it; 503 when the store cannot be
/// read.
pub async fn owned_application<H: Hub>(
    hub: &H,
    tenant: &TenantId,
    id: ApplicationId,
) -> Result<StoredApplication, Problem> {
    let stored = hub.store().get(id).await?;
    stored.filter(|stored| stored.ledger.state().tenant() == tenant).ok_or_else(Problem::not_found)
}
