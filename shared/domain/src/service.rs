//! The rows of the catalogue: services, their cases, documents and legs, and the kinds of document.
//!
//! Serialized, a row is what apps read. Members marked `serde(skip)` steer the hub and reach apps by other ways: the fields
//! of a form in the answer about coverage, the reports of a leg in the agency's case.

use serde::{Deserialize, Serialize};

use crate::names::{DocumentKind, Service, When};
use crate::stage::{Purpose, Step};

/// Both languages of a title.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Title {
    /// Chinese.
    pub zh: String,
    /// English.
    pub en: String,
}

/// Who hands a document in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Provider {
    /// The app backend, for the citizen.
    App,
    /// The agency that issues it.
    Agency,
}

/// A kind of document in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TitledKind {
    /// The kind.
    pub kind: DocumentKind,
    /// Its title.
    pub title: Title,
    /// Who hands such a document in.
    #[serde(skip)]
    pub provider: Provider,
}

/// How sure a rule is. What is not from a source is to be confirmed before going live.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, strum::IntoStaticStr, strum::VariantArray,
)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Certainty {
    /// A published source says so.
    Source,
    /// Only a mirror of the source was readable.
    Mirror,
    /// General knowledge; confirm it before going live.
    Unconfirmed,
}

impl Certainty {
    /// Every certainty.
    pub const ALL: &'static [Certainty] = <Certainty as strum::VariantArray>::VARIANTS;

    /// The stable wire name.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// One required document, of which any of `accepts` will do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Requirement {
    /// The stable name of the requirement, for example `lawful_stay`.
    pub name: String,
    /// Its title.
    pub title: Title,
    /// The kinds that satisfy it.
    pub accepts: Vec<DocumentKind>,
    /// How sure the rule is.
    pub certainty: Certainty,
}

/// What the acceptance place captures of the citizen in person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Captured {
    /// Its stable name, for example `photo`.
    pub name: String,
    /// Its title.
    pub title: Title,
}

/// Full years of an applicant: `from` and more, and fewer than `under`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ages {
    /// The youngest; 0 where nothing is said.
    pub from: u8,
    /// The first age that is too old, if there is one.
    pub under: Option<u8>,
}

impl Ages {
    /// Whether an age is one of these.
    #[must_use]
    pub fn contain(self, age: u8) -> bool {
        age >= self.from && self.under.is_none_or(|under| age < under)
    }
}

/// One case of a service: a condition and the documents it needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CaseRow {
    /// The condition.
    pub when: When,
    /// Its title.
    pub title: Title,
    /// What must be handed in.
    pub documents: Vec<Requirement>,
    /// Legs that this case leaves out (a student needs no move-in permit).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub skips: Vec<Purpose>,
    /// The applicants it is for, where the age chooses the case.
    #[serde(skip)]
    pub ages: Ages,
    /// Whether the form names a relative.
    #[serde(skip)]
    pub relative: bool,
}

/// From which place of the application the acting agency is taken.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, strum::IntoStaticStr, strum::VariantArray,
)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Role {
    /// 户籍地.
    Registration,
    /// 迁入地.
    MoveIn,
    /// 迁出地: the place of registration of a transfer.
    MoveOut,
}

impl Role {
    /// Every role.
    pub const ALL: &'static [Role] = <Role as strum::VariantArray>::VARIANTS;

    /// The stable wire name.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// The document that an agency issues on a leg.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuedDocument {
    /// The name of its slot.
    pub requirement: String,
    /// What it is.
    pub kind: DocumentKind,
}

/// One leg: who acts, on what, and for how long.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LegRow {
    /// What the agency is asked to do.
    pub purpose: Purpose,
    /// The same in words.
    pub title: Title,
    /// Whose place it is.
    pub role: Role,
    /// Time limit in working days of China's official calendar, 1 to 60.
    pub limit_working_days: u16,
    /// How sure the limit is.
    pub certainty: Certainty,
    /// The reports its agency may send, as the steps they take; some of `stage::reports`.
    #[serde(skip)]
    pub reports: Vec<Step>,
    /// What its agency issues, if it issues a document.
    #[serde(skip)]
    pub issues: Option<IssuedDocument>,
}

/// A member of the form that chooses the case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseMember {
    /// Its name in the body and in a question about coverage, for example `reason`.
    pub name: &'static str,
    /// The JSON pointer to it in the body.
    pub pointer: &'static str,
    /// Its title.
    pub title: Title,
}

/// What chooses the case of an application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CaseChoice {
    /// The applicant's age.
    Age,
    /// A member of the form.
    Member(CaseMember),
}

/// One service of the catalogue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ServiceRow {
    /// Which service.
    pub service: Service,
    /// Its title.
    pub title: Title,
    /// The law or notice it rests on.
    pub legal_source: Title,
    /// Whether the citizen pays nothing.
    pub free_of_charge: bool,
    /// What must be captured at the acceptance place.
    pub captured_on_site: Vec<Captured>,
    /// Whether a signed notice-and-commitment statement (告知承诺书) is needed.
    pub commitment: bool,
    /// The cases by condition.
    pub cases: Vec<CaseRow>,
    /// The legs in order; a `restore` leg is entered only after a lapse.
    pub legs: Vec<LegRow>,
    /// What chooses the case.
    #[serde(skip)]
    pub choice: CaseChoice,
    /// Below this age in full years a guardian applies for the citizen; never, where there is none.
    #[serde(skip)]
    pub guardian_under: Option<u8>,
}

impl ServiceRow {
    /// The case for a condition, or `None` where the service has no such condition.
    #[must_use]
    pub fn case(&self, when: When) -> Option<&CaseRow> {
        self.cases.iter().find(|case| case.when == when)
    }

    /// The case that an applicant's age chooses, or `None` where a member of the form chooses.
    #[must_use]
    pub fn case_at(&self, age: u8) -> Option<&CaseRow> {
        match self.choice {
            CaseChoice::Age => self.cases.iter().find(|case| case.ages.contain(age)),
            CaseChoice::Member(_) => None,
        }
    }

    /// The member of the form that chooses the case, or `None` where the age chooses.
    #[must_use]
    pub fn member(&self) -> Option<&CaseMember> {
        match &self.choice {
            CaseChoice::Age => None,
            CaseChoice::Member(member) => Some(member),
        }
    }

    /// The legs a case runs through.
    pub fn legs_of(&self, case: &CaseRow) -> impl Iterator<Item = &LegRow> {
        self.legs.iter().filter(|leg| !case.skips.contains(&leg.purpose))
    }

    /// The leg of a purpose, or `None` where the service has no such leg.
    #[must_use]
    pub fn leg(&self, purpose: Purpose) -> Option<&LegRow> {
        self.legs.iter().find(|leg| leg.purpose == purpose)
    }

    /// The time limit of a leg in working days, or `None` where the service has no such leg.
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
