//! The personal part of an application. It is sealed as one blob at rest, opened only by the
//! functions that need it, and never part of an event.
//!
//! Unknown members are ignored on reading: a case with a new one must not stop at an agency that was built before it.
//! What an app backend sends is read member by member elsewhere, where every unknown one is named.

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
    /// Mobile number, mainland; a child may have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mobile: Option<MobileNumber>,
}

/// Everything personal of an application.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(description = "Everything personal of an application."))]
pub struct PersonalData {
    /// The citizen the application is about.
    pub applicant: Person,
    /// The guardian, where the applicant is under 16.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guardian: Option<Person>,
    /// The relative a transfer joins, or the other person of a kinship certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relative: Option<Person>,
    /// Where the citizen lives now, or moves to.
    pub address: Address,
}
