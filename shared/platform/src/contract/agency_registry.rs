//! The contract of [`AgencyRegistry`].

use std::future::Future;

use domain::agency_override::{AgencyOverride, AgencyOverrides};
use domain::ids::AgencyCode;

use super::sample::agencies;
use crate::agency_registry::AgencyRegistry;

/// Writes as an operator does.
pub trait Operator {
    /// Makes an override of one of the sample's agencies.
    fn override_agency(&self, agency: &AgencyCode, change: AgencyOverride)
    -> impl Future<Output = ()> + Send;
}

/// What every [`AgencyRegistry`] must do. It begins without overrides.
///
/// # Panics
/// It does not.
pub async fn agency_registry_contract(agency_registry: &impl AgencyRegistry, operator: &impl Operator) {
    let read = async || agency_registry.overrides().await.expect("the overrides");
    assert_eq!(read().await, AgencyOverrides::default(), "nothing was overridden yet");
    let code = agencies().agencies()[0].code.clone();
    operator.override_agency(&code, AgencyOverride::Suspend).await;
    let suspended = read().await;
    assert_eq!(suspended.version, 1);
    assert!(suspended.agencies[&code].suspended, "an override_ is seen by the next read");
    operator.override_agency(&code, AgencyOverride::Resume).await;
    let resumed = read().await;
    assert!(resumed.version == 2 && !resumed.agencies[&code].suspended);
    assert_ne!(resumed.hash, suspended.hash);
}
