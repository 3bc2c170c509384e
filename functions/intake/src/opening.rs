//! Reads and checks the body of a new application. Every fault is reported at once.

use std::str::FromStr;

use domain::agencies::{Agencies, NotCovered};
use domain::application::Application;
use domain::catalogue::{Provider, Requirement, Service, ServiceRow, When, current, service_row};
use domain::division::{CurrentDivision, DivisionCode};
use domain::event::{Leg, Opened, Places, Slot};
use domain::identity_number::IdentityNumber;
use domain::ids::{DocumentId, TenantId};
use domain::limits;
use domain::person::{Address, MobileNumber, PersonName};
use domain::person_rule::{Condition, FormPerson};
use domain::personal_data::{Person, PersonalData};
use domain::time::today;
use http_kit::fields::{
    Coded, FieldError, Fields, FromFields as _, Place, Words, boolean, choice, choice_among, list, object,
    read_with, text,
};
use http_kit::uploads::{DeclaredUpload, assign, files};
use jiff::Timestamp;
use jiff::civil::Date;
use serde::Deserialize;
use serde_json::Value;

/// Maximum number of capabilities in a request.
const CAPABILITIES: usize = 8;
/// Maximum length of a capability's name, in characters.
const CAPABILITY_CHARACTERS: usize = 40;

/// The result of a valid body: the data of a new application.
#[derive(Clone, Debug)]
pub struct Opening {
    /// The application's first event.
    pub opened: Opened,
    /// The personal data, still in the clear; the caller encrypts it.
    pub personal_data: PersonalData,
    /// The documents that the app will upload.
    pub declared: Vec<DeclaredUpload>,
}

/// All faults of an invalid body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Defects {
    /// Every wrong field.
    pub faults: Vec<FieldError>,
    /// Every reason for which no agency takes the application. Empty when the fields do not suffice to check coverage.
    pub not_covered: Vec<NotCovered>,
}

/// Reads and checks a body. The applicant's age is computed on the current date in China; the 16th birthday counts as
/// 16.
///
/// # Errors
/// Every fault of the body, as [`Defects`].
pub fn read(
    body: &Value,
    tenant: &TenantId,
    agencies: &Agencies,
    now: Timestamp,
) -> Result<Opening, Defects> {
    read_body(body, tenant, agencies, now, None)
}

/// Reads and checks the body of a corrected draft, as [`read`] does. Without declared documents each requirement has as
/// many slots as before.
///
/// # Errors
/// Every fault of the body, as [`Defects`].
pub fn read_corrected(
    body: &Value,
    draft: &Application,
    agencies: &Agencies,
    now: Timestamp,
) -> Result<Opening, Defects> {
    read_body(body, draft.tenant(), agencies, now, Some(draft))
}

