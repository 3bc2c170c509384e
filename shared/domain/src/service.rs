//! The rows of the catalogue: services, their cases, documents and legs, and the kinds of document.
//!
//! Apps read the serialized rows. Members with `serde(skip)` are for the hub: apps get the fields of a form from the
//! coverage response, and agencies get the reports of a leg with the case.

use serde::{Deserialize, Serialize};
use strum::{IntoStaticStr, VariantArray};

use crate::names::{DocumentKind, Service, When};
use crate::person_rule::PersonRule;
use crate::stage::{Purpose, Step};
pub use crate::title::{Certainty, Title};

/// Party that uploads a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Provider {
    /// The app backend, on behalf of the citizen.
    App,
    /// The agency that issues the document.
    Agency,
}

/// A kind of document with its titles.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TitledKind {
    /// Name of the kind.
    pub kind: DocumentKind,
    /// Title in both languages.
    pub title: Title,
    /// Party that uploads documents of this kind.
    #[serde(skip)]
    pub provider: Provider,
}

/// One required document, in one or several files. Any kind of `accepts` satisfies it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Requirement {
    /// Stable name of the requirement, for example `lawful_stay`.
    pub name: String,
    /// Title in both languages.
    pub title: Title,
    /// The kinds that satisfy it.
    pub accepts: Vec<DocumentKind>,
    /// Most files, 1 to [`crate::limits::FILES`]: the pages of one paper, in order.
    #[cfg_attr(
        feature = "schema",
        schemars(range(min = 1), description = "Most files: the pages of one paper, in order.")
    )]
    pub files: u8,
    /// Certainty of the rule.
    pub certainty: Certainty,
}

/// An item that the acceptance place captures from the citizen in person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Captured {
    /// Stable name of the item, for example `photo`.
    pub name: String,
    /// Title in both languages.
    pub title: Title,
}

/// A range of ages in full years: from `from` to below `under`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ages {
    /// Lowest age of the range; 0 by default.
    pub from: u8,
    /// First age above the range, if the range has an upper end.
    pub under: Option<u8>,
}

impl Ages {
    /// Whether an age is in the range.
    #[must_use]
    pub fn contain(self, age: u8) -> bool {
        age >= self.from && self.under.is_none_or(|under| age < under)
    }
}

/// One case of a service: a condition and the documents it needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CaseRow {
    /// Name of the case.
    pub when: When,
    /// Title in both languages.
    pub title: Title,
    /// Required documents.
    pub documents: Vec<Requirement>,
    /// Legs that this case skips. For example, a student needs no move-in permit.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub skips: Vec<Purpose>,
    /// Ages of the applicants of this case, when the age chooses the case.
    #[serde(skip)]
    pub ages: Ages,
    /// Whether the form names a relative.
    #[serde(skip)]
    pub relative: bool,
    /// Rules for the persons of this case, besides those of the service.
    #[serde(skip)]
    pub persons: Vec<PersonRule>,
}

/// The place of the application whose agency acts on a leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[derive(IntoStaticStr, VariantArray)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Role {
    /// The place of household registration (户籍地).
    Registration,
    /// The move-in place (迁入地).
    MoveIn,
    /// The move-out place (迁出地): the place of household registration of a transfer.
    MoveOut,
}

impl Role {
    /// Every role.
    pub const ALL: &'static [Role] = <Role as VariantArray>::VARIANTS;

    /// Stable wire name.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// The document that an agency issues on a leg.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuedDocument {
    /// Name of the slot for the document.
    pub requirement: String,
    /// Kind of document.
    pub kind: DocumentKind,
}

