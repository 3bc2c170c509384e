//! What is walked: three applications of invented people, and the course each is to take.

use anyhow::{Context as _, Result, anyhow};
use app_client::pdf_page;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::agencies::Agencies;
use domain::catalogue::{CaseRow, DocumentKind, Service, When, service_row};
use domain::division::NamedPlace;
use domain::event::{HandOver, Leg, Places};
use domain::identity_number::IdentityNumber;
use domain::ids::AgencyCode;
use domain::stage::Purpose;
use jiff::Span;
use jiff::civil::Date;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// One application of the walk.
#[derive(Debug)]
pub(crate) struct Scenario {
    /// From 1.
    pub(crate) number: usize,
    /// A short name of its service, in Chinese and English.
    pub(crate) short: (&'static str, &'static str),
    /// The legs that lead to a good end, in order.
    pub(crate) legs: Vec<Leg>,
    /// What is handed in.
    pub(crate) papers: Vec<Paper>,
    service: Service,
    case: &'static CaseRow,
    places: Places,
    applicant: Person,
    relative: Option<Person>,
    ending: Ending,
}

/// A document to hand in: one page of PDF.
#[derive(Debug)]
pub(crate) struct Paper {
    /// What it is.
    pub(crate) kind: DocumentKind,
    /// Its content.
    pub(crate) bytes: Vec<u8>,
}

/// Somebody who does not exist. The identity number is computed.
#[derive(Debug)]
struct Person {
    name: &'static str,
    age: i32,
    identity_number: IdentityNumber,
}

/// What the app backend confirms at the end.
#[derive(Clone, Copy, Debug)]
enum Ending {
    HandOver(HandOver),
    Settle,
}

impl Paper {
    /// Its SHA-256 in base64, as S3 wants it.
    pub(crate) fn sha256(&self) -> String {
        STANDARD.encode(Sha256::digest(&self.bytes))
    }
}

impl Person {
    fn new(name: &'static str, age: i32, area: &str, today: Date) -> Result<Person> {
        let born = today.checked_sub(Span::new().years(age).days(40)).context("nobody is that old")?;
        let sequence = u16::try_from(age).unwrap_or_default();
        let identity_number = IdentityNumber::compute(area, born, sequence)
            .with_context(|| format!("{name} has no identity number"))?;
        Ok(Person { name, age, identity_number })
    }

    fn json(&self) -> Value {
        json!({ "name": self.name, "identity_number": self.identity_number })
    }
}

/// The three applications, as the agencies' rows of this hub route them.
///
/// # Errors
/// The agencies do not cover one of them.
pub(crate) fn scenarios(agencies: &Agencies, today: Date) -> Result<[Scenario; 3]> {
    let person = |name, age, area| Person::new(name, age, area, today);
    let card = Draft {
        number: 1,
        short: ("身份证", "card"),
        service: Service::FirstIdentityCard,
        when: When::Adult,
        registered_at: "110105",
        applicant: person("王小明", 18, "110105")?,
        relative: None,
        ending: Ending::HandOver(HandOver::Fingerprint),
    };
    let transfer = Draft {
        number: 2,
        short: ("迁移", "transfer"),
        service: Service::HouseholdTransfer,
        when: When::CouplesJoining,
        registered_at: "370102",
        applicant: person("李晓雯", 31, "370102")?,
        relative: Some(person("张志强", 33, "150102")?),
        ending: Ending::Settle,
    };
    let certificate = Draft {
        number: 3,
        short: ("证明", "certificate"),
        service: Service::HouseholdCertificate,
        when: When::HouseholdMembership,
        registered_at: "130102",
        applicant: person("陈大文", 67, "130102")?,
        relative: None,
        ending: Ending::HandOver(HandOver::Window),
    };
    Ok([
        card.routed(agencies, today)?,
        transfer.routed(agencies, today)?,
        certificate.routed(agencies, today)?,
    ])
}

/// An application before it is known who decides.
struct Draft {
    number: usize,
    short: (&'static str, &'static str),
    service: Service,
    when: When,
    registered_at: &'static str,
    applicant: Person,
    relative: Option<Person>,
    ending: Ending,
}

