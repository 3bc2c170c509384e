//! The contract of [`AgencyRegistry`].

use std::future::Future;

use domain::agency_override::{AgencyOverride, AgencyOverrides};
use domain::ids::AgencyCode;

use super::sample::agencies;
use crate::agency_registry::AgencyRegistry;

/// Writes as an operator does.
pub trait Operator {
    /// Makes an amendment of one of the sample's agencies.
    fn amend(&self, agency: &AgencyCode, override_: AgencyOverride) -> impl Future<Output = ()> + Send;
}

/// What every [`AgencyRegistry`] must do. It begins without amendments.
///
/// # Panics
/// It does not.
pub async fn agency_registry_contract(agency_registry: &impl AgencyRegistry, operator: &impl Operator) {
    let read = async || agency_registry.overrides().await.expect("the overrides");
    assert_eq!(read().await, AgencyOverrides::default(), "nothing was amended yet");
    let code = agencies().agencies()[0].code.clone();
    operator.amend(&code, AgencyOverride::Suspend).await;
    let suspended = read().await;
    assert_eq!(suspended.version, 1);
    assert!(suspended.agencies[&code].suspended, "an override_ is seen by the next read");
    operator.amend(&code, AgencyOverride::Resume).await;
    let resumed = read().await;
    assert!(resumed.version == 2 && !resumed.agencies[&code].suspended);
    assert_ne!(resumed.seal, suspended.seal);
}
