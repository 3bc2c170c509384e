//! The current agencies, from the cache or from the table.

use std::sync::Arc;

use jiff::SignedDuration;

use super::{AgencyRegistry as _, CurrentAgencies, FRESH, STALE};
use crate::clock::Clock as _;
use crate::hub::Hub;
use crate::store::StoreError;

/// The agencies, at most [`FRESH`] old while the table answers.
///
/// # Errors
/// The table does not answer, and the cached agencies are older than [`STALE`].
pub async fn current_agencies<H: Hub>(hub: &H) -> Result<Arc<CurrentAgencies>, StoreError> {
    let Some((at, cached)) = hub.cached_agencies().get() else { return fresh_agencies(hub).await };
    let age = hub.clock().now().duration_since(at);
    // A clock that was set back gives a negative age, which would never grow old: read again then.
    if (SignedDuration::ZERO..FRESH).contains(&age) {
        return Ok(cached);
    }
    match fresh_agencies(hub).await {
        Err(error) if error.is_transient() && age.abs() < STALE => {
            tracing::warn!(%error, "the agencies' overrides could not be read; the cached overrides are used");
            Ok(cached)
        }
        read => read,
    }
}

/// The agencies at this moment, for callers that need a new override to take effect at once.
///
/// # Errors
/// The table does not answer.
pub async fn fresh_agencies<H: Hub>(hub: &H) -> Result<Arc<CurrentAgencies>, StoreError> {
    let at = hub.clock().now();
    let overrides = hub.agency_registry().overrides().await?;
    let unchanged = hub.cached_agencies().get().map(|(_, cached)| cached);
    let agencies = match unchanged.filter(|cached| cached.version == overrides.version) {
        Some(cached) => cached,
        None => Arc::new(CurrentAgencies::new(hub.rows(), &overrides)),
    };
    hub.cached_agencies().put(at, &agencies);
    Ok(agencies)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail")]

    use domain::agencies::AgencyState;
    use domain::agency_override::AgencyOverride;

    use super::*;
    use crate::contract::sample::agencies;
    use crate::faults::Fault;
    use crate::hub::FakeHub;

    async fn state(hub: &FakeHub) -> Result<AgencyState, StoreError> {
        Ok(current_agencies(hub).await?.agencies.agencies()[0].state)
    }

    #[tokio::test]
    async fn an_override_takes_effect_when_the_cache_expires_and_not_before() {
        let hub = FakeHub::new(agencies());
        let code = agencies().agencies()[0].code.clone();
        assert_eq!(state(&hub).await, Ok(AgencyState::Active));
        hub.agency_registry.override_agency(&agencies(), &code, AgencyOverride::Suspend);
        assert_eq!(state(&hub).await, Ok(AgencyState::Active));
        assert_eq!(hub.faults.calls().len(), 1);
        hub.clock.advance(FRESH);
        assert_eq!(state(&hub).await, Ok(AgencyState::Suspended));
        hub.agency_registry.override_agency(&agencies(), &code, AgencyOverride::Resume);
        let now = fresh_agencies(&hub).await.unwrap();
        assert_eq!(now.agencies.agencies()[0].state, AgencyState::Active);
        assert_eq!(hub.faults.calls().len(), 3);
    }

    #[tokio::test]
    async fn the_cached_agencies_are_used_during_an_outage_until_they_are_stale() {
        let hub = FakeHub::new(agencies());
        hub.faults.plan(1, Fault::Before);
        assert_eq!(state(&hub).await, Err(StoreError::Unavailable), "nothing is cached yet");
        assert!(state(&hub).await.is_ok());
        hub.clock.advance(FRESH);
        hub.faults.plan(3, Fault::Throttled);
        assert!(state(&hub).await.is_ok());
        hub.clock.advance(STALE);
        hub.faults.plan(4, Fault::Throttled);
        assert_eq!(state(&hub).await, Err(StoreError::Throttled));
    }
}