impl Draft {
    fn routed(self, agencies: &Agencies, today: Date) -> Result<Scenario> {
        // Xincheng, Hohhot: where all three live.
        let accepted_at = "150102".parse()?;
        let move_in = (self.service == Service::HouseholdTransfer).then(|| "150102".parse()).transpose()?;
        let places = Places { accepted_at, registered_at: self.registered_at.parse()?, move_in };
        let case = service_row(self.service).case(self.when).context("the catalogue has no such case")?;
        let legs = agencies.legs(self.service, self.when, &places, &[], today).map_err(|reasons| {
            let reasons: Vec<String> = reasons.iter().map(ToString::to_string).collect();
            anyhow!("nobody takes the {}: {}", self.short.1, reasons.join("; "))
        })?;
        let papers = case.documents.iter().filter_map(|document| {
            let kind = *document.accepts.first()?;
            let bytes = pdf_page(&[&document.name, "invented, for the walk of application", self.short.1]);
            Some(Paper { kind, bytes })
        });
        Ok(Scenario {
            number: self.number,
            short: self.short,
            // Restoring is for a certificate that lapsed; this one does not.
            legs: legs.into_iter().filter(|leg| leg.purpose != Purpose::Restore).collect(),
            papers: papers.collect(),
            service: self.service,
            case,
            places,
            applicant: self.applicant,
            relative: self.relative,
            ending: self.ending,
        })
    }
}

impl Scenario {
    /// The agencies it meets.
    pub(crate) fn agencies(&self) -> impl Iterator<Item = &AgencyCode> {
        self.legs.iter().map(|leg| &leg.agency)
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
        events.push(match (self.ending, self.service) {
            (Ending::Settle, _) => "settled",
            (Ending::HandOver(_), Service::FirstIdentityCard) => "collected",
            (Ending::HandOver(_), Service::HouseholdTransfer | Service::HouseholdCertificate) => "completed",
        });
        events
    }

    /// The request that opens it: it is handed in by itself once its documents are there.
    pub(crate) fn request(&self) -> Value {
        let documents = self.papers.iter().map(|paper| {
            json!({
                "kind": paper.kind,
                "media_type": "application/pdf",
                "size": paper.bytes.len(),
                "sha256": paper.sha256(),
            })
        });
        let mut body = json!({
            "service": self.service,
            "accepted_at": self.places.accepted_at,
            "registered_at": self.places.registered_at,
            "applicant": self.applicant.json(),
            "address": "内蒙古自治区呼和浩特市新城区丁香路1号",
            "documents": documents.collect::<Vec<_>>(),
            "submit": "when_complete",
        });
        if service_row(self.service).commitment {
            body["commitment"] = json!(true);
        }
        match self.service {
            Service::FirstIdentityCard => {}
            Service::HouseholdTransfer => body["reason"] = json!(self.case.when),
            Service::HouseholdCertificate => body["certificate"] = json!(self.case.when),
        }
        if let Some(relative) = &self.relative {
            body["relative"] = relative.json();
        }
        body
    }

    /// The request that ends it.
    pub(crate) fn confirmation(&self) -> Value {
        match self.ending {
            Ending::HandOver(how) => json!({ "confirm": "hand_over", "how": how }),
            Ending::Settle => json!({ "confirm": "settle" }),
        }
    }

    /// Who wants what from whom, in two lines and one for the route.
    pub(crate) fn story(&self) -> [String; 3] {
        let title = &service_row(self.service).title;
        let case = &self.case.title;
        let (here, there) = (both(self.places.accepted_at.name()), both(self.places.registered_at.name()));
        let Person { name, age, .. } = self.applicant;
        let wish = match (self.service, &self.relative) {
            (Service::HouseholdTransfer, Some(Person { name: other, .. })) => {
                format!("{name}, {age}, moves from {there} to {here}, to live with {other}")
            }
            _ => format!("{name}, {age}, lives in {here} and applies there; registered in {there}"),
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
