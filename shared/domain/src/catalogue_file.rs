//! Parses a catalogue and checks it completely. The error lists every fault, not only the first.
//!
//! `data/README.md` describes the format.

mod faults;
mod legs;
mod persons;
mod raw;

use crate::limits;
use crate::names::{DocumentKind, Service, When, keep};
use crate::service::{
    Ages, Captured, CaseChoice, CaseMember, CaseRow, Catalogue, Provider, Requirement, ServiceRow, TitledKind,
};
use crate::stage::Purpose;
pub use faults::{CatalogueFault, CatalogueFaults};
use faults::{Faults, kind_of};
use raw::{RawAges, RawCase, RawCatalogue, RawKind, RawMember, RawRequirement, RawService};

/// Members that every form or coverage request has. None of them can choose a case.
const TAKEN: [&str; 16] = [
    "service",
    "accepted_at",
    "registered_at",
    "move_in",
    "applicant",
    "guardian",
    "relative",
    "address",
    "commitment",
    "capabilities",
    "submit",
    "documents",
    "from",
    "to",
    "age",
    "when",
];
impl Catalogue {
    /// Parses a catalogue and checks that every service can be opened, processed and ended.
    ///
    /// # Errors
    /// [`CatalogueFaults`] lists every fault with its place. Text that is not JSON of the right shape has a single
    /// fault.
    pub fn parse(json: &str) -> Result<Catalogue, CatalogueFaults> {
        let raw: RawCatalogue = serde_json::from_str(json).map_err(|error| {
            let at = format!("line {}, column {}", error.line(), error.column());
            CatalogueFaults(vec![CatalogueFault { at, problem: error.to_string() }])
        })?;
        let mut faults = Faults::default();
        let catalogue = catalogue(raw, &mut faults);
        if faults.0.is_empty() { Ok(catalogue) } else { Err(CatalogueFaults(faults.0)) }
    }
}

fn catalogue(raw: RawCatalogue, faults: &mut Faults) -> Catalogue {
    faults.unknown("the catalogue", &raw.unknown);
    let mut names = Vec::new();
    let kinds: Vec<TitledKind> = raw.kinds.into_iter().map(|raw| kind(raw, &mut names, faults)).collect();
    if raw.services.is_empty() {
        faults.note("services", "there is none");
    }
    let mut names = Vec::new();
    let services = raw.services.into_iter().map(|raw| service(raw, &kinds, &mut names, faults)).collect();
    Catalogue { services, kinds }
}

fn kind(raw: RawKind, names: &mut Vec<String>, faults: &mut Faults) -> TitledKind {
    let at = format!("kinds/{}", raw.kind);
    faults.name(&at, "name", &raw.kind, names);
    faults.unknown(&at, &raw.unknown);
    let provider = match raw.provider.as_deref() {
        None | Some("app") => Provider::App,
        Some("agency") => Provider::Agency,
        Some(other) => {
            faults.note(&at, format!("has the unknown provider `{other}`; there are app, agency"));
            Provider::App
        }
    };
    let title = faults.title(&at, "title", raw.title);
    TitledKind { kind: DocumentKind::of(keep(raw.kind)), title, provider }
}

fn service(
    raw: RawService,
    kinds: &[TitledKind],
    names: &mut Vec<String>,
    faults: &mut Faults,
) -> ServiceRow {
    let at = raw.service.clone();
    faults.name(&at, "name", &raw.service, names);
    faults.unknown(&at, &raw.unknown);
    let title = faults.title(&at, "title", raw.title);
    let legal_source = faults.title(&at, "legal source", raw.legal_source);
    let mut captured = Vec::new();
    let captured_on_site = raw.captured_on_site.into_iter().map(|row| {
        let at = format!("{at}/captured_on_site/{}", row.name);
        faults.name(&at, "name", &row.name, &mut captured);
        faults.unknown(&at, &row.unknown);
        Captured { title: faults.title(&at, "title", row.title), name: row.name }
    });
    let captured_on_site = captured_on_site.collect();
    let choice = choice(&at, raw.case_member, faults);
    let mut legs = Vec::new();
    for leg in raw.legs {
        let leg = legs::leg(&at, leg, kinds, faults);
        if legs.iter().any(|other: &crate::service::LegRow| other.purpose == leg.purpose) {
            faults.note(&at, format!("has more than one `{}` leg", leg.purpose.name()));
        }
        legs.push(leg);
    }
    if raw.free_of_charge.is_none() {
        faults.note(&at, "does not say whether it is `free_of_charge`");
    }
    if raw.duplicate_days > limits::DUPLICATE_DAYS {
        faults.note(&at, format!("compares applications of more than {} days", limits::DUPLICATE_DAYS));
    }
    if raw.cases.is_empty() {
        faults.note(&at, "has no case");
    }
    let mut names = Vec::new();
    let mut cases = Vec::new();
    for raw in raw.cases {
        let at = format!("{at}/cases/{}", raw.when);
        faults.name(&at, "name", &raw.when, &mut names);
        let case = case(&at, raw, &choice, kinds, faults);
        for skipped in case.skips.iter().filter(|skipped| legs.iter().all(|leg| leg.purpose != **skipped)) {
            faults.note(&at, format!("skips the leg `{}`, which the service does not have", skipped.name()));
        }
        let course: Vec<_> = legs.iter().filter(|leg| !case.skips.contains(&leg.purpose)).collect();
        legs::course(&at, &course, faults);
        let files: usize = case.documents.iter().map(|document| usize::from(document.files)).sum();
        let issued = course.iter().filter(|leg| leg.issues.is_some()).count();
        if files.saturating_add(issued) > limits::OPENING_FILES {
            faults.note(&at, format!("takes more than {} files", limits::OPENING_FILES));
        }
        cases.push(case);
    }
    if choice == CaseChoice::Age {
        every_age(&at, &cases, faults);
    }
    let persons = persons::rules(&at, raw.persons, false, faults);
    ServiceRow {
        persons,
        service: Service::of(keep(raw.service)),
        title,
        legal_source,
        free_of_charge: raw.free_of_charge.unwrap_or_default(),
        captured_on_site,
        commitment: raw.commitment,
        cases,
        legs,
        choice,
        guardian_under: raw.guardian_under,
        duplicate_days: raw.duplicate_days,
    }
}