/// One leg: task, agency and time limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LegRow {
    /// Task of the agency.
    pub purpose: Purpose,
    /// Title of the leg in both languages.
    pub title: Title,
    /// Place whose agency acts.
    pub role: Role,
    /// Time limit in working days of China's official calendar, 1 to 60.
    pub limit_working_days: u16,
    /// Certainty of the time limit.
    pub certainty: Certainty,
    /// Reports that the agency may send, as steps. A subset of `stage::reports`.
    #[serde(skip)]
    pub reports: Vec<Step>,
    /// Document that the agency issues, if any.
    #[serde(skip)]
    pub issues: Option<IssuedDocument>,
}

/// A member of the form that chooses the case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseMember {
    /// Name of the member in the body and in a coverage request, for example `reason`.
    pub name: &'static str,
    /// JSON pointer to the member in the body.
    pub pointer: &'static str,
    /// Title in both languages.
    pub title: Title,
}

/// How the case of an application is chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CaseChoice {
    /// The applicant's age chooses the case.
    Age,
    /// A member of the form chooses the case.
    Member(CaseMember),
}

/// One service of the catalogue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ServiceRow {
    /// Name of the service.
    pub service: Service,
    /// Title in both languages.
    pub title: Title,
    /// Law or notice that the service is based on.
    pub legal_source: Title,
    /// Whether the citizen pays nothing.
    pub free_of_charge: bool,
    /// Items that the acceptance place captures from the citizen in person.
    pub captured_on_site: Vec<Captured>,
    /// Whether a signed notice-and-commitment statement (告知承诺书) is needed.
    pub commitment: bool,
    /// Cases of the service.
    pub cases: Vec<CaseRow>,
    /// The legs in order; a `restore` leg is entered only after a lapse.
    pub legs: Vec<LegRow>,
    /// How the case is chosen.
    #[serde(skip)]
    pub choice: CaseChoice,
    /// Age in full years below which a guardian applies for the citizen; `None` when no guardian is ever needed.
    #[serde(skip)]
    pub guardian_under: Option<u8>,
    /// Days after its end for which an application makes another one of the same person a possible duplicate; 0 when only
    /// open applications do.
    #[serde(skip)]
    pub duplicate_days: u16,
    /// Rules for the persons of every case.
    #[serde(skip)]
    pub persons: Vec<PersonRule>,
}

impl ServiceRow {
    /// The case with this name; `None` when the service has no such case.
    #[must_use]
    pub fn case(&self, when: When) -> Option<&CaseRow> {
        self.cases.iter().find(|case| case.when == when)
    }

    /// The case that an applicant's age chooses; `None` when a member of the form chooses the case.
    #[must_use]
    pub fn case_at(&self, age: u8) -> Option<&CaseRow> {
        match self.choice {
            CaseChoice::Age => self.cases.iter().find(|case| case.ages.contain(age)),
            CaseChoice::Member(_) => None,
        }
    }

    /// The member of the form that chooses the case; `None` when the age chooses the case.
    #[must_use]
    pub fn member(&self) -> Option<&CaseMember> {
        match &self.choice {
            CaseChoice::Age => None,
            CaseChoice::Member(member) => Some(member),
        }
    }

    /// The legs of a case, in order.
    pub fn legs_of(&self, case: &CaseRow) -> impl Iterator<Item = &LegRow> {
        self.legs.iter().filter(|leg| !case.skips.contains(&leg.purpose))
    }

    /// The leg with this purpose; `None` when the service has no such leg.
    #[must_use]
    pub fn leg(&self, purpose: Purpose) -> Option<&LegRow> {
        self.legs.iter().find(|leg| leg.purpose == purpose)
    }

    /// The time limit of a leg in working days; `None` when the service has no such leg.
    #[must_use]
    pub fn limit(&self, purpose: Purpose) -> Option<u16> {
        self.leg(purpose).map(|leg| leg.limit_working_days)
    }

    /// Whether the citizen moves: an agency of the move-in place acts, so the form has `move_in`.
    #[must_use]
    pub fn moves_in(&self) -> bool {
        self.legs.iter().any(|leg| leg.role == Role::MoveIn)
    }

