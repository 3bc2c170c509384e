//! The inputs of certification.

use agency::AgencyConfig;
use agency::aws::SqsAccess;

use super::operator::OperatorCommand;

/// The agency under test, and the credentials that certification uses.
pub struct CertificationContext<'m> {
    /// Configuration and keys of the agency under test.
    pub config: &'m AgencyConfig,
    /// AWS credentials of the agency.
    pub access: &'m SqsAccess,
    /// Access token of an app backend that may read and write applications.
    pub token: &'m str,
    /// Configuration and keys of another agency, whose legs certification plays.
    pub other: Option<&'m AgencyConfig>,
    /// The hub operator's command. Without it, the checks that need it are skipped.
    pub operator: Option<OperatorCommand>,
}
