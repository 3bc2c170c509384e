//! The applications that the walk opens for invented people, and the events that each must produce.

use anyhow::{Context as _, Result, anyhow};
use app_client::pdf_page;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::agencies::Agencies;
use domain::catalogue::{CaseRow, DocumentKind, Service, ServiceRow, Title, When, service_row};
use domain::division::{DivisionCode, NamedPlace};
use domain::event::{HandOver, Leg, Places};
use domain::identity_number::IdentityNumber;
use domain::ids::AgencyCode;
use domain::stage::Purpose;
use jiff::Span;
use jiff::civil::Date;
use protocol::coverage::FieldKind;
use protocol::form::{fields, fill};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// Acceptance place of every application: Xincheng, Hohhot.
const ACCEPTANCE_PLACE: &str = "150102";

/// One entry of `data/walk.json`.
#[derive(Debug, Deserialize)]
struct ScenarioData {
    short: Title,
    service: Service,
    when: When,
    registered_at: DivisionCode,
    applicant: PersonData,
    relative: Option<PersonData>,
    hand_over: HandOver,
}

/// An invented person; `area` is the beginning of the identity number.
#[derive(Debug, Deserialize)]
struct PersonData {
    name: String,
    age: i32,
    area: String,
}

/// One application of the walk.
#[derive(Debug)]
pub(crate) struct Scenario {
    /// Number in the output, from 1.
    pub(crate) number: usize,
    /// Short name of the service.
    pub(crate) short: Title,
    /// The legs of the positive course, in order.
    pub(crate) legs: Vec<Leg>,
    /// Documents to upload.
    pub(crate) documents: Vec<ScenarioDocument>,
    row: &'static ServiceRow,
    case: &'static CaseRow,
    places: Places,
    applicant: Person,
    relative: Option<Person>,
    hand_over: HandOver,
}

/// A document to upload: a PDF of one page.
#[derive(Debug)]
pub(crate) struct ScenarioDocument {
    pub(crate) kind: DocumentKind,
    pub(crate) bytes: Vec<u8>,
}

/// An invented person with a computed identity number.
#[derive(Debug)]
struct Person {
    name: String,
    age: i32,
    identity_number: IdentityNumber,
}

impl ScenarioDocument {
    /// SHA-256 in base64, the format of S3.
    pub(crate) fn sha256(&self) -> String {
        STANDARD.encode(Sha256::digest(&self.bytes))
    }
}

impl Person {
    fn new(draft: PersonData, today: Date) -> Result<Person> {
        let PersonData { name, age, area } = draft;
        let born = today.checked_sub(Span::new().years(age).days(40)).context("the age is out of range")?;
        let sequence = u16::try_from(age).unwrap_or_default();
        let identity_number = IdentityNumber::compute(&area, born, sequence)
            .with_context(|| format!("the identity number of {name} cannot be computed"))?;
        Ok(Person { name, age, identity_number })
    }
}

/// The applications of `data/walk.json`, as the agencies of this hub route them.
///
/// # Errors
/// The data is wrong, or the agencies do not cover one of the applications.
pub(crate) fn scenarios(agencies: &Agencies, today: Date) -> Result<Vec<Scenario>> {
    let drafts: Vec<ScenarioData> = serde_json::from_str(include_str!("../../data/walk.json"))
        .context("infra/cli/data/walk.json does not fit the catalogue")?;
    drafts.into_iter().enumerate().map(|(index, draft)| draft.routed(index + 1, agencies, today)).collect()
}

impl ScenarioData {
    fn routed(self, number: usize, agencies: &Agencies, today: Date) -> Result<Scenario> {
        let row = service_row(self.service);
        let accepted_at: DivisionCode = ACCEPTANCE_PLACE.parse()?;
        let move_in = row.moves_in().then(|| accepted_at.clone());
        let places = Places { accepted_at, registered_at: self.registered_at, move_in };
        let case = row.case(self.when).context("the catalogue does not have the case of the entry")?;
        let legs = agencies.legs(self.service, self.when, &places, &[], today).map_err(|reasons| {
            let reasons: Vec<String> = reasons.iter().map(ToString::to_string).collect();
            anyhow!("no agency accepts the {}: {}", self.short.en, reasons.join("; "))
        })?;
        let documents = case.documents.iter().filter_map(|document| {
            let kind = *document.accepts.first()?;
            let bytes = pdf_page(&[&document.name, "invented, for the walk of application", &self.short.en]);
            Some(ScenarioDocument { kind, bytes })
        });
        Ok(Scenario {
            number,
            documents: documents.collect(),
            short: self.short,
            // A `restore` leg follows a lapsed migration certificate. In the walk none lapses.
            legs: legs.into_iter().filter(|leg| leg.purpose != Purpose::Restore).collect(),
            row,
            case,
            places,
            applicant: Person::new(self.applicant, today)?,
            relative: self.relative.map(|relative| Person::new(relative, today)).transpose()?,
            hand_over: self.hand_over,
        })
    }
}

