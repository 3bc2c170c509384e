//! The catalogue of this process: the services with their documents and legs.
//!
//! `data/services.json` has the rows and is compiled in. A test binary may install another catalogue before the first
//! use. Only this module turns text into a name of the catalogue; it refuses names that the catalogue does not have.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::str::FromStr;
use std::sync::{Mutex, OnceLock, PoisonError};

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use thiserror::Error;

use crate::names::keep;
pub use crate::names::{DocumentKind, Service, When};
pub use crate::service::{
    Ages, Captured, CaseChoice, CaseMember, CaseRow, Catalogue, Certainty, IssuedDocument, LegRow, Provider,
    Requirement, Role, ServiceRow, Title, TitledKind,
};

static CURRENT: OnceLock<Catalogue> = OnceLock::new();

/// Most names of newer catalogues that a process keeps, and characters of each.
const NEWER_NAMES: usize = 256;
const NEWER_NAME: usize = 64;

/// The catalogue of this process.
///
/// # Panics
/// When the compiled-in data is wrong; the message lists every fault. A test parses the data, so such a build fails.
#[must_use]
#[expect(clippy::panic, reason = "the data is compiled in, and a test checks it")]
pub fn current() -> &'static Catalogue {
    CURRENT.get_or_init(|| {
        Catalogue::parse(include_str!("../data/services.json")).unwrap_or_else(|faults| panic!("{faults}"))
    })
}

/// Installs another catalogue for the rest of the process. For test binaries: call it before any other function.
///
/// # Errors
/// Returns the catalogue when the process already uses one.
pub fn install(catalogue: Catalogue) -> Result<(), Catalogue> {
    CURRENT.set(catalogue)
}

/// Every service of the catalogue, in its order.
#[must_use]
pub fn catalogue() -> &'static [ServiceRow] {
    &current().services
}

/// Every kind of document with its titles.
#[must_use]
pub fn kinds() -> Vec<TitledKind> {
    current().kinds.clone()
}

/// The row of one service.
///
/// # Panics
/// When the name comes from another catalogue than that of this process. The record of a newer version may have such a
/// name; its application is incomplete, and nothing that needs a row is done with it.
#[must_use]
#[expect(clippy::expect_used, reason = "callers have a name of this catalogue: the doc says why")]
pub fn service_row(service: Service) -> &'static ServiceRow {
    current().service(service).expect("a service's name comes from the catalogue")
}

/// A name of a record that a newer version of the hub wrote, with a newer catalogue. Names beyond the bounds are all
/// `unknown`.
pub(crate) fn newer_name(name: &str) -> &'static str {
    static NEWER: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut newer = NEWER.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(kept) = newer.get(name) {
        return kept;
    }
    let fits = (1..=NEWER_NAME).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    if !fits || newer.len() >= NEWER_NAMES {
        return "unknown";
    }
    let kept = keep(name.to_owned());
    newer.insert(kept);
    kept
}

/// The catalogue does not have a name. The error does not contain the text, which may be personal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the catalogue has no {what} of this name")]
pub struct UnknownName {
    what: &'static str,
}

macro_rules! lookups {
    ($($type:ident: $what:literal;)+) => {$(
        impl FromStr for $type {
            type Err = UnknownName;

            fn from_str(name: &str) -> Result<Self, UnknownName> {
                $type::named(name).ok_or(UnknownName { what: $what })
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Cow::<'_, str>::deserialize(deserializer)?.parse().map_err(D::Error::custom)
            }
        }
    )+};
}

lookups! {
    Service: "service";
    When: "case";
    DocumentKind: "kind of document";
}

impl Service {
    /// The service of a record that a newer version of the hub wrote. The catalogue may not have it.
    pub(crate) fn of_newer(name: &str) -> Service {
        Service::named(name).unwrap_or_else(|| Service::of(newer_name(name)))
    }

    /// Every service, in the catalogue's order.
    #[must_use]
    pub fn all() -> Vec<Service> {
        catalogue().iter().map(|row| row.service).collect()
    }

    /// The service with this wire name.
    #[must_use]
    pub fn named(name: &str) -> Option<Service> {
        catalogue().iter().map(|row| row.service).find(|service| service.name() == name)
    }
}

