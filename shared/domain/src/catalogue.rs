//! The three services as data: titles, legal sources, required documents, legs and time limits.
//!
//! The rows live in `data/services.json`; `certainty` marks how sure a row is (see [`Certainty`]), so
//! an operator knows which rows to confirm before going live.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use crate::stage::Purpose;

/// A service the hub handles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Service {
    /// 首次申领居民身份证.
    FirstIdentityCard,
    /// 户口迁移.
    HouseholdTransfer,
    /// 户籍类证明.
    HouseholdCertificate,
}

impl Service {
    /// All three services.
    pub const ALL: [Service; 3] =
        [Service::FirstIdentityCard, Service::HouseholdTransfer, Service::HouseholdCertificate];

    /// The stable wire name, for example `first_identity_card`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Service::FirstIdentityCard => "first_identity_card",
            Service::HouseholdTransfer => "household_transfer",
            Service::HouseholdCertificate => "household_certificate",
        }
    }

    /// The service with this wire name.
    #[must_use]
    pub fn named(name: &str) -> Option<Service> {
        Service::ALL.into_iter().find(|service| service.name() == name)
    }
}

/// Which of a service's cases an application is: by age, by transfer reason or by certificate kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// First card, 16 and over on the day of application.
    Adult,
    /// First card, under 16: the guardian applies.
    Minor,
    /// 工作调动.
    JobTransfer,
    /// 大中专院校录取.
    SchoolAdmission,
    /// 毕业.
    Graduation,
    /// 夫妻投靠.
    CouplesJoining,
    /// 父母投靠子女.
    ParentsJoiningChildren,
    /// 亲属关系.
    Kinship,
    /// 项目变更.
    ItemChange,
    /// 注销.
    Cancellation,
    /// 曾用名.
    FormerName,
    /// 同一人.
    SamePerson,
    /// 户籍成员.
    HouseholdMembership,
}

impl When {
    /// The stable wire name, for example `job_transfer`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            When::Adult => "adult",
            When::Minor => "minor",
            When::JobTransfer => "job_transfer",
            When::SchoolAdmission => "school_admission",
            When::Graduation => "graduation",
            When::CouplesJoining => "couples_joining",
            When::ParentsJoiningChildren => "parents_joining_children",
            When::Kinship => "kinship",
            When::ItemChange => "item_change",
            When::Cancellation => "cancellation",
            When::FormerName => "former_name",
            When::SamePerson => "same_person",
            When::HouseholdMembership => "household_membership",
        }
    }
}

/// What a document is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum DocumentKind {
    /// 户口簿.
    HouseholdRegister,
    /// 居民身份证.
    IdentityCard,
    /// 就业证明.
    ProofOfWork,
    /// 就读证明.
    ProofOfStudy,
    /// 居住证明.
    ProofOfResidence,
    /// 出生医学证明.
    BirthCertificate,
    /// 与监护人合影.
    PictureWithGuardian,
    /// 调动证明.
    TransferOrder,
    /// 录取通知书.
    AdmissionNotice,
    /// 毕业证书.
    GraduationCertificate,
    /// 结婚证.
    MarriageCertificate,
    /// 亲属关系证明材料.
    ProofOfKinship,
    /// The certificate that the agency issues.
    IssuedCertificate,
    /// What an agency asks for in a supplement under its own words.
    Other,
}

impl DocumentKind {
    /// Every kind.
    pub const ALL: [DocumentKind; 14] = [
        DocumentKind::HouseholdRegister,
        DocumentKind::IdentityCard,
        DocumentKind::ProofOfWork,
        DocumentKind::ProofOfStudy,
        DocumentKind::ProofOfResidence,
        DocumentKind::BirthCertificate,
        DocumentKind::PictureWithGuardian,
        DocumentKind::TransferOrder,
        DocumentKind::AdmissionNotice,
        DocumentKind::GraduationCertificate,
        DocumentKind::MarriageCertificate,
        DocumentKind::ProofOfKinship,
        DocumentKind::IssuedCertificate,
        DocumentKind::Other,
    ];

    /// Its title.
    #[must_use]
    pub fn title(self) -> Title {
        let (zh, en) = match self {
            DocumentKind::HouseholdRegister => ("居民户口簿", "Household register"),
            DocumentKind::IdentityCard => ("居民身份证", "Identity card"),
            DocumentKind::ProofOfWork => ("就业证明", "Proof of work"),
            DocumentKind::ProofOfStudy => ("就读证明", "Proof of study"),
            DocumentKind::ProofOfResidence => ("居住证明", "Proof of residence"),
            DocumentKind::BirthCertificate => ("出生医学证明", "Birth certificate"),
            DocumentKind::PictureWithGuardian => ("与监护人的合影", "Picture with the guardian"),
            DocumentKind::TransferOrder => ("调动证明", "Transfer order"),
            DocumentKind::AdmissionNotice => ("录取通知书", "Admission notice"),
            DocumentKind::GraduationCertificate => ("毕业证书", "Graduation certificate"),
            DocumentKind::MarriageCertificate => ("结婚证", "Marriage certificate"),
            DocumentKind::ProofOfKinship => ("亲属关系证明材料", "Proof of kinship"),
            DocumentKind::IssuedCertificate => ("户籍类证明", "Household registration certificate"),
            DocumentKind::Other => ("其他材料", "Another document"),
        };
        Title { zh: zh.to_owned(), en: en.to_owned() }
    }
}