fn read_body(
    body: &Value,
    tenant: &TenantId,
    agencies: &Agencies,
    now: Timestamp,
    draft: Option<&Application>,
) -> Result<Opening, Defects> {
    let today = today(now);
    let mut not_covered = Vec::new();
    let read = read_with(body, |fields| {
        let requested = RequestedApplication::read(fields, today);
        let declared = declared(fields);
        let draft = draft.filter(|_| !fields.has("documents"));
        let slots = requested.slots(declared.as_deref().unwrap_or_default(), draft);
        if let (Some(declared), Some(slots)) = (&declared, &slots) {
            check_assigned(fields, declared, slots);
        }
        let legs = match requested.legs(agencies, today) {
            Some(Ok(legs)) => Some(legs),
            Some(Err(problems)) => {
                not_covered = problems;
                // Uncovered places are reported separately from wrong fields, so reading continues without legs.
                Some(Vec::new())
            }
            None => {
                not_covered = requested.certainly_uncovered(agencies, today);
                None
            }
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
            guardian: requested.guardian.and_then(PartialPerson::person),
            relative: requested.relative.and_then(PartialPerson::person),
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

/// The members of the body; `None` for a wrong or absent member.
struct RequestedApplication {
    service: Option<Service>,
    when: Option<When>,
    places: Option<Places>,
    registered_at: Option<DivisionCode>,
    applicant: Option<PartialPerson>,
    guardian: Option<PartialPerson>,
    relative: Option<PartialPerson>,
    address: Option<Address>,
    capabilities: Vec<String>,
    submit_when_complete: bool,
}

/// Time of the submission: by a command, or automatically with the last document.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Submit {
    #[default]
    Manual,
    WhenComplete,
}

impl Words for Submit {
    fn words() -> Vec<&'static str> {
        vec!["manual", "when_complete"]
    }
}

impl RequestedApplication {
    fn read(fields: &mut Fields<'_>, today: Date) -> RequestedApplication {
        let service = fields.required("service", choice::<Service>);
        let applicant =
            fields.required("applicant", object(|fields| Some(PartialPerson::read(fields, today))));
        let age = applicant.as_ref().and_then(|applicant| applicant.age_on(today));
        let row = service.map(service_row);
        let when = when(fields, row, age);
        let (registered_at, places) = places(fields, row);
        let guardian = fields.optional("guardian", object(|fields| Some(PartialPerson::read(fields, today))));
        let relative = fields.optional("relative", object(|fields| Some(PartialPerson::read(fields, today))));
        let address = fields.required("address", text);
        let commitment = fields.optional("commitment", boolean);
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
        let numbers = |person| {
            let person = match person {
                FormPerson::Applicant => &applicant,
                FormPerson::Guardian => &guardian,
                FormPerson::Relative => &relative,
            };
            person.as_ref().and_then(|person| person.identity_number.as_ref())
        };
        let case = row.zip(when).and_then(|(row, when)| row.case(when));
        let rules = [row.map(|row| &row.persons), case.map(|case| &case.persons)];
        for rule in rules.into_iter().flatten().flatten() {
            if rule.is_broken(numbers, today) {
                let name = rule.person.name();
                fields.refuse_by(&format!("{name}/identity_number"), rule.condition.code(), Some(&rule.text));
            }
        }
        let mut numbers: Vec<&IdentityNumber> = Vec::new();
        let persons = [("applicant", &applicant), ("guardian", &guardian), ("relative", &relative)];
        for (name, person) in persons {
            let Some(number) = person.as_ref().and_then(|person| person.identity_number.as_ref()) else {
                continue;
            };
            if numbers.contains(&number) {
                fields.refuse(&format!("{name}/identity_number"), "same_person");
            }
            numbers.push(number);
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
            registered_at,
            applicant,
            guardian,
            relative,
            address,
            capabilities,
            submit_when_complete,
        }
    }

    /// A slot for each file of each required document, and for each document that an agency issues. The files are those
    /// that are declared, or those of the draft.
    fn slots(&self, declared: &[DeclaredUpload], draft: Option<&Application>) -> Option<Vec<Slot>> {
        let row = service_row(self.service?);
        let case = row.case(self.when?)?;
        let counts = match draft {
            Some(draft) => case.documents.iter().map(|row| files_of(draft, row)).collect(),
            None => files(declared, &case.documents),
        };
        let requested = case.documents.iter().zip(counts).flat_map(|(row, count)| {
            std::iter::repeat_n((row.name.clone(), row.accepts.clone(), Provider::App), count)
        });
        let issued = row.legs_of(case).filter_map(|leg| leg.issues.as_ref());
        let issued = issued.map(|row| (row.requirement.clone(), vec![row.kind], Provider::Agency));
        requested
            .chain(issued)
            .zip(1..)
            .map(|((requirement, accepts, provider), number)| {
                Some(Slot { id: DocumentId::numbered(number)?, requirement, accepts, provider })
            })
            .collect()
    }

    fn legs(&self, agencies: &Agencies, today: Date) -> Option<Result<Vec<Leg>, Vec<NotCovered>>> {
        let places = self.places.as_ref()?;
        Some(agencies.legs(self.service?, self.when?, places, &self.capabilities, today))
    }

    /// The reasons for which no agency takes the application, whatever the wrong fields should have been.
    fn certainly_uncovered(&self, agencies: &Agencies, today: Date) -> Vec<NotCovered> {
        let Some(service) = self.service else { return Vec::new() };
        let Some(places) = &self.places else {
            let place = self.registered_at.as_ref();
            let is_covered = place.is_none_or(|place| agencies.covering(service, place, today).is_some());
            if is_covered {
                return Vec::new();
            }
            let offered_by = agencies.offering(service, today).map(|row| row.code.clone()).collect();
            return vec![NotCovered::NotOffered { role: domain::agencies::Place::RegisteredAt, offered_by }];
        };
        let cases = service_row(service).cases.iter().map(|case| case.when);
        let cases = cases.filter(|case| self.when.is_none_or(|when| when == *case));
        let reasons = cases.map(|case| {
            agencies.legs(service, case, places, &self.capabilities, today).err().unwrap_or_default()
        });
        let in_every_case = |common: Vec<NotCovered>, reasons: Vec<NotCovered>| {
            common.into_iter().filter(|reason| reasons.contains(reason)).collect()
        };
        reasons.reduce(in_every_case).unwrap_or_default()
    }
}

/// The members of a person; `None` for a wrong or absent member.
struct PartialPerson {
    name: Option<PersonName>,
    identity_number: Option<IdentityNumber>,
    mobile: Option<MobileNumber>,
}

impl PartialPerson {
    fn read(fields: &mut Fields<'_>, today: Date) -> PartialPerson {
        let name = fields.required("name", text);
        let number: Option<IdentityNumber> = fields.required("identity_number", text);
        let identity_number = number.and_then(|number| match number.checked_on(today) {
            Ok(number) => Some(number),
            Err(error) => {
                fields.refuse("identity_number", error.code());
                None
            }
        });
        PartialPerson { name, identity_number, mobile: fields.optional("mobile", text) }
    }

    fn age_on(&self, day: Date) -> Option<u8> {
        self.identity_number.as_ref().map(|number| number.age_on(day))
    }

    fn person(self) -> Option<Person> {
        Some(Person { name: self.name?, identity_number: self.identity_number?, mobile: self.mobile })
    }
}

/// The case of the service, selected by the applicant's age or by a member of the body. A member that belongs to
/// another service is rejected.
fn when(fields: &mut Fields<'_>, row: Option<&'static ServiceRow>, age: Option<u8>) -> Option<When> {
    let mut chosen = None;
    for name in current().case_members() {
        let Some(row) = row else {
            // Without a service the member cannot be checked, so it only counts as known.
            fields.optional(name, |_| Some(()));
            continue;
        };
        if row.member().is_none_or(|member| member.name != name) {
            not_expected(fields, name);
            continue;
        }
        let cases: Vec<&str> = row.cases.iter().map(|case| case.when.name()).collect();
        let case: Option<When> = fields.required(name, choice_among(cases.clone()));
        chosen = case.filter(|case| row.case(*case).is_some());
        if case.is_some() && chosen.is_none() {
            fields.refuse_as(name, FieldError::new("", "case_not_of_service").accepting(cases));
        }
    }
    let row = row?;
    match row.member() {
        Some(_) => chosen,
        None => row.case_at(age?).map(|case| case.when),
    }
}

/// Reads the code of a current division.
fn division(place: Place<'_>) -> Option<DivisionCode> {
    text::<CurrentDivision>(place).map(DivisionCode::from)
}

/// The place of household registration, and all places. Without `move_in`, the citizen of a transfer moves to the
/// acceptance place.
fn places(fields: &mut Fields<'_>, row: Option<&ServiceRow>) -> (Option<DivisionCode>, Option<Places>) {
    let accepted_at: Option<DivisionCode> = fields.required("accepted_at", division);
    let registered_at: Option<DivisionCode> = fields.required("registered_at", division);
    let given = fields.has("move_in");
    // `None` for a wrong place; `Some(None)` where the service has no move.
    let move_in = match row.map(ServiceRow::moves_in) {
        Some(true) => {
            let read = fields.optional("move_in", division);
            if given { read.map(Some) } else { accepted_at.clone().map(Some) }
        }
        Some(false) => {
            not_expected(fields, "move_in");
            Some(None)
        }
        None => {
            fields.optional("move_in", division);
            Some(None)
        }
    };
    let places = accepted_at
        .zip(registered_at.clone())
        .zip(move_in)
        .map(|((accepted_at, registered_at), move_in)| Places { accepted_at, registered_at, move_in });
    (registered_at, places)
}

/// A guardian is required for an applicant below the service's age and rejected otherwise: the hub stores no person
/// that the case does not need. Without a service the age limit is unknown, so nothing is checked.
fn check_guardian(fields: &mut Fields<'_>, row: Option<&'static ServiceRow>, age: u8) {
    let Some(row) = row else { return };
    if row.needs_guardian(age) && !fields.has("guardian") {
        let rule = row.persons.iter().find(|rule| rule.condition == Condition::Named);
        fields.refuse_by("guardian", Condition::Named.code(), rule.map(|rule| &rule.text));
    } else {
        expect_or_refuse(fields, "guardian", row.needs_guardian(age), "required");
    }
}

/// Rejects a needed member that is missing, and a given member that is not needed.
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

/// Number of files that a draft has slots for, of one requirement: at least one.
fn files_of(draft: &Application, row: &Requirement) -> usize {
    let slots = draft.documents.iter().filter(|document| document.slot.requirement == row.name);
    slots.count().clamp(1, usize::from(row.files))
}

/// The declared documents.
fn declared(fields: &mut Fields<'_>) -> Option<Vec<DeclaredUpload>> {
    let given = fields.has("documents");
    let read = fields
        .optional("documents", list(0..=limits::DOCUMENTS, |place| object(DeclaredUpload::read)(place)));
    if given { read } else { Some(Vec::new()) }
}

/// Refuses the declared documents for which no slot is left.
fn check_assigned(fields: &mut Fields<'_>, declared: &[DeclaredUpload], slots: &[Slot]) {
    let assigned = assign(declared, slots);
    for (index, (document, slot)) in declared.iter().zip(&assigned).enumerate() {
        if slot.is_none() {
            let fits = |slot: &Slot| slot.provider == Provider::App && slot.accepts.contains(&document.kind);
            let code = if slots.iter().any(fits) { "too_many_files" } else { "not_expected" };
            let fault = FieldError::new("", code).accepting(still_accepted(slots, &assigned));
            fields.refuse_as(&format!("documents/{index}/kind"), fault);
        }
    }
}

/// The kinds that a document may still have, when these slots are taken.
fn still_accepted(slots: &[Slot], assigned: &[Option<DocumentId>]) -> Vec<&'static str> {
    let free =
        slots.iter().filter(|slot| slot.provider == Provider::App && !assigned.contains(&Some(slot.id)));
    let mut kinds: Vec<&str> = free.flat_map(|slot| slot.accepts.iter().map(|kind| kind.name())).collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds
}

/// The declared documents of a replayed body, which may not be valid any more. Invalid declarations are skipped.
#[must_use]
pub fn declared_before(body: &Value) -> Vec<DeclaredUpload> {
    let documents = body.get("documents").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    documents.iter().filter_map(|document| http_kit::fields::read(document).ok()).collect()
}

/// A capability that the application needs and not every agency has, for example `script:mongolian`.
struct Capability(String);

/// The name is not a letter followed by up to 39 of `a-z 0-9 : _ -`.
struct CapabilityError;

impl Coded for CapabilityError {
    fn code(&self) -> &'static str {
        "capability"
    }
}

impl FromStr for Capability {
    type Err = CapabilityError;

    fn from_str(text: &str) -> Result<Self, CapabilityError> {
        let sign = |byte: u8| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b':' | b'_' | b'-')
        };
        let is_valid = text.len() <= CAPABILITY_CHARACTERS
            && text.starts_with(|first: char| first.is_ascii_lowercase())
            && text.bytes().all(sign);
        if is_valid { Ok(Capability(text.to_owned())) } else { Err(CapabilityError) }
    }
}