    /// Whether a guardian applies for a citizen of this age.
    #[must_use]
    pub fn needs_guardian(&self, age: u8) -> bool {
        self.guardian_under.is_some_and(|under| age < under)
    }
}

/// All services and kinds of document, as read and checked by `Catalogue::parse`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Catalogue {
    /// The services in the order of the data.
    pub services: Vec<ServiceRow>,
    /// The kinds of document in the order of the data.
    pub kinds: Vec<TitledKind>,
}

impl Catalogue {
    /// The row of one service.
    #[must_use]
    pub fn service(&self, service: Service) -> Option<&ServiceRow> {
        self.services.iter().find(|row| row.service == service)
    }

    /// The row of one kind of document.
    #[must_use]
    pub fn kind(&self, kind: DocumentKind) -> Option<&TitledKind> {
        self.kinds.iter().find(|row| row.kind == kind)
    }

    /// The names of the members that choose a case, each once, in the order of the services.
    #[must_use]
    pub fn case_members(&self) -> Vec<&'static str> {
        let mut names = Vec::new();
        for member in self.services.iter().filter_map(ServiceRow::member) {
            if !names.contains(&member.name) {
                names.push(member.name);
            }
        }
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::{current, service_row};

    fn row(name: &str) -> &'static ServiceRow {
        service_row(Service::named(name).expect("a service"))
    }

    fn when(name: &str) -> When {
        When::named(name).expect("a case")
    }

    #[test]
    fn a_range_of_ages_ends_below_its_upper_end() {
        let ages = |from, under| Ages { from, under };
        assert_eq!([15, 16, 17, 18].map(|age| ages(16, Some(18)).contain(age)), [false, true, true, false]);
        assert!(ages(16, None).contain(u8::MAX) && !ages(16, None).contain(15));
    }

    #[test]
    fn a_service_finds_its_cases_and_legs() {
        let (card, transfer) = (row("first_identity_card"), row("household_transfer"));
        assert_eq!(card.case(when("minor")).map(|case| case.documents.len()), Some(3));
        assert_eq!(card.case(when("graduation")), None);
        assert_eq!(card.case_at(15).map(|case| case.when), Some(when("minor")));
        assert_eq!((transfer.case_at(15), card.member()), (None, None));
        assert_eq!(
            transfer.member().map(|member| (member.name, member.pointer)),
            Some(("reason", "/reason"))
        );
        assert_eq!(transfer.leg(Purpose::Settle).map(|leg| leg.role), Some(Role::MoveIn));
        assert_eq!(transfer.leg(Purpose::Decide), None);
        assert_eq!((transfer.limit(Purpose::MoveOut), transfer.limit(Purpose::Decide)), (Some(5), None));
        assert_eq!(
            (card.limit(Purpose::Decide), transfer.moves_in(), card.moves_in()),
            (Some(20), true, false)
        );
        assert_eq!([15, 16].map(|age| card.needs_guardian(age)), [true, false]);
        assert_eq!(
            Role::ALL.iter().map(|role| role.name()).collect::<Vec<_>>(),
            ["registration", "move_in", "move_out"]
        );
    }

    #[test]
    fn a_catalogue_finds_its_rows() {
        let service = Service::named("household_certificate").expect("a service");
        assert_eq!(current().service(service).map(|row| row.service), Some(service));
        let kind = DocumentKind::named("issued_certificate").expect("a kind");
        assert_eq!(current().kind(kind).map(|row| row.provider), Some(Provider::Agency));
        let empty = Catalogue { services: Vec::new(), kinds: Vec::new() };
        assert_eq!((empty.service(service), empty.kind(kind)), (None, None));
        assert_eq!(current().case_members(), ["reason", "certificate", "renewal"]);
        let twice = Catalogue {
            services: [&current().services[..], &current().services[..]].concat(),
            kinds: Vec::new(),
        };
        assert_eq!(twice.case_members(), ["reason", "certificate", "renewal"], "each once");
    }
}
