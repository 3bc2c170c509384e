//! The applications that the walk opens for invented people, and the course each is to take.

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

/// Where every invented citizen lives: Xincheng, Hohhot.
const HERE: &str = "150102";

/// One application of the walk, as `data/walk.json` has it.
#[derive(Debug, Deserialize)]
struct Draft {
    short: Title,
    service: Service,
    when: When,
    registered_at: DivisionCode,
    applicant: DraftPerson,
    relative: Option<DraftPerson>,
    hand_over: HandOver,
}

/// Somebody who does not exist; `area` begins the identity number.
#[derive(Debug, Deserialize)]
struct DraftPerson {
    name: String,
    age: i32,
    area: String,
}

/// One application of the walk.
#[derive(Debug)]
pub(crate) struct Scenario {
    /// From 1.
    pub(crate) number: usize,
    /// A short name of its service.
    pub(crate) short: Title,
    /// The legs that lead to a good end, in order.
    pub(crate) legs: Vec<Leg>,
    /// What is handed in.
    pub(crate) papers: Vec<Paper>,
    row: &'static ServiceRow,
    case: &'static CaseRow,
    places: Places,
    applicant: Person,
    relative: Option<Person>,
    hand_over: HandOver,
}

/// A document to hand in: one page of PDF.
#[derive(Debug)]
pub(crate) struct Paper {
    /// What it is.
    pub(crate) kind: DocumentKind,
    /// Its content.
    pub(crate) bytes: Vec<u8>,
}

/// Somebody who does not exist, with a computed identity number.
#[derive(Debug)]
struct Person {
    name: String,
    age: i32,
    identity_number: IdentityNumber,
}

impl Paper {
    /// Its SHA-256 in base64, as S3 wants it.
    pub(crate) fn sha256(&self) -> String {
        STANDARD.encode(Sha256::digest(&self.bytes))
    }
}

impl Person {
    fn new(draft: DraftPerson, today: Date) -> Result<Person> {
        let DraftPerson { name, age, area } = draft;
        let born = today.checked_sub(Span::new().years(age).days(40)).context("nobody is that old")?;
        let sequence = u16::try_from(age).unwrap_or_default();
        let identity_number = IdentityNumber::compute(&area, born, sequence)
            .with_context(|| format!("{name} has no identity number"))?;
        Ok(Person { name, age, identity_number })
    }
}

/// The applications of `data/walk.json`, as the agencies of this hub route them.
///
/// # Errors
/// The data is wrong, or the agencies do not cover one of the applications.
pub(crate) fn scenarios(agencies: &Agencies, today: Date) -> Result<Vec<Scenario>> {
    let drafts: Vec<Draft> = serde_json::from_str(include_str!("../../data/walk.json"))
        .context("infra/cli/data/walk.json does not fit the catalogue")?;
    drafts.into_iter().enumerate().map(|(index, draft)| draft.routed(index + 1, agencies, today)).collect()
}

impl Draft {
    fn routed(self, number: usize, agencies: &Agencies, today: Date) -> Result<Scenario> {
        let row = service_row(self.service);
        let accepted_at: DivisionCode = HERE.parse()?;
        let move_in = row.moves_in().then(|| accepted_at.clone());
        let places = Places { accepted_at, registered_at: self.registered_at, move_in };
        let case = row.case(self.when).context("the catalogue has no such case")?;
        let legs = agencies.legs(self.service, self.when, &places, &[], today).map_err(|reasons| {
            let reasons: Vec<String> = reasons.iter().map(ToString::to_string).collect();
            anyhow!("nobody takes the {}: {}", self.short.en, reasons.join("; "))
        })?;
        let papers = case.documents.iter().filter_map(|document| {
            let kind = *document.accepts.first()?;
            let bytes = pdf_page(&[&document.name, "invented, for the walk of application", &self.short.en]);
            Some(Paper { kind, bytes })
        });
        Ok(Scenario {
            number,
            papers: papers.collect(),
            short: self.short,
            // A `restore` leg follows a migration certificate that lapsed; those of the walk do not lapse.
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
    /// The agencies it meets.
    pub(crate) fn agencies(&self) -> impl Iterator<Item = &AgencyCode> {
        self.legs.iter().map(|leg| &leg.agency)
    }

    /// The purpose of the leg that ends it.
    fn last(&self) -> Option<Purpose> {
        self.legs.last().map(|leg| leg.purpose)
    }

    /// The names of its events from beginning to end.
    pub(crate) fn events(&self) -> Vec<&'static str> {
        let mut events = vec!["opened"];
        events.extend(self.papers.iter().map(|_| "document_stored"));
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

    /// The request that opens it: it is handed in by itself once its documents are there.
    pub(crate) fn request(&self) -> Value {
        let mut body = self.form();
        let documents = self.papers.iter().map(|paper| {
            json!({
                "kind": paper.kind,
                "media_type": "application/pdf",
                "size": paper.bytes.len(),
                "sha256": paper.sha256(),
            })
        });
        body["documents"] = documents.collect();
        body["submit"] = json!("when_complete");
        body
    }

    /// The form alone, without documents, as the catalogue's fields ask for it.
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

    /// The question about coverage that an app asks before it shows the form.
    pub(crate) fn coverage_query(&self) -> String {
        let Places { accepted_at, registered_at, move_in: _ } = &self.places;
        format!("service={}&from={accepted_at}&to={registered_at}", self.row.service)
    }

    /// The request that ends it.
    pub(crate) fn confirmation(&self) -> Value {
        match self.last() {
            Some(Purpose::Settle) => json!({ "confirm": "settle" }),
            _ => json!({ "confirm": "hand_over", "how": self.hand_over }),
        }
    }

    /// Who wants what from whom, in two lines and one for the route.
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

/// A place in both languages.
pub(crate) fn both(place: NamedPlace) -> String {
    format!("{} {}", place.zh, place.en)
}

#[cfg(test)]
mod tests;
