//! The body of a new application: everything that is wrong with it is found at once.

use std::str::FromStr;

use domain::agencies::{Agencies, NotCovered};
use domain::catalogue::{Provider, Service, ServiceRow, When, current, service_row};
use domain::decide::today;
use domain::division::{CurrentDivision, DivisionCode};
use domain::event::{Leg, Opened, Places, Slot};
use domain::identity_number::IdentityNumber;
use domain::ids::{DocumentId, TenantId};
use domain::limits;
use domain::person::{Address, MobileNumber, PersonName};
use domain::personal_data::{Person, PersonalData};
use http_kit::fields::{
    Coded, FieldError, Fields, FromFields as _, Place, choice, flag, list, object, read_with, text,
};
use http_kit::uploads::{Declared, assign};
use jiff::Timestamp;
use jiff::civil::Date;
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
        let requested = RequestedApplication::read(fields, today);
        let slots = requested.slots();
        let declared = declared(fields, slots.as_deref());
        let legs = match requested.legs(agencies, today) {
            Some(Ok(legs)) => Some(legs),
            Some(Err(problems)) => {
                not_covered = problems;
                // Only the refusal of the places is wrong with the body, and it is told apart.
                Some(Vec::new())
            }
            None => None,
        };
        let capabilities = requested.capabilities.clone();
        let opened = Opened {
            tenant: tenant.clone(),
            service: requested.service?,
            when: requested.when?,
            places: requested.places?,
            legs: legs?,
            slots: slots?,
            submit_when_complete: requested.submit_when_complete,
            capabilities,
        };
        let personal_data = PersonalData {
            applicant: requested.applicant?.person()?,
            guardian: requested.guardian.and_then(Sketch::person),
            relative: requested.relative.and_then(Sketch::person),
            address: requested.address?,
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
struct RequestedApplication {
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

impl RequestedApplication {
    fn read(fields: &mut Fields<'_>, today: Date) -> RequestedApplication {
        let service = fields.required("service", choice::<Service>);
        let applicant = fields.required("applicant", object(|fields| Some(Sketch::read(fields, today))));
        let age = applicant.as_ref().and_then(|applicant| applicant.age_on(today));
        let row = service.map(service_row);
        let when = when(fields, row, age);
        let places = places(fields, row);
        let guardian = fields.optional("guardian", object(|fields| Some(Sketch::read(fields, today))));
        let relative = fields.optional("relative", object(|fields| Some(Sketch::read(fields, today))));
        let address = fields.required("address", text);
        let commitment = fields.optional("commitment", flag);
        let capabilities = fields.optional("capabilities", list(0..=CAPABILITIES, text::<Capability>));
        let submit = fields.optional("submit", choice::<Submit>).unwrap_or_default();
        if let Some(age) = age {
            check_guardian(fields, row, age);
        }
        if let Some(case) = row.zip(when).and_then(|(row, when)| row.case(when)) {
            expect_or_refuse(fields, "relative", case.relative, "required");
        }
        if row.is_some_and(|row| row.commitment) && commitment != Some(true) {
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
        RequestedApplication {
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
        let requested =
            case.documents.iter().map(|row| (row.name.clone(), row.accepts.clone(), Provider::App));
        let issued = row.legs_of(case).filter_map(|leg| leg.issues.as_ref());
        let issued = issued.map(|row| (row.requirement.clone(), vec![row.kind], Provider::Agency));
        requested
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

/// The case of the service: the one that the applicant's age or a member of the body chooses. A member that chooses the
/// case of another service is refused.
fn when(fields: &mut Fields<'_>, row: Option<&'static ServiceRow>, age: Option<u8>) -> Option<When> {
    let mut chosen = None;
    for name in current().case_members() {
        let Some(row) = row else {
            // Without a service nobody can tell whether the member belongs here: it counts as known.
            fields.optional(name, |_| Some(()));
            continue;
        };
        if row.member().is_none_or(|member| member.name != name) {
            not_expected(fields, name);
            continue;
        }
        let case = fields.required(name, choice::<When>);
        chosen = case.filter(|case| row.case(*case).is_some());
        if case.is_some() && chosen.is_none() {
            fields.refuse(name, "case_not_of_service");
        }
    }
    let row = row?;
    match row.member() {
        Some(_) => chosen,
        None => row.case_at(age?).map(|case| case.when),
    }
}

/// Reads a division of today.
fn division(place: Place<'_>) -> Option<DivisionCode> {
    text::<CurrentDivision>(place).map(DivisionCode::from)
}

/// The places. Who moves, moves to the acceptance place where `move_in` is left out.
fn places(fields: &mut Fields<'_>, row: Option<&ServiceRow>) -> Option<Places> {
    let accepted_at: Option<DivisionCode> = fields.required("accepted_at", division);
    let registered_at = fields.required("registered_at", division);
    let move_in = match row.map(ServiceRow::moves_in) {
        Some(true) => {
            let given = fields.has("move_in");
            let read = fields.optional("move_in", division);
            if given { Some(read?) } else { Some(accepted_at.clone()?) }
        }
        Some(false) => {
            not_expected(fields, "move_in");
            None
        }
        None => {
            fields.optional("move_in", division);
            None
        }
    };
    Some(Places { accepted_at: accepted_at?, registered_at: registered_at?, move_in })
}

/// A guardian applies for a citizen below the service's age, and nobody else names one: the hub keeps no person that the
/// case does not need. Without a service no age is known, so nothing is said.
fn check_guardian(fields: &mut Fields<'_>, row: Option<&ServiceRow>, age: u8) {
    if let Some(row) = row {
        expect_or_refuse(fields, "guardian", row.needs_guardian(age), "guardian_required");
    }
}

/// Refuses a member that is needed and missing, or given and not needed.
fn expect_or_refuse(fields: &mut Fields<'_>, name: &'static str, needed: bool, missing: &'static str) {
    match (needed, fields.has(name)) {
        (true, false) => fields.refuse(name, missing),
        (false, true) => fields.refuse(name, "not_expected"),
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
