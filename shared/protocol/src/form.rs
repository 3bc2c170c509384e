//! Form fields of an application, by case. Apps build their screens from these fields.
//!
//! The catalogue says which fields a case has. A test of intake shows that its validation agrees: it sends exactly
//! these fields, then omits one field after the other.

use domain::catalogue::{Ages, Service, ServiceRow, When, service_row};
use serde_json::{Map, Value};

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

/// Whether the applicant needs a guardian, from the age or else from the ages of the case. `None` when the case has
/// applicants of both kinds.
fn guardian(row: &ServiceRow, ages: Ages, age: Option<u8>) -> Option<bool> {
    let Some(under) = row.guardian_under else { return Some(false) };
    if ages.from >= under {
        return Some(false);
    }
    if ages.under.is_some_and(|first_too_old| first_too_old <= under) {
        return Some(true);
    }
    age.map(|age| age < under)
}

/// Fields of a case for an applicant of this age in years, in the order of a form; empty when the service has no such
/// case. When neither the age nor the case decides whether a guardian applies, the guardian's fields have a condition.
#[must_use]
pub fn fields(service: Service, when: When, age: Option<u8>) -> Vec<Field> {
    let row = service_row(service);
    let Some(case) = row.case(when) else { return Vec::new() };
    let mut fields = vec![fixed("/service", "服务事项", "Service", service.name())];
    if let Some(member) = row.member() {
        fields.push(fixed(member.pointer, &member.title.zh, &member.title.en, when.name()));
    }
    fields.push(field("/accepted_at", "受理地", "Place of acceptance", Kind::Division, true));
    fields.push(field("/registered_at", "户籍地", "Place of household registration", Kind::Division, true));
    if row.moves_in() {
        // The acceptance place is the default move-in place.
        fields.push(field("/move_in", "迁入地", "Place to move to", Kind::Division, false));
    }
    fields.extend(APPLICANT);
    let guardian = guardian(row, case.ages, age);
    let condition = if guardian.is_none() { row.guardian_under.map(Condition::ApplicantUnder) } else { None };
    if guardian != Some(false) {
        fields.extend(GUARDIAN.map(|field| Field { condition, ..field }));
    }
    if case.relative {
        fields.extend(RELATIVE);
    }
    fields.push(field("/address", "居住地址", "Address", Kind::Address, true));
    if row.commitment {
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

/// A request body with these fields. `answer` gives the value of each field that has no fixed value.
#[must_use]
pub fn fill(fields: &[Field], mut answer: impl FnMut(&Field) -> Option<Value>) -> Value {
    let mut body = Map::new();
    for field in fields {
        let Some(value) = field.value.map(Value::from).or_else(|| answer(field)) else { continue };
        let mut names = field.pointer.split('/').skip(1);
        match (names.next(), names.next()) {
            (Some(object), Some(name)) => {
                let object = body.entry(object).or_insert_with(|| Value::Object(Map::new()));
                if let Some(members) = object.as_object_mut() {
                    members.insert(name.to_owned(), value);
                }
            }
            (Some(name), None) => {
                body.insert(name.to_owned(), value);
            }
            (None, _) => {}
        }
    }
    Value::Object(body)
}
