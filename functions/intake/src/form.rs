//! The fields of an application's form, case by case: what an app builds its screens from.
//!
//! It says what `opening` checks; a test fills in exactly what is listed and leaves out one after the other.

use domain::catalogue::{Service, When, service_row};
use serde::Serialize;

/// What a field holds, by the rule that checks it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A person's name.
    PersonName,
    /// A citizen identity number (GB 11643).
    IdentityNumber,
    /// A mobile number of mainland China.
    MobileNumber,
    /// A postal address.
    Address,
    /// A division code (GB/T 2260), six digits.
    Division,
    /// `true`, once the citizen has signed.
    Commitment,
    /// Always the same text for this case: see [`Field::value`].
    Fixed,
}

/// Both languages of a field's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Label {
    /// Chinese.
    pub zh: &'static str,
    /// English.
    pub en: &'static str,
}

/// One field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Field {
    /// Where it stands in the body: a JSON pointer (RFC 6901), the same that errors use.
    pub pointer: &'static str,
    /// Its name.
    pub title: Label,
    /// What it holds.
    pub kind: Kind,
    /// Whether it must be given.
    pub required: bool,
    /// What to send where nothing can be chosen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<&'static str>,
}

const fn field(
    pointer: &'static str,
    zh: &'static str,
    en: &'static str,
    kind: Kind,
    required: bool,
) -> Field {
    Field { pointer, title: Label { zh, en }, kind, required, value: None }
}

const fn fixed(pointer: &'static str, zh: &'static str, en: &'static str, value: &'static str) -> Field {
    Field { pointer, title: Label { zh, en }, kind: Kind::Fixed, required: true, value: Some(value) }
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

/// The fields of a case, in the order of a form. A citizen under 16 names a guardian whatever the service; only of a
/// first card it is known from the case, so elsewhere a guardian is listed as optional.
#[must_use]
pub fn fields(service: Service, when: When) -> Vec<Field> {
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
    if needs_guardian(when) {
        fields.extend(GUARDIAN);
    } else if service != Service::FirstIdentityCard {
        fields.extend(GUARDIAN.map(|field| Field { required: false, ..field }));
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail")]

    use domain::identity_number::IdentityNumber;
    use domain::partners::Partners;
    use jiff::Timestamp;
    use serde_json::{Value, json};

    use super::*;
    use crate::opening;

    fn sample(field: &Field, minor: bool) -> Value {
        let number = |birth: &str, sequence| {
            IdentityNumber::compute("150102", birth.parse().unwrap(), sequence).unwrap().as_str().to_owned()
        };
        match field.kind {
            Kind::PersonName => json!("张三"),
            Kind::IdentityNumber => match field.pointer {
                "/applicant/identity_number" if minor => json!(number("2015-01-01", 11)),
                "/applicant/identity_number" => json!(number("1980-01-01", 12)),
                "/guardian/identity_number" => json!(number("1981-01-01", 13)),
                _ => json!(number("1982-01-01", 14)),
            },
            Kind::MobileNumber => json!("13800000000"),
            Kind::Address => json!("呼和浩特市新城区示例街1号"),
            Kind::Division if field.pointer == "/registered_at" => json!("110105"),
            Kind::Division => json!("150102"),
            Kind::Commitment => json!(true),
            Kind::Fixed => json!(field.value.unwrap()),
        }
    }

    fn set(body: &mut Value, pointer: &str, value: Value) {
        let names: Vec<&str> = pointer.split('/').skip(1).collect();
        match names[..] {
            [name] => body[name] = value,
            [object, name] => body[object][name] = value,
            _ => panic!("a field of a field of a field: {pointer}"),
        }
    }

    fn faults(body: &Value) -> Vec<String> {
        let row = json!({ "code": "46", "zh": "海南省", "en": "Hainan", "state": "active", "offers": {} });
        let partners = Partners::new(vec![serde_json::from_value(row).unwrap()]).unwrap();
        let now: Timestamp = "2026-03-02T01:00:00Z".parse().unwrap();
        // Nobody takes it: only what is wrong with the body is looked at.
        let defects = opening::read(body, &"an-app".parse().unwrap(), &partners, now).unwrap_err();
        defects.faults.into_iter().map(|fault| fault.pointer).collect()
    }

    /// Exactly what is listed is accepted, and nothing that must be given may be left out.
    #[test]
    fn the_form_is_what_is_checked() {
        for service in Service::ALL {
            for case in &service_row(service).cases {
                let fields = fields(service, case.when);
                let fill = |wanted: &dyn Fn(&Field) -> bool| {
                    let mut body = json!({});
                    for field in fields.iter().filter(|field| wanted(field)) {
                        set(&mut body, field.pointer, sample(field, case.when == When::Minor));
                    }
                    body
                };
                let adult = |field: &Field| field.required || !field.pointer.starts_with("/guardian");
                assert_eq!(faults(&fill(&adult)), Vec::<String>::new(), "{service:?} {:?}", case.when);
                assert_eq!(faults(&fill(&|field| field.required)), Vec::<String>::new());
                for left_out in fields.iter().filter(|field| field.required && field.pointer != "/service") {
                    let faults = faults(&fill(&|field| field.required && field.pointer != left_out.pointer));
                    let parent = left_out.pointer.rsplit_once('/').unwrap().0;
                    assert!(
                        faults.iter().any(|fault| fault == left_out.pointer || fault == parent),
                        "{service:?} {:?} without {}: {faults:?}",
                        case.when,
                        left_out.pointer
                    );
                }
            }
        }
    }
}
