//! The agencies as they count now, read again when the memory of them is too old.

use std::sync::Arc;

use jiff::SignedDuration;

use super::{AgencyRegistry as _, CurrentAgencies, FRESH, STALE};
use crate::clock::Clock as _;
use crate::hub::Hub;
use crate::store::StoreError;

/// The agencies, as they were at most [`FRESH`] ago.
///
/// # Errors
/// The table does not answer, and what is known is older than [`STALE`].
pub async fn current_agencies<H: Hub>(hub: &H) -> Result<Arc<CurrentAgencies>, StoreError> {
    let Some((at, known)) = hub.cached_agencies().get() else { return fresh_agencies(hub).await };
    let age = hub.clock().now().duration_since(at);
    // A clock that was set back makes it look young for ever: then it is read again.
    if (SignedDuration::ZERO..FRESH).contains(&age) {
        return Ok(known);
    }
    match fresh_agencies(hub).await {
        Err(error) if error.is_transient() && age.abs() < STALE => {
            tracing::warn!(%error, "the agencies' overrides could not be read; the cached ones stay in force");
            Ok(known)
        }
        read => read,
    }
}

/// The agencies as they are at this moment: for what must show at once.
///
/// # Errors
/// The table does not answer.
pub async fn fresh_agencies<H: Hub>(hub: &H) -> Result<Arc<CurrentAgencies>, StoreError> {
    let at = hub.clock().now();
    let overrides = hub.agency_registry().overrides().await?;
    let unchanged = hub.cached_agencies().get().map(|(_, known)| known);
    let agencies = match unchanged.filter(|known| known.version == overrides.version) {
        Some(known) => known,
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
    async fn a_change_is_seen_when_what_is_known_is_old_and_read_no_more_often() {
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
    async fn an_outage_is_bridged_for_a_while_and_no_longer() {
        let hub = FakeHub::new(agencies());
        hub.faults.plan(1, Fault::Before);
        assert_eq!(state(&hub).await, Err(StoreError::Unavailable), "nothing is known yet");
        assert!(state(&hub).await.is_ok());
        hub.clock.advance(FRESH);
        hub.faults.plan(3, Fault::Throttled);
        assert!(state(&hub).await.is_ok());
        hub.clock.advance(STALE);
        hub.faults.plan(4, Fault::Throttled);
        assert_eq!(state(&hub).await, Err(StoreError::Throttled));
    }
}
