//! The body of a new application: everything that is wrong with it is found at once.

use std::str::FromStr;

use domain::agencies::{Agencies, NotCovered};
use domain::catalogue::{DocumentKind, Service, When, service_row};
use domain::decide::today;
use domain::division::DivisionCode;
use domain::event::{Leg, Opened, Places, Provider, Slot};
use domain::identity_number::IdentityNumber;
use domain::ids::{DocumentId, TenantId};
use domain::limits;
use domain::person::{ADULT_AGE, Address, MobileNumber, PersonName};
use domain::personal_data::{Person, PersonalData};
use domain::stage::Purpose;
use http_kit::fields::{
    Coded, FieldError, Fields, FromFields as _, choice, flag, list, object, read_with, text,
};
use http_kit::uploads::{Declared, assign};
use jiff::Timestamp;
use jiff::civil::Date;
use protocol::form::needs_relative;
use serde::Deserialize;
use serde_json::Value;

/// Capabilities one application may need.
const CAPABILITIES: usize = 8;
/// Characters of a capability.
const CAPABILITY_CHARACTERS: usize = 40;

/// What a valid body opens.
#[derive(Clone, Debug)]
pub struct Opening {
    /// The first event.
    pub opened: Opened,
    /// The personal part, to be sealed.
    pub personal_data: PersonalData,
    /// The documents that will be uploaded.
    pub declared: Vec<Declared>,
}

/// Why a body opens nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Defects {
    /// Every wrong field.
    pub faults: Vec<FieldError>,
    /// Every reason why nobody would take it, as far as it can be told.
    pub not_covered: Vec<NotCovered>,
}

/// Reads and checks a body. The applicant's age is that of the day in China: the 16th birthday counts.
///
/// # Errors
/// [`Defects`], all of them.
pub fn read(
    body: &Value,
    tenant: &TenantId,
    agencies: &Agencies,
    now: Timestamp,
) -> Result<Opening, Defects> {
    let today = today(now);
    let mut not_covered = Vec::new();
    let read = read_with(body, |fields| {
        let asked = Asked::read(fields, today);
        let slots = asked.slots();
        let declared = declared(fields, slots.as_deref());
        let legs = match asked.legs(agencies, today) {
            Some(Ok(legs)) => Some(legs),
            Some(Err(problems)) => {
                not_covered = problems;
                // Only the refusal of the places is wrong with the body, and it is told apart.
                Some(Vec::new())
            }
            None => None,
        };
        let capabilities = asked.capabilities.clone();
        let opened = Opened {
            tenant: tenant.clone(),
            service: asked.service?,
            when: asked.when?,
            places: asked.places?,
            legs: legs?,
            slots: slots?,
            submit_when_complete: asked.submit_when_complete,
            capabilities,
        };
        let personal_data = PersonalData {
            applicant: asked.applicant?.person()?,
            guardian: asked.guardian.and_then(Sketch::person),
            relative: asked.relative.and_then(Sketch::person),
            address: asked.address?,
        };
        Some(Opening { opened, personal_data, declared: declared? })
    });
    match read {
        Ok(opening) if not_covered.is_empty() => Ok(opening),
        Ok(_) => Err(Defects { faults: Vec::new(), not_covered }),
        Err(faults) => Err(Defects { faults, not_covered }),
    }
}

/// What the body asks for, as far as it can be read.
struct Asked {
    service: Option<Service>,
    when: Option<When>,
    places: Option<Places>,
    applicant: Option<Sketch>,
    guardian: Option<Sketch>,
    relative: Option<Sketch>,
    address: Option<Address>,
    capabilities: Vec<String>,
    submit_when_complete: bool,
}

/// When an application is handed in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Submit {
    #[default]
    Manual,
    WhenComplete,
}

