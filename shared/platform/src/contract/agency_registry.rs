//! The contract suite of [`AgencyRegistry`].

use std::future::Future;

use domain::agency_override::{AgencyOverride, AgencyOverrides};
use domain::ids::AgencyCode;

use super::sample::agencies;
use crate::agency_registry::AgencyRegistry;

/// An operator, who writes overrides.
pub trait Operator {
    /// Applies an override to an agency of the sample.
    fn override_agency(&self, agency: &AgencyCode, change: AgencyOverride)
    -> impl Future<Output = ()> + Send;
}

/// Runs the suite on a registry without overrides.
///
/// # Panics
/// When the registry breaks the contract.
pub async fn agency_registry_contract(agency_registry: &impl AgencyRegistry, operator: &impl Operator) {
    let read = async || agency_registry.overrides().await.expect("the overrides");
    assert_eq!(read().await, AgencyOverrides::default(), "the registry has no overrides yet");
    let code = agencies().agencies()[0].code.clone();
    operator.override_agency(&code, AgencyOverride::Suspend).await;
    let suspended = read().await;
    assert_eq!(suspended.version, 1);
    assert!(suspended.agencies[&code].suspended, "the next read shows the override");
    operator.override_agency(&code, AgencyOverride::Resume).await;
    let resumed = read().await;
    assert!(resumed.version == 2 && !resumed.agencies[&code].suspended);
    assert_ne!(resumed.hash, suspended.hash);
}