/// A kind of document in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TitledKind {
    /// The kind.
    pub kind: DocumentKind,
    /// Its title.
    pub title: Title,
}

/// Every kind of document in words.
#[must_use]
pub fn kinds() -> Vec<TitledKind> {
    DocumentKind::ALL.into_iter().map(|kind| TitledKind { kind, title: kind.title() }).collect()
}

/// Both languages of a title.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Title {
    /// Chinese.
    pub zh: String,
    /// English.
    pub en: String,
}

/// How sure a rule is: see `certainty` in `data/services.json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Certainty {
    /// A published source says so.
    Source,
    /// Only a mirror of the source was readable.
    Mirror,
    /// General knowledge; confirm it before going live.
    Unconfirmed,
}

/// One required document, of which any of `accepts` will do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Captured {
    /// Its stable name, for example `photo`.
    pub name: String,
    /// Its title.
    pub title: Title,
}

/// One case of a service: a condition and the documents it needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CaseRow {
    /// The condition.
    pub when: When,
    /// Its title.
    pub title: Title,
    /// What must be handed in.
    pub documents: Vec<Requirement>,
    /// Legs that this case leaves out (a student needs no move-in permit).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skips: Vec<Purpose>,
}

/// From which place of the application the acting agency is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// 户籍地.
    Registration,
    /// 迁入地.
    MoveIn,
    /// 迁出地: the place of registration of a transfer.
    MoveOut,
}

/// One leg: who acts, on what, and for how long.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
}

/// One service of the catalogue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
}

impl ServiceRow {
    /// The case for a condition, or `None` where the service has no such condition.
    #[must_use]
    pub fn case(&self, when: When) -> Option<&CaseRow> {
        self.cases.iter().find(|case| case.when == when)
    }

    /// The legs a case runs through.
    pub fn legs_of(&self, case: &CaseRow) -> impl Iterator<Item = &LegRow> {
        self.legs.iter().filter(|leg| !case.skips.contains(&leg.purpose))
    }

    /// The time limit of a leg in working days, or `None` where the service has no such leg.
    #[must_use]
    pub fn limit(&self, purpose: Purpose) -> Option<u16> {
        self.legs.iter().find(|leg| leg.purpose == purpose).map(|leg| leg.limit_working_days)
    }
}

// The file is compiled in and a test parses it, so it cannot fail at run time.
#[allow(clippy::expect_used, reason = "the data is compiled in and tested")]
static CATALOGUE: LazyLock<Vec<ServiceRow>> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../data/services.json")).expect("services.json is valid")
});

/// The whole catalogue.
#[must_use]
pub fn catalogue() -> &'static [ServiceRow] {
    &CATALOGUE
}

/// The row of one service.
#[must_use]
#[allow(clippy::expect_used, reason = "a test shows that every service has a row")]
pub fn service_row(service: Service) -> &'static ServiceRow {
    catalogue().iter().find(|row| row.service == service).expect("every service has a row")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_service_has_one_row_with_cases_and_legs() {
        for service in Service::ALL {
            let row = service_row(service);
            assert!(!row.cases.is_empty() && !row.legs.is_empty());
            assert_eq!(catalogue().iter().filter(|r| r.service == service).count(), 1);
            for case in &row.cases {
                assert!(!case.documents.is_empty(), "{:?}", case.when);
                assert!(row.legs_of(case).count() >= 1);
                for requirement in &case.documents {
                    assert!(!requirement.accepts.is_empty());
                }
            }
            for leg in &row.legs {
                assert!((1..=60).contains(&leg.limit_working_days));
            }
        }
    }

    #[test]
    fn a_student_needs_no_permit() {
        let row = service_row(Service::HouseholdTransfer);
        let legs = |when| {
            let case = row.case(when).expect("a transfer reason");
            row.legs_of(case).map(|leg| leg.purpose).collect::<Vec<_>>()
        };
        assert_eq!(legs(When::SchoolAdmission)[0], Purpose::MoveOut);
        assert_eq!(legs(When::Graduation)[0], Purpose::Approve);
    }

    #[test]
    fn a_first_card_of_an_adult_needs_two_documents() {
        let row = service_row(Service::FirstIdentityCard);
        assert_eq!(row.case(When::Adult).map(|case| case.documents.len()), Some(2));
        assert_eq!(row.case(When::Minor).map(|case| case.documents.len()), Some(3));
        assert!(row.case(When::Kinship).is_none());
    }
}