impl Asked {
    fn read(fields: &mut Fields<'_>, today: Date) -> Asked {
        let service = fields.required("service", choice::<Service>);
        let applicant = fields.required("applicant", object(|fields| Some(Sketch::read(fields, today))));
        let age = applicant.as_ref().and_then(|applicant| applicant.age_on(today));
        let when = when(fields, service, age);
        let places = places(fields, service);
        let guardian = fields.optional("guardian", object(|fields| Some(Sketch::read(fields, today))));
        let relative = fields.optional("relative", object(|fields| Some(Sketch::read(fields, today))));
        let address = fields.required("address", text);
        let commitment = fields.optional("commitment", flag);
        let capabilities = fields.optional("capabilities", list(0..=CAPABILITIES, text::<Capability>));
        let submit = fields.optional("submit", choice::<Submit>).unwrap_or_default();
        if let Some(age) = age {
            check_guardian(fields, age);
        }
        if let Some(when) = when {
            check_relative(fields, when);
        }
        if service.is_some_and(|service| service_row(service).commitment) && commitment != Some(true) {
            fields.refuse("commitment", "required");
        }
        let mut known: Vec<&IdentityNumber> = Vec::new();
        let persons = [("applicant", &applicant), ("guardian", &guardian), ("relative", &relative)];
        for (name, person) in persons {
            let Some(number) = person.as_ref().and_then(|person| person.identity_number.as_ref()) else {
                continue;
            };
            if known.contains(&number) {
                fields.refuse(&format!("{name}/identity_number"), "same_person");
            }
            known.push(number);
        }
        let mut capabilities: Vec<String> =
            capabilities.unwrap_or_default().into_iter().map(|capability| capability.0).collect();
        capabilities.sort();
        capabilities.dedup();
        let submit_when_complete = submit == Submit::WhenComplete;
        Asked {
            service,
            when,
            places,
            applicant,
            guardian,
            relative,
            address,
            capabilities,
            submit_when_complete,
        }
    }

    /// A slot for each required document, and one for what the agency issues.
    fn slots(&self) -> Option<Vec<Slot>> {
        let row = service_row(self.service?);
        let case = row.case(self.when?)?;
        let asked = case.documents.iter().map(|row| (row.name.clone(), row.accepts.clone(), Provider::App));
        let issued = row.legs_of(case).any(|leg| leg.purpose == Purpose::Certify).then(|| {
            ("issued_certificate".to_owned(), vec![DocumentKind::IssuedCertificate], Provider::Agency)
        });
        asked
            .chain(issued)
            .enumerate()
            .map(|(index, (requirement, accepts, provider))| {
                Some(Slot { id: DocumentId::numbered(index + 1)?, requirement, accepts, provider })
            })
            .collect()
    }

    fn legs(&self, agencies: &Agencies, today: Date) -> Option<Result<Vec<Leg>, Vec<NotCovered>>> {
        let places = self.places.as_ref()?;
        Some(agencies.legs(self.service?, self.when?, places, &self.capabilities, today))
    }
}

/// A person as far as it can be read.
struct Sketch {
    name: Option<PersonName>,
    identity_number: Option<IdentityNumber>,
    mobile: Option<MobileNumber>,
}

impl Sketch {
    fn read(fields: &mut Fields<'_>, today: Date) -> Sketch {
        let name = fields.required("name", text);
        let number: Option<IdentityNumber> = fields.required("identity_number", text);
        let identity_number = number.and_then(|number| match number.checked_on(today) {
            Ok(number) => Some(number),
            Err(error) => {
                fields.refuse("identity_number", error.code());
                None
            }
        });
        Sketch { name, identity_number, mobile: fields.optional("mobile", text) }
    }

    fn age_on(&self, day: Date) -> Option<u8> {
        self.identity_number.as_ref().map(|number| number.age_on(day))
    }

    fn person(self) -> Option<Person> {
        Some(Person { name: self.name?, identity_number: self.identity_number?, mobile: self.mobile })
    }
}

