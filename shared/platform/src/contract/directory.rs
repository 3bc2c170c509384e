//! The contract of [`Directory`].

use std::future::Future;

use domain::amend::{Amendment, Amendments};
use domain::ids::AgencyCode;

use super::sample::partners;
use crate::directory::Directory;

/// Writes as an operator does.
pub trait Operator {
    /// Makes an amendment of one of the sample's agencies.
    fn amend(&self, agency: &AgencyCode, amendment: Amendment) -> impl Future<Output = ()> + Send;
}

/// What every [`Directory`] must do. It begins without amendments.
///
/// # Panics
/// It does not.
pub async fn directory_contract(directory: &impl Directory, operator: &impl Operator) {
    let read = async || directory.amendments().await.expect("the amendments");
    assert_eq!(read().await, Amendments::default(), "nothing was amended yet");
    let code = partners().agencies()[0].code.clone();
    operator.amend(&code, Amendment::Suspend).await;
    let suspended = read().await;
    assert_eq!(suspended.version, 1);
    assert!(suspended.agencies[&code].suspended, "an amendment is seen by the next read");
    operator.amend(&code, Amendment::Resume).await;
    let resumed = read().await;
    assert!(resumed.version == 2 && !resumed.agencies[&code].suspended);
    assert_ne!(resumed.seal, suspended.seal);
}
