//! The fields of an application's form, case by case: what an app builds its screens from.
//!
//! It says what intake checks; a test there fills in exactly what is listed and leaves out one after the other.

use domain::catalogue::{Service, When, service_row};

use domain::person::ADULT_AGE;

use crate::coverage::{Condition, Field, FieldKind as Kind, FieldTitle};

const fn field(
    pointer: &'static str,
    zh: &'static str,
    en: &'static str,
    kind: Kind,
    required: bool,
) -> Field {
    Field { pointer, title: FieldTitle { zh, en }, kind, required, condition: None, value: None }
}

const fn fixed(pointer: &'static str, zh: &'static str, en: &'static str, value: &'static str) -> Field {
    let title = FieldTitle { zh, en };
    Field { pointer, title, kind: Kind::Fixed, required: true, condition: None, value: Some(value) }
}

const APPLICANT: [Field; 3] = [
    field("/applicant/name", "申请人姓名", "Applicant's name", Kind::PersonName, true),
    field(
        "/applicant/identity_number",
        "申请人公民身份号码",
        "Applicant's identity number",
        Kind::IdentityNumber,
        true,
    ),
    field("/applicant/mobile", "申请人手机号码", "Applicant's mobile number", Kind::MobileNumber, false),
];
const GUARDIAN: [Field; 3] = [
    field("/guardian/name", "监护人姓名", "Guardian's name", Kind::PersonName, true),
    field(
        "/guardian/identity_number",
        "监护人公民身份号码",
        "Guardian's identity number",
        Kind::IdentityNumber,
        true,
    ),
    field("/guardian/mobile", "监护人手机号码", "Guardian's mobile number", Kind::MobileNumber, false),
];
const RELATIVE: [Field; 3] = [
    field("/relative/name", "亲属姓名", "Relative's name", Kind::PersonName, true),
    field(
        "/relative/identity_number",
        "亲属公民身份号码",
        "Relative's identity number",
        Kind::IdentityNumber,
        true,
    ),
    field("/relative/mobile", "亲属手机号码", "Relative's mobile number", Kind::MobileNumber, false),
];

/// Whether a guardian applies: for a citizen under 16 (Resident Identity Card Law, article 10).
#[must_use]
pub fn needs_guardian(when: When) -> bool {
    when == When::Minor
}

/// Whether a relative is named: whoever is joined, or whose kinship is certified.
#[must_use]
pub fn needs_relative(when: When) -> bool {
    match when {
        When::CouplesJoining | When::ParentsJoiningChildren | When::Kinship => true,
        When::Adult
        | When::Minor
        | When::JobTransfer
        | When::SchoolAdmission
        | When::Graduation
        | When::ItemChange
        | When::Cancellation
        | When::FormerName
        | When::SamePerson
        | When::HouseholdMembership => false,
    }
}

/// The fields of a case for an applicant of this age in years, in the order of a form. A citizen under 16 names a guardian
/// whatever the service, and nobody else does. Of a first card the case tells the age; elsewhere, without it, the
/// guardian's fields have a condition.
#[must_use]
pub fn fields(service: Service, when: When, age: Option<u8>) -> Vec<Field> {
    let mut fields = vec![fixed("/service", "服务事项", "Service", service.name())];
    match service {
        Service::FirstIdentityCard => {}
        Service::HouseholdTransfer => fields.push(fixed("/reason", "迁移原因", "Reason", when.name())),
        Service::HouseholdCertificate => {
            fields.push(fixed("/certificate", "证明种类", "Certificate", when.name()));
        }
    }
    fields.push(field("/accepted_at", "受理地", "Place of acceptance", Kind::Division, true));
    fields.push(field("/registered_at", "户籍地", "Place of household registration", Kind::Division, true));
    if service == Service::HouseholdTransfer {
        // Where nothing else is said one moves to the place of acceptance.
        fields.push(field("/move_in", "迁入地", "Place to move to", Kind::Division, false));
    }
    fields.extend(APPLICANT);
    let guardian = match (service, age) {
        (Service::FirstIdentityCard, _) => Some(needs_guardian(when)),
        (Service::HouseholdTransfer | Service::HouseholdCertificate, Some(age)) => Some(age < ADULT_AGE),
        (Service::HouseholdTransfer | Service::HouseholdCertificate, None) => None,
    };
    let condition = guardian.is_none().then_some(Condition::ApplicantUnder16);
    if guardian != Some(false) {
        fields.extend(GUARDIAN.map(|field| Field { condition, ..field }));
    }
    if needs_relative(when) {
        fields.extend(RELATIVE);
    }
    fields.push(field("/address", "居住地址", "Address", Kind::Address, true));
    if service_row(service).commitment {
        fields.push(field(
            "/commitment",
            "告知承诺书已签",
            "The commitment is signed",
            Kind::Commitment,
            true,
        ));
    }
    fields
}