/// The case of the service: by age, by reason, or by kind of certificate.
fn when(fields: &mut Fields<'_>, service: Option<Service>, age: Option<u8>) -> Option<When> {
    let asked_by = |service| match service {
        Service::FirstIdentityCard => None,
        Service::HouseholdTransfer => Some("reason"),
        Service::HouseholdCertificate => Some("certificate"),
    };
    let mut chosen = None;
    for name in ["reason", "certificate"] {
        let Some(service) = service else {
            // Nothing can be said of it; it is not unknown either.
            fields.optional(name, |_| Some(()));
            continue;
        };
        if asked_by(service) != Some(name) {
            not_expected(fields, name);
            continue;
        }
        let case = fields.required(name, choice::<When>);
        chosen = case.filter(|case| service_row(service).case(*case).is_some());
        if case.is_some() && chosen.is_none() {
            fields.refuse(name, "case_not_of_service");
        }
    }
    match service {
        Some(Service::FirstIdentityCard) => {
            age.map(|age| if age < ADULT_AGE { When::Minor } else { When::Adult })
        }
        Some(Service::HouseholdTransfer | Service::HouseholdCertificate) => chosen,
        None => None,
    }
}

/// The places; a transfer moves to the acceptance place where nothing else is said.
fn places(fields: &mut Fields<'_>, service: Option<Service>) -> Option<Places> {
    let accepted_at: Option<DivisionCode> = fields.required("accepted_at", text);
    let registered_at = fields.required("registered_at", text);
    let move_in = match service {
        Some(Service::HouseholdTransfer) => {
            let given = fields.has("move_in");
            let read = fields.optional("move_in", text);
            if given { Some(read?) } else { Some(accepted_at.clone()?) }
        }
        Some(Service::FirstIdentityCard | Service::HouseholdCertificate) => {
            not_expected(fields, "move_in");
            None
        }
        None => {
            fields.optional("move_in", text::<DivisionCode>);
            None
        }
    };
    Some(Places { accepted_at: accepted_at?, registered_at: registered_at?, move_in })
}

/// A guardian applies for a citizen under 16, and nobody else gives one: what is not needed is not kept.
fn check_guardian(fields: &mut Fields<'_>, age: u8) {
    match (age < ADULT_AGE, fields.has("guardian")) {
        (true, false) => fields.refuse("guardian", "guardian_required"),
        (false, true) => fields.refuse("guardian", "not_expected"),
        (true, true) | (false, false) => {}
    }
}

/// A relative is named where the case needs one, and nowhere else.
fn check_relative(fields: &mut Fields<'_>, when: When) {
    match (needs_relative(when), fields.has("relative")) {
        (true, false) => fields.refuse("relative", "required"),
        (false, true) => fields.refuse("relative", "not_expected"),
        (true, true) | (false, false) => {}
    }
}

fn not_expected(fields: &mut Fields<'_>, name: &'static str) {
    if fields.optional(name, |_| Some(())).is_some() {
        fields.refuse(name, "not_expected");
    }
}

/// The declared documents, each of which must answer a requirement of its own.
fn declared(fields: &mut Fields<'_>, slots: Option<&[Slot]>) -> Option<Vec<Declared>> {
    let given = fields.has("documents");
    let read =
        fields.optional("documents", list(0..=limits::DOCUMENTS, |place| object(Declared::read)(place)));
    let declared = if given { read? } else { Vec::new() };
    for (index, slot) in assign(&declared, slots?).into_iter().enumerate() {
        if slot.is_none() {
            fields.refuse(&format!("documents/{index}/kind"), "not_expected");
        }
    }
    Some(declared)
}

/// The declared documents of a body that was valid once, whatever it is today.
#[must_use]
pub fn declared_before(body: &Value) -> Vec<Declared> {
    let documents = body.get("documents").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    documents.iter().filter_map(|document| http_kit::fields::read(document).ok()).collect()
}

/// Something not every agency can do, for example `script:mongolian`.
struct Capability(String);

/// Not 1 to 40 of `a-z 0-9 : _ -`, the first a letter.
struct CapabilityError;

impl Coded for CapabilityError {
    fn code(&self) -> &'static str {
        "invalid"
    }
}

impl FromStr for Capability {
    type Err = CapabilityError;

    fn from_str(text: &str) -> Result<Self, CapabilityError> {
        let sign = |byte: u8| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b':' | b'_' | b'-')
        };
        let sound = text.len() <= CAPABILITY_CHARACTERS
            && text.starts_with(|first: char| first.is_ascii_lowercase())
            && text.bytes().all(sign);
        if sound { Ok(Capability(text.to_owned())) } else { Err(CapabilityError) }
    }
}