impl When {
    /// The case of a record that a newer version of the hub wrote. The catalogue may not have it.
    pub(crate) fn of_newer(name: &str) -> When {
        When::named(name).unwrap_or_else(|| When::of(newer_name(name)))
    }

    /// The case with this wire name, of any service.
    #[must_use]
    pub fn named(name: &str) -> Option<When> {
        catalogue().iter().flat_map(|row| &row.cases).map(|case| case.when).find(|when| when.name() == name)
    }
}

impl DocumentKind {
    /// Every kind, in the catalogue's order.
    #[must_use]
    pub fn all() -> Vec<DocumentKind> {
        current().kinds.iter().map(|row| row.kind).collect()
    }

    /// The kinds that an app backend may upload, in the catalogue's order.
    #[must_use]
    pub fn from_apps() -> Vec<DocumentKind> {
        DocumentKind::all().into_iter().filter(|kind| kind.provider() == Provider::App).collect()
    }

    /// The kind with this wire name.
    #[must_use]
    pub fn named(name: &str) -> Option<DocumentKind> {
        current().kinds.iter().map(|row| row.kind).find(|kind| kind.name() == name)
    }

    /// Party that uploads a document of this kind.
    #[must_use]
    pub fn provider(self) -> Provider {
        current().kind(self).map_or(Provider::App, |row| row.provider)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::Purpose;

    #[test]
    fn the_compiled_in_catalogue_is_sound() {
        let parsed = Catalogue::parse(include_str!("../data/services.json"));
        assert_eq!(parsed.as_ref().map_err(ToString::to_string), Ok(current()));
    }

    #[test]
    fn names_are_those_of_the_catalogue() {
        for row in catalogue() {
            assert_eq!(row.service.name().parse(), Ok(row.service));
            assert_eq!(serde_json::to_value(row.service).expect("json"), row.service.name());
            for case in &row.cases {
                assert_eq!(serde_json::from_value::<When>(case.when.name().into()).ok(), Some(case.when));
            }
        }
        for kind in DocumentKind::all() {
            assert_eq!(kind.name().parse(), Ok(kind));
        }
        let refused = serde_json::from_str::<Service>("\"passport\"").expect_err("refused").to_string();
        assert_eq!(refused, "the catalogue has no service of this name");
    }

    #[test]
    fn kinds_have_their_provider() {
        let agency: Vec<&str> = kinds()
            .into_iter()
            .filter(|row| row.provider == Provider::Agency)
            .map(|row| row.kind.name())
            .collect();
        assert_eq!(agency, ["issued_certificate"]);
        let from_apps = DocumentKind::from_apps();
        assert_eq!(from_apps.len() + agency.len(), DocumentKind::all().len());
        assert!(from_apps.iter().all(|kind| kind.provider() == Provider::App && agency[0] != kind.name()));
        assert_eq!(Service::all().len(), catalogue().len());
        assert_eq!((Service::named("passport"), When::named("passport")), (None, None));
        assert_eq!(
            format!("{} {:?}", Service::all()[0], from_apps[0]),
            "first_identity_card household_register"
        );
    }

    #[test]
    fn a_student_needs_no_permit() {
        let row = service_row(Service::named("household_transfer").expect("a service"));
        let legs = |when: &str| {
            let case = When::named(when).and_then(|when| row.case(when)).expect("a transfer reason");
            row.legs_of(case).map(|leg| leg.purpose).collect::<Vec<_>>()
        };
        assert_eq!(legs("school_admission")[0], Purpose::MoveOut);
        assert_eq!(legs("graduation")[0], Purpose::Approve);
    }

    #[test]
    fn the_age_chooses_the_case_of_a_first_card() {
        let row = service_row(Service::named("first_identity_card").expect("a service"));
        let documents = |age| row.case_at(age).map(|case| (case.when.name(), case.documents.len()));
        assert_eq!(documents(16), Some(("adult", 2)));
        assert_eq!(documents(15), Some(("minor", 3)));
        assert!(When::named("kinship").is_some_and(|when| row.case(when).is_none()));
    }
}