impl Scenario {
    /// The agencies of its legs.
    pub(crate) fn agencies(&self) -> impl Iterator<Item = &AgencyCode> {
        self.legs.iter().map(|leg| &leg.agency)
    }

    /// Purpose of the last leg.
    fn last(&self) -> Option<Purpose> {
        self.legs.last().map(|leg| leg.purpose)
    }

    /// The names of its events, from the first to the final one.
    pub(crate) fn events(&self) -> Vec<&'static str> {
        let mut events = vec!["opened"];
        events.extend(self.documents.iter().map(|_| "document_stored"));
        events.push("submitted");
        for leg in &self.legs {
            events.extend(["dispatched", "received"]);
            let outcome: &[&str] = match leg.purpose {
                Purpose::Decide => &["signed", "produced", "ready"],
                Purpose::Approve => &["approved"],
                Purpose::MoveOut => &["verified", "moved_out"],
                Purpose::Settle => &[],
                Purpose::Restore => &["restored_at_origin"],
                Purpose::Certify => &["document_stored", "issued"],
            };
            events.extend(outcome);
        }
        events.extend(match self.last() {
            Some(Purpose::Decide) => Some("collected"),
            Some(Purpose::Settle) => Some("settled"),
            Some(Purpose::Certify) => Some("completed"),
            Some(Purpose::Approve | Purpose::MoveOut | Purpose::Restore) | None => None,
        });
        events
    }

    /// The request that opens the application. The hub submits it when its documents are complete.
    pub(crate) fn request(&self) -> Value {
        let mut body = self.form();
        let documents = self.documents.iter().map(|document| {
            json!({
                "kind": document.kind,
                "media_type": "application/pdf",
                "size": document.bytes.len(),
                "sha256": document.sha256(),
            })
        });
        body["documents"] = documents.collect();
        body["submit"] = json!("when_complete");
        body
    }

    /// The fields of the form that the catalogue requires, without documents.
    pub(crate) fn form(&self) -> Value {
        let age = u8::try_from(self.applicant.age).ok();
        let relative = self.relative.as_ref();
        fill(&fields(self.row.service, self.case.when, age), |field| {
            Some(match (field.pointer, field.kind) {
                ("/accepted_at", _) => json!(self.places.accepted_at),
                ("/registered_at", _) => json!(self.places.registered_at),
                ("/applicant/name", _) => json!(self.applicant.name),
                ("/applicant/identity_number", _) => json!(self.applicant.identity_number),
                ("/relative/name", _) => json!(relative?.name),
                ("/relative/identity_number", _) => json!(relative?.identity_number),
                ("/address", _) => json!("内蒙古自治区呼和浩特市新城区丁香路1号"),
                (_, FieldKind::Commitment) => json!(true),
                _ => return None,
            })
        })
    }

    /// The query of `GET /v1/coverage` that an app sends before it shows the form.
    pub(crate) fn coverage_query(&self) -> String {
        let Places { accepted_at, registered_at, move_in: _ } = &self.places;
        format!("service={}&from={accepted_at}&to={registered_at}", self.row.service)
    }

    /// The request that confirms the last step at the window.
    pub(crate) fn confirmation(&self) -> Value {
        match self.last() {
            Some(Purpose::Settle) => json!({ "confirm": "settle" }),
            _ => json!({ "confirm": "hand_over", "how": self.hand_over }),
        }
    }

    /// Three lines: the case, the applicant's request, and the route.
    pub(crate) fn story(&self) -> [String; 3] {
        let title = &self.row.title;
        let case = &self.case.title;
        let (here, there) = (both(self.places.accepted_at.name()), both(self.places.registered_at.name()));
        let Person { name, age, .. } = &self.applicant;
        let wish = match (self.row.moves_in(), &self.relative) {
            (true, Some(Person { name: other, .. })) => {
                format!("{name}, {age}, moves from {there} to {here}, to live with {other}")
            }
            (true, None) => format!("{name}, {age}, moves from {there} to {here}"),
            (false, _) => format!("{name}, {age}, lives in {here} and applies there; registered in {there}"),
        };
        let legs = self.legs.iter().map(|leg| {
            format!("{} ({})", both(leg.agency.jurisdiction().name()), leg.purpose.name().replace('_', " "))
        });
        let route = ["应用 app".to_owned(), "通办 hub".to_owned()].into_iter().chain(legs);
        [
            format!("  {}  {} {} · {} {}", self.number, title.zh, title.en, case.zh, case.en),
            format!("     {wish}"),
            format!("     {}", route.collect::<Vec<_>>().join(" → ")),
        ]
    }
}

/// The name of a place in both languages.
pub(crate) fn both(place: NamedPlace) -> String {
    format!("{} {}", place.zh, place.en)
}

#[cfg(test)]
mod tests;
