//! The personal data of an application. It is stored encrypted, only the functions that need it decrypt it, and events
//! never contain it.
//!
//! Reading ignores unknown members, so that an older agency can read a case with a new member. Intake reads the
//! requests of app backends separately and reports every unknown member.

use serde::{Deserialize, Serialize};

use crate::identity_number::IdentityNumber;
use crate::person::{Address, MobileNumber, PersonName};

/// A person of an application.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Person {
    /// Name as in the household register.
    pub name: PersonName,
    /// Citizen identity number (GB 11643).
    pub identity_number: IdentityNumber,
    /// Mobile number of mainland China; optional, because a child may have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mobile: Option<MobileNumber>,
}

/// All personal data of an application.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(description = "All personal data of an application."))]
pub struct PersonalData {
    /// The applicant.
    pub applicant: Person,
    /// The guardian, when the applicant is under the age of guardianship of the service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guardian: Option<Person>,
    /// The relative whom the citizen joins by a transfer, or the other person of a kinship certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relative: Option<Person>,
    /// Address where the citizen lives, or moves to.
    pub address: Address,
}
