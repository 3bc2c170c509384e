//! Creates a tenant's applications within the daily quota.

use domain::ids::TenantId;
use http_kit::fields::Json;
use http_kit::idempotency::IdempotencyKey;
use http_kit::namespace::Namespace;
use http_kit::problem::Problem;
use platform::hub::Hub;
use platform::person_index::PersonIndex;
use platform::store::Store as _;
use protocol::app::ApplicationView;

use crate::creation;
use crate::daily_quota::{DailyQuota, Reservation};

/// Creates applications of one tenant.
#[derive(Debug)]
pub struct Creator<H> {
    pub(crate) hub: H,
    pub(crate) namespace: Namespace,
    pub(crate) persons: Option<PersonIndex>,
    pub(crate) quota: DailyQuota,
    pub(crate) tenant: TenantId,
}

impl<H: Hub> Creator<H> {
    /// Reserves one application of the tenant's day.
    ///
    /// # Errors
    /// 429 when the daily quota is used up.
    pub(crate) async fn reserve(&self) -> Result<Reservation, Problem> {
        self.quota.reserve(&self.hub, &self.tenant).await
    }

    /// Creates an application. Replays do not count against the daily quota, and are answered even when the quota is
    /// used up. Rejected requests do not count either.
    ///
    /// # Errors
    /// The reservation's 429; the errors of [`creation::create`].
    pub(crate) async fn create(
        &self,
        key: &IdempotencyKey,
        body: &Json,
        reservation: Result<Reservation, Problem>,
    ) -> Result<ApplicationView, Problem> {
        let Creator { hub, namespace, persons, tenant, .. } = self;
        let reservation = match reservation {
            Ok(reservation) => Some(reservation),
            Err(used_up) => {
                let existing = hub.store().get(namespace.application(tenant, key)).await?;
                existing.ok_or(used_up)?;
                None
            }
        };
        let created = creation::create(hub, (namespace, persons.as_ref()), tenant, key, body).await;
        let is_free = match &created {
            Ok(created) => !created.is_new,
            // After a failure of the hub the application may exist, so it stays counted.
            Err(problem) => problem.status().is_client_error(),
        };
        if let Some(reservation) = reservation.filter(|_| is_free) {
            reservation.refund(hub, tenant);
        }
        created.map(|created| created.view)
    }
}