fn choice(at: &str, raw: Option<RawMember>, faults: &mut Faults) -> CaseChoice {
    let Some(raw) = raw else { return CaseChoice::Age };
    let at = format!("{at}/case_member");
    faults.name(&at, "name", &raw.name, &mut Vec::new());
    faults.unknown(&at, &raw.unknown);
    if TAKEN.contains(&raw.name.as_str()) {
        faults.note(&at, format!("`{}` is a member that forms have anyway", raw.name));
    }
    let title = faults.title(&at, "title", raw.title);
    let pointer = keep(format!("/{}", raw.name));
    CaseChoice::Member(CaseMember { name: keep(raw.name), pointer, title })
}

fn case(at: &str, raw: RawCase, choice: &CaseChoice, kinds: &[TitledKind], faults: &mut Faults) -> CaseRow {
    faults.unknown(at, &raw.unknown);
    let title = faults.title(at, "title", raw.title);
    if raw.documents.is_empty() {
        faults.note(at, "needs no document");
    }
    let mut names = Vec::new();
    let documents =
        raw.documents.into_iter().map(|raw| requirement(at, raw, kinds, &mut names, faults)).collect();
    let skips =
        raw.skips.iter().map(|name| faults.one_of(at, "leg to skip", name, Purpose::ALL, Purpose::name));
    let skips = skips.collect();
    let ages = match (raw.ages, choice) {
        (None, _) => Ages { from: 0, under: None },
        (Some(raw), CaseChoice::Age) => {
            faults.unknown(at, &raw.unknown);
            let RawAges { from, under, .. } = raw;
            if under.is_some_and(|under| under <= from) {
                faults.note(at, "is for no age: `under` is not above `from`");
            }
            Ages { from, under }
        }
        (Some(_), CaseChoice::Member(member)) => {
            faults.note(at, format!("names ages, but the member `{}` chooses the case", member.name));
            Ages { from: 0, under: None }
        }
    };
    let persons = persons::rules(at, raw.persons, raw.relative, faults);
    CaseRow { when: When::of(keep(raw.when)), title, documents, skips, ages, relative: raw.relative, persons }
}

fn requirement(
    at: &str,
    raw: RawRequirement,
    kinds: &[TitledKind],
    names: &mut Vec<String>,
    faults: &mut Faults,
) -> Requirement {
    let at = format!("{at}/documents/{}", raw.name);
    faults.name(&at, "name", &raw.name, names);
    faults.unknown(&at, &raw.unknown);
    let title = faults.title(&at, "title", raw.title);
    if raw.accepts.is_empty() {
        faults.note(&at, "accepts no kind of document");
    }
    let accepts = raw.accepts.iter().filter_map(|name| kind_of(&at, name, Provider::App, kinds, faults));
    let accepts = accepts.collect();
    let files = raw.files.unwrap_or(1);
    if !(1..=limits::FILES).contains(&files) {
        faults.note(&at, format!("takes {files} files; `files` is 1 to {}", limits::FILES));
    }
    Requirement { title, accepts, files, certainty: faults.certainty(&at, &raw.certainty), name: raw.name }
}

/// Checks that every age has exactly one case, when the age chooses the case.
fn every_age(at: &str, cases: &[CaseRow], faults: &mut Faults) {
    let mut ages: Vec<Ages> = cases.iter().map(|case| case.ages).collect();
    ages.sort_by_key(|ages| ages.from);
    let first = ages.first().is_none_or(|first| first.from == 0);
    let last = ages.last().is_none_or(|last| last.under.is_none());
    if !first || !last || ages.array_windows().any(|[ages, next]| ages.under != Some(next.from)) {
        faults.note(at, "has an age without a case, or with more than one");
    }
}
